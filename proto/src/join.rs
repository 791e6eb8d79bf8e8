//! The join token: one line of text that lets a worker or a person's command in. It names the coordinator's own CA, so
//! that the coordinator is known before the secret is sent, and carries the secret.
//!
//! Must not live here: which tokens exist and what they may do (the coordinator knows), and anything that puts a secret
//! into a message, a log or an argument.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// First word of a token of this release: a later form gets another one.
const VERSION: &str = "lst1";
/// What the first word of every version starts with.
const FAMILY: &str = "lst";
/// Longest token file that is read: a token has 151 characters.
const MAX_FILE_BYTES: u64 = 4096;
/// Permissions of a token file that nobody but its owner may have.
const OTHERS: u32 = 0o077;

/// The environment variable that holds a token where there is no file.
pub const TOKEN_ENV: &str = "LATENTSWEEP_TOKEN";
/// The environment variable that holds the path of a token file.
pub const TOKEN_FILE_ENV: &str = "LATENTSWEEP_TOKEN_FILE";

/// Why there is no usable token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The text is no token. It is not repeated: a part of it may be a secret.
    #[error(
        "{place} holds no join token: {problem}. A token is one line, made by `coordinator token create`"
    )]
    BadForm {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Made by a later release.
    #[error("{place} holds a token of a later release: use programs of the same release as the coordinator")]
    TooNew {
        /// Where it stands.
        place: String,
    },
    /// The file cannot be read.
    #[error("cannot read the token file {}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others on this machine can read it.
    #[error(
        "the token file {} is open to others (mode {mode:04o}), so its secret is none\n  next: chmod 600 {}",
        path.display(), path.display()
    )]
    OpenToOthers {
        /// Its path.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// Which CA a server's certificate must come from: SHA-256 of the CA's certificate (DER), the same that
/// `openssl x509 -fingerprint -sha256` prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CaHash([u8; 32]);

impl CaHash {
    /// The hash of a CA's certificate.
    #[must_use]
    pub fn of(certificate_der: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate_der);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl fmt::Display for CaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for CaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaHash({self})")
    }
}

/// Which token: public, stands in lists and logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; 8]);

impl TokenId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

/// A text that is no token id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token's id is 16 hexadecimal digits, as `coordinator token list` shows it")]
pub struct NoTokenId;

impl FromStr for TokenId {
    type Err = NoTokenId;

    fn from_str(text: &str) -> Result<Self, NoTokenId> {
        from_hex(text).map(Self).ok_or(NoTokenId)
    }
}

/// 256 random bits that only coordinator and holder know. It has no text but in a token and in the header of a call.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The secret with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be hashed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

/// A whole token.
#[derive(Debug, Clone, Copy)]
pub struct JoinToken {
    /// The CA that the coordinator's certificate must come from.
    pub ca: CaHash,
    /// Which token.
    pub id: TokenId,
    /// Proof of holding it.
    pub secret: Secret,
}

impl JoinToken {
    /// The one line that is handed to its holder. The only way to the secret's text beside [`JoinToken::bearer`].
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{VERSION}.{}.{}.{}", self.ca, self.id, hex(&self.secret.0))
    }

    /// What goes into the header of a call, behind TLS only.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}.{}", self.id, hex(&self.secret.0))
    }

    /// The token in `text`, which stands at `place`.
    ///
    /// # Errors
    /// When it is none; the message does not repeat the text.
    pub fn parse(text: &str, place: &str) -> Result<Self, TokenError> {
        let wrong = |problem| TokenError::BadForm { place: place.to_owned(), problem };
        let mut parts = text.trim().split('.');
        let version = parts.next().unwrap_or_default();
        if version != VERSION {
            let digits = version.strip_prefix(FAMILY).unwrap_or_default();
            let is_later =
                !digits.is_empty() && digits.len() < 8 && digits.bytes().all(|b| b.is_ascii_digit());
            return Err(match is_later {
                true => TokenError::TooNew { place: place.to_owned() },
                false => wrong("its first word is not a token's"),
            });
        }
        let (Some(ca), Some(id), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("it has not four parts set apart by dots"));
        };
        Ok(Self {
            ca: CaHash(from_hex(ca).ok_or_else(|| wrong("its second part is not 64 hexadecimal digits"))?),
            id: id.parse().map_err(|NoTokenId| wrong("its third part is not 16 hexadecimal digits"))?,
            secret: Secret(
                from_hex(secret).ok_or_else(|| wrong("its fourth part is not 64 hexadecimal digits"))?,
            ),
        })
    }

    /// The token in a file that nobody else may read.
    ///
    /// # Errors
    /// When it cannot be read, is open to others, or holds no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        // Asked of the open file: its name may mean another one by now.
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(TokenError::OpenToOthers { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text, &format!("the token file {}", path.display()))
    }

    /// The token of `file` if one is named, else of the environment, else none.
    ///
    /// # Errors
    /// When what is named cannot be used.
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, TokenError> {
        if let Some(path) = file {
            return Self::read(path).map(Some);
        }
        let place = || format!("the environment variable {TOKEN_ENV}");
        match std::env::var(TOKEN_ENV) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Self::parse(&text, &place()).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(TokenError::BadForm { place: place(), problem: "it is not text" })
            }
        }
    }
}

/// The two parts of a call's header that [`JoinToken::bearer`] wrote; `None` for anything else.
#[must_use]
pub fn parse_bearer(header: &[u8]) -> Option<(TokenId, Secret)> {
    let text = std::str::from_utf8(header).ok()?;
    let (id, secret) = text.strip_prefix("Bearer ")?.split_once('.')?;
    Some((id.parse().ok()?, Secret(from_hex(secret)?)))
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_lower_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 2 * N || !is_lower_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (position, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * position..2 * position + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{CaHash, JoinToken, Secret, TokenError, TokenId, parse_bearer};
    use std::os::unix::fs::PermissionsExt;

    fn example() -> JoinToken {
        JoinToken {
            ca: CaHash::of(b"abc"),
            id: TokenId::from_bytes([1, 2, 3, 4, 5, 6, 7, 0xab]),
            secret: Secret::from_bytes([0xcd; 32]),
        }
    }

    #[test]
    fn the_hash_is_sha_256() {
        // FIPS 180-4, example of "abc".
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(CaHash::of(b"abc").to_string(), known);
    }

    #[test]
    fn a_token_reads_back_from_its_line() {
        let read = JoinToken::parse(&format!("{}\n", example().reveal()), "x").unwrap();
        assert_eq!((read.ca, read.id), (example().ca, example().id));
        assert_eq!(read.secret.as_bytes(), example().secret.as_bytes());
        let (id, secret) = parse_bearer(example().bearer().as_bytes()).unwrap();
        assert_eq!((id, secret.as_bytes()), (example().id, example().secret.as_bytes()));
        for header in ["", "Bearer ", "Bearer x.y", "bearer 0.0", "Basic abc"] {
            assert!(parse_bearer(header.as_bytes()).is_none(), "{header:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_named_without_being_repeated() {
        let line = example().reveal();
        let secret = line.rsplit('.').next().unwrap();
        let cut = &line[..line.len() - 1];
        let spliced = line.replace("lst1.", "lst1.x.");
        for text in ["", "hello", "lst1", "lstx.a.b.c", cut, &spliced, secret, &line.to_uppercase()] {
            let words = JoinToken::parse(text, "the file t").unwrap_err().to_string();
            assert!(words.contains("the file t"), "{words}");
            assert!(!words.contains(&secret[..8]), "{words}");
        }
        let later = JoinToken::parse(&line.replace("lst1", "lst2"), "t").unwrap_err();
        assert!(matches!(later, TokenError::TooNew { .. }), "{later}");
    }

    #[test]
    fn nothing_shows_the_secret_by_accident() {
        let shown = format!("{:?}", example());
        assert!(!shown.contains("cd") && !shown.contains("205"), "{shown}");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.token");
        std::fs::write(&path, example().reveal()).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let words = JoinToken::read(&path).unwrap_err().to_string();
            assert!(words.contains(&format!("chmod 600 {}", path.display())), "{words}");
        }
        for mode in [0o600, 0o400] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(JoinToken::read(&path).unwrap().id, example().id);
        }
        assert!(matches!(
            JoinToken::read(folder.path()).unwrap_err(),
            TokenError::File { .. } | TokenError::OpenToOthers { .. }
        ));
    }
}
