//! Listings that are refused, and names that are hard to list.

use std::time::Duration;

use cache_api::error::{Error, Unlisted};
use cache_api::record::Record;

use super::{BODY, BUCKET, SECRET_TOKEN, Site, now};
use crate::support::fault_server::Fault;

#[tokio::test]
async fn a_refused_listing_says_what_can_be_done() {
    let site = Site::start().await;
    let cases = [
        (Fault::AccessDenied, Unlisted::Forbidden),
        (Fault::Refusal(400, "ExpiredToken"), Unlisted::Forbidden),
        (Fault::NoSuchBucket, Unlisted::Unreachable),
        (Fault::NoSuchKey, Unlisted::Unreachable),
        (Fault::NotModified(None), Unlisted::Unreachable),
    ];
    for (fault, expected) in cases {
        site.server.then(fault.clone());
        let error = site.record.list("", None, now() + Duration::from_secs(30)).await.expect_err("an error");
        assert!(matches!(&error, Error::NotListed { why, .. } if *why == expected), "{fault:?}: {error:?}");
        assert!(!format!("{error} {error:?}").contains(SECRET_TOKEN), "{error:?} would take a token to the log");
        assert!(!error.to_string().contains(BUCKET), "{error}");
        assert_eq!(site.server.requests().len(), 1, "{fault:?}");
    }
    for _ in 0..3 {
        site.server.then(Fault::SlowDown);
    }
    let error = site.record.list("", None, now() + Duration::from_secs(30)).await.expect_err("an error");
    assert!(matches!(error, Error::NotListed { why: Unlisted::Throttled, .. }), "{error:?}");
}

/// "Names that nothing can be asked for by are counted, and hide no other."
#[tokio::test]
async fn a_listing_leaves_out_what_is_no_key() {
    let site = Site::start().await;
    for name in ["data/", "data//a", "data/a/../b", "data/.", "data/line\nbreak", "data/\u{1}", "datum"] {
        site.server.put(name, BODY);
    }
    site.server.requests();
    let page = site.record.list("", None, now() + Duration::from_secs(30)).await.unwrap();
    let names: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!((names, page.skipped, page.next), (vec!["prices.csv"], 6, None));
    assert_eq!(site.server.requests().len(), 1);
}

/// "A name that XML cannot say costs a second request, and neither hides the others nor is lost."
#[tokio::test]
async fn a_name_that_xml_cannot_say_is_listed_all_the_same() {
    let site = Site::start().await;
    let names = ["100%+ä b.csv", "prices.csv", "x\u{fffe}.csv"];
    for name in names {
        site.server.put(&format!("data/{name}"), BODY);
    }
    let page = site.record.list("", None, now() + Duration::from_secs(30)).await.unwrap();
    let listed: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!((listed, page.skipped), (names.to_vec(), 0));
    assert_eq!(site.server.requests().len(), 2);
}
