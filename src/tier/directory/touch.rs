//! When a key was last used, for the sweep: the mtime of its state.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

use moka::sync::Cache;

use crate::key::Key;
use crate::tier::directory::layout::Disk;

/// How often a key's use is noted. The sweep asks which keys were not used for days; a note is a metered operation on EFS.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Keys whose note is remembered. One that is forgotten is noted again, which costs an operation.
const REMEMBERED_MAX: u64 = 16 * 1024;

/// Which keys' use was noted within the hour.
pub(super) struct Touches(Cache<Key, ()>);

impl Default for Touches {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(EVERY).build())
    }
}

impl Touches {
    /// Whether the use of `key` is to be noted now; then it is taken as noted.
    pub fn is_due(&self, key: &Key) -> bool {
        !self.0.contains_key(key) && self.0.entry_by_ref(key).or_insert(()).is_fresh()
    }
}

impl Disk {
    /// Notes that `key` is used.
    pub fn touch(&self, key: &Key) -> io::Result<()> {
        File::open(self.place(key).state())?.set_modified(now())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file's time of last use; compared with other files' by the sweep, decides no age"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::key::Prefix;
    use crate::key::RecordId;

    #[test]
    fn a_key_is_touched_once_an_hour() {
        let touches = Touches::default();
        let [a, b] = ["a", "b"].map(|name| Key::parse(name, &Prefix::default()).unwrap());
        assert!(touches.is_due(&a));
        assert!(!touches.is_due(&a));
        assert!(touches.is_due(&b));
    }

    #[test]
    fn a_touch_moves_the_mtime_of_the_state_and_of_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path(), &RecordId::of(&["test"]));
        let key = Key::parse("a", &Prefix::default()).unwrap();
        let place = disk.place(&key);
        assert_eq!(disk.touch(&key).unwrap_err().kind(), io::ErrorKind::NotFound, "makes nothing");
        fs::create_dir_all(&place.dir).unwrap();
        fs::write(place.state(), "state").unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + EVERY;
        File::options().write(true).open(place.state()).unwrap().set_modified(long_ago).unwrap();
        disk.touch(&key).unwrap();
        assert!(fs::metadata(place.state()).unwrap().modified().unwrap() > long_ago + EVERY);
        assert_eq!(fs::read(place.state()).unwrap(), b"state");
    }
}
