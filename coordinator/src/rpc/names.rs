//! Whose a worker's name is. A worker that comes back under its name is given its live leases again, nonces and all: the
//! holder of another token must not get them by calling itself the same.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sweep_engine::MAX_SESSIONS;
use sweep_proto::join::TokenId;
use tonic::Status;
use tonic::metadata::MetadataValue;

use super::status::REJECTION_KEY;
use crate::access::Caller;

/// Most names that are remembered; then those of workers that are gone are forgotten.
const MAX_NAMES: usize = 4 * MAX_SESSIONS;

/// Remembers which token registered a name first.
#[derive(Debug, Default)]
pub(super) struct NameKeeper(Mutex<BTreeMap<String, TokenId>>);

impl NameKeeper {
    /// Lets `caller` have `name`, unless it is another token's. `is_live` tells whether a worker is registered.
    pub(super) fn claim(
        &self,
        name: &str,
        caller: Caller,
        is_live: impl Fn(&str) -> bool,
    ) -> Result<(), Status> {
        let Caller::Token(id) = caller else { return Ok(()) };
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_NAMES {
            names.retain(|known, _| is_live(known));
        }
        match names.get(name) {
            Some(owner) if *owner != id => {
                let words = "a worker of another token has this name: start this one under another name";
                let mut status = Status::permission_denied(words);
                status.metadata_mut().insert(REJECTION_KEY, MetadataValue::from_static("name-taken"));
                Err(status)
            }
            Some(_) => Ok(()),
            None => {
                names.insert(name.to_owned(), id);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sweep_proto::join::TokenId;

    use super::{MAX_NAMES, NameKeeper};
    use crate::access::Caller;

    #[test]
    fn a_name_stays_with_the_token_that_had_it_first() {
        let keeper = NameKeeper::default();
        let [first, second] = [1, 2].map(|byte| Caller::Token(TokenId::from_bytes([byte; 8])));
        assert!(keeper.claim("w", first, |_| false).is_ok() && keeper.claim("w", first, |_| false).is_ok());
        assert_eq!(keeper.claim("w", second, |_| false).unwrap_err().code(), tonic::Code::PermissionDenied);
        assert!(keeper.claim("v", second, |_| false).is_ok());
    }

    #[test]
    fn names_of_workers_that_are_gone_are_forgotten_in_time() {
        let keeper = NameKeeper::default();
        let [first, second] = [1, 2].map(|byte| Caller::Token(TokenId::from_bytes([byte; 8])));
        for number in 0..=MAX_NAMES {
            keeper.claim(&format!("w{number}"), first, |name| name == "w7").unwrap();
        }
        assert!(keeper.claim("w7", second, |_| false).is_err(), "still registered");
        assert!(keeper.claim("w8", second, |_| false).is_ok(), "gone");
    }
}
