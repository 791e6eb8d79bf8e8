//! A proxy that does to a connection what networks do: delays, stalls in one direction or both, half-closes, and cuts in the
//! middle of a message. The fault can be changed while connections are open, and the proxy counts what it did.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a read waits before it looks whether the fault has changed.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is done to the bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every piece comes so much later.
    Delay(Duration),
    /// Nothing comes through any more, and nothing is closed: a partition.
    Stall,
    /// Requests arrive, replies do not: a partition in one direction.
    StallReplies,
    /// After so many bytes of replies both sides are cut; each connection anew.
    CutRepliesAfter(u64),
    /// After so many bytes of requests both sides are cut; each connection anew.
    CutRequestsAfter(u64),
    /// The next reply is followed by the end of that direction, while requests still go through.
    HalfClose,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    fault: Mutex<Fault>,
    fired: AtomicU64,
    is_over: AtomicBool,
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fire(&self) {
        self.fired.fetch_add(1, Ordering::SeqCst);
    }
}

/// The running proxy; it ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Requests,
    Replies,
}

impl Proxy {
    /// A proxy on a free port of this host in front of `upstream`.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            fault: Mutex::new(Fault::None),
            fired: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let listener = std::thread::spawn(move || {
            for client in listener.incoming() {
                if own.is_over.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    connect(client, &own);
                }
            }
        });
        Self { address, shared, listener: Some(listener) }
    }

    /// Where it listens, as a coordinator's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this is done, to open connections too.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// How often a fault has hit: a piece delayed or held, a connection cut.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.shared.fired.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener; whether it is heard does not matter any more.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn connect(client: TcpStream, shared: &Arc<Shared>) {
    let upstream = *shared.upstream.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody there: the client sees its connection end, as through a real proxy.
    let Ok(server) = TcpStream::connect(upstream) else { return };
    for (from, to, direction) in
        [(&client, &server, Direction::Requests), (&server, &client, Direction::Replies)]
    {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || pump(from, to, direction, &shared));
    }
}

/// Whether a direction goes on.
enum Next {
    Piece(usize),
    Later,
    End,
}

fn pump(mut from: TcpStream, mut to: TcpStream, direction: Direction, shared: &Shared) {
    let mut buffer = vec![0; 16 * 1024];
    let mut passed = 0_u64;
    // An error here shows at the next read.
    let _ = from.set_read_timeout(Some(LOOK_EVERY));
    while !shared.is_over.load(Ordering::SeqCst) {
        let length = match read(&mut from, &mut buffer) {
            Next::Piece(length) => length,
            Next::Later => continue,
            Next::End => break,
        };
        let allowed = match treat(direction, shared, passed, length) {
            Treatment::Pass => length,
            Treatment::PassThenCut(bytes) => bytes,
            Treatment::PassThenClose => {
                let _ = to.write_all(&buffer[..length]);
                break;
            }
        };
        if to.write_all(&buffer[..allowed]).is_err() {
            break;
        }
        passed += allowed as u64;
        if allowed < length {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn read(from: &mut TcpStream, buffer: &mut [u8]) -> Next {
    match from.read(buffer) {
        Ok(0) => Next::End,
        Ok(length) => Next::Piece(length),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            ) =>
        {
            Next::Later
        }
        Err(_) => Next::End,
    }
}

enum Treatment {
    Pass,
    PassThenCut(usize),
    PassThenClose,
}

/// What becomes of a piece of `length` bytes after `passed` others. Waits as long as the fault says.
fn treat(direction: Direction, shared: &Shared, passed: u64, length: usize) -> Treatment {
    let mut is_held = false;
    loop {
        let fault = shared.fault();
        let holds = match fault {
            Fault::Stall => true,
            Fault::StallReplies => direction == Direction::Replies,
            _ => false,
        };
        if holds {
            if !is_held {
                shared.fire();
            }
            is_held = true;
            if shared.is_over.load(Ordering::SeqCst) {
                return Treatment::PassThenCut(0);
            }
            std::thread::sleep(LOOK_EVERY);
            continue;
        }
        let limit = match (fault, direction) {
            (Fault::Delay(time), _) => {
                shared.fire();
                std::thread::sleep(time);
                None
            }
            (Fault::CutRepliesAfter(bytes), Direction::Replies)
            | (Fault::CutRequestsAfter(bytes), Direction::Requests) => Some(bytes),
            (Fault::HalfClose, Direction::Replies) => {
                shared.fire();
                return Treatment::PassThenClose;
            }
            _ => None,
        };
        return match limit {
            Some(bytes) if passed + length as u64 > bytes => {
                shared.fire();
                let left = bytes.saturating_sub(passed).min(length as u64 - 1);
                Treatment::PassThenCut(usize::try_from(left).unwrap_or(0))
            }
            _ => Treatment::Pass,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Proxy};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    /// A server that sends back what it gets, and a proxy before it.
    fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let (mut from, mut to) = (client.try_clone().unwrap(), client);
                    let _ = std::io::copy(&mut from, &mut to);
                });
            }
        });
        Proxy::start(address)
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    #[test]
    fn it_passes_holds_and_cuts_as_it_is_told() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        let mut back = [0; 5];
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut back).unwrap();
        assert_eq!((&back, proxy.fired()), (b"hello", 0));

        proxy.set(Fault::StallReplies);
        stream.write_all(b"again").unwrap();
        crate::wait_until("the reply to be held", Duration::from_secs(20), || {
            (proxy.fired() == 1).then_some(())
        });
        proxy.set(Fault::None);
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"again");

        proxy.set(Fault::CutRepliesAfter(12));
        stream.write_all(b"third").unwrap();
        let mut rest = Vec::new();
        // Cut: an end or an error, after two bytes of the third reply.
        let _ = stream.read_to_end(&mut rest);
        assert_eq!((rest.as_slice(), proxy.fired()), (&b"th"[..], 2));

        proxy.set(Fault::HalfClose);
        let mut stream = connect(&proxy);
        stream.write_all(b"half!").unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"half!");
    }
}
