//! File operations as steps that tests bring into every order.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::sync::AtomicBool;

type Watch = Box<dyn Fn()>;

thread_local! {
    /// What looks at the directory between any two steps. All of shuttle's threads are on one of ours.
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    /// Whether there is anything new to look at.
    static HAS_CHANGED: Cell<bool> = const { Cell::new(true) };
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

shuttle::thread_local! {
    /// How many steps are left to this thread of shuttle's, if it is to die.
    static LEFT: Cell<Option<usize>> = Cell::new(None);
}

/// Has `watch` look at the directory between any two steps, until the next one is set.
#[cfg(test)]
pub fn watch(watch: impl Fn() + 'static) {
    WATCH.set(Some(Box::new(watch)));
    TAKEN.set(0);
}

/// Has nobody watch any more.
#[cfg(test)]
pub fn unwatch() {
    WATCH.set(None);
}

/// How many steps were taken since somebody watches.
#[cfg(test)]
pub fn taken() -> usize {
    TAKEN.get()
}

/// Lets this thread of shuttle's do so many steps, and then nothing more.
#[cfg(test)]
pub fn die_after(steps: usize) {
    LEFT.with(|left| left.set(Some(steps)));
}

/// Does `work` in one step, and as one that is alive.
pub fn alone<T>(work: impl FnOnce() -> T) -> T {
    let before = IS_ALONE.replace(true);
    let done = work();
    IS_ALONE.set(before);
    done
}

/// Lets others go first; what is done then changes something.
///
/// # Errors
/// For who has died.
pub fn step() -> io::Result<()> {
    look().inspect(|()| HAS_CHANGED.set(true))
}

/// Lets others go first; what is done then only looks.
///
/// # Errors
/// For who has died.
pub fn look() -> io::Result<()> {
    if IS_ALONE.get() {
        return Ok(());
    }
    // Whatever shuttle's threads could have in common is where it lets another go on.
    AtomicBool::new(false).load(Ordering::SeqCst);
    TAKEN.set(TAKEN.get() + 1);
    if HAS_CHANGED.replace(false) {
        alone(|| WATCH.with_borrow(|watch| watch.iter().for_each(|watch| watch())));
    }
    LEFT.with(|left| match left.get() {
        None => Ok(()),
        Some(0) => Err(io::Error::other("this process is dead")),
        Some(steps) => {
            left.set(Some(steps - 1));
            Ok(())
        }
    })
}

macro_rules! steps {
    ($($before:ident: $name:ident($($path:ident),*) -> $answer:ty;)*) => {
        $(pub fn $name($($path: impl AsRef<Path>),*) -> io::Result<$answer> {
            $before()?;
            fs::$name($($path),*)
        })*
    };
}

steps! {
    step: create_dir(path) -> ();
    step: create_dir_all(path) -> ();
    step: hard_link(from, to) -> ();
    look: metadata(path) -> fs::Metadata;
    step: remove_dir(path) -> ();
    step: remove_file(path) -> ();
    step: rename(from, to) -> ();
    look: symlink_metadata(path) -> fs::Metadata;
}
