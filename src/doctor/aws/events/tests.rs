use aws_sdk_s3::types::{
    EventBridgeConfiguration, FilterRule, FilterRuleName, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};

use super::*;
use crate::doctor::Level::{self, Ok as Fine, Warning};

const PLACE: Place<'_> = Place { bucket: "prices", prefix: "prod/" };
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:events";

fn filter(rules: &[(&str, &str)]) -> NotificationConfigurationFilter {
    let rules = rules.iter().map(|(name, value)| FilterRule::builder().name(FilterRuleName::from(*name)).value(*value).build());
    NotificationConfigurationFilter::builder().key(S3KeyFilter::builder().set_filter_rules(Some(rules.collect())).build()).build()
}

fn queue(to: &str, events: &[&str], rules: &[(&str, &str)]) -> QueueConfiguration {
    let events = events.iter().map(|event| Event::from(*event)).collect();
    QueueConfiguration::builder().queue_arn(to).set_events(Some(events)).filter(filter(rules)).build().unwrap()
}

fn told(queues: Vec<QueueConfiguration>) -> Notifications {
    Notifications::builder().set_queue_configurations(Some(queues)).build()
}

fn found(answer: Notifications, queue_arn: Option<&str>) -> Finding {
    let [finding] = judge(&Ok(answer), PLACE, queue_arn, Reach::All).try_into().unwrap();
    assert_eq!(finding.check, "events");
    finding
}

const ALL: [&str; 2] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];

#[test]
fn events_are_there_when_all_below_the_prefix_are_sent_to_us() {
    let by_one = [NEEDED[0].1, NEEDED[1].1].concat();
    let twice = vec![queue(QUEUE, &ALL[..1], &[]), queue(QUEUE, &ALL[1..], &[("Prefix", "pro")])];
    let table: [(Vec<QueueConfiguration>, Level); 13] = [
        (vec![], Warning),
        (vec![queue(QUEUE, &ALL, &[])], Fine),
        (vec![queue(QUEUE, &by_one, &[])], Fine),
        (vec![queue(QUEUE, &by_one[1..], &[])], Warning),
        (vec![queue(QUEUE, &ALL[..1], &[])], Warning),
        (vec![queue(QUEUE, &ALL[1..], &[])], Warning),
        (twice, Fine),
        (vec![queue("arn:aws:sqs:eu-west-1:123456789012:theirs", &ALL, &[])], Warning),
        (vec![queue(QUEUE, &ALL, &[("Prefix", "prod/")])], Fine),
        (vec![queue(QUEUE, &ALL, &[("prefix", "prod/a")])], Warning),
        (vec![queue(QUEUE, &ALL, &[("Prefix", "test/")])], Warning),
        (vec![queue(QUEUE, &ALL, &[("Suffix", ".csv")])], Warning),
        (vec![queue(QUEUE, &ALL, &[("Suffix", ".csv")]), queue(QUEUE, &ALL, &[("Suffix", "")])], Fine),
    ];
    for (queues, expected) in table {
        let finding = found(told(queues.clone()), Some(QUEUE));
        assert_eq!(finding.level, expected, "{queues:?}: {finding:?}");
        assert_eq!(finding.fix.is_some(), expected == Warning, "{finding:?}");
    }
}

#[test]
fn event_bridge_and_topics_count_and_a_queue_that_is_not_named_cannot() {
    let bridge = Notifications::builder().event_bridge_configuration(EventBridgeConfiguration::builder().build()).build();
    for queue_arn in [None, Some(QUEUE)] {
        assert_eq!(found(bridge.clone(), queue_arn).level, Fine);
    }
    let events = ALL.map(Event::from).to_vec();
    let topic = TopicConfiguration::builder().topic_arn(QUEUE).set_events(Some(events)).build().unwrap();
    assert_eq!(found(Notifications::builder().topic_configurations(topic).build(), Some(QUEUE)).level, Fine);
    let finding = found(told(vec![queue(QUEUE, &ALL, &[])]), None);
    assert!(finding.level == Warning && finding.fix.unwrap().starts_with("set CACHE_API_QUEUE_ARN"), "{}", finding.what);
    let finding = found(told(vec![]), None);
    assert!(finding.level == Warning && finding.what.contains("tells nobody"), "{finding:?}");
}

#[test]
fn what_a_filter_leaves_out_and_what_a_lifecycle_rule_removes_are_said() {
    let left_out = found(told(vec![queue(QUEUE, &ALL, &[("Prefix", "prod/"), ("Suffix", ".csv")])]), Some(QUEUE));
    assert!(left_out.what.contains("only for keys that end in `.csv`"), "{left_out:?}");
    let expired = found(told(vec![queue(QUEUE, &ALL, &[])]), Some(QUEUE));
    assert!(expired.what.contains("lifecycle rule"), "{expired:?}");
    let all = [&ALL[..], &["s3:LifecycleExpiration:*"]].concat();
    assert!(!found(told(vec![queue(QUEUE, &all, &[])]), Some(QUEUE)).what.contains("lifecycle rule"));
}

#[test]
fn an_event_that_reaches_one_instance_is_said_and_so_is_a_denial() {
    let findings = judge(&Err(Refusal::Denied), PLACE, Some(QUEUE), Reach::One);
    let said: Vec<_> = findings.iter().map(|finding| (finding.level, finding.check)).collect();
    assert_eq!(said, [(Warning, "events"), (Warning, "events-reach")]);
    assert!(findings[0].what.contains("s3:GetBucketNotification"), "{findings:?}");
}

/// Runs the printed lines with an `aws` that answers `stored` and shows what it is to put.
fn put_by_the_fix(stored: &str) -> Option<serde_json::Value> {
    if std::process::Command::new("jq").arg("--version").output().is_err() {
        eprintln!("skipped: jq is not installed, and the fix is for who has it");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("stored"), stored).unwrap();
    let fix = found(told(vec![]), Some(QUEUE)).fix.unwrap();
    let (_, command) = fix.split_once('\n').unwrap();
    let script = format!("aws() {{ case $2 in get-*) cat stored;; put-*) cp n.json put;; esac; }}\n{command}");
    let status = std::process::Command::new("sh").args(["-c", &script]).current_dir(dir.path()).status().unwrap();
    assert!(status.success(), "{script}");
    Some(serde_json::from_slice(&std::fs::read(dir.path().join("put")).unwrap()).unwrap())
}

#[test]
fn the_command_that_is_printed_switches_event_bridge_on_and_loses_nothing() {
    let theirs = serde_json::json!({ "QueueConfigurations": [{ "QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"] }] });
    let Some(put) = put_by_the_fix(&theirs.to_string()) else { return };
    let mut both = theirs;
    both["EventBridgeConfiguration"] = serde_json::json!({});
    assert_eq!(put, both);
    // Of a bucket without notifications the AWS CLI prints nothing at all.
    assert_eq!(put_by_the_fix(""), Some(serde_json::json!({ "EventBridgeConfiguration": {} })));
}
