//! How a client of the coordinator believes in it: only a chain whose root is the CA that the join token names is
//! taken, and the leaf must be signed by that CA, be valid now and be for the name that was dialled.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use crate::join::CaHash;

/// What both sides speak inside TLS.
pub const ALPN: &[u8] = b"h2";
/// Most certificates of a chain that are looked at for the CA: the coordinator sends leaf and CA.
const MAX_CHAIN: usize = 8;

/// The server's chain does not lead to the CA that the token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's certificate does not come from the CA that the token names")]
pub struct OtherAuthority;

/// Accepts exactly one CA.
#[derive(Debug)]
struct Pinned {
    ca: CaHash,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let other = || {
            let why = OtherError(Arc::new(OtherAuthority));
            Error::InvalidCertificate(CertificateError::Other(why))
        };
        // Only what the chain brings beside the leaf can be the CA: a leaf that is its own root is no CA's work.
        let root = intermediates.iter().take(MAX_CHAIN).find(|sent| CaHash::of(sent) == self.ca);
        let root = root.ok_or_else(other)?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        // No intermediates: the coordinator's leaf is signed by its CA itself.
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider));
        let webpki = webpki.build().map_err(|error| Error::General(error.to_string()))?;
        match webpki.verify_server_cert(end_entity, &[], server_name, ocsp_response, now) {
            // The right CA was shown, but it has not signed this leaf: shown by somebody who is not its owner.
            Err(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => Err(other()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The provider of both sides: ring.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Believes only in what the CA with this hash has signed.
#[must_use]
pub fn verifier(ca: CaHash) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Pinned { ca, provider: provider() })
}

/// TLS 1.3 towards a coordinator whose CA has this hash.
///
/// # Errors
/// When the provider has no TLS 1.3, which would be a fault of the build.
pub fn client_config(ca: CaHash) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier(ca)).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}
