//! What all servers have in common that tests run beside the binary: they end with the process of the tests, however it ends,
//! and leave nothing behind.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

/// How long a server may take to be ready. The slowest, SeaweedFS, takes 3 to 12 s alone on a machine.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// Between two looks at a server that is not ready. Another process cannot be awaited in another way.
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Ends the server, with all that it has started, and removes its directory when the pipe to its standard input closes, which
/// it does however the process of the tests ends. A server that has only just been started leads no group yet. Files elsewhere
/// go too, if the directory has a file `leftovers` that names them, each on a line.
const WATCHDOG: &str = r#"
    dir=$1; shift
    setsid "$@" >"$dir/log" 2>&1 </dev/null & server=$!
    cat >/dev/null
    exec 2>/dev/null
    kill -9 "-$server" "$server"; wait "$server"
    while read -r path; do rm -f "$path"; done <"$dir/leftovers"; rm -rf "$dir"
"#;

/// A running server with a directory of its own. Dropping it ends it and removes the directory.
pub struct Server {
    name: &'static str,
    dir: PathBuf,
    watchdog: Child,
}

impl Server {
    /// Starts the command that `command_in` makes for the server's directory; it has that command's variables, PATH, and no other.
    pub fn start(name: &'static str, command_in: impl FnOnce(&Path) -> Command) -> Self {
        let dir = tempfile::Builder::new().prefix(&format!("cache-api-{name}-")).tempdir().expect("a directory").keep();
        let command = command_in(&dir);
        let variables = command.get_envs().filter_map(|(variable, value)| Some((variable, value?)));
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(&dir)
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(variables)
            .current_dir(&dir)
            .stdin(Stdio::piped())
            // A group of its own: Ctrl-C in a terminal ends the tests, and their end the server.
            .process_group(0)
            .spawn()
            .expect("a shell");
        Self { name, dir, watchdog }
    }

    /// Waits until the server has done what `ready` asks of it.
    pub async fn wait_until(&self, ready: impl Future<Output = ()>) {
        if tokio::time::timeout(START_TIME_MAX, ready).await.is_err() {
            panic!("{} was not ready within {START_TIME_MAX:?}:\n{}", self.name, self.log());
        }
    }

    /// What it has written to its standard output and its standard error so far.
    pub fn log(&self) -> String {
        std::fs::read(self.dir.join("log")).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // The shell ends as soon as it has ended the server.
        let _ = self.watchdog.wait();
    }
}

/// Waits until somebody listens to `address`.
pub async fn listens(address: &str) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// A program or file of `environment` (`.venv`), which `make test` installs there from `package`.
pub fn installed(environment: &str, path: &str, package: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(environment).join(path);
    assert!(path.exists(), "{} is missing: run `make test`, which installs it (`pip install {package}`)", path.display());
    path
}

/// Ports that are free, and whose neighbours 10,000 above are, where SeaweedFS speaks gRPC.
///
/// Below 32768, where Linux takes no port for others who ask for any: nobody takes them before the server does.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let mut ports = Vec::new();
    for port in (0..1000).map(|_| rand::random_range(10_000..20_000)) {
        if !ports.contains(&port) && is_free(port) && is_free(port + 10_000) {
            ports.push(port);
        }
        if let Ok(ports) = <[u16; COUNT]>::try_from(ports.as_slice()) {
            return ports;
        }
    }
    panic!("no {COUNT} free ports");
}

fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}
