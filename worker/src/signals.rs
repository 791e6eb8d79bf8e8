//! Signals and the end of the parent process, turned into orders. SIGTERM, SIGINT or SIGUSR1 drains; a second SIGTERM or
//! SIGINT ends at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Pid, getppid};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::ParentBond;
use crate::ending::{EXIT_DRAINED, EXIT_INTERRUPTED};
use crate::orders::{DrainCause, Order, OrderBoard};

/// How often the parent is looked for.
const PARENT_INTERVAL: Duration = Duration::from_millis(500);
/// How long a worker without a parent may take to put things in order.
const ORPHAN_GRACE: Duration = Duration::from_secs(5);

/// Starts the threads that listen; they live as long as the process.
///
/// # Errors
/// When the system gives no thread or no signal handler.
pub(crate) fn listen(orders: &Arc<OrderBoard>, parent: ParentBond) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::register()?
    };
    let board = Arc::clone(orders);
    let body = move || runtime.block_on(signals.obey(&board));
    std::thread::Builder::new().name("signals".to_owned()).spawn(body)?;

    if let ParentBond::Parent(said) = parent {
        let seen = getppid();
        let parent = said.and_then(|id| i32::try_from(id).ok()).map_or(seen, Pid::from_raw);
        let board = Arc::clone(orders);
        let body = move || end_with(parent, &board);
        std::thread::Builder::new().name("parent".to_owned()).spawn(body)?;
    }
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    user: Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    async fn obey(mut self, orders: &OrderBoard) {
        let mut told = false;
        loop {
            let second_code = tokio::select! {
                _ = self.terminate.recv() => Some(EXIT_DRAINED),
                _ = self.interrupt.recv() => Some(EXIT_INTERRUPTED),
                // A scheduler's warning; it may come beside the SIGTERM that follows it, so it is never the second.
                _ = self.user.recv() => None,
            };
            match second_code {
                Some(code) if told => drop(orders.give(Order::Stop(code))),
                _ => drop(orders.give(Order::Drain(DrainCause::Signal))),
            }
            told |= second_code.is_some();
        }
    }
}

/// A process whose parent ended gets another parent at once. The kernel's own word for it (`PR_SET_PDEATHSIG`) comes when
/// the parent's *thread* ends, which is too early.
fn end_with(parent: Pid, orders: &OrderBoard) {
    while getppid() == parent {
        std::thread::sleep(PARENT_INTERVAL);
    }
    orders.give(Order::Drain(DrainCause::ParentGone));
    std::thread::sleep(ORPHAN_GRACE);
    orders.give(Order::Stop(EXIT_DRAINED));
}
