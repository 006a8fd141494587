//! The same over a bucket, which is where functions live.

use http::Method;
use serde_json::json;

use super::{becomes, moved, settings};
use crate::support::client::{get, send};
use crate::support::seaweed::{Bucket, KEYS, KeyPair, POWERLESS_KEYS, seaweed};
use crate::support::serve::{Serve, Vars, vars};

fn over(bucket: &Bucket, endpoint: &str, (access_key, secret): KeyPair, held: &tempfile::TempDir) -> Vars {
    let mut all = settings(held, "on");
    all.extend(vars([
        ("AWS_BUCKET_NAME", bucket.name.as_str()),
        ("AWS_DATA_DIR", "data"),
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]));
    all
}

/// "A file saved to the bucket changes the answer of two running processes within the bound", and what is deployed is saved there.
#[tokio::test]
async fn a_function_is_deployed_into_the_bucket_and_changes_there() {
    let seaweed = seaweed().await;
    let (bucket, held) = (seaweed.create_bucket().await, tempfile::tempdir().unwrap());
    bucket.put_object("data/prices.csv", "cusip,price\na,1.0\na,4.0\nb,2.0\nb,2.5\n").await;
    let variables = over(&bucket, &seaweed.endpoint(), KEYS, &held);
    let servers = [Serve::start(&[], variables.clone()).await, Serve::start(&[], variables).await];
    let [one, other] = servers.each_ref().map(Serve::address);

    let put = send(one, Method::PUT, "/functions/moved?language=sql", &[], moved("1")).await;
    assert_eq!(put.status, 200, "{put:?}");
    let first = json!([{ "cusip": "a", "moved": 3.0 }]);
    assert_eq!(get(one, "/functions/moved").await.json(), first);
    becomes(other, "/functions/moved", &first).await;
    assert_eq!(get(other, "/cache/functions/moved.sql").await.text(), moved("1"), "it is an object like any other");

    bucket.put_object("data/functions/moved.sql", moved("2")).await;
    // As the bucket's event would, to one of them.
    assert_eq!(send(one, Method::PUT, "/cache/functions/moved.sql", &[], "").await.status, 200);
    let second = json!([{ "cusip": "a", "moved": 3.0 }, { "cusip": "b", "moved": 0.5 }]);
    assert_eq!(get(one, "/functions/moved").await.json(), second);
    becomes(other, "/functions/moved", &second).await;
}

/// Who is refused there hears so, and nothing of the bucket or of keys.
#[tokio::test]
async fn a_bucket_that_refuses_takes_no_function() {
    let seaweed = seaweed().await;
    let (bucket, held) = (seaweed.create_bucket().await, tempfile::tempdir().unwrap());
    let server = Serve::start(&[], over(&bucket, &seaweed.endpoint(), POWERLESS_KEYS, &held)).await;
    let refused = send(server.address(), Method::PUT, "/functions/moved?language=sql", &[], moved("1")).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["type"]), (403, &json!("/problems/forbidden")), "{refused:?}");
    for secret in [&*bucket.name, POWERLESS_KEYS.0, POWERLESS_KEYS.1] {
        assert!(!refused.text().contains(secret), "{refused:?}");
    }
}
