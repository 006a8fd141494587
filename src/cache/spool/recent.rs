//! The last bytes of a body on its way, for who keeps pace with it: they need not be read back.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::entry::{Budget, Room};

/// What the last bytes may take of memory, or a sixteenth of the budget where that is less. At 800 MB/s a hundredth of a second: a reader that pauses for longer reads them back,
/// and may catch up.
const BYTES_MAX: u64 = 8 << 20;

/// What was written last, as long as there is room for it.
pub(super) struct Recent(Mutex<Option<Window>>);

/// Pieces in order, the last of which ends at `end`.
struct Window {
    pieces: VecDeque<Bytes>,
    bytes: u64,
    end: u64,
    room: Room,
}

impl Recent {
    /// Keeps nothing where there is little room in `budget` now: then everything is read back.
    pub fn within(budget: &Budget) -> Self {
        let bytes = BYTES_MAX.min(budget.bytes() / 16);
        // What only spares a read of a file is not to leave who comes next without room.
        let is_ample = budget.free_bytes() >= bytes + budget.whole_max();
        let room = is_ample.then(|| budget.room_now(bytes).ok()).flatten();
        let window = room.map(|room| Window { pieces: VecDeque::new(), bytes: 0, end: 0, room });
        Self(Mutex::new(window))
    }

    /// Adds what was written, and lets go of what came long ago.
    pub fn add(&self, pieces: Vec<Bytes>) {
        let mut window = self.window();
        let Some(window) = &mut *window else { return };
        for piece in pieces {
            let bytes = piece.len() as u64;
            (window.bytes, window.end) = (window.bytes + bytes, window.end + bytes);
            window.pieces.push_back(piece);
        }
        while window.bytes > window.room.bytes() as u64
            && let Some(first) = window.pieces.pop_front()
        {
            window.bytes -= first.len() as u64;
        }
    }

    /// The bytes from the start of `range` on, no further than one piece goes; `None` where they came too long ago.
    ///
    /// A copy: the pieces may have the room of all that the record sends, which is not to wait for a slow reader.
    pub fn copy(&self, range: Range<u64>) -> Option<Vec<u8>> {
        let piece = self.window().as_ref()?.piece(range)?;
        Some(piece.to_vec())
    }

    /// Lets go of everything: no more comes.
    pub fn end(&self) {
        *self.window() = None;
    }

    fn window(&self) -> MutexGuard<'_, Option<Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn piece(&self, range: Range<u64>) -> Option<Bytes> {
        let mut end = self.end - self.bytes;
        self.pieces.iter().find_map(|piece| {
            let start = end;
            end += piece.len() as u64;
            let wanted = range.start.checked_sub(start)? as usize..(range.end.min(end) - start) as usize;
            (!wanted.is_empty()).then(|| piece.slice(wanted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of pieces that have three bytes each, and a budget that lets four be kept.
    fn recent(budget: &Budget, pieces: u8) -> Recent {
        let recent = Recent::within(budget);
        recent.add((0..pieces).map(|piece| vec![3 * piece, 3 * piece + 1, 3 * piece + 2].into()).collect());
        recent
    }

    #[test]
    fn the_last_pieces_are_there_and_what_came_before_them_or_has_not_come_is_not() {
        let recent = recent(&Budget::new(16 * 64), 50);
        // 64 bytes: 21 pieces and a byte.
        assert_eq!([0, 86, 150].map(|start| recent.copy(start..start + 1)), [None, None, None]);
        assert_eq!(recent.copy(87..150), Some(vec![87, 88, 89]), "no further than one piece goes");
        assert_eq!(recent.copy(91..92), Some(vec![91]));
        assert_eq!(recent.copy(148..150), Some(vec![148, 149]));
        recent.end();
        assert_eq!(recent.copy(148..150), None);
    }

    #[test]
    fn what_has_no_room_is_not_kept_and_the_room_goes_at_the_end() {
        let budget = Budget::new(16 * 64);
        let kept = recent(&budget, 1);
        assert_eq!(budget.taken_bytes(), 64);
        kept.end();
        assert_eq!(budget.taken_bytes(), 0);
        let _most = budget.room_now(14 * 64).unwrap();
        assert_eq!(recent(&budget, 1).copy(0..1), None);
    }
}
