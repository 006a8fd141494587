//! What AWS says of the bucket, its events, the file system behind LOCAL_DATA_DIR, and the functions' roles. An edge: it asks AWS, and
//! asks only.

use std::fmt;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;

use crate::config::{Config, RecordConfig};
use crate::doctor::Finding;

use self::events::Reach;

mod bucket;
mod events;
mod file_system;
mod refusal;
mod role;

/// How long connecting may take. A function in a VPC without an endpoint for a service gets no answer at all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// How long one question may take in all.
const CALL_TIME_MAX: Duration = Duration::from_secs(10);

/// How often a question is sent in all. Without an answer, one more try shows that it is no accident.
const ATTEMPTS_MAX: u32 = 2;

/// Where the objects are.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    bucket: &'a str,
    /// What stands before every key; empty, or with a slash at its end.
    prefix: &'a str,
}

/// Asks AWS.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let sdk = match connect(config).await {
        Ok(sdk) => sdk,
        Err(finding) => return vec![finding],
    };
    let (mut findings, of_file_system, of_roles) =
        tokio::join!(record(&sdk, config), file_system::examine(&sdk, config), role::examine(&sdk, config));
    findings.extend(of_file_system.into_iter().chain(of_roles));
    // Each question is answered that AWS does not know who asks; once is enough.
    let mut has_been_said = false;
    findings.retain(|finding| finding.check != "credentials" || !std::mem::replace(&mut has_been_said, true));
    findings
}

/// Asks about the bucket and its events.
async fn record(sdk: &SdkConfig, config: &Config) -> Vec<Finding> {
    let Some(place) = Place::of(&config.record) else {
        return vec![Finding::ok("bucket", "the objects are in a directory: there is no bucket to look at")];
    };
    let mut builder = aws_sdk_s3::config::Builder::from(sdk);
    if let RecordConfig::S3 { endpoint: Some(endpoint), .. } = &config.record {
        builder = builder.endpoint_url(endpoint).force_path_style(true);
    }
    let client = aws_sdk_s3::Client::from_conf(builder.build());
    let (of_bucket, of_events) = tokio::join!(bucket::ask(&client, place), events::ask(&client, place));
    if let Some(finding) = bucket::gone(&of_bucket, place) {
        return vec![finding];
    }
    let reach = if config.local_data_dir.is_some() { Reach::All } else { Reach::One };
    let mut findings = bucket::judge(&of_bucket, place, config.redirect);
    findings.extend(events::judge(&of_events, place, config.deployment.queue_arn.as_deref(), reach));
    findings
}

/// Finds region and credentials by the SDK's own chains; asks no service yet.
async fn connect(config: &Config) -> Result<SdkConfig, Finding> {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIME_MAX).operation_timeout(CALL_TIME_MAX).build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
    let mut sdk = loader.load().await;
    if sdk.region().is_none() {
        // What servers that are not AWS expect to be signed for where nothing else is configured.
        if !matches!(&config.record, RecordConfig::S3 { endpoint: Some(_), .. }) {
            let fix = "set AWS_REGION to the region of the bucket, or a region in the AWS profile";
            return Err(Finding::problem("region", "no AWS region is configured", fix));
        }
        sdk = sdk.into_builder().region(Region::from_static("us-east-1")).build();
    }
    let Some(provider) = sdk.credentials_provider() else { return Err(no_credentials("none are configured")) };
    match tokio::time::timeout(CALL_TIME_MAX, provider.provide_credentials()).await {
        Ok(Ok(_)) => Ok(sdk),
        Ok(Err(error)) => Err(no_credentials(why(&error))),
        Err(_) => Err(no_credentials("whoever was asked for them did not answer")),
    }
}

impl<'a> Place<'a> {
    /// `None` where the objects are in a directory.
    fn of(record: &'a RecordConfig) -> Option<Self> {
        match record {
            RecordConfig::S3 { bucket, prefix, .. } => Some(Self { bucket, prefix: prefix.as_str() }),
            RecordConfig::Directory { .. } => None,
        }
    }

    /// Which keys of it: "what is below `prod/`".
    fn below(&self) -> String {
        if self.prefix.is_empty() { format!("what is in {self}") } else { format!("what is below `{}`", self.prefix) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket `{}`", self.bucket)
    }
}

fn unset(check: &'static str, setting: &str, what: &str) -> Finding {
    let fix = format!("set {setting} to the {what}; the template's functions have it");
    Finding::warning(check, format!("{setting} is not set: this check was not made"), fix)
}

fn no_credentials(why: &str) -> Finding {
    let fix =
        "give the function a role; on your machine set AWS_PROFILE and log in, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    Finding::problem("credentials", format!("no AWS credentials: {why}"), fix)
}

/// In words of our own: what the SDK says may repeat what it was given.
fn why(error: &CredentialsError) -> &'static str {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => "none were found",
        CredentialsError::InvalidConfiguration(_) => "the AWS profile or its variables cannot be read",
        CredentialsError::ProviderTimedOut(_) => "whoever was asked for them did not answer",
        _ => "whoever was asked for them refused; a login may have expired",
    }
}
