//! Places that keep entries. A tier may fail or forget at any time: it saves time and decides nothing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::entry::{Entry, Facts, Version};
use crate::error::Result;
use crate::freshness::Timestamp;
use crate::key::{Key, Shard};

pub mod blocks;
pub mod directory;
pub mod health;
pub mod large;
pub mod lease;
pub mod memory;
pub mod page;
pub mod results;
pub mod sweep;

pub use blocks::Blocks;
pub use directory::DirectoryTier;
pub use health::Health;
pub use large::{Incoming, LargeBodies};
pub use lease::{Errand, Lease, LeaseMark, Leased, Leases};
pub use memory::MemoryTier;
pub use page::{Line, Lines, Wanted};
pub use results::{ResultName, SharedResults};
pub use sweep::{Limits, SweepPlan, Swept, Upkeep};

/// A place that keeps entries.
#[async_trait]
pub trait Tier: Send + Sync + 'static {
    /// Which place this is.
    fn name(&self) -> TierName;

    /// The entry that is kept of `key`, whole and verified; `None` where there is none or it is damaged.
    ///
    /// # Errors
    /// `Tier` where the place failed.
    async fn get(&self, key: &Key) -> Result<Option<Kept>>;

    /// Keeps `kept` in place of what was there.
    ///
    /// # Errors
    /// `Tier` where the place failed.
    async fn put(&self, key: &Key, kept: Kept) -> Result<()>;

    /// Drops what is kept of `key`.
    ///
    /// # Errors
    /// `NotWritten` where it may still be there.
    async fn remove(&self, key: &Key) -> Result<Removed>;

    /// The keys that are kept, with what is known of them, in no order.
    ///
    /// # Errors
    /// `Tier` where the place failed.
    async fn list(&self) -> Result<Vec<Listed>>;

    /// The first of the lines that are wanted, by name. Looks at everything that is kept, and holds a page of it.
    ///
    /// # Errors
    /// `Tier` where the place failed.
    async fn page(&self, wanted: Wanted) -> Result<Vec<Line>>;
}

/// A tier that all instances share: it carries their doubts, and vouches for what each keeps in memory.
///
/// The protocol is DESIGN part 6, model-checked; each step of it is one method here, so that the order of steps stands in
/// `cache.rs` and nowhere else.
#[async_trait]
pub trait SharedTier: Tier + Leases + LargeBodies {
    /// Opens and reads the root's epoch; `None` where it is missing, and then it vouches for nothing.
    ///
    /// # Errors
    /// `Tier`.
    async fn root_epoch(&self) -> Result<Option<Epoch>>;

    /// Opens and reads the epoch of a shard; `None` where it is missing.
    ///
    /// # Errors
    /// `Tier`.
    async fn shard_epoch(&self, shard: Shard) -> Result<Option<Epoch>>;

    /// Opens and reads the token of `key`, then, unless the token is `held`, its state.
    ///
    /// # Errors
    /// `Tier`.
    async fn look(&self, key: &Key, held: Option<&Token>) -> Result<Looked>;

    /// Reads and verifies the body that `state` names; `None` where it is missing or damaged.
    ///
    /// # Errors
    /// `Tier`, and `Busy` where there is no room for it in memory.
    async fn lift(&self, key: &Key, state: &State) -> Result<Option<Entry>>;

    /// Makes the key's directory and answers its token, a new one where there was none. Before asking the record: this
    /// is what tells a doubt that somebody is filling the key.
    ///
    /// # Errors
    /// `Tier`.
    async fn announce(&self, key: &Key) -> Result<Token>;

    /// Publishes a body that the record was asked for at `confirmed_at` under `token`, unless the token has moved.
    ///
    /// # Errors
    /// `Tier`; then nothing is believed that was not before.
    async fn store(&self, key: &Key, token: &Token, entry: &Entry, confirmed_at: Timestamp) -> Result<Stored>;

    /// Writes that the version of `state` was confirmed at `confirmed_at` under `token`, unless the token has moved.
    ///
    /// # Errors
    /// `Tier`; then nothing is believed that was not before.
    async fn confirm(&self, key: &Key, token: &Token, state: &State, confirmed_at: Timestamp) -> Result<Stored>;

    /// Takes away what is held of a key that the record, asked under `token`, does not have, but for what is believed under a newer
    /// token. What others have asked for before is not stored any more.
    ///
    /// # Errors
    /// `Tier`.
    async fn forget(&self, key: &Key, token: &Token) -> Result<Forgotten>;

    /// Makes the next read of `key`, on any instance, confirm it.
    ///
    /// # Errors
    /// `NotWritten`; then the doubt has failed.
    async fn doubt(&self, key: &Key) -> Result<Doubted>;

    /// As doubt, and takes away what is held, the body of a state that somebody may still write late too: a state under another
    /// token than the current one may stand in for the record only while [`LargeBodies::open`] finds its body. The same as
    /// [`Tier::remove`].
    ///
    /// # Errors
    /// `NotWritten`; then the eviction has failed.
    async fn evict(&self, key: &Key) -> Result<Removed>;

    /// Notes that `key` was used, for the sweep. A failure is nothing to the caller.
    async fn touch(&self, key: &Key);

    /// How it does, since this process started.
    fn health(&self) -> Health;

    /// What is kept takes this much; walks everything.
    ///
    /// # Errors
    /// `Tier`.
    async fn usage(&self) -> Result<Usage>;

    /// Takes away what nobody names any more, and what goes beyond the budget; `None` where somebody else is at it.
    ///
    /// # Errors
    /// `Tier`.
    async fn sweep(&self, plan: &SweepPlan) -> Result<Option<Swept>>;

    /// How it keeps within its bounds.
    fn upkeep(&self) -> Upkeep;
}

/// An entry and when the record last said that it is the current one, in the record's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What is kept.
    pub entry: Arc<Entry>,
    /// When the record was asked.
    pub confirmed_at: Timestamp,
}

/// What the shared tier believes of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The key, in words: the directory has only its hash.
    pub key: String,
    /// Which content is held.
    pub version: Version,
    /// What is known of its body.
    pub facts: Facts,
    /// The checksums of the body's blocks; `None` where it is a single one.
    // Left out where there are none: a state of a short body reads as it ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<Blocks>,
    /// The name of the body's file, beside this state.
    pub body: String,
    /// When the record was asked, in the record's time.
    pub confirmed_at: Timestamp,
    /// The token the record was asked under; the state is believed only while it is the current one.
    pub token: Token,
}

impl State {
    /// Whether this state may be believed under the token that was read before it.
    pub fn is_believed_under(&self, token: &Token) -> bool {
        self.token == *token
    }
}

/// What a look at a key found in the shared tier.
#[expect(clippy::large_enum_variant, reason = "one a look, and soon taken apart: a box would be one more allocation")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The token is the one that the looker holds: nothing has happened to the key.
    Same,
    /// Another token, or none, and the state that was read after it.
    Other {
        /// The current token; `None` where nobody holds or is filling the key.
        token: Option<Token>,
        /// What is held, believed or not; `None` where nothing or nothing legible is held.
        state: Option<State>,
    },
}

/// How publishing under a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is believed from now on.
    Stored,
    /// The token moved meanwhile, or the key's directory went: it is not believed.
    Overtaken,
    /// It does not fit into the budget: there is nothing to believe.
    NoRoom,
}

/// How a doubt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubted {
    /// The token was replaced and the epochs after it.
    Written,
    /// Nobody held the key or was filling it, and nothing was left behind.
    NobodyHeld,
}

/// How forgetting a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// Nothing is held that the record was asked for before, and nothing of it will be.
    Gone,
    /// The key was doubted meanwhile, and something is held that was asked for under another token: later or earlier, nobody knows.
    Overtaken,
}

/// How a removal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Something was held, and is no more.
    Removed,
    /// Nothing was held.
    NothingHeld,
}

/// A line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key, as it was parsed when it was stored.
    pub key: String,
    /// Which content is held.
    pub version: Version,
    /// Length of the body in bytes.
    pub size: u64,
    /// When the record last said it is current.
    pub confirmed_at: Timestamp,
}

/// How much a shared tier keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Keys that are held, doubted ones too.
    pub keys: u64,
    /// Files of bodies, those that nothing names any more too; what is in the trash is not counted.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// Which tier, in headers and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TierName {
    /// This process's memory.
    Memory,
    /// The shared directory.
    Directory,
}

impl fmt::Display for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Directory => "directory",
        })
    }
}

/// A random value per key, replaced by every doubt or eviction, never counted, never used twice.
pub type Token = Nonce<TokenMark>;

/// A random value, replaced after every doubt. One per shard vouches for its keys in memory; one at the root for every shard's.
pub type Epoch = Nonce<EpochMark>;

/// Marks a [`Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenMark;

/// Marks an [`Epoch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EpochMark;

/// 128 random bits, in 32 lower-case hex digits where they are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce<Mark: Copy>(u128, std::marker::PhantomData<Mark>);

impl<Mark: Copy> Nonce<Mark> {
    /// A value that was never used before.
    pub fn random() -> Self {
        Self(rand::random(), std::marker::PhantomData)
    }

    /// Reads back what [`fmt::Display`] wrote; `None` for anything else, half a file included.
    pub fn parse(text: &str) -> Option<Self> {
        let written = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let bits = written.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
        Some(Self(bits, std::marker::PhantomData))
    }
}

impl<Mark: Copy> fmt::Display for Nonce<Mark> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl<Mark: Copy> fmt::Debug for Nonce<Mark> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<Mark: Copy> From<Nonce<Mark>> for String {
    fn from(nonce: Nonce<Mark>) -> Self {
        nonce.to_string()
    }
}

impl<Mark: Copy> TryFrom<String> for Nonce<Mark> {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not 32 hex digits")
    }
}
