//! The heartbeat: a thread and a runtime of its own with a connection of its own, so that neither training nor a data
//! set on its way nor a full disk can delay it. Must not wait for anything but its timer and the coordinator.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use domain::TrialId;
use sweep_proto::convert::LeaseKey;
use sweep_proto::v1;
use tokio::sync::watch;

use crate::link::{self, CALL_LIMIT, Client, Link, Session};
use crate::orders::{DrainCause, Order, OrderBoard};
use crate::running::{Running, StopReason, progress_to_wire};
use crate::verdict::{self, Verdict};

/// What the heartbeat shares with the rest.
pub(crate) struct Pulse {
    pub(crate) link: Arc<Link>,
    pub(crate) running: Arc<Running>,
    pub(crate) orders: Arc<OrderBoard>,
}

/// The running thread; it ends when this is dropped.
pub(crate) struct HeartbeatThread {
    end: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl HeartbeatThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(pulse: Pulse) -> io::Result<Self> {
        let (end, ended) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = move || runtime.block_on(beat_until(pulse, ended));
        let thread = std::thread::Builder::new().name("heartbeat".to_owned()).spawn(body)?;
        Ok(Self { end, thread: Some(thread) })
    }
}

impl Drop for HeartbeatThread {
    fn drop(&mut self) {
        self.end.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been told by the panic hook already; there is nothing left to save.
            let _ = thread.join();
        }
    }
}

async fn beat_until(pulse: Pulse, mut ended: watch::Receiver<bool>) {
    let forever = async {
        let mut client = pulse.link.client();
        let mut back_off = pulse.link.back_off();
        loop {
            let session = pulse.link.session().await;
            let wait = match beat(&pulse, &mut client, session).await {
                Ok(()) => {
                    back_off.reset();
                    session.heartbeat
                }
                // However long the coordinator has been away: once it is back, leases live one TTL, so the next try
                // must come well within it.
                Err(()) => back_off.next_delay().min(session.lease_ttl / 3),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = pulse.link.session_changed(session) => {}
            }
        }
    };
    tokio::select! {
        () = forever => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

async fn beat(pulse: &Pulse, client: &mut Client, session: Session) -> Result<(), ()> {
    let held = pulse.running.snapshot();
    let request = v1::HeartbeatRequest {
        session: session.id.as_bytes().to_vec().into(),
        running: held.iter().map(|(key, progress)| progress_to_wire(key, progress)).collect(),
    };
    let limit = CALL_LIMIT.min(session.lease_ttl).max(Duration::from_secs(1));
    match link::call(limit, client.heartbeat(request)).await {
        Ok(reply) => {
            let keys: Vec<LeaseKey> = held.into_iter().map(|(key, _)| key).collect();
            obey(pulse, &keys, &reply);
            pulse.link.note_heard(session.id);
            Ok(())
        }
        Err(status) => {
            match verdict::judge(&status) {
                Verdict::Retry => pulse.link.note_trouble(verdict::words(&status)),
                // A heartbeat names nothing but the session: whatever is refused in it, a new one is the cure.
                Verdict::UnknownSession | Verdict::Superseded | Verdict::Refused => {
                    pulse.link.note_lost(session.id)
                }
            }
            Err(())
        }
    }
}

/// Does what the reply says about `held`, the leases that the request named.
fn obey(pulse: &Pulse, held: &[LeaseKey], reply: &v1::HeartbeatResponse) {
    for directive in &reply.directives {
        let reason = match directive.directive() {
            v1::Directive::Cancel => StopReason::Cancelled,
            v1::Directive::Superseded => StopReason::Superseded,
            v1::Directive::Unspecified => continue,
        };
        let Ok(bytes) = <[u8; TrialId::BYTES]>::try_from(directive.trial_id.as_ref()) else { continue };
        let trial = TrialId::from_bytes(bytes);
        if let Some(key) = held.iter().find(|key| key.trial == trial) {
            pulse.running.stop(*key, reason);
        }
    }
    if reply.drain {
        pulse.orders.give(Order::Drain(DrainCause::Coordinator));
    }
}
