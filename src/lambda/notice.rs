//! What an event tells of objects: every way in which S3 says that something happened, and nothing of what.
//!
//! The types are those of `aws_lambda_events`, each made of the fields that matter here alone ([`sifted`]): as they are, they refuse
//! a record because a field that nobody needs is missing, null or of another type.

use std::borrow::Cow;
use std::fmt;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::s3::S3Entity;
use aws_lambda_events::sns::{SnsMessage, SnsRecord};
use aws_lambda_events::sqs::SqsMessage;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::lambda::Shape;

/// Something happened to an object. Created, removed, restored, tagged: whatever it was, the record is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The bucket it is in.
    pub bucket: String,
    /// Its name with the prefix; `None` where the name is not UTF-8, so that no key can be it.
    pub name: Option<String>,
}

/// What is delivered, and fails, as one: a message of a queue, or an event that came by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What the queue calls it; `None` for an event that came by itself, and where the queue does not say.
    pub id: Option<String>,
    /// What it tells. S3's test event tells nothing.
    pub notices: Vec<Notice>,
    /// Why a part of it can never be understood; `None` where all was.
    pub poison: Option<Poison>,
}

/// Why a message can never be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// It is no JSON.
    #[error("its text is no JSON")]
    NotJson,
    /// It is JSON, and no event of S3's.
    #[error("it is {0}, where an event of S3's is expected")]
    NotOfS3(Shape),
    /// A part of it that is needed is missing or of another type.
    #[error("{0} is missing or of another type")]
    Lacks(Part),
}

/// A part that a message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A queue's message: its text.
    Body,
    /// A topic's message: its text.
    Message,
    /// The bucket's name.
    Bucket,
    /// The object's name.
    Key,
}

impl Message {
    /// The messages of an event of one of these shapes: a queue's, each by itself; of all others one.
    pub fn all(shape: Shape, event: &Value) -> Vec<Self> {
        match shape {
            Shape::Sqs => records(event).iter().map(Self::of_queue).collect(),
            _ => vec![Self::default().read(shape, event)],
        }
    }

    /// Whether events of this shape tell of objects.
    pub fn is_in(shape: Shape) -> bool {
        matches!(shape, Shape::Sqs | Shape::Sns | Shape::S3 | Shape::EventBridge)
    }

    fn of_queue(record: &Value) -> Self {
        // By itself: a message whose text is odd has to be named all the same.
        let id = sifted::<SqsMessage>(record, &["/messageId"]).and_then(|message| message.message_id);
        let message = Self { id, ..Self::default() };
        match sifted::<SqsMessage>(record, &["/body"]).and_then(|message| message.body) {
            Some(body) => message.read_text(&body, Around::Queue),
            None => message.poisoned(Poison::Lacks(Part::Body)),
        }
    }

    /// Adds what `text` tells.
    fn read_text(self, text: &str, around: Around) -> Self {
        let Ok(event) = serde_json::from_str::<Value>(text) else { return self.poisoned(Poison::NotJson) };
        match (Shape::of(&event), around) {
            (Shape::SnsEnvelope, Around::Queue) => self.read_envelope(&event),
            (shape @ (Shape::S3 | Shape::EventBridge), _) => self.read(shape, &event),
            (shape, _) => self.poisoned(Poison::NotOfS3(shape)),
        }
    }

    fn read_envelope(self, envelope: &Value) -> Self {
        match sifted::<SnsMessage>(envelope, &["/Message"]) {
            Some(envelope) => self.read_text(&envelope.message, Around::Topic),
            None => self.poisoned(Poison::Lacks(Part::Message)),
        }
    }

    fn read(self, shape: Shape, event: &Value) -> Self {
        match shape {
            Shape::Sns => {
                records(event).iter().fold(self, |message, record| match sifted::<SnsRecord>(record, &["/Sns/Message"]) {
                    Some(record) => message.read_text(&record.sns.message, Around::Topic),
                    None => message.poisoned(Poison::Lacks(Part::Message)),
                })
            }
            // S3's test event has no records, and tells nothing.
            Shape::S3 => records(event).iter().fold(self, |message, record| message.with(notice_of_s3(record))),
            Shape::EventBridge => self.with(notice_of_event_bridge(event)),
            shape => self.poisoned(Poison::NotOfS3(shape)),
        }
    }

    fn with(mut self, notice: Result<Notice, Poison>) -> Self {
        match notice {
            Ok(notice) => {
                self.notices.push(notice);
                self
            }
            Err(poison) => self.poisoned(poison),
        }
    }

    fn poisoned(self, poison: Poison) -> Self {
        Self { poison: self.poison.or(Some(poison)), ..self }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "the body of a queue's message",
            Self::Message => "the message of a topic",
            Self::Bucket => "the bucket's name",
            Self::Key => "the object's key",
        })
    }
}

/// What a text was taken out of: an envelope in an envelope is nothing that AWS makes.
#[derive(Clone, Copy)]
enum Around {
    Queue,
    Topic,
}

/// A record of S3's own notifications, whose key is encoded as a form is: a `+` is a space.
///
/// Source: S3, "Event message structure".
fn notice_of_s3(record: &Value) -> Result<Notice, Poison> {
    let (bucket, key) = bucket_and_key(&record["s3"])?;
    let name = percent_decode_str(&key.replace('+', " ")).decode_utf8().ok().map(Cow::into_owned);
    Ok(Notice { bucket, name })
}

/// An event of S3's on EventBridge, whose key is plain.
///
/// Source: S3, "EventBridge event message structure".
fn notice_of_event_bridge(event: &Value) -> Result<Notice, Poison> {
    let of_object = |event: &EventBridgeEvent| event.source == "aws.s3" && event.detail_type.starts_with("Object ");
    let event = sifted::<EventBridgeEvent>(event, &["/source", "/detail-type", "/detail"]).filter(of_object);
    // What it has in `detail` has no type there; its bucket and its object are called as in a notification.
    let (bucket, key) = bucket_and_key(&event.ok_or(Poison::NotOfS3(Shape::EventBridge))?.detail)?;
    Ok(Notice { bucket, name: Some(key) })
}

fn bucket_and_key(entity: &Value) -> Result<(String, String), Poison> {
    let bucket = sifted::<S3Entity>(entity, &["/bucket/name"]).and_then(|entity| entity.bucket.name);
    let key = sifted::<S3Entity>(entity, &["/object/key"]).and_then(|entity| entity.object.key);
    Ok((bucket.ok_or(Poison::Lacks(Part::Bucket))?, key.ok_or(Poison::Lacks(Part::Key))?))
}

fn records(event: &Value) -> &[Value] {
    event["Records"].as_array().map_or(&[], Vec::as_slice)
}

/// Makes a type of AWS's crate of some fields of `value` alone, named by JSON pointers; the others are as in its default. `None`
/// where one of them has another type.
fn sifted<T: Default + Serialize + DeserializeOwned>(value: &Value, fields: &[&str]) -> Option<T> {
    let mut sifted = serde_json::to_value(T::default()).expect("a default is texts, numbers and maps");
    for field in fields {
        if let (Some(kept), Some(given)) = (sifted.pointer_mut(field), value.pointer(field)) {
            given.clone_into(kept);
        }
    }
    serde_json::from_value(sifted).ok()
}

#[cfg(test)]
mod tests;
