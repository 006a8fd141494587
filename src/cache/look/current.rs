//! Which version of a key is the current one, for whoever has no use for its body.

use std::sync::Arc;

use crate::cache::{Ask, Cache};
use crate::entry::{Seen, Version};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::tier::{Looked, State, Token};

/// A body of this many bytes or less is brought into memory all the same: then the next question costs no look at the shared tier.
const BROUGHT_MAX: u64 = 1 << 20;

impl Cache {
    /// The version of `key` that a read would answer with; `None` where there is no such object. A body that the shared tier has is
    /// left there, unless it is short; one that nobody has is fetched.
    ///
    /// # Errors
    /// As [`Cache::read`], but for `NotFound`.
    pub async fn current(self: &Arc<Self>, key: &Key, ask: Ask) -> Result<Option<Version>> {
        if self.memory.held(key).is_none()
            && let Some(version) = self.believed(key, ask).await
        {
            return Ok(Some(version));
        }
        match self.read(key, ask).await {
            Ok(read) => Ok(Some(read.entry.version.clone())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the shared tier believes of a long body that memory does not have, if this instance may believe it too: steps 3 and 4
    /// of the read path, without the body.
    async fn believed(&self, key: &Key, ask: Ask) -> Option<Version> {
        let shared = self.shared.as_ref()?;
        let Ok(Looked::Other { token: Some(token), state: Some(state) }) = shared.look(key, None).await else { return None };
        let is_long = state.facts.size > BROUGHT_MAX;
        (is_long && self.may_believe(key, &token, &state, ask)).then_some(state.version)
    }

    fn may_believe(&self, key: &Key, token: &Token, state: &State, ask: Ask) -> bool {
        let age = self.age_of_state(key, state, ask.now);
        if !state.is_believed_under(token) || !ask.demand.admits(age, self.policy.local_max_age) {
            return false;
        }
        let seen = Seen::Present(state.version.clone());
        let mut floors = self.floors();
        let is_admitted = floors.admits(key, &seen, state.confirmed_at);
        if is_admitted {
            floors.raise(key, seen, state.confirmed_at);
        }
        is_admitted
    }
}
