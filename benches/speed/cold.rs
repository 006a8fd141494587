//! A cold object of 256 MiB, which the memory budget does not let be held whole: the real binary over SeaweedFS, with an empty
//! directory tier that it fills, and SeaweedFS alone. Both are asked by curl.

use tempfile::TempDir;
use tokio::process::Command;

use crate::http_door::Server;
use crate::seaweed::{KEYS, seaweed};

const OBJECT_BYTES: usize = 256 << 20;
const OBJECT_KEY: &str = "cold.bin";

/// What is asked for first, so that the process has all it needs when it is called idle.
const SMALL_KEY: &str = "small.bin";

/// The bucket with the object.
pub struct Bucket {
    name: String,
}

/// A cold read.
pub struct Streamed {
    pub megabytes_per_second: f64,
    /// Resident memory at its most, over what it was when idle.
    pub megabytes_over_idle: f64,
    pub megabytes_idle: f64,
}

impl Bucket {
    pub async fn start() -> Self {
        let bucket = seaweed().await.create_bucket().await;
        bucket.put_object(OBJECT_KEY, vec![7; OBJECT_BYTES]).await;
        bucket.put_object(SMALL_KEY, vec![7; 4096]).await;
        Self { name: bucket.name }
    }

    /// A read by a process that has just started.
    pub async fn ours(&self) -> Streamed {
        let home = tempfile::tempdir().expect("a directory");
        let server = self.serve(&home).await;
        let url = |key: &str| format!("http://{}/cache/{key}", server.address());
        curl(&[&url(SMALL_KEY)]).await;
        let megabytes_idle = resident_megabytes(server.id(), "VmRSS");
        let seconds = curl(&[&url(OBJECT_KEY)]).await;
        let megabytes_over_idle = resident_megabytes(server.id(), "VmHWM") - megabytes_idle;
        Streamed { megabytes_per_second: megabytes_per(seconds), megabytes_over_idle, megabytes_idle }
    }

    /// A read from SeaweedFS itself.
    pub async fn megabytes_per_second(&self) -> f64 {
        let url = format!("{}/{}/{OBJECT_KEY}", seaweed().await.endpoint(), self.name);
        let (access_key, secret) = KEYS;
        let user = format!("{access_key}:{secret}");
        let unsigned = "x-amz-content-sha256: UNSIGNED-PAYLOAD";
        megabytes_per(curl(&["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &user, "--header", unsigned, &url]).await)
    }

    async fn serve(&self, home: &TempDir) -> Server {
        let mut ours = Command::new(env!("CARGO_BIN_EXE_cache-api"));
        ours.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().env("XDG_CACHE_HOME", home.path());
        let (access_key, secret) = KEYS;
        ours.env("AWS_ACCESS_KEY_ID", access_key).env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_REGION", "us-east-1");
        ours.env("AWS_ENDPOINT_URL_S3", seaweed().await.endpoint()).env("AWS_BUCKET_NAME", &self.name);
        ours.env("CACHE_API_MEMORY_BUDGET", "512MiB");
        Server::start(ours).await
    }
}

/// Asks, throws the answer away and says how many seconds it took.
async fn curl(arguments: &[&str]) -> f64 {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--output", "/dev/null", "--write-out", "%{time_total}"]);
    let output = curl.args(arguments).output().await.expect("curl is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).parse().expect("a number")
}

/// A figure of a process's memory by its name in `/proc`, which has it in kB of 1024.
fn resident_megabytes(process: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux has it");
    let kibibytes: f64 = line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number");
    kibibytes * 1024.0 / 1e6
}

fn megabytes_per(seconds: f64) -> f64 {
    OBJECT_BYTES as f64 / 1e6 / seconds
}
