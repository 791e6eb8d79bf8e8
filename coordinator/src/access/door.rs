//! The door: takes connections, shakes hands where TLS is on, and hands on what came through. A peer that stalls in the
//! handshake holds up nobody else; one that does not speak TLS is told so.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sweep_proto::{dial, pin};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::AccessError;
use super::authority::{Authority, Leaf};
use crate::clock::wall_ms;

/// Most connections at once: two for each of 10,000 workers. One more waits until another ends.
const MAX_CONNECTIONS: usize = 20_000;
/// Most handshakes at once: they cost time before anybody has shown a token.
const MAX_HANDSHAKES: usize = 512;
/// Longest handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a peer that spoke no TLS may take to read why it is let go.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);
/// Pause after the system refused a connection: it has no files left, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time between two looks at the certificate's end.
const RENEWAL_CHECK: Duration = Duration::from_secs(3600);
/// First byte of a TLS handshake (RFC 8446, 5.1: content type 22).
const TLS_HANDSHAKE: u8 = 22;

/// Lets this process have the connections that it may need: the system's default is often 1,024 files.
pub(crate) fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const WANTED: u64 = 2 * MAX_CONNECTIONS as u64;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = WANTED.min(hard);
    if soft < wanted
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
    {
        tracing::debug!(%error, soft, "the limit of open files stays as it is");
    }
}

/// One connection, ready for HTTP/2.
pub(crate) struct Guest {
    stream: Stream,
    /// Where it comes from.
    peer: Option<SocketAddr>,
    /// Its place among the connections.
    _place: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Takes connections of one listener.
pub(crate) struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Door {
    /// A door without TLS.
    pub(crate) fn open(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }

    /// A door with TLS, by a certificate of `authority` for `names` that is renewed as long as the door lives.
    pub(crate) fn guarded(
        listener: TcpListener,
        authority: Arc<Authority>,
        names: Vec<String>,
    ) -> Result<Self, AccessError> {
        let wrong = |error: rustls::Error| AccessError::Certificate(error.to_string());
        let leaf = authority.issue(&names, wall_ms())?;
        let current = Arc::new(CurrentLeaf(RwLock::new(leaf)));
        let builder = ServerConfig::builder_with_provider(pin::provider());
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(wrong)?;
        let resolver = Arc::clone(&current) as Arc<dyn ResolvesServerCert>;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![pin::ALPN.to_vec()];
        tokio::spawn(renew(Arc::downgrade(&current), authority, names));
        Ok(Self { listener, tls: Some(TlsAcceptor::from(Arc::new(config))) })
    }

    /// Takes connections until nobody wants them any more.
    pub(crate) fn guests(self) -> mpsc::Receiver<io::Result<Guest>> {
        let (guests, hall) = mpsc::channel(1);
        tokio::spawn(self.receive(guests));
        hall
    }

    async fn receive(self, guests: mpsc::Sender<io::Result<Guest>>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = guests.closed() => return,
            };
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if let Err(error) = prepare(&tcp) {
                tracing::debug!(%error, %peer, "a connection was gone at once");
                continue;
            }
            let Some(tls) = self.tls.clone() else {
                let guest = Guest { stream: Stream::Plain(tcp), peer: Some(peer), _place: place };
                if guests.send(Ok(guest)).await.is_err() {
                    return;
                }
                continue;
            };
            let Ok(turn) = Arc::clone(&handshakes).acquire_owned().await else { return };
            let guests = guests.clone();
            tokio::spawn(async move {
                match tokio::time::timeout(HANDSHAKE_LIMIT, shake_hands(tcp, &tls)).await {
                    Ok(Ok(Some(stream))) => {
                        drop(turn);
                        let stream = Stream::Tls(Box::new(stream));
                        // Nobody is left to want it where this fails.
                        let _ = guests.send(Ok(Guest { stream, peer: Some(peer), _place: place })).await;
                    }
                    Ok(Ok(None)) => tracing::debug!(%peer, "a peer spoke no TLS"),
                    Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
                }
            });
        }
    }
}

fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)
}

/// `None` for a peer that does not speak TLS, which was told so.
async fn shake_hands(mut tcp: TcpStream, tls: &TlsAcceptor) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut start = [0; 3];
    let seen = tcp.peek(&mut start).await?;
    if seen == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if start[0] == TLS_HANDSHAKE {
        return tls.accept(tcp).await.map(Some);
    }
    let is_http2 = b"PRI".starts_with(&start[..seen]);
    if is_http2 {
        // A goodbye before the first call would fail that call without its reason.
        let _ = tokio::time::timeout(GOODBYE_LIMIT, first_call(&mut tcp)).await;
    }
    let goodbye = if is_http2 { http2_goodbye() } else { http1_goodbye() };
    tcp.write_all(&goodbye).await?;
    tcp.shutdown().await?;
    // Closing with unread data would cut the goodbye off.
    let mut sink = [0; 1024];
    let drained = async {
        while tcp.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(GOODBYE_LIMIT, drained).await;
    Ok(None)
}

/// Reads until an HTTP/2 client has made a call, or says more than a call needs.
async fn first_call(tcp: &mut TcpStream) -> io::Result<()> {
    const MOST: usize = 64 * 1024;
    let mut heard = Vec::new();
    while heard.len() < MOST && !has_call(&heard) {
        if tcp.read_buf(&mut heard).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Whether a HEADERS frame has begun (RFC 9113: 24 bytes of preface, 3.4; frames of 9 bytes and a body, 4.1).
fn has_call(heard: &[u8]) -> bool {
    const HEADERS: u8 = 1;
    let mut frames = heard.get(24..).unwrap_or_default();
    while let [high, middle, low, kind, ..] = *frames {
        if kind == HEADERS {
            return true;
        }
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        frames = frames.get(9 + length..).unwrap_or_default();
    }
    false
}

/// An HTTP/2 server's first words, empty SETTINGS and GOAWAY (RFC 9113, 6.5 and 6.8), with the reason as debug data.
fn http2_goodbye() -> Vec<u8> {
    const INADEQUATE_SECURITY: u32 = 0xc;
    let words = dial::TLS_PORT_WORDS.as_bytes();
    let length = u32::try_from(8 + words.len()).unwrap_or(8).to_be_bytes();
    let mut bytes = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&length[1..]);
    bytes.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&INADEQUATE_SECURITY.to_be_bytes());
    bytes.extend_from_slice(words);
    bytes
}

fn http1_goodbye() -> Vec<u8> {
    let words = dial::TLS_PORT_WORDS;
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{words}\n",
        words.len() + 1
    )
    .into_bytes()
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct CurrentLeaf(RwLock<Leaf>);

impl CurrentLeaf {
    fn is_due(&self, now_ms: i64) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_due(now_ms)
    }
}

impl ResolvesServerCert for CurrentLeaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

async fn renew(current: std::sync::Weak<CurrentLeaf>, authority: Arc<Authority>, names: Vec<String>) {
    loop {
        tokio::time::sleep(RENEWAL_CHECK).await;
        let Some(current) = current.upgrade() else { return };
        if !current.is_due(wall_ms()) {
            continue;
        }
        match authority.issue(&names, wall_ms()) {
            Ok(leaf) => *current.0.write().unwrap_or_else(PoisonError::into_inner) = leaf,
            Err(error) => tracing::error!(%error, "the server's certificate could not be renewed"),
        }
    }
}

impl Connected for Guest {
    type ConnectInfo = Option<SocketAddr>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.peer
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Guest {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::has_call;

    #[test]
    fn a_call_is_seen_behind_settings_and_not_before() {
        let mut heard = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        heard.extend_from_slice(&[0, 0, 6, 4, 0, 0, 0, 0, 0]);
        // A body that looks like a frame of headers.
        heard.extend_from_slice(&[0, 0, 0, 1, 0, 1]);
        assert!(!has_call(&heard));
        heard.extend_from_slice(&[0, 0, 9, 1]);
        assert!(has_call(&heard));
        assert!((0..heard.len()).all(|length| !has_call(&heard[..length])));
        assert!(!has_call(&[0xff; 40]), "a frame longer than what was heard");
    }
}
