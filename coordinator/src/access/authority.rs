//! The coordinator's own CA, made at its first start, and the certificates that it signs. The CA's key lies in the state
//! folder (mode 0600); the server's key never leaves the memory: a certificate is made anew at each start, and again when
//! it comes close to its end.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use sweep_proto::join::CaHash;
use sweep_proto::pin;
use time::OffsetDateTime;

use super::AccessError;

const DAY_MS: i64 = 86_400_000;
/// Life of the CA. A token names its hash, so that a new CA would end every token.
const CA_LIFE_MS: i64 = 20 * 365 * DAY_MS;
/// Life of a server certificate.
const LEAF_LIFE_MS: i64 = 90 * DAY_MS;
/// A server certificate is replaced this long before its end.
const RENEW_BEFORE_MS: i64 = 30 * DAY_MS;
/// Clocks of workers may be this far behind.
const CLOCK_SKEW_MS: i64 = DAY_MS;
/// Largest file of the CA that is read.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Makes server certificates that holders of a token believe in.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("hash", &self.hash()).finish_non_exhaustive()
    }
}

/// A server certificate with its key.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) key: Arc<CertifiedKey>,
    not_after_ms: i64,
}

impl Leaf {
    /// Whether it should be replaced.
    pub(crate) const fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.not_after_ms - RENEW_BEFORE_MS
    }
}

impl Authority {
    /// The CA of a state folder, made if there is none.
    ///
    /// # Errors
    /// When its files cannot be read or written, are open to others, or do not belong together.
    pub fn of_state_dir(state: &Path, now_ms: i64) -> Result<Self, AccessError> {
        let folder = state.join("tls");
        let (key_path, certificate_path) = (folder.join("ca.key"), folder.join("ca.crt"));
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| AccessError::Io { path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
        let has = |path: &Path| path.try_exists().map_err(at(path));
        let (has_key, has_certificate) = (has(&key_path)?, has(&certificate_path)?);
        let wrong = |problem: String| AccessError::Authority { folder: folder.clone(), problem };
        if has_certificate && !has_key {
            return Err(wrong("its key ca.key is gone".to_owned()));
        }
        let key = if has_key {
            KeyPair::from_pem(&read_private(&key_path)?).map_err(|error| wrong(format!("ca.key: {error}")))?
        } else {
            let key = KeyPair::generate().map_err(certificate_error)?;
            write_whole(&key_path, key.serialize_pem().as_bytes(), 0o600).map_err(at(&key_path))?;
            key
        };
        // Key without certificate: a first start that was cut off in between. No token can name that CA yet.
        if !has_certificate {
            let made = ca_params(now_ms)?.self_signed(&key).map_err(certificate_error)?;
            write_whole(&certificate_path, made.pem().as_bytes(), 0o644).map_err(at(&certificate_path))?;
        }
        let text = read_bounded(&certificate_path).map_err(at(&certificate_path))?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|error| wrong(format!("ca.crt is no certificate: {error}")))?;
        let public = key.der_bytes();
        if !certificate.windows(public.len()).any(|part| part == public) {
            return Err(wrong("ca.key is not the key of ca.crt".to_owned()));
        }
        Ok(Self { certificate, issuer: Issuer::new(ca_params(now_ms)?, key) })
    }

    /// What tokens name it by.
    #[must_use]
    pub fn hash(&self) -> CaHash {
        CaHash::of(&self.certificate)
    }

    /// A certificate for these names and addresses.
    pub(crate) fn issue(&self, names: &[String], now_ms: i64) -> Result<Leaf, AccessError> {
        let key = KeyPair::generate().map_err(certificate_error)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(certificate_error)?;
        params.distinguished_name = named("latentsweep coordinator");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let not_after_ms = now_ms.saturating_add(LEAF_LIFE_MS);
        (params.not_before, params.not_after) = (moment(now_ms - CLOCK_SKEW_MS)?, moment(not_after_ms)?);
        let leaf = params.signed_by(&key, &self.issuer).map_err(certificate_error)?;
        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = CertifiedKey::from_der(chain, private, &pin::provider())
            .map_err(|error| AccessError::Certificate(error.to_string()))?;
        Ok(Leaf { key: Arc::new(key), not_after_ms })
    }
}

fn certificate_error(error: rcgen::Error) -> AccessError {
    AccessError::Certificate(error.to_string())
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn ca_params(now_ms: i64) -> Result<CertificateParams, AccessError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("latentsweep coordinator's own CA");
    // It signs servers and nothing else, and nobody below it signs anything.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = moment(now_ms - CLOCK_SKEW_MS)?;
    params.not_after = moment(now_ms.saturating_add(CA_LIFE_MS))?;
    Ok(params)
}

fn moment(ms: i64) -> Result<OffsetDateTime, AccessError> {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
        .map_err(|error| AccessError::Certificate(format!("the clock shows no usable time: {error}")))
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn read_private(path: &Path) -> Result<String, AccessError> {
    let at = |source| AccessError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(at)?;
    let mode = file.metadata().map_err(at)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(AccessError::OpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(at)?;
    Ok(text)
}

/// Writes a file that is either there whole, with these permissions from its first byte on, or not at all.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let part = path.with_extension("part");
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The names and addresses under which a coordinator that listens on `bind` is reached: loopback (a tunnel ends there),
/// its address or, where it listens on all, each of this machine's, the machine's name, and what the person adds.
#[must_use]
pub fn names_for(bind: SocketAddr, host: Option<&str>, more: &[String]) -> Vec<String> {
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    if bind.ip().is_unspecified() {
        addresses.extend(own_addresses());
    } else {
        addresses.push(bind.ip());
    }
    let mut names = vec!["localhost".to_owned()];
    names.extend(addresses.iter().map(ToString::to_string));
    names.extend(host.filter(|host| is_dns_name(host)).map(str::to_owned));
    names.extend(more.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// A name that a certificate can carry. An address is one, too.
#[must_use]
pub(crate) fn is_dns_name(text: &str) -> bool {
    rustls::pki_types::ServerName::try_from(text).is_ok()
}

fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let addresses = interfaces.filter_map(|interface| interface.address);
    let address = |storage: nix::sys::socket::SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    addresses.filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use sweep_proto::pin;

    use super::{AccessError, Authority, DAY_MS, names_for};

    /// 2026-01-01.
    const NOW_MS: i64 = 1_767_225_600_000;

    #[test]
    fn the_ca_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::of_state_dir(folder.path(), NOW_MS).unwrap();
        let again = Authority::of_state_dir(folder.path(), NOW_MS + 400 * DAY_MS).unwrap();
        assert_eq!(first.hash(), again.hash());
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("tls"), mode("tls/ca.key")), (0o700, 0o600));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Authority::of_state_dir(other.path(), NOW_MS).unwrap().hash(), first.hash());
    }

    #[test]
    fn a_ca_that_cannot_be_trusted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Authority::of_state_dir(folder.path(), NOW_MS).unwrap();
        let key = folder.path().join("tls/ca.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Authority::of_state_dir(folder.path(), NOW_MS).unwrap_err().to_string();
        assert!(refused.contains(&format!("chmod 600 {}", key.display())), "{refused}");

        let other = tempfile::tempdir().unwrap();
        Authority::of_state_dir(other.path(), NOW_MS).unwrap();
        std::fs::copy(other.path().join("tls/ca.key"), &key).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let refused = Authority::of_state_dir(folder.path(), NOW_MS).unwrap_err();
        assert!(
            matches!(&refused, AccessError::Authority { problem, .. } if problem.contains("not the key"))
        );

        std::fs::remove_file(&key).unwrap();
        let refused = Authority::of_state_dir(folder.path(), NOW_MS).unwrap_err();
        assert!(matches!(&refused, AccessError::Authority { problem, .. } if problem.contains("gone")));
    }

    #[test]
    fn a_first_start_that_was_cut_off_is_finished_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        Authority::of_state_dir(folder.path(), NOW_MS).unwrap();
        std::fs::remove_file(folder.path().join("tls/ca.crt")).unwrap();
        assert!(Authority::of_state_dir(folder.path(), NOW_MS).is_ok());
    }

    #[test]
    fn a_certificate_is_due_thirty_days_before_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::of_state_dir(folder.path(), NOW_MS).unwrap();
        let leaf = authority.issue(&["localhost".to_owned()], NOW_MS).unwrap();
        assert!(!leaf.is_due(NOW_MS) && !leaf.is_due(NOW_MS + 59 * DAY_MS));
        assert!(leaf.is_due(NOW_MS + 60 * DAY_MS));
    }

    /// What a client that pins `pinned` says to a chain, at `now_ms`.
    fn verdict(
        pinned: &Authority,
        chain: &[CertificateDer<'static>],
        name: &str,
        now_ms: i64,
    ) -> Result<(), String> {
        let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now_ms).unwrap()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let verifier = pin::verifier(pinned.hash());
        let verdict = verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now);
        verdict.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_pinning_client_believes_this_ca_alone_for_its_names_in_its_time() {
        let [ours, theirs] = [(); 2].map(|()| {
            let folder = tempfile::tempdir().unwrap();
            Authority::of_state_dir(folder.path(), NOW_MS).unwrap()
        });
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let chain = ours.issue(&names, NOW_MS).unwrap().key.cert.clone();
        for name in ["localhost", "127.0.0.1"] {
            assert_eq!(verdict(&ours, &chain, name, NOW_MS), Ok(()));
        }
        // A worker whose clock is slow by hours still gets in.
        assert_eq!(verdict(&ours, &chain, "localhost", NOW_MS - 20 * 3_600_000), Ok(()));
        for (name, now_ms) in [
            ("10.0.0.1", NOW_MS),
            ("elsewhere", NOW_MS),
            ("localhost", NOW_MS + 91 * DAY_MS),
            ("localhost", NOW_MS - 2 * DAY_MS),
        ] {
            assert!(verdict(&ours, &chain, name, now_ms).is_err(), "{name} at {now_ms}");
        }

        // Somebody in between: another CA; another CA's leaf beside the real CA's public certificate; the real CA's
        // certificate as the leaf; a leaf alone; a leaf of the other CA whose chain has both.
        let forged = theirs.issue(&names, NOW_MS).unwrap().key.cert.clone();
        let (real_ca, other_ca) = (chain[1].clone(), forged[1].clone());
        for chain in [
            forged.clone(),
            vec![forged[0].clone(), real_ca.clone()],
            vec![forged[0].clone(), other_ca, real_ca.clone()],
            vec![real_ca.clone()],
            vec![real_ca.clone(), real_ca],
            vec![chain[0].clone()],
        ] {
            assert!(verdict(&ours, &chain, "localhost", NOW_MS).is_err());
        }
    }

    #[test]
    fn a_coordinator_is_reached_under_its_addresses_and_names() {
        let some = names_for("10.1.2.3:7733".parse().unwrap(), Some("node-7"), &["login.site".to_owned()]);
        assert_eq!(some, ["localhost", "127.0.0.1", "::1", "10.1.2.3", "node-7", "login.site"]);
        let all = names_for("0.0.0.0:0".parse().unwrap(), Some("bad name"), &[]);
        assert!(!all.iter().any(|name| name == "0.0.0.0" || name == "bad name"), "{all:?}");
    }
}
