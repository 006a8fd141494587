//! What keeps results for all instances, beside the bodies. Knows nothing of what is in them.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;
use crate::tier::Stored;

/// A place that all instances share and that keeps bytes by name. What is kept decides nothing: whoever takes it out judges whether
/// it is still true. So it needs neither tokens nor epochs, and the last who writes wins.
#[async_trait]
pub trait SharedResults: Send + Sync + 'static {
    /// The bytes that are kept under `name`, whole and verified; `None` where there are none.
    ///
    /// # Errors
    /// `Tier`, and `Busy`-like where there is no room for them in memory.
    async fn load(&self, name: &ResultName) -> Result<Option<Bytes>>;

    /// Keeps `content` under `name`, in place of what was there.
    ///
    /// # Errors
    /// `Tier`; then what was there is.
    async fn save(&self, name: &ResultName, content: Bytes) -> Result<Stored>;
}

/// The name of a result: a hash of all that it is the result of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResultName(String);

impl ResultName {
    /// Names what has this hash.
    pub fn of(hash: &[u8; 32]) -> Self {
        Self(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// 64 lower-case hex digits.
    pub fn hex(&self) -> &str {
        &self.0
    }
}
