//! A cold object of 256 MiB, which the memory budget does not let be held whole: the real binary over SeaweedFS, with an empty
//! directory tier that it fills, and SeaweedFS alone. Both are asked by curl: one that takes what it gets, where all that counts is
//! what everybody on these cores does, and one that takes as much as a network brings.

use tempfile::TempDir;
use tokio::process::Command;

use crate::RUNS;
use crate::http_door::Server;
use crate::resident::resident_megabytes;
use crate::seaweed::{KEYS, seaweed};
use crate::table::{Row, Target, Unit};

const OBJECT_BYTES: usize = 256 << 20;
const OBJECT_KEY: &str = "cold.bin";

/// What a network brings in a second, as curl counts it. A Lambda function has less.
const NETWORK: &str = "250M";

/// What is asked for first, so that the process has all it needs when it is called idle.
const SMALL_KEY: &str = "small.bin";

pub async fn rows() -> Vec<Row> {
    let target = Some(Target::RatioAtLeast(0.8));
    let mut speed = Row::new("cold 256 MiB, streamed", "curl of it from S3", Unit::MegabytesPerSecond, target);
    let mut memory = Row::new("memory of that, over idle", "idle", Unit::Megabytes, Some(Target::Below(96.0)));
    let mut paced = Row::new("the same, 250 MB/s", "curl of it from S3", Unit::MegabytesPerSecond, target);
    let bucket = Bucket::start().await;
    for _ in 0..RUNS {
        let streamed = bucket.ours(&[]).await;
        speed.add(streamed.megabytes_per_second, bucket.megabytes_per_second(&[]).await);
        memory.add(streamed.megabytes_over_idle, streamed.megabytes_idle);
        let limit = ["--limit-rate", NETWORK];
        paced.add(bucket.ours(&limit).await.megabytes_per_second, bucket.megabytes_per_second(&limit).await);
    }
    vec![speed, paced, memory]
}

/// The bucket with the object.
struct Bucket {
    name: String,
}

/// A cold read.
struct Streamed {
    megabytes_per_second: f64,
    /// Resident memory at its most, over what it was when idle.
    megabytes_over_idle: f64,
    megabytes_idle: f64,
}

impl Bucket {
    async fn start() -> Self {
        let bucket = seaweed().await.create_bucket().await;
        bucket.put_object(OBJECT_KEY, vec![7; OBJECT_BYTES]).await;
        bucket.put_object(SMALL_KEY, vec![7; 4096]).await;
        Self { name: bucket.name }
    }

    /// A read by a process that has just started.
    async fn ours(&self, arguments: &[&str]) -> Streamed {
        let home = tempfile::tempdir().expect("a directory");
        let server = self.serve(&home).await;
        let url = |key: &str| format!("http://{}/cache/{key}", server.address());
        curl(&[&url(SMALL_KEY)]).await;
        let megabytes_idle = resident_megabytes(server.id(), "VmRSS");
        let seconds = curl(&[arguments, &[&url(OBJECT_KEY)]].concat()).await;
        let megabytes_over_idle = resident_megabytes(server.id(), "VmHWM") - megabytes_idle;
        Streamed { megabytes_per_second: megabytes_per(seconds), megabytes_over_idle, megabytes_idle }
    }

    /// A read from SeaweedFS itself.
    async fn megabytes_per_second(&self, arguments: &[&str]) -> f64 {
        let url = format!("{}/{}/{OBJECT_KEY}", seaweed().await.endpoint(), self.name);
        let (access_key, secret) = KEYS;
        let user = format!("{access_key}:{secret}");
        let unsigned = "x-amz-content-sha256: UNSIGNED-PAYLOAD";
        let signed = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &user, "--header", unsigned, &url];
        megabytes_per(curl(&[arguments, &signed].concat()).await)
    }

    async fn serve(&self, home: &TempDir) -> Server {
        let (access_key, secret) = KEYS;
        Server::serve([
            ("XDG_CACHE_HOME", home.path().as_os_str()),
            ("AWS_ACCESS_KEY_ID", access_key.as_ref()),
            ("AWS_SECRET_ACCESS_KEY", secret.as_ref()),
            ("AWS_REGION", "us-east-1".as_ref()),
            ("AWS_ENDPOINT_URL_S3", seaweed().await.endpoint().as_ref()),
            ("AWS_BUCKET_NAME", self.name.as_ref()),
            ("CACHE_API_MEMORY_BUDGET", "512MiB".as_ref()),
        ])
        .await
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

fn megabytes_per(seconds: f64) -> f64 {
    OBJECT_BYTES as f64 / 1e6 / seconds
}
