//! What a function has of this process: `cache`, what it gives, and `random` and `time` where they are imported.
//!
//! The interpreter knows these as objects with an id. It asks for their attributes and calls their methods, and waits for the
//! answer; frames and bodies stay here, and what crosses is values.

use std::sync::Arc;

use monty_types::{ExcType, MontyClassInstance, MontyClassType, MontyException, MontyObject, MontyUuid};

use self::arguments::Given;
use self::item::Item;
use crate::error::Error;
use crate::frame::Frame;
use crate::freshness::Timestamp;
use crate::function::View;
use crate::function::python::pool::Turn;
use crate::tier::memory::Derived;

mod arguments;
mod cache;
mod chance;
mod frame;
mod item;
mod sql;

/// What the host raises in a function.
#[derive(Debug)]
pub(super) enum Raised {
    /// The call is wrong, in Python's own words.
    Python(MontyException),
    /// The cache says no. Raised in the function, which may catch it; else it is what the call ends with.
    Cache(Error),
}

/// What an attribute is, or a method returns. `Ok(None)` where there is none of that name.
type Answered = Result<Option<MontyObject>, Raised>;

/// The objects of one call.
pub(super) struct Host<'a> {
    view: &'a View,
    turn: Turn<'a>,
    objects: Vec<Object>,
    /// How large a value may be that crosses, in bytes.
    crossing_bytes_max: u64,
    /// The last thing that the cache said no to, and the exception that was raised for it.
    refusal: Option<(Error, MontyException)>,
}

/// Something that the function was given.
#[derive(Clone)]
enum Object {
    Item(Item),
    Frame(Arc<Derived<Frame>>),
}

/// The objects that are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fixed {
    /// `cache`.
    Cache = 1,
    /// `random`.
    Random = 2,
    /// `time`.
    Time = 3,
}

/// Where the ids of what is given begin.
const GIVEN: u128 = 1000;

impl Fixed {
    /// The object as the interpreter has it.
    pub(super) fn object(self) -> MontyObject {
        let class = match self {
            Self::Cache => "Cache",
            Self::Random => "random",
            Self::Time => "time",
        };
        object(class, self as u128)
    }
}

impl<'a> Host<'a> {
    pub(super) fn new(view: &'a View, turn: Turn<'a>, crossing_bytes_max: u64) -> Self {
        Self { view, turn, objects: Vec::new(), crossing_bytes_max, refusal: None }
    }

    /// The moment of the call. Who asks for it answers something else at another.
    pub(super) fn now(&self) -> Timestamp {
        self.view.seen().note_chance();
        self.view.ask().now.wall
    }

    /// Answers for an attribute. `Ok(None)` raises `AttributeError`.
    pub(super) async fn attribute(&mut self, id: MontyUuid, name: &str) -> Result<Option<MontyObject>, MontyException> {
        let answered = match self.find(id) {
            Some(Found::Given(Object::Item(item))) => self.item_attribute(&item, name).await,
            Some(Found::Given(Object::Frame(frame))) => frame::attribute(&frame, name),
            Some(Found::Fixed(_)) | None => Ok(None),
        };
        answered.map_err(|raised| self.raise(raised))
    }

    /// Calls a method.
    pub(super) async fn call(
        &mut self,
        id: MontyUuid,
        name: &str,
        positional: Vec<MontyObject>,
        named: Vec<(MontyObject, MontyObject)>,
    ) -> Result<MontyObject, MontyException> {
        let given = Given::new(name, positional, named);
        let found = self.find(id);
        let (class, answered) = match found {
            Some(Found::Fixed(Fixed::Cache)) => ("Cache", self.cache_method(given).await),
            Some(Found::Fixed(Fixed::Random)) => {
                self.view.seen().note_chance();
                ("random", chance::random(given))
            }
            Some(Found::Fixed(Fixed::Time)) => ("time", chance::time(given, self.now())),
            // `item.json` and `item.json()` are the same.
            Some(Found::Given(Object::Item(item))) => ("Item", self.item_method(&item, given).await),
            Some(Found::Given(Object::Frame(frame))) => ("Frame", self.frame_method(&frame, given).await),
            None => ("object", Ok(None)),
        };
        let missing = || python(ExcType::AttributeError, format!("'{class}' object has no attribute '{name}'"));
        answered.and_then(|value| value.ok_or_else(missing)).map_err(|raised| self.raise(raised))
    }

    /// The frame that a value is, where the function returned one of this call.
    pub(super) fn frame_of(&self, value: &MontyObject) -> Option<Arc<Derived<Frame>>> {
        let MontyObject::ClassInstance(instance) = value else { return None };
        match self.find(instance.instance_id) {
            Some(Found::Given(Object::Frame(frame))) => Some(frame),
            _ => None,
        }
    }

    /// What the cache said, where that is what nobody caught.
    pub(super) fn refusal_of(&mut self, exception: &MontyException) -> Option<Error> {
        let is_it = |(_, raised): &(Error, MontyException)| {
            raised.exc_type() == exception.exc_type() && raised.message() == exception.message()
        };
        self.refusal.take_if(|refusal| is_it(refusal)).map(|(error, _)| error)
    }

    fn find(&self, id: MontyUuid) -> Option<Found> {
        let id = u128::from_be_bytes(*id.as_bytes());
        let fixed = [Fixed::Cache, Fixed::Random, Fixed::Time].into_iter().find(|fixed| *fixed as u128 == id);
        fixed.map(Found::Fixed).or_else(|| {
            let place = usize::try_from(id.checked_sub(GIVEN)?).ok()?;
            self.objects.get(place).cloned().map(Found::Given)
        })
    }

    fn give(&mut self, given: Object) -> MontyObject {
        let class = match &given {
            Object::Item(_) => "Item",
            Object::Frame(_) => "Frame",
        };
        self.objects.push(given);
        object(class, GIVEN + self.objects.len() as u128 - 1)
    }

    /// Refuses what would not fit into the function's memory, before any of it is made.
    fn may_cross(&self, bytes: u64, instead: &str) -> Result<(), Raised> {
        if bytes <= self.crossing_bytes_max {
            return Ok(());
        }
        let mib = self.crossing_bytes_max >> 20;
        Err(python(ExcType::ValueError, format!("{bytes} bytes are more than the {mib} MiB that one value may have; {instead}")))
    }

    fn raise(&mut self, raised: Raised) -> MontyException {
        match raised {
            Raised::Python(exception) => exception,
            Raised::Cache(error) => {
                let exception = MontyException::new(exception_type(&error), Some(error.to_string()));
                self.refusal = Some((error, exception.clone()));
                exception
            }
        }
    }
}

/// What an id stands for.
enum Found {
    Fixed(Fixed),
    Given(Object),
}

impl From<Error> for Raised {
    fn from(error: Error) -> Self {
        Self::Cache(error)
    }
}

fn object(class: &str, id: u128) -> MontyObject {
    // One class a kind of object, the same in every process: a snapshot has them.
    let class_id = class.bytes().fold(1_u128, |id, byte| id * 256 + u128::from(byte));
    let class_type = MontyClassType {
        name: class.to_owned(),
        id: MontyUuid::from_u128(class_id << 32),
        host_defined: true,
        is_dataclass: false,
        attrs: Vec::new().into(),
    };
    let instance = MontyClassInstance { class_type, instance_id: MontyUuid::from_u128(id), attrs: Vec::new().into() };
    MontyObject::ClassInstance(Box::new(instance))
}

/// What Python calls it.
fn exception_type(error: &Error) -> ExcType {
    match error {
        Error::NotFound { .. } | Error::UnknownFunction { .. } => ExcType::KeyError,
        Error::Deadline { .. } => ExcType::TimeoutError,
        Error::Forbidden { .. } => ExcType::PermissionError,
        Error::InvalidKey(_)
        | Error::InvalidArgument { .. }
        | Error::UnknownFormat { .. }
        | Error::Unparsable { .. }
        | Error::BadSlice { .. }
        | Error::BadQuery { .. }
        | Error::TooLarge { .. } => ExcType::ValueError,
        _ => ExcType::OSError,
    }
}

fn python(kind: ExcType, message: impl Into<String>) -> Raised {
    Raised::Python(MontyException::new(kind, Some(message.into())))
}
