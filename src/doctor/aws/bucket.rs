//! The bucket, asked as the functions ask it: what it keeps, what it lists, and what it says of a key that is not there.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::{BucketVersioningStatus, Object, ObjectStorageClass};

use crate::doctor::aws::Place;
use crate::doctor::aws::refusal::Refusal;

mod judge;

pub(super) use judge::{gone, judge};

/// How many of the first names are looked through for one that can be read.
const NAMES_MAX: i32 = 100;

/// The bytes that are read: enough for S3 to ask KMS for the key, which a HEAD does not make it do.
const FIRST_BYTE: &str = "bytes=0-0";

/// What was heard of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// `None` where versions were never asked for.
    versioning: Result<Option<BucketVersioningStatus>, Refusal>,
    /// A key that nobody has put, read. To be refused is as it should be.
    absent: Result<(), Refusal>,
    /// The names below the prefix.
    listed: Result<Listed, Refusal>,
    /// That one, read; `None` where none was found.
    read: Option<Result<(), Refusal>>,
}

/// What is below the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Listed {
    /// This can be tried.
    Some { name: String },
    /// Nothing, or only what is empty or archived.
    None,
}

/// Asks all of it. Nothing is written.
pub(super) async fn ask(client: &Client, place: Place<'_>) -> Heard {
    let (versioning, absent, (listed, read)) =
        tokio::join!(versioning(client, place), absent(client, place), found(client, place));
    Heard { versioning, absent, listed, read }
}

async fn versioning(client: &Client, place: Place<'_>) -> Result<Option<BucketVersioningStatus>, Refusal> {
    let answer = client.get_bucket_versioning().bucket(place.bucket).send().await;
    answer.map(|answer| answer.status).map_err(|error| Refusal::of(&error))
}

async fn absent(client: &Client, place: Place<'_>) -> Result<(), Refusal> {
    let name = format!("{}cache-api-doctor-{:032x}", place.prefix, rand::random::<u128>());
    read(client, place, &name).await
}

async fn found(client: &Client, place: Place<'_>) -> (Result<Listed, Refusal>, Option<Result<(), Refusal>>) {
    let asked = client.list_objects_v2().bucket(place.bucket).prefix(place.prefix).max_keys(NAMES_MAX).send().await;
    let listed = asked.map(|answer| first(answer.contents())).map_err(|error| Refusal::of(&error));
    let read = match &listed {
        Ok(Listed::Some { name }) => Some(read(client, place, name).await),
        Ok(Listed::None) | Err(_) => None,
    };
    (listed, read)
}

/// An empty object has no first byte, and an archived one is refused whoever asks.
fn first(objects: &[Object]) -> Listed {
    let is_at_hand = |object: &&Object| {
        let class = object.storage_class();
        object.size() > Some(0) && !matches!(class, Some(ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive))
    };
    let name = objects.iter().filter(is_at_hand).find_map(Object::key);
    name.map_or(Listed::None, |name| Listed::Some { name: name.to_owned() })
}

async fn read(client: &Client, place: Place<'_>, name: &str) -> Result<(), Refusal> {
    let asked = client.get_object().bucket(place.bucket).key(name).range(FIRST_BYTE).send().await;
    asked.map(drop).map_err(|error: SdkError<_, _>| Refusal::of(&error))
}
