//! Names of things. An id is a hash of content wherever content decides identity; it is never a float and never a
//! position in a list.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An id that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is not that many lower-case hexadecimal digits.
    #[error("a {what} is {digits} hexadecimal digits, found {found:?}")]
    NotHex {
        /// Which id was expected.
        what: &'static str,
        /// How many digits it has.
        digits: usize,
        /// What stood there, shortened.
        found: String,
    },
    /// The text cannot name a sweep.
    #[error(
        "a sweep's name has 1 to {max} letters, digits, '-', '_' or '.', and starts with a letter or digit; found {found:?}",
        max = SweepName::MAX_LEN
    )]
    BadSweepName {
        /// What stood there, shortened.
        found: String,
    },
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $bytes;

            /// The id with exactly these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The first eight digits: enough to tell trials of one sweep apart on a screen.
            #[must_use]
            pub fn short(&self) -> String {
                self.to_string()[..8].to_owned()
            }

            /// The id of some text: the leading bytes of its BLAKE3 hash.
            #[must_use]
            pub fn of(text: &[u8]) -> Self {
                let mut bytes = [0; $bytes];
                bytes.copy_from_slice(&blake3::hash(text).as_bytes()[..$bytes]);
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError::NotHex { what: $what, digits: 2 * $bytes, found: shorten(text) };
                let is_lower_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if text.len() != 2 * $bytes || !is_lower_hex {
                    return Err(wrong());
                }
                let mut bytes = [0; $bytes];
                for (position, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(&text[2 * position..2 * position + 2], 16).map_err(|_| wrong())?;
                }
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hash_id!(
    /// Who a trial is: hash of (config, seed, data fingerprint, [`crate::RNG_VERSION`]). Equal trials of two sweeps
    /// are one trial.
    TrialId, 16, "trial id"
);
hash_id!(
    /// Who a config is: a trial without its seed, on one data set.
    ConfigId, 16, "config id"
);
hash_id!(
    /// Content of a data set after preprocessing, labels included, and with it every choice that made it.
    Fingerprint, 32, "data fingerprint"
);
hash_id!(
    /// Content of an artifact (BLAKE3 of its bytes).
    ArtifactHash, 32, "artifact hash"
);
hash_id!(
    /// Proof that a message comes from the holder of one lease; 128 random bits, never reused.
    LeaseNonce, 16, "lease nonce"
);
hash_id!(
    /// One registration of one worker process.
    SessionId, 16, "session id"
);

/// A sweep's name: what `name` in the grid file says. Unique in one state folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SweepName(String);

impl SweepName {
    /// Longest name, in bytes: it becomes a folder name.
    pub const MAX_LEN: usize = 100;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SweepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SweepName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let all_allowed = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !starts_well || !all_allowed || text.len() > Self::MAX_LEN {
            return Err(IdError::BadSweepName { found: shorten(text) });
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for SweepName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{ArtifactHash, SweepName, TrialId};

    #[test]
    fn a_hash_id_reads_back_from_its_text() {
        let id = TrialId::of(b"abc");
        assert_eq!(id.to_string().parse::<TrialId>().unwrap(), id);
        assert_eq!(id.to_string(), "6437b3ac38465133ffb63b75273a8db5"); // BLAKE3("abc"), first 16 bytes
        let json = serde_json::to_string(&ArtifactHash::of(b"")).unwrap();
        assert_eq!(serde_json::from_str::<ArtifactHash>(&json).unwrap(), ArtifactHash::of(b""));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "64", "6437B3AC38465133FFB63B75273A8DB5", "zz37b3ac38465133ffb63b75273a8db5", "ä"] {
            assert!(text.parse::<TrialId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_sweep_name_is_a_safe_folder_name() {
        for good in ["a", "pbmc3k-study", "v1.2_x"] {
            assert!(good.parse::<SweepName>().is_ok(), "{good:?}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "é", &"x".repeat(101)] {
            assert!(bad.parse::<SweepName>().is_err(), "{bad:?}");
        }
    }
}
