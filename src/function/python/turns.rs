//! Turn by turn: the interpreter runs until it needs something of this process, and goes on with the answer.

use monty_pool::{Checkout, OnPrint, PoolError, ResumeValue, TurnEvent};
use monty_types::{ExcType, MontyDate, MontyDateTime, MontyException, MontyObject, MontyTime, NameLookupResult};

use super::host::Host;
use super::table::{clock, date};
use crate::freshness::Timestamp;

/// Feeds a session with `code`, and answers for what it asks until it has ended. Without a host nothing is to be had.
///
/// # Errors
/// The exception that nobody caught, and what became of the process.
pub(super) async fn feed(
    session: &mut Checkout,
    code: &str,
    inputs: Vec<(String, MontyObject)>,
    mut host: Option<&mut Host<'_>>,
    on_print: OnPrint<'_>,
) -> Result<MontyObject, PoolError> {
    let mut event = session.feed(code, inputs, Vec::new(), true, &mut *on_print).await?;
    loop {
        event = match event {
            TurnEvent::Complete(value) => return Ok(value),
            TurnEvent::FunctionCall { object_id: None, .. } => session.resume(ResumeValue::NotFound, &mut *on_print).await?,
            TurnEvent::FunctionCall { function_name, args, kwargs, object_id: Some(id), .. } => {
                let answered = match &mut host {
                    Some(host) => host.call(id, &function_name, args, kwargs).await,
                    None => Err(nothing_yet()),
                };
                let answered = answered.map_or_else(ResumeValue::Error, ResumeValue::Return);
                session.resume(answered, &mut *on_print).await?
            }
            TurnEvent::NameLookup { name, object_id } => {
                let answered = match (&mut host, object_id) {
                    (Some(host), Some(id)) => host.attribute(id, &name).await,
                    (None, Some(_)) => Err(nothing_yet()),
                    (_, None) => Ok(None),
                };
                let answered = answered.map_or_else(NameLookupResult::Error, NameLookupResult::from);
                session.resume_name_lookup(answered, &mut *on_print).await?
            }
            TurnEvent::OsCall { function_name, args, .. } => {
                let now = host.as_ref().map(|host| host.now());
                let answered = now.and_then(|now| moment(&function_name, args.first(), now));
                let answered = answered.map_or(ResumeValue::NotHandled, ResumeValue::Return);
                session.resume(answered, &mut *on_print).await?
            }
            TurnEvent::ResolveFutures { .. } => {
                return Err(PoolError::Runtime(raised(ExcType::RuntimeError, "it awaits something that nothing here answers")));
            }
        }
    }
}

/// `datetime.now(…)` and `date.today()` are the moment of the call, the same throughout, in UTC where no zone is given.
fn moment(function: &str, zone: Option<&MontyObject>, now: Timestamp) -> Option<MontyObject> {
    const DAY: i64 = 86_400_000_000;
    let (offset, name) = match zone {
        Some(MontyObject::TimeZone(zone)) => (Some(zone.offset_seconds), zone.name.clone()),
        _ => (None, None),
    };
    let local = i64::try_from(now.as_millis()).ok()? * 1000 + i64::from(offset.unwrap_or(0)) * 1_000_000;
    let MontyDate { year, month, day } = date(local.div_euclid(DAY))?;
    match function {
        "date.today" => Some(MontyObject::Date(MontyDate { year, month, day })),
        "datetime.now" => {
            let MontyTime { hour, minute, second, microsecond, .. } = clock(local.rem_euclid(DAY));
            let (offset_seconds, timezone_name) = (offset, name);
            let moment = MontyDateTime { year, month, day, hour, minute, second, microsecond, offset_seconds, timezone_name };
            Some(MontyObject::DateTime(moment))
        }
        _ => None,
    }
}

/// Outside of a call there is no cache, and chance would be the same for all calls.
fn nothing_yet() -> MontyException {
    raised(ExcType::RuntimeError, "only `main` and what it calls can use this, not the file while it is loaded")
}

fn raised(kind: ExcType, message: &str) -> MontyException {
    MontyException::new(kind, Some(message.to_owned()))
}
