//! The worker's life: register, lease, run, hand over, until the coordinator has nothing left or somebody says stop.
//! One task owns every decision here; training threads, heartbeat and deliveries only tell it what happened.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{LeaseNonce, SessionId};
use domain::outcome::Environment;
use domain::{FailureKind, Outcome, TrialId};
use sweep_proto::convert::{LeaseKey, outcome_to_wire};
use sweep_proto::v1;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tonic::Status;

use crate::back_off::BackOff;
use crate::config::WorkerOptions;
use crate::dataset_cache::DatasetCache;
use crate::ending::{EXIT_DRAINED, Ending};
use crate::heartbeat::{HeartbeatThread, Pulse};
use crate::host;
use crate::lease::{self, CheckedLease};
use crate::link::{self, CALL_LIMIT, Client, Link, Refusal, call};
use crate::orders::{Order, OrderBoard};
use crate::outbox::{Content, Delivery, Outbox, Parcel};
use crate::runner::{Finished, Saved, TrialFailure, TrialRunner};
use crate::running::{Running, StopReason, TrialHandle};
use crate::screen::{self, Screen};
use crate::shelf::Shelf;
use crate::slots::{Bench, Job, SlotEnd, SlotEvent, SlotPool};
use crate::spool::{Spool, SpooledOutcome};
use crate::verdict::{self, Verdict};

/// Bounds of what a coordinator may ask as time until the next question for trials.
const ASK_BOUNDS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(60));
/// Longest wait for the goodbye to be heard.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);
/// Ended leases that are remembered: an answer that was on its way when they ended may name them once more.
const REMEMBERED_LEASES: usize = 4096;

/// Runs a worker until it ends. `orders` may be written from anywhere.
pub fn run<R: TrialRunner>(options: &WorkerOptions, runner: Arc<R>, orders: &Arc<OrderBoard>) -> Ending {
    match Worker::set_up(options, runner, orders) {
        Ok((runtime, worker)) => {
            let ending = runtime.block_on(worker.live(options.connect_timeout));
            // A training thread may wait for the runtime; it is not waited for in turn.
            runtime.shutdown_background();
            ending
        }
        Err(why) => Ending::BadSetup(why),
    }
}

type Asked = (SessionId, Result<v1::LeaseTrialsResponse, Status>);

struct Delivered {
    key: LeaseKey,
    /// What a person is told when it is accepted.
    words: String,
    delivery: Delivery,
}

struct Worker {
    link: Arc<Link>,
    running: Arc<Running>,
    orders: Arc<OrderBoard>,
    outbox: Arc<Outbox>,
    shelf: Shelf,
    screen: Screen,
    environment: Environment,
    client: Client,
    slots: usize,
    obey_limit: Duration,
    pool: SlotPool,
    events: mpsc::Receiver<SlotEvent>,
    deliveries: JoinSet<Delivered>,
    hand_over: JoinSet<()>,
    asks: JoinSet<Asked>,
    next_ask: Instant,
    ask_back_off: BackOff,
    ended: VecDeque<LeaseNonce>,
    finished: bool,
    greeting: String,
    _heartbeat: HeartbeatThread,
}

fn in_cache(cache: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |error| {
        format!(
            "the cache folder {} cannot be used: {error}\n  next: choose one that can be written with --cache DIR",
            cache.display()
        )
    }
}

impl Worker {
    fn set_up<R: TrialRunner>(
        options: &WorkerOptions,
        runner: Arc<R>,
        orders: &Arc<OrderBoard>,
    ) -> Result<(Runtime, Self), String> {
        let no_threads = |error: io::Error| format!("the system gives no threads: {error}");
        let slots = options.slots.get();
        let screen = Screen::new(options.quiet, slots);
        let hardware = runner.hardware();
        let host = host::host_name();
        let name = host::worker_name(options.name.as_deref(), &host);
        let identity = link::identity(name.clone(), host.clone(), slots, &hardware.device, &hardware.isa);
        let token = options.token.as_ref();
        let link = Arc::new(Link::new(&options.coordinator, token, identity, options.pace, screen.clone())?);
        let running = Arc::new(Running::default());

        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime =
            builder.worker_threads(1).thread_name("session").enable_all().build().map_err(no_threads)?;
        // Lazily made connections belong to the runtime in which they are asked for.
        let inside = runtime.enter();
        let client = link.client();
        let spool = Spool::open(&options.cache).map_err(in_cache(&options.cache))?;
        let shelf = Shelf::open(&options.cache).map_err(in_cache(&options.cache))?;
        let opener = Arc::clone(&runner);
        let open = Box::new(move |path: &Path, fingerprint| opener.open(path, fingerprint));
        let datasets =
            DatasetCache::new(&options.cache, Arc::clone(&link), open).map_err(in_cache(&options.cache))?;
        let bench = Bench {
            runner,
            datasets,
            shelf: shelf.clone(),
            checkpoint_every: options.checkpoint_every,
            link: Arc::clone(&link),
            client: client.clone(),
            runtime: runtime.handle().clone(),
            screen: screen.clone(),
        };
        let (pool, events) = SlotPool::start(slots, &Arc::new(bench)).map_err(no_threads)?;
        let pulse =
            Pulse { link: Arc::clone(&link), running: Arc::clone(&running), orders: Arc::clone(orders) };
        let heartbeat = HeartbeatThread::start(pulse).map_err(no_threads)?;
        drop(inside);

        let leaving = watch::Sender::new(false);
        let outbox = Outbox { link: Arc::clone(&link), spool, orders: Arc::clone(orders), leaving };
        let greeting = format!(
            "joined {} as {name}: {slots} at once on {} ({}), {} engine, cache {}",
            link.url(),
            hardware.device,
            hardware.isa,
            hardware.engine,
            options.cache.display()
        );
        let worker = Self {
            ask_back_off: link.back_off(),
            link,
            running,
            orders: Arc::clone(orders),
            outbox: Arc::new(outbox),
            shelf,
            screen,
            environment: Environment {
                worker: name,
                host,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                device: hardware.device,
                isa: hardware.isa,
                engine: hardware.engine,
            },
            client,
            slots,
            obey_limit: options.obey_limit,
            pool,
            events,
            deliveries: JoinSet::new(),
            hand_over: JoinSet::new(),
            asks: JoinSet::new(),
            next_ask: Instant::from_std(crate::clock::now()),
            ended: VecDeque::new(),
            finished: false,
            greeting,
            _heartbeat: heartbeat,
        };
        Ok((runtime, worker))
    }

    async fn live(mut self, connect_timeout: Option<Duration>) -> Ending {
        let link = Arc::clone(&self.link);
        let mut registrar = tokio::spawn(async move { link.keep_registered().await });
        if let Err(ending) = self.first_contact(&mut registrar, connect_timeout).await {
            registrar.abort();
            return ending;
        }
        self.screen.say(&self.greeting);
        self.begin_hand_over();
        let ending = self.serve(&mut registrar).await;
        registrar.abort();
        if !matches!(ending, Ending::Stopped(_)) {
            self.leave().await;
        }
        self.screen.clear();
        ending
    }

    /// Waits for the first session.
    async fn first_contact(
        &self,
        registrar: &mut JoinHandle<Refusal>,
        connect_timeout: Option<Duration>,
    ) -> Result<(), Ending> {
        let mut orders = self.orders.subscribe();
        let too_late = async {
            match connect_timeout {
                Some(limit) => {
                    tokio::time::sleep(limit).await;
                    limit
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.link.session() => Ok(()),
            refusal = registrar => Err(self.refused(refusal.ok())),
            waited = too_late => Err(Ending::Unreachable {
                url: self.link.url().to_owned(),
                waited,
                why: self.link.last_trouble().unwrap_or_else(|| "nothing: no answer came".to_owned()),
            }),
            order = orders.wait_for(|order| *order != Order::Work) => Err(match order.map(|order| *order) {
                Ok(Order::Drain(cause)) => Ending::Drained(cause),
                Ok(Order::Stop(code)) => Ending::Stopped(code),
                Ok(Order::Work) | Err(_) => Ending::Stopped(crate::ending::EXIT_DRAINED),
            }),
        }
    }

    fn refused(&self, refusal: Option<Refusal>) -> Ending {
        let url = self.link.url().to_owned();
        match refusal {
            Some(Refusal::NotLetIn(why)) => Ending::NotLetIn { url, why },
            Some(Refusal::WrongDoor(why)) => Ending::WrongDoor { url, why },
            Some(Refusal::Registration(why)) => Ending::NotAllowed { url, why },
            None => Ending::NotAllowed { url, why: "registering broke off".to_owned() },
        }
    }

    async fn serve(&mut self, registrar: &mut JoinHandle<Refusal>) -> Ending {
        let mut orders = self.orders.subscribe();
        loop {
            match self.orders.current() {
                Order::Stop(code) => {
                    // Deliveries heard it too: each puts its outcome into the spool and ends.
                    while self.deliveries.join_next().await.is_some() {}
                    return Ending::Stopped(code);
                }
                Order::Drain(cause) if self.is_empty() => return Ending::Drained(cause),
                Order::Drain(cause) => self.begin_leaving(StopReason::Return(cause)),
                Order::Work if self.finished && self.is_empty() => return Ending::Finished,
                // Nothing is left anywhere: whatever still runs here, nobody waits for it.
                Order::Work if self.finished => self.begin_leaving(StopReason::Superseded),
                Order::Work => {}
            }
            if let Some(trial) = self.running.disobedient(self.obey_limit) {
                self.end_over(trial);
                continue;
            }
            let may_ask = !self.is_leaving() && self.asks.is_empty() && self.running.len() < self.slots;
            tokio::select! {
                Some(event) = self.events.recv() => self.on_slot_event(event),
                Some(Ok(delivered)) = self.deliveries.join_next() => self.on_delivered(delivered),
                Some(Ok(())) = self.hand_over.join_next() => {}
                Some(asked) = self.asks.join_next() => if let Ok((session, reply)) = asked {
                    self.on_leases(session, reply);
                },
                () = tokio::time::sleep_until(self.next_ask), if may_ask => self.ask(),
                _ = orders.changed() => {}
                // A look at who was told to stop.
                () = tokio::time::sleep(self.obey_limit / 4) => {}
                refusal = &mut *registrar => return self.refused(refusal.ok()),
            }
        }
    }

    /// A thread that does not stop cannot be stopped but with its process: everything else is kept, and whoever started
    /// the worker starts another.
    fn end_over(&self, trial: TrialId) {
        let is_news = self.orders.give(Order::Stop(EXIT_DRAINED));
        if is_news {
            self.screen.warn(&format!(
                "trial {} was told to stop {} s ago and goes on: this worker ends, what is finished is in the spool",
                trial.short(),
                self.obey_limit.as_secs()
            ));
        }
    }

    /// Nothing runs and nothing is being handed over.
    fn is_empty(&self) -> bool {
        self.running.len() == 0 && self.deliveries.is_empty() && self.hand_over.is_empty()
    }

    fn is_leaving(&self) -> bool {
        *self.outbox.leaving.borrow()
    }

    fn begin_leaving(&mut self, reason: StopReason) {
        let is_news = !self.outbox.leaving.send_replace(true);
        if is_news {
            self.asks.abort_all();
        }
        self.running.stop_all(reason);
    }

    fn ask(&mut self) {
        let (link, running, mut client) =
            (Arc::clone(&self.link), Arc::clone(&self.running), self.client.clone());
        // A slot that was told to drop its trial is not free before it has.
        let want = u32::try_from(self.slots.saturating_sub(self.running.dropping())).unwrap_or(u32::MAX);
        self.asks.spawn(async move {
            let session =
                if running.len() == 0 { link.session().await } else { link.session_that_was_heard().await };
            let request = v1::LeaseTrialsRequest { session: session.id.as_bytes().to_vec().into(), want };
            (session.id, call(CALL_LIMIT, client.lease_trials(request)).await)
        });
    }

    fn ask_again_in(&mut self, delay: Duration) {
        self.next_ask = Instant::from_std(crate::clock::now()) + delay;
    }

    fn on_leases(&mut self, session: SessionId, reply: Result<v1::LeaseTrialsResponse, Status>) {
        let reply = match reply {
            Ok(reply) => reply,
            Err(status) => {
                match verdict::judge(&status) {
                    Verdict::Retry => self.link.note_trouble(verdict::words(&status)),
                    _ => self.link.note_lost(session),
                }
                let delay = self.ask_back_off.next_delay();
                return self.ask_again_in(delay);
            }
        };
        self.ask_back_off.reset();
        if self.is_leaving() {
            return;
        }
        for lease in &reply.leases {
            match lease::check(lease) {
                Ok(lease) => self.take_up(lease),
                Err(error) => {
                    self.screen.warn(&format!("the coordinator sent a lease that names no trial: {error}"))
                }
            }
        }
        self.finished = reply.finished;
        let (shortest, longest) = ASK_BOUNDS;
        self.ask_again_in(Duration::from_millis(reply.retry_after_ms).clamp(shortest, longest));
    }

    fn take_up(&mut self, lease: CheckedLease) {
        if self.ended.contains(&lease.key.nonce) {
            return;
        }
        match self.running.key_of(lease.key.trial) {
            Some(held) if held == lease.key => return,
            // The new lease is taken up when the old run has ended and the coordinator names it again.
            Some(held) => return self.running.stop(held, StopReason::Superseded),
            None if self.running.len() >= self.slots => return,
            None => {}
        }
        let handle = self.running.insert(lease.key);
        match lease.trial {
            Ok(trial) => {
                if let Err(job) = self.pool.give(Job {
                    trial: Box::new(trial),
                    checkpoint: lease.checkpoint.map(Box::new),
                    handle,
                }) {
                    // No thread is idle although a slot is free: the lease is named again at the next question.
                    self.running.remove(job.handle.key);
                }
            }
            Err(failure) => self.deliver_failure(handle, failure, lease.key.trial.short(), None),
        }
    }

    fn on_slot_event(&mut self, event: SlotEvent) {
        self.pool.note_idle(event.slot);
        let Job { trial, handle, .. } = event.job;
        let label = screen::label(&trial);
        match event.end {
            SlotEnd::Finished(finished) => {
                let words = format!("{label}: {}", screen::result_words(&finished.outcome, event.took));
                self.deliver_outcome(handle, *finished, words);
            }
            SlotEnd::Failed(failure) => self.deliver_failure(handle, failure, label, None),
            SlotEnd::Stopped(StopReason::Return(cause), saved) => {
                let failure = TrialFailure { kind: FailureKind::Returned, message: cause.words().to_owned() };
                self.deliver_failure(handle, failure, label, saved);
            }
            SlotEnd::Stopped(reason, _) => {
                self.screen.say(&format!("{label}: dropped, {}", drop_words(reason)));
                self.shelf.forget(handle.key.trial);
                self.let_go(handle.key);
            }
        }
    }

    fn deliver_outcome(&mut self, handle: TrialHandle, finished: Finished, words: String) {
        let Finished { outcome, artifacts } = finished;
        let outcome = Outcome { environment: self.environment_of(&outcome.environment), ..outcome };
        let content = SpooledOutcome {
            lease: Some(handle.key.to_wire()),
            outcome: Some(outcome_to_wire(&outcome)),
            artifacts,
        };
        self.deliver(handle, Content::Outcome(Box::new(content)), words);
    }

    /// The trial knows with what it was trained, the worker knows where.
    fn environment_of(&self, trained: &Environment) -> Environment {
        let known =
            |own: &String, general: &String| if own.is_empty() { general.clone() } else { own.clone() };
        Environment {
            device: known(&trained.device, &self.environment.device),
            isa: known(&trained.isa, &self.environment.isa),
            engine: known(&trained.engine, &self.environment.engine),
            ..self.environment.clone()
        }
    }

    fn deliver_failure(
        &mut self,
        handle: TrialHandle,
        failure: TrialFailure,
        label: String,
        saved: Option<Saved>,
    ) {
        let TrialFailure { kind, message } = failure;
        let words = match (kind, &saved) {
            (FailureKind::Returned, Some(saved)) => {
                format!("{label}: given back after epoch {}", saved.epoch)
            }
            (FailureKind::Returned, None) => format!("{label}: given back"),
            _ => format!("{label}: failed ({}), {}", kind.name(), verdict::plain(&message)),
        };
        self.deliver(handle, Content::Failure { kind, message, saved }, words);
    }

    fn deliver(&mut self, handle: TrialHandle, content: Content, words: String) {
        let (outbox, client, key) = (Arc::clone(&self.outbox), self.client.clone(), handle.key);
        self.deliveries.spawn(async move {
            let parcel = Parcel { key, content, spooled: None };
            let delivery = outbox.deliver(client, parcel, Some(handle)).await;
            Delivered { key, words, delivery }
        });
    }

    fn on_delivered(&mut self, delivered: Delivered) {
        let Delivered { key, words, delivery } = delivered;
        match delivery {
            Delivery::Accepted => self.screen.say(&words),
            Delivery::Dropped(why) => self.screen.say(&format!("{words}; dropped: {why}")),
            Delivery::Kept => {
                self.screen.warn(&format!("{words}; kept in the spool until a worker hands it over"))
            }
            Delivery::Refused(why) => {
                self.screen.warn(&format!("{words}; refused by the coordinator: {why}"))
            }
            Delivery::Lost(why) => {
                self.screen.warn(&format!("{words}; not handed over: {why}"));
                return self.let_go(key);
            }
        }
        // Nobody will go on from here.
        self.shelf.forget(key.trial);
        self.let_go(key);
    }

    /// A lease is over: its slot is free for another, and it is not taken up again.
    fn let_go(&mut self, key: LeaseKey) {
        self.running.remove(key);
        if self.ended.len() == REMEMBERED_LEASES {
            self.ended.pop_front();
        }
        self.ended.push_back(key.nonce);
        self.ask_again_in(Duration::ZERO);
    }

    /// Hands over what earlier workers of this cache left in the spool, one after the other.
    fn begin_hand_over(&mut self) {
        let waiting = match self.outbox.spool.waiting() {
            Ok(waiting) => waiting,
            Err(error) => return self.screen.warn(&format!("the spool cannot be read: {error}")),
        };
        if waiting.is_empty() {
            return;
        }
        let (outbox, client, screen) = (Arc::clone(&self.outbox), self.client.clone(), self.screen.clone());
        self.hand_over.spawn(async move {
            for path in waiting {
                let (key, content) = match outbox.spool.take_up(&path) {
                    Ok(taken) => taken,
                    Err(error) => {
                        screen.warn(&format!("a waiting result is left out: {error}"));
                        continue;
                    }
                };
                let parcel =
                    Parcel { key, content: Content::Outcome(Box::new(content)), spooled: Some(path) };
                let what = format!("result of trial {} from the spool", key.trial.short());
                match outbox.deliver(client.clone(), parcel, None).await {
                    Delivery::Accepted => screen.say(&format!("{what}: handed over")),
                    Delivery::Dropped(why) => screen.say(&format!("{what}: dropped, {why}")),
                    Delivery::Refused(why) => screen.warn(&format!("{what}: refused, {why}")),
                    Delivery::Kept | Delivery::Lost(_) => {}
                }
            }
        });
    }

    async fn leave(&self) {
        let Some(session) = self.link.session_now() else { return };
        let request = v1::LeaveRequest { session: session.id.as_bytes().to_vec().into() };
        let mut client = self.client.clone();
        if let Err(status) = call(LEAVE_LIMIT, client.leave(request)).await {
            tracing::debug!(why = verdict::words(&status), "the goodbye was not heard");
        }
    }
}

const fn drop_words(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Cancelled => "a person cancelled it",
        StopReason::Superseded => "another attempt holds it or it has ended",
        StopReason::Return(cause) => cause.words(),
    }
}
