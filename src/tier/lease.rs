//! Leases: a note that somebody is at work on a key. They save requests, and nothing's correctness rests on them: whoever ignores
//! one, or loses one, asks once more than need be.

use async_trait::async_trait;

use crate::error::Result;
use crate::key::Key;
use crate::tier::{Nonce, Token};

/// A note that somebody is at an errand under `token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What for.
    pub errand: Errand,
    /// What is asked under. Who has a newer token gains nothing from the answer.
    pub token: Token,
    /// Told apart by this. Whoever takes long replaces it: one that stays the same is nobody's any more.
    pub nonce: Nonce<LeaseMark>,
}

/// What a lease is for. Those of different errands know nothing of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Asking the record for a key. There is one lease for that, whatever the token.
    Ask,
    /// Bringing all of a large body, for as long as that takes. There is one a token: who fills under an older one is in
    /// nobody's way.
    Fill,
}

/// Marks what tells leases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseMark;

/// How an attempt to take a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leased {
    /// It is the caller's.
    Ours(Lease),
    /// Somebody else has it; `None` where it is not legible, or not written yet.
    Theirs(Option<Lease>),
}

impl Lease {
    /// One that nobody ever had.
    pub fn under(token: Token, errand: Errand) -> Self {
        Self { errand, token, nonce: Nonce::random() }
    }
}

/// Where the leases of keys are. Part of a shared tier.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Takes the lease of `key` for `errand`, unless somebody has it. The key has been announced.
    ///
    /// # Errors
    /// `Tier`; `Tier` also where the key's directory has gone.
    async fn take(&self, key: &Key, token: &Token, errand: Errand) -> Result<Leased>;

    /// Opens and reads the lease that [`Leases::take`] would take; `None` where nobody has it, `Some(None)` where it is not legible.
    ///
    /// # Errors
    /// `Tier`.
    async fn leased(&self, key: &Key, token: &Token, errand: Errand) -> Result<Option<Option<Lease>>>;

    /// Puts `lease` in place of whatever is there: a holder shows that it is alive, or a waiter takes over.
    ///
    /// # Errors
    /// `Tier`.
    async fn put_lease(&self, key: &Key, lease: &Lease) -> Result<()>;

    /// Lets go of the lease of `key`, if it is still this one. A failure is nothing to the caller: a lease ends by itself.
    async fn release(&self, key: &Key, lease: &Lease);
}
