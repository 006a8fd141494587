use super::*;
use crate::doctor::Level::{self, Ok as Fine, Problem, Warning};

const PLACE: Place<'_> = Place { bucket: "prices", prefix: "prod/" };

fn good() -> Heard {
    Heard {
        versioning: Ok(Some(BucketVersioningStatus::Enabled)),
        absent: Err(missing("NoSuchKey")),
        listed: Ok(Listed::Some { name: "prod/a.csv".to_owned() }),
        read: Some(Ok(())),
    }
}

fn missing(code: &str) -> Refusal {
    Refusal::Missing { code: code.to_owned() }
}

fn other(code: &str) -> Refusal {
    Refusal::Other { status: 400, code: code.to_owned() }
}

fn levels(heard: &Heard, redirect: Switch) -> [Level; 4] {
    let findings = judge(heard, PLACE, redirect);
    ["versioning", "listing", "reading", "absent-key"].map(|check| {
        let of_it: Vec<_> = findings.iter().filter(|finding| finding.check == check).collect();
        assert_eq!(of_it.len(), 1, "{check}: {findings:?}");
        of_it[0].level
    })
}

#[test]
fn versions_are_needed_only_where_answers_redirect() {
    let none = Heard { versioning: Ok(None), ..good() };
    let suspended = Heard { versioning: Ok(Some(BucketVersioningStatus::Suspended)), ..good() };
    let denied = Heard { versioning: Err(Refusal::Denied), ..good() };
    let table = [(good(), Fine, Fine), (none, Fine, Problem), (suspended, Fine, Problem), (denied, Warning, Warning)];
    for (heard, off, on) in table {
        assert_eq!(levels(&heard, Switch::Off), [off, Fine, Fine, Fine], "{heard:?}");
        assert_eq!(levels(&heard, Switch::On), [on, Fine, Fine, Fine], "{heard:?}");
    }
}

#[test]
fn what_is_denied_is_told_by_the_permission_that_lacks() {
    let denied = || Err(Refusal::Denied);
    let table = [
        (Heard { absent: denied(), ..good() }, [Fine, Fine, Fine, Problem]),
        (Heard { listed: Err(Refusal::Denied), read: None, absent: denied(), ..good() }, [Fine, Problem, Warning, Problem]),
        (Heard { read: Some(denied()), absent: denied(), ..good() }, [Fine, Fine, Problem, Warning]),
        (Heard { read: Some(denied()), ..good() }, [Fine, Fine, Problem, Fine]),
        (Heard { read: Some(Err(other("KMS.DisabledException"))), ..good() }, [Fine, Fine, Problem, Fine]),
        (Heard { read: Some(Err(other("SlowDown"))), ..good() }, [Fine, Fine, Warning, Fine]),
        (Heard { read: Some(Err(missing("NoSuchKey"))), ..good() }, [Fine; 4]),
        (Heard { listed: Ok(Listed::None), read: None, ..good() }, [Fine; 4]),
        (Heard { absent: Ok(()), ..good() }, [Fine, Fine, Fine, Problem]),
        (Heard { absent: Err(Refusal::Unreachable), ..good() }, [Fine, Fine, Fine, Warning]),
    ];
    for (heard, expected) in table {
        assert_eq!(levels(&heard, Switch::Off), expected, "{heard:?}");
        assert_eq!(gone(&heard, PLACE), None, "{heard:?}");
    }
    let said = |heard: &Heard| format!("{:?}", judge(heard, PLACE, Switch::Off));
    assert!(said(&Heard { absent: denied(), ..good() }).contains("s3:ListBucket on bucket `prices`"));
    let unread = said(&Heard { read: Some(denied()), ..good() });
    assert!(unread.contains("s3:GetObject on `prices/prod/*`") && unread.contains("kms:Decrypt"), "{unread}");
}

#[test]
fn what_is_said_of_the_whole_bucket_is_said_once() {
    let region = Refusal::OtherRegion { region: Some("eu-west-1".to_owned()) };
    let credentials = Refusal::BadCredentials { code: "ExpiredToken".to_owned() };
    for (refusal, check) in [(missing("NoSuchBucket"), "bucket"), (region, "region"), (credentials, "credentials")] {
        let (listed, versioning, absent) = (Err(refusal.clone()), Err(refusal.clone()), Err(refusal));
        let found = gone(&Heard { versioning, absent, listed, read: None }, PLACE).unwrap();
        assert_eq!((found.level, found.check), (Problem, check), "{found:?}");
    }
    // Where the rest is denied, the bucket's absence is heard all the same.
    let heard = Heard { listed: Err(Refusal::Denied), read: None, absent: Err(missing("NoSuchBucket")), ..good() };
    assert_eq!(gone(&heard, PLACE).unwrap().check, "bucket");
    assert_eq!(gone(&good(), PLACE), None);
}
