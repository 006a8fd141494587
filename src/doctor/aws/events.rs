//! The bucket's events: whom it tells of what has changed, and whether that is us. Judging is pure.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput as Notifications;
use aws_sdk_s3::types::{Event, NotificationConfigurationFilter};

use crate::doctor::Finding;
use crate::doctor::aws::Place;
use crate::doctor::aws::refusal::Refusal;

const CHECK: &str = "events";

/// The kinds of event that the cache lives by: each with what names them all, and what names them one by one.
///
/// Source: S3 User Guide, "Supported event types for SQS, SNS, and Lambda".
const NEEDED: [(&str, &[&str]); 2] = [
    (
        "s3:ObjectCreated:*",
        &["s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload"],
    ),
    ("s3:ObjectRemoved:*", &["s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"]),
];

/// How many instances of the service one event reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All: what one writes into LOCAL_DATA_DIR the others read.
    All,
    /// The one that handles it, since there is no LOCAL_DATA_DIR.
    One,
}

/// A notification of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route<'a> {
    to: &'a str,
    events: Vec<&'a str>,
    /// What a key must begin with; empty for any.
    prefix: &'a str,
    /// What a key must end with; empty for any.
    suffix: &'a str,
}

/// Asks S3.
pub(super) async fn ask(client: &Client, place: Place<'_>) -> Result<Notifications, Refusal> {
    let asked = client.get_bucket_notification_configuration().bucket(place.bucket).send().await;
    asked.map_err(|error| Refusal::of(&error))
}

/// Judges whether `queue_arn`, where the cache takes events from, is told of all below the prefix.
pub(super) fn judge(
    heard: &Result<Notifications, Refusal>,
    place: Place<'_>,
    queue_arn: Option<&str>,
    reach: Reach,
) -> Vec<Finding> {
    let mut findings = vec![match heard {
        Err(refusal) => refusal.finding(CHECK, "s3:GetBucketNotification", &place.to_string()),
        Ok(answer) if answer.event_bridge_configuration().is_some() => {
            let what = format!(
                "{place} tells EventBridge; a rule there, as the template makes it, sends them on, which is not looked at"
            );
            Finding::ok(CHECK, what)
        }
        Ok(answer) => direct(&routes(answer), place, queue_arn),
    }];
    if reach == Reach::One {
        let what =
            "there is no LOCAL_DATA_DIR: an event reaches the one instance that handles it, and the others go by age alone";
        let fix = "set LOCAL_DATA_DIR to a file system that all instances share, or keep CACHE_API_MEMORY_MAX_AGE short";
        findings.push(Finding::warning("events-reach", what, fix));
    }
    findings
}

/// Judges what the bucket sends without EventBridge.
fn direct(routes: &[Route<'_>], place: Place<'_>, queue_arn: Option<&str>) -> Finding {
    let Some(queue_arn) = queue_arn else {
        let what = match routes.len() {
            0 => format!("{place} tells nobody what changes in it: the cache goes by age alone"),
            _ => {
                format!("{place} tells others than EventBridge; without CACHE_API_QUEUE_ARN it cannot be told whether that is us")
            }
        };
        let set = if routes.is_empty() { "" } else { "set CACHE_API_QUEUE_ARN to where the cache takes events from; or\n" };
        return Finding::warning(CHECK, what, format!("{set}{}", switch_on(place)));
    };
    let ours: Vec<_> = routes.iter().filter(|route| route.to == queue_arn).collect();
    if ours.is_empty() {
        let what = format!("{place} tells neither EventBridge nor `{queue_arn}` what changes in it: the cache goes by age alone");
        return Finding::warning(CHECK, what, switch_on(place));
    }
    let whole: Vec<_> = ours.iter().filter(|route| route.suffix.is_empty() && place.prefix.starts_with(route.prefix)).collect();
    let is_sent = |kind: &str| whole.iter().any(|route| route.events.contains(&kind));
    let lacking: Vec<_> = NEEDED.iter().filter(|(all, each)| !is_sent(all) && !each.iter().all(|kind| is_sent(kind))).collect();
    if lacking.is_empty() {
        let expired = if is_sent("s3:LifecycleExpiration:*") { "" } else { "; what a lifecycle rule removes goes by age alone" };
        return Finding::ok(CHECK, format!("{place} tells `{queue_arn}` what is put and removed{expired}"));
    }
    let kinds: Vec<_> = lacking.iter().map(|(all, _)| *all).collect();
    let filtered: Vec<_> = ours.iter().filter_map(|route| route.leaves_out(place)).collect();
    let why = if filtered.is_empty() { String::new() } else { format!(" ({})", filtered.join("; ")) };
    let what = format!("`{queue_arn}` is not told all of {} for {}{why}", kinds.join(" and "), place.below());
    let fix = format!("let that notification of {place} name these events, without a suffix; or\n{}", switch_on(place));
    Finding::warning(CHECK, what, fix)
}

/// Switches EventBridge on and keeps what is there. A put replaces all notifications, and of a bucket without any the get prints
/// nothing.
fn switch_on(Place { bucket, .. }: Place<'_>) -> String {
    format!(
        "switch EventBridge on, and keep what is there:\n\
         aws s3api get-bucket-notification-configuration --bucket {bucket} --output json | \
         jq -n 'first(inputs, {{}}) + {{\"EventBridgeConfiguration\": {{}}}} | del(.ResponseMetadata)' > n.json && \
         aws s3api put-bucket-notification-configuration --bucket {bucket} --notification-configuration file://n.json"
    )
}

fn routes(answer: &Notifications) -> Vec<Route<'_>> {
    let queues = answer.queue_configurations().iter().map(|to| Route::of(to.queue_arn(), to.events(), to.filter()));
    let topics = answer.topic_configurations().iter().map(|to| Route::of(to.topic_arn(), to.events(), to.filter()));
    let functions =
        answer.lambda_function_configurations().iter().map(|to| Route::of(to.lambda_function_arn(), to.events(), to.filter()));
    queues.chain(topics).chain(functions).collect()
}

impl<'a> Route<'a> {
    fn of(to: &'a str, events: &'a [Event], filter: Option<&'a NotificationConfigurationFilter>) -> Self {
        let rules = filter.and_then(|filter| filter.key()).map(|key| key.filter_rules()).unwrap_or_default();
        // S3 answers `Prefix` to who has put `prefix`.
        let rule = |name: &str| {
            let mut named = rules.iter().filter(|rule| rule.name().is_some_and(|said| said.as_str().eq_ignore_ascii_case(name)));
            named.next().and_then(|rule| rule.value()).unwrap_or_default()
        };
        Self { to, events: events.iter().map(Event::as_str).collect(), prefix: rule("prefix"), suffix: rule("suffix") }
    }

    /// The keys of ours that its filter leaves out, if any.
    fn leaves_out(&self, place: Place<'_>) -> Option<String> {
        let Self { prefix, suffix, .. } = self;
        match (place.prefix.starts_with(prefix), suffix.is_empty()) {
            (true, true) => None,
            (true, false) => Some(format!("one is only for keys that end in `{suffix}`")),
            (false, _) => Some(format!("one is only for keys that begin with `{prefix}`")),
        }
    }
}

#[cfg(test)]
mod tests;
