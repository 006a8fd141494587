//! The bytes of bodies, and of what is made of them, that are alive, under one budget: held, on their way in, on their way out.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Counted in units of so many bytes, rounded up: a semaphore hands out at most `u32::MAX` at once, which is 256 GiB of these.
const UNIT_BYTES: u64 = 64;

/// What a body may take of the budget at most to be held whole: an eighth, so that some can come while others are held.
const WHOLE_SHARE: u64 = 8;

/// What it may take however large the budget is: who wants a little of a gigabyte shall not wait for all of it, and what is streamed
/// comes no slower.
const WHOLE_BYTES_MAX: u64 = 256 << 20;

/// How long room is waited for.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How often memory is told to drop what it has let go of while somebody waits.
const RELIEF_EVERY: Duration = Duration::from_millis(50);

/// After how many of these it is told to give way as well: who has waited for a second is worth more than what may be asked for.
const RELIEFS_BEFORE_GIVING_WAY: usize = 20;

/// The bytes that bodies may take in memory. A body counts from before it is read until its last byte has left: evicted
/// ones that are still being sent, too.
pub struct Budget {
    free: Arc<Semaphore>,
    bytes: u64,
    relief: OnceLock<Relief>,
}

/// Drops what was let go of, and besides so many bytes of what is held for later.
type Relief = Box<dyn Fn(u64) + Send + Sync>;

/// Room that is taken; dropping it gives it back.
#[derive(Debug)]
pub struct Room {
    bytes: usize,
    permit: OwnedSemaphorePermit,
}

/// There was no room for `bytes` in the time that is waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no room in memory for {bytes} bytes now")]
pub struct NoRoom {
    /// What was wanted.
    pub bytes: u64,
}

impl Budget {
    /// Lets bodies take `bytes` in all.
    pub fn new(bytes: u64) -> Arc<Self> {
        let units = usize::try_from(bytes / UNIT_BYTES).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Arc::new(Self { free: Arc::new(Semaphore::new(units)), bytes, relief: OnceLock::new() })
    }

    /// Lets bodies take what there is.
    pub fn unbounded() -> Arc<Self> {
        Self::new(u64::MAX)
    }

    /// All that bodies may take, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The longest body that is held whole, in bytes.
    pub fn whole_max(&self) -> u64 {
        (self.bytes / WHOLE_SHARE).min(WHOLE_BYTES_MAX)
    }

    /// What may be held for later, in bytes: three quarters, so that a quarter is always for what is on its way.
    pub fn held_max(&self) -> u64 {
        self.bytes / 4 * 3
    }

    /// Waits for room for `bytes`, in the order of asking and not for long.
    ///
    /// # Errors
    /// Where others did not make room in that time, or never could.
    pub async fn room(&self, bytes: u64) -> Result<Room, NoRoom> {
        let no_room = NoRoom { bytes };
        if let Ok(room) = self.room_now(bytes) {
            return Ok(room);
        }
        let (units, length) = units(bytes).filter(|_| bytes <= self.bytes).ok_or(no_room)?;
        let permit = async {
            let mut acquire = pin!(Arc::clone(&self.free).acquire_many_owned(units));
            // What is more than is always free has nothing to wait for.
            let first = if bytes > self.bytes - self.held_max() { 0 } else { RELIEFS_BEFORE_GIVING_WAY };
            for relief in 0.. {
                let gives_way = relief >= first && (relief - first) % RELIEFS_BEFORE_GIVING_WAY == 0;
                self.relieve(if gives_way { bytes } else { 0 });
                if let Ok(acquired) = timeout(RELIEF_EVERY, &mut acquire).await {
                    return acquired;
                }
            }
            acquire.await
        };
        let permit = timeout(WAIT_MAX, permit).await.map_err(|_elapsed| no_room)?.map_err(|_closed| no_room)?;
        Ok(Room { bytes: length, permit })
    }

    /// Takes room for `bytes` if there is some now.
    ///
    /// # Errors
    /// Where there is none, or others are waiting for it.
    pub fn room_now(&self, bytes: u64) -> Result<Room, NoRoom> {
        let no_room = NoRoom { bytes };
        let (units, length) = units(bytes).ok_or(no_room)?;
        let permit = Arc::clone(&self.free).try_acquire_many_owned(units).map_err(|_| no_room)?;
        Ok(Room { bytes: length, permit })
    }

    /// Has `relief` called, now and then, while somebody waits for room: to drop what it has let go of, and so many bytes
    /// besides. Only the first that is given counts.
    pub fn relieved_by(&self, relief: impl Fn(u64) + Send + Sync + 'static) {
        let _first = self.relief.set(Box::new(relief));
    }

    fn relieve(&self, bytes: u64) {
        if let Some(relief) = self.relief.get() {
            relief(bytes);
        }
    }

    /// The bytes that are free.
    pub fn free_bytes(&self) -> u64 {
        self.free.available_permits() as u64 * UNIT_BYTES
    }

    /// The bytes that are taken.
    pub fn taken_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.free_bytes())
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("bytes", &self.bytes).field("free_bytes", &self.free_bytes()).finish_non_exhaustive()
    }
}

impl Room {
    /// How many bytes it is for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives the room to `body`, until its last clone and slice is dropped. What `body` does not need of it is free again.
    pub fn hold(self, body: Vec<u8>) -> Bytes {
        let room = self.cut_to(body.len());
        Bytes::from_owner(Housed { body, _room: room })
    }

    /// Lets `part`, one of those that come and go in this room, keep it taken until the last of them is dropped.
    pub fn lend(self: &Arc<Self>, part: Vec<u8>) -> Bytes {
        Bytes::from_owner(Housed { body: part, _room: Arc::clone(self) })
    }

    /// Makes it room for `bytes`: gives back what is not needed, or takes what is missing.
    ///
    /// # Errors
    /// Where that is not there now; then it is what it was.
    pub fn resized(mut self, bytes: u64, budget: &Budget) -> Result<Self, Self> {
        let Some((wanted, length)) = units(bytes) else { return Err(self) };
        let missing = u64::from(wanted).saturating_sub(self.permit.num_permits() as u64);
        let Ok(more) = budget.room_now(missing * UNIT_BYTES) else { return Err(self) };
        self.permit.merge(more.permit);
        Ok(Self { bytes: length, ..self }.cut_to(length))
    }

    fn cut_to(mut self, bytes: usize) -> Self {
        let needed = bytes.div_ceil(UNIT_BYTES as usize);
        drop(self.permit.split(self.permit.num_permits().saturating_sub(needed)));
        Self { bytes: self.bytes.min(bytes), ..self }
    }
}

/// Bytes, and what keeps their room taken.
struct Housed<R> {
    body: Vec<u8>,
    _room: R,
}

impl<R> AsRef<[u8]> for Housed<R> {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// `bytes` in units, and as a length; `None` for more than can be counted.
fn units(bytes: u64) -> Option<(u32, usize)> {
    Some((u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?, usize::try_from(bytes).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pitfall 9: "a small range of a large object fetches the whole of it: KB become GB."
    #[test]
    fn no_budget_is_so_large_that_a_gigabyte_is_held_whole() {
        let whole_max = [8 << 20, 8 * WHOLE_BYTES_MAX, 1 << 40].map(|bytes| Budget::new(bytes).whole_max());
        assert_eq!(whole_max, [1 << 20, WHOLE_BYTES_MAX, WHOLE_BYTES_MAX]);
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_taken_until_the_last_slice_of_a_body_is_gone() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let body = budget.room(3 * UNIT_BYTES).await.unwrap().hold(vec![7; 3 * UNIT_BYTES as usize]);
        let slice = body.slice(1..2);
        drop(body);
        assert_eq!(budget.room(2 * UNIT_BYTES).await.unwrap_err(), NoRoom { bytes: 2 * UNIT_BYTES }, "the slice holds all of it");
        drop(slice);
        assert_eq!(budget.room(4 * UNIT_BYTES).await.unwrap().bytes(), 4 * UNIT_BYTES as usize);
        assert_eq!(budget.free_bytes(), 4 * UNIT_BYTES, "room that was not used is free again");
    }

    #[tokio::test]
    async fn room_that_a_body_does_not_need_is_free_again_and_parts_share_theirs_to_the_last() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let body = budget.room_now(4 * UNIT_BYTES).unwrap().hold(vec![7; UNIT_BYTES as usize + 1]);
        assert_eq!(budget.free_bytes(), 2 * UNIT_BYTES);
        assert_eq!(budget.room_now(3 * UNIT_BYTES).unwrap_err(), NoRoom { bytes: 3 * UNIT_BYTES });
        let room = Arc::new(budget.room_now(2 * UNIT_BYTES).unwrap());
        let parts = [room.lend(vec![1]), room.lend(vec![2])];
        drop((body, room));
        assert_eq!(budget.free_bytes(), 2 * UNIT_BYTES, "the parts have theirs");
        drop(parts);
        assert_eq!(budget.free_bytes(), 4 * UNIT_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_room_when_another_goes_and_what_can_never_fit_does_not_wait() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let first = budget.room(4 * UNIT_BYTES).await.unwrap();
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.room(1).await.map(|room| room.bytes()) }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!(waiting.await.unwrap(), Ok(1));
        assert!(budget.room(4 * UNIT_BYTES + 1).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_for_later_is_asked_to_give_way_to_who_waits() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let held = std::sync::Mutex::new(budget.room_now(3 * UNIT_BYTES).ok());
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        budget.relieved_by(move |bytes| {
            noted.lock().unwrap().push(bytes);
            if bytes > 0 {
                held.lock().unwrap().take();
            }
        });
        drop(budget.room(UNIT_BYTES).await.unwrap());
        assert_eq!(*asked.lock().unwrap(), [] as [u64; 0], "who need not wait asks nobody");
        let room = budget.room(2 * UNIT_BYTES).await.unwrap();
        assert_eq!(*asked.lock().unwrap(), [2 * UNIT_BYTES], "more than is always free");
        drop(room);
        let all = budget.room(4 * UNIT_BYTES).await.unwrap();
        asked.lock().unwrap().clear();
        assert!(budget.room(UNIT_BYTES).await.is_err());
        let asked = asked.lock().unwrap();
        let gave_way: Vec<_> = asked.iter().enumerate().filter(|(_, bytes)| **bytes > 0).map(|(at, _)| at).collect();
        assert_eq!(gave_way[..2], [20, 40], "after a second, and once a second: what is let go of may still be sent");
        drop(all);
    }

    #[test]
    fn room_is_made_to_fit_what_came_of_it() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let room = budget.room_now(2 * UNIT_BYTES).unwrap().resized(1, &budget).unwrap();
        assert_eq!(budget.free_bytes(), 3 * UNIT_BYTES);
        let room = room.resized(4 * UNIT_BYTES, &budget).unwrap();
        assert_eq!((budget.free_bytes(), budget.taken_bytes()), (0, 4 * UNIT_BYTES));
        let room = room.resized(5 * UNIT_BYTES, &budget).unwrap_err();
        assert_eq!(room.bytes(), 4 * UNIT_BYTES as usize, "as it was");
        drop(room);
        assert_eq!(budget.taken_bytes(), 0);
    }
}
