//! How a client reaches the coordinator: plain for `http://`, by TLS with the pinned CA and the token's secret in each
//! call for `https://`; and what went wrong, in words for people.
//!
//! Must not live here: retries, sessions, exit codes.

use std::error::Error;
use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tower::service_fn;

use crate::join::JoinToken;
use crate::pin::{self, OtherAuthority};

/// What a TLS port tells a client that does not speak TLS, in the debug data of its goodbye.
pub const TLS_PORT_WORDS: &str = "this port speaks TLS: use https:// and a token";

/// A connection with the holder's proof in each call; without one where the connection is plain.
pub type Connection = InterceptedService<Channel, Credential>;

/// Why a client cannot even be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetUpError {
    /// TLS without a token: nothing would say who the server must be.
    #[error("{url} needs a join token: name its file with --token-file, or set {}", crate::join::TOKEN_ENV)]
    NoToken {
        /// Where to.
        url: String,
    },
    /// The address cannot be used.
    #[error("{url} cannot be dialled: {problem}")]
    Address {
        /// Where to.
        url: String,
        /// Why.
        problem: String,
    },
}

/// Why a TLS connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody answers.
    #[error("cannot connect to {place}: {source}")]
    Connect {
        /// Where to.
        place: String,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody answers, but not the coordinator of the token.
    #[error(
        "the server at {place} does not come from the CA that the token names: the token is another coordinator's, \
         or somebody stands in between (man in the middle). The secret was not sent. Ask for a new token where the \
         coordinator runs: coordinator token create"
    )]
    OtherAuthority {
        /// Where to.
        place: String,
    },
    /// The coordinator answers under a name that its certificate does not have.
    #[error(
        "the coordinator's certificate is not for the name {name}: use one that it was started with, or start it with \
         --tls-name {name}"
    )]
    OtherName {
        /// The name that was dialled.
        name: String,
    },
    /// The certificate's time is not now.
    #[error("the certificate of {place} is not valid at this time: compare the clocks of both machines")]
    OtherTime {
        /// Where to.
        place: String,
    },
    /// What answers is not TLS.
    #[error(
        "what listens at {place} does not speak TLS: use http://{place}, or start the coordinator with --tls"
    )]
    NotTls {
        /// Where to.
        place: String,
    },
    /// The handshake failed otherwise.
    #[error("the TLS handshake with {place} failed: {source}")]
    Handshake {
        /// Where to.
        place: String,
        /// What happened.
        source: io::Error,
    },
}

/// A failed call that no repeat would cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hopeless {
    /// The coordinator does not let this client in, or is not the one that the token names.
    NotAllowed(String),
    /// What was dialled is not what answers: TLS or not, or another name.
    WrongDoor(String),
}

/// Puts the token's secret into each call.
#[derive(Debug, Clone)]
pub struct Credential(Option<MetadataValue<Ascii>>);

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.0 {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        Ok(request)
    }
}

/// Knows how to reach one coordinator.
#[derive(Debug, Clone)]
pub struct Dialer {
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    credential: Credential,
}

impl Dialer {
    /// For an `endpoint` with all its limits set. A plain endpoint gets no secret, whatever `token` is.
    ///
    /// # Errors
    /// When the endpoint asks for TLS and there is no token, or its address cannot be used.
    pub fn new(endpoint: Endpoint, token: Option<&JoinToken>) -> Result<Self, SetUpError> {
        let url = endpoint.uri().to_string();
        if endpoint.uri().scheme_str() != Some("https") {
            return Ok(Self { endpoint, tls: None, credential: Credential(None) });
        }
        let Some(token) = token else { return Err(SetUpError::NoToken { url }) };
        let refuse = |problem: String| SetUpError::Address { url: url.clone(), problem };
        server_name(endpoint.uri()).map_err(|error| refuse(error.to_string()))?;
        let config = pin::client_config(token.ca).map_err(|error| refuse(error.to_string()))?;
        let mut bearer =
            MetadataValue::try_from(token.bearer()).map_err(|error| refuse(error.to_string()))?;
        // Never shown in a log of the HTTP layer, never kept in its tables.
        bearer.set_sensitive(true);
        Ok(Self { endpoint, tls: Some(config), credential: Credential(Some(bearer)) })
    }

    /// A connection that is made at its first call and again whenever it breaks. Belongs to the runtime it is made in.
    #[must_use]
    pub fn lazy(&self) -> Connection {
        InterceptedService::new(self.channel(), self.credential.clone())
    }

    /// As [`Dialer::lazy`], without the proof in each call.
    #[must_use]
    pub fn channel(&self) -> Channel {
        match &self.tls {
            None => self.endpoint.connect_lazy(),
            Some(config) => {
                let config = Arc::clone(config);
                let connect = service_fn(move |uri: Uri| dial(uri, Arc::clone(&config)));
                self.endpoint.connect_with_connector_lazy(connect)
            }
        }
    }
}

async fn dial(uri: Uri, config: Arc<ClientConfig>) -> Result<TokioIo<TlsStream<TcpStream>>, DialError> {
    let host = bare_host(&uri).to_owned();
    let place = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
    let unreachable = |source| DialError::Connect { place: place.clone(), source };
    let name = server_name(&uri).map_err(unreachable)?;
    let tcp =
        TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let shaken = TlsConnector::from(config).connect(name, tcp).await;
    shaken.map(TokioIo::new).map_err(|source| explain(source, place, host))
}

fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

fn server_name(uri: &Uri) -> io::Result<ServerName<'static>> {
    let name = ServerName::try_from(bare_host(uri).to_owned());
    name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// What a failed handshake means for a person.
fn explain(source: io::Error, place: String, name: String) -> DialError {
    let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => match problem {
            CertificateError::Other(why) if why.0.is::<OtherAuthority>() => {
                DialError::OtherAuthority { place }
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                DialError::OtherName { name }
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => DialError::OtherTime { place },
            // A certificate that cannot even be read is nobody's whom the token names.
            _ => DialError::OtherAuthority { place },
        },
        Some(rustls::Error::InvalidMessage(_)) => DialError::NotTls { place },
        _ => DialError::Handshake { place, source },
    }
}

/// Why repeating a call that ended with `status` would not help; `None` where it may.
#[must_use]
pub fn hopeless(status: &Status) -> Option<Hopeless> {
    let mut cause: Option<&dyn Error> = Some(status);
    while let Some(error) = cause {
        match error.downcast_ref::<DialError>() {
            Some(DialError::OtherAuthority { .. }) => return Some(Hopeless::NotAllowed(error.to_string())),
            Some(DialError::OtherName { .. } | DialError::NotTls { .. }) => {
                return Some(Hopeless::WrongDoor(error.to_string()));
            }
            Some(DialError::Connect { .. } | DialError::OtherTime { .. } | DialError::Handshake { .. }) => {
                return None;
            }
            None => {}
        }
        if error.to_string().contains(TLS_PORT_WORDS) {
            return Some(Hopeless::WrongDoor(TLS_PORT_WORDS.to_owned()));
        }
        cause = error.source();
    }
    // Last: the goodbye of a TLS port comes as a denial, too.
    (status.code() == Code::PermissionDenied).then(|| Hopeless::NotAllowed(status.message().to_owned()))
}
