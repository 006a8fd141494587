//! A bucket behind the door: read through, named to nobody, and none of its errors kept.

use http::Method;
use serde_json::json;

use super::{assert_hides, assert_problem, targets};
use crate::support::client::{get, send};
use crate::support::fault_server::{self, Fault, FaultServer};
use crate::support::seaweed::{KEYS, KeyPair, POWERLESS_KEYS, seaweed};
use crate::support::serve::{Serve, Vars, vars};

fn bucket_vars(bucket: &str, endpoint: &str, (access_key, secret): KeyPair) -> Vars {
    vars([
        ("AWS_BUCKET_NAME", bucket),
        ("AWS_DATA_DIR", "/hidden-prefix/"),
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ])
}

#[tokio::test]
async fn a_bucket_is_read_through_and_named_to_nobody() {
    let seaweed = seaweed().await;
    let bucket = seaweed.create_bucket().await;
    bucket.put_as("hidden-prefix/a b+é.csv", "1,2\n", "text/csv; charset=utf-8", None).await;
    let secrets = [bucket.name.as_str(), "hidden-prefix", seaweed.address(), KEYS.0, POWERLESS_KEYS.0];

    let server = Serve::start(&[], bucket_vars(&bucket.name, &seaweed.endpoint(), KEYS)).await;
    for target in targets("a b+é.csv") {
        let answer = get(server.address(), &target).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "1,2\n"));
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
        assert_hides(&answer, &secrets);
    }
    let absent = get(server.address(), "/cache/absent.csv").await;
    assert_eq!(assert_problem(&absent, 404, "not-found")["key"], "absent.csv");
    assert_hides(&absent, &secrets);
    // A new version is seen by a refresh.
    bucket.put_object("hidden-prefix/a b+é.csv", "3\n").await;
    assert_eq!(send(server.address(), Method::PUT, &targets("a b+é.csv")[0], &[], "").await.status, 200);
    assert_eq!(get(server.address(), &targets("a b+é.csv")[1]).await.text(), "3\n");

    let powerless = Serve::start(&[], bucket_vars(&bucket.name, &seaweed.endpoint(), POWERLESS_KEYS)).await;
    let forbidden = get(powerless.address(), &targets("a b+é.csv")[0]).await;
    assert_eq!(assert_problem(&forbidden, 403, "forbidden")["key"], "a b+é.csv");
    assert_hides(&forbidden, &secrets);
}

#[tokio::test]
async fn a_record_that_does_not_answer_is_said_so_and_named_to_nobody() {
    // Bound and let go: nobody listens there now.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Serve::start(&[], bucket_vars("closed-bucket", &format!("http://{address}"), KEYS)).await;
    let answer = get(server.address(), "/cache/a.csv").await;
    assert_eq!(assert_problem(&answer, 502, "unreachable")["key"], "a.csv");
    assert_eq!(answer.header("retry-after"), "1");
    assert_hides(&answer, &["closed-bucket", "hidden-prefix", &address, KEYS.0]);
    assert_eq!(get(server.address(), "/health").await.status, 200);
}

/// Pitfall 23: an error is cached as a result.
#[tokio::test]
async fn no_error_of_the_record_is_cached() {
    let record = FaultServer::start().await;
    record.put("hidden-prefix/a.csv", "1\n");
    let server = Serve::start(&[], bucket_vars(fault_server::BUCKET, &record.endpoint(), KEYS)).await;
    for (fault, status, slug) in
        [(Fault::AccessDenied, 403, "forbidden"), (Fault::Refusal(400, "InvalidRequest"), 502, "unreachable")]
    {
        record.then(fault);
        let refused = get(server.address(), "/cache/a.csv").await;
        assert_problem(&refused, status, slug);
        assert_hides(&refused, &[fault_server::BUCKET, "hidden-prefix", fault_server::SECRET_TOKEN]);
        assert_eq!(get(server.address(), "/cache").await.json()["keys"], json!([]));
        let answer = get(server.address(), "/cache/a.csv").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "1\n"), "after {slug}");
        assert_eq!(send(server.address(), Method::DELETE, "/cache/a.csv", &[], "").await.status, 204);
    }
}
