//! How the client of S3 is made: whom it asks, as whom, and how patiently.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation, StalledStreamProtectionConfig};

use crate::error::Cause;
use crate::record::s3::S3Location;

/// How long connecting may take, TLS included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// How long the first byte of an answer may take. S3 answers in tens of milliseconds; what takes this long is lost.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// How often one request is sent in all.
const ATTEMPTS_MAX: u32 = 3;

/// The waits between attempts: random, up to this, then up to twice as much. Short, because somebody waits for the
/// answer, and there may be a stale entry to answer with.
const FIRST_WAIT_MAX: Duration = Duration::from_millis(100);

/// The longest wait, should S3 itself ask for more.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What servers that are not AWS expect to be signed for where nothing else is configured.
const REGION_OF_ENDPOINTS: Region = Region::from_static("us-east-1");

/// No region is configured.
#[derive(Debug, thiserror::Error)]
#[error("no AWS region is configured: set AWS_REGION to the region of the bucket, or a region in the AWS profile")]
struct NoRegion;

/// Makes the client for `location`, from `given` or, without it, from the SDK's default chains. Sends nothing to S3.
///
/// # Errors
/// What to configure.
pub(super) async fn connect(location: &S3Location, given: Option<&SdkConfig>) -> Result<Client, Cause> {
    let found = match given {
        Some(given) => given.clone(),
        None => find(location).await,
    };
    let mut config = Builder::from(&found)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS_MAX)
                .with_initial_backoff(FIRST_WAIT_MAX)
                .with_max_backoff(WAIT_MAX),
        )
        // The SDK's own limit on retries, shared by all clients of a process unless told otherwise.
        .retry_partition(RetryPartition::custom("record").build())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIME_MAX).read_timeout(ANSWER_TIME_MAX).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().build())
        .response_checksum_validation(ResponseChecksumValidation::WhenSupported);
    if let Some(endpoint) = &location.endpoint {
        config = config.endpoint_url(endpoint).force_path_style(true);
    }
    if found.region().is_none() {
        location.endpoint.as_ref().ok_or(NoRegion)?;
        config = config.region(REGION_OF_ENDPOINTS);
    }
    Ok(Client::from_conf(config.build()))
}

/// Runs the SDK's default chains. Credentials are only looked up when a request is signed.
async fn find(location: &S3Location) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    match location.endpoint {
        None => loader.load().await,
        // The default chain ends by asking EC2's metadata service, which on a laptop costs seconds; its answer would
        // not be the region of this endpoint.
        Some(_) => {
            let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                .or_else(ProfileFileRegionProvider::new())
                .or_else(REGION_OF_ENDPOINTS);
            loader.region(chain).load().await
        }
    }
}
