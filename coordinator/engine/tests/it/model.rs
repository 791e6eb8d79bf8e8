//! Model check of lease, fence, duplicate and crash: every order of events within small bounds, not a sample of them.
//!
//! Two workers, one trial. A message that was sent may arrive at any later time, twice, or never; replies may be lost; the
//! coordinator may crash and read its record again; leases may run out. (A worker that crashes is one that never got the
//! reply.) After every step every invariant holds, and what was acknowledged stays.

use std::hash::{Hash, Hasher};

use domain::ids::{LeaseNonce, SessionId};
use domain::{FailureKind, TrialState};
use stateright::{Checker, Model, Property};
use sweep_engine::{Event, Input, LeaseKey, Mode, Reply, Settings, State, WorkerInfo, decide, invariants};

use crate::scene::{NO_PROGRESS_MS, TTL_MS, checkpoint, outcome, trial};

const WORKERS: usize = 2;
/// How often what happens in one history.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    attempts: u32,
    expiries: u32,
    crashes: u32,
    deliveries: u32,
}

impl Bounds {
    /// Enough for a superseded attempt that reports twice around a crash. One attempt and one expiry more take minutes;
    /// they are asked for by `LATENTSWEEP_TEST_DEEP=1`.
    fn chosen() -> Self {
        let more = u32::from(std::env::var_os("LATENTSWEEP_TEST_DEEP").is_some());
        Self { attempts: 2 + more, expiries: 1 + more, crashes: 1, deliveries: 2 }
    }
}

/// What a worker says about its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Done,
    GivenBack,
}

/// A message on its way; it stays there, since it may arrive once more.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    worker: usize,
    key: LeaseKey,
    word: Word,
    deliveries: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct World {
    core: State,
    log: Vec<Event>,
    now_ms: u64,
    network: Vec<Message>,
    /// The lease under which each worker trains.
    held: [Option<LeaseKey>; WORKERS],
    /// Attempts whose outcome was acknowledged.
    acknowledged: Vec<LeaseKey>,
    expiries: u32,
    crashes: u32,
    /// What must not have happened.
    wrong: Option<String>,
    /// A message of a superseded attempt was refused.
    has_fenced: bool,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // The log follows from the rest as far as decisions go, and the engine's state holds floats: its text will do.
        let Self { core, network, held, acknowledged, .. } = self;
        format!("{core:?} {network:?} {held:?} {acknowledged:?}").hash(hasher);
        (self.now_ms, self.expiries, self.crashes, self.has_fenced, self.wrong.is_some()).hash(hasher);
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    /// Registers and asks for a trial; the reply may be lost.
    Ask { worker: usize, is_reply_lost: bool },
    /// Says what became of its attempt.
    Send { worker: usize, word: Word },
    /// A message arrives.
    Deliver { position: usize },
    /// Every live lease runs out.
    Expire,
    /// The coordinator dies and comes back.
    Crash,
}

fn name(worker: usize) -> String {
    format!("w{worker}")
}

fn session(worker: usize) -> SessionId {
    SessionId::of(&[worker as u8])
}

impl World {
    fn step(&mut self, input: Input) -> Result<Reply, sweep_engine::Rejection> {
        let decision = decide(&self.core, self.now_ms, input);
        for event in &decision.events {
            self.core.apply(event);
        }
        self.log.extend(decision.events);
        decision.touches.iter().for_each(|touch| self.core.touch(touch));
        decision.reply
    }

    fn register(&mut self, worker: usize) {
        let info = WorkerInfo {
            name: name(worker),
            host: "host".to_owned(),
            pid: worker as u32,
            slots: 1,
            version: String::new(),
            device: String::new(),
            isa: String::new(),
        };
        self.step(Input::Register { worker: info, session: session(worker) }).unwrap();
    }

    fn ask(&mut self, worker: usize, is_reply_lost: bool) {
        self.register(worker);
        // The same number of grants always gives the same nonce, so that equal worlds are equal.
        let grants = self.log.iter().filter(|event| matches!(event, Event::LeaseGranted { .. })).count();
        let nonces = vec![LeaseNonce::of(&grants.to_le_bytes())];
        let Ok(Reply::Leases { leases, .. }) =
            self.step(Input::LeaseTrials { session: session(worker), want: 1, nonces })
        else {
            self.wrong = Some("a registered worker was not answered".to_owned());
            return;
        };
        if !is_reply_lost {
            let key = |lease: &sweep_engine::LeaseGrant| LeaseKey {
                trial: lease.trial.id,
                attempt: lease.attempt,
                nonce: lease.nonce,
            };
            // A worker remembers which leases it has ended; the coordinator names them until it has heard of it.
            let is_ended = |key: &LeaseKey| self.network.iter().any(|message| message.key == *key);
            self.held[worker] = leases.first().map(key).filter(|key| !is_ended(key));
        }
    }

    fn deliver(&mut self, position: usize) {
        self.network[position].deliveries += 1;
        let Message { worker, key, word, .. } = self.network[position].clone();
        self.register(worker);
        let entry = self.core.trial(&key.trial).unwrap();
        let (is_last, before) = (entry.is_last_attempt(&key), entry.state);
        let events = self.log.len();
        let session = session(worker);
        let reply = match word {
            Word::Done => self.step(Input::ReportOutcome { session, key, outcome: Box::new(outcome()) }),
            Word::GivenBack => {
                let (kind, message) = (FailureKind::Returned, String::new());
                let checkpoint = Some(checkpoint(b"c"));
                self.step(Input::ReportFailure { session, key, kind, message, checkpoint })
            }
        };
        let is_changed = self.log.len() > events;
        if !is_last && (is_changed || reply.is_ok()) {
            self.wrong = Some(format!("a superseded attempt was heard: {reply:?}"));
        }
        if before.is_terminal() && is_changed {
            self.wrong = Some("an ended trial changed".to_owned());
        }
        self.has_fenced |= !is_last;
        if word == Word::Done && reply.is_ok() && !self.acknowledged.contains(&key) {
            self.acknowledged.push(key);
        }
    }
}

struct Protocol {
    bounds: Bounds,
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let settings = Settings {
            heartbeat_ms: 5_000,
            lease_ttl_ms: TTL_MS,
            no_progress_ms: NO_PROGRESS_MS,
            mode: Mode::Serve,
        };
        let mut world = World {
            core: State::new(settings),
            log: Vec::new(),
            now_ms: 0,
            network: Vec::new(),
            held: [None; WORKERS],
            acknowledged: Vec::new(),
            expiries: 0,
            crashes: 0,
            wrong: None,
            has_fenced: false,
        };
        let sweep = "s".parse().unwrap();
        world.step(Input::SubmitSweep { sweep, about: String::new(), trials: vec![trial(1)] }).unwrap();
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let attempts = world.core.trial(&trial(1).id).unwrap().attempts;
        for worker in 0..WORKERS {
            match world.held[worker] {
                None if attempts < self.bounds.attempts => {
                    let ask = |is_reply_lost| Action::Ask { worker, is_reply_lost };
                    actions.extend([ask(false), ask(true)]);
                }
                None => {}
                Some(_) => {
                    actions.extend([Word::Done, Word::GivenBack].map(|word| Action::Send { worker, word }));
                }
            }
        }
        let arriving = world.network.iter().enumerate();
        let arriving = arriving.filter(|(_, message)| message.deliveries < self.bounds.deliveries);
        actions.extend(arriving.map(|(position, _)| Action::Deliver { position }));
        if world.expiries < self.bounds.expiries {
            actions.push(Action::Expire);
        }
        if world.crashes < self.bounds.crashes {
            actions.push(Action::Crash);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Ask { worker, is_reply_lost } => next.ask(worker, is_reply_lost),
            Action::Send { worker, word } => {
                let key = next.held[worker].take()?;
                next.network.push(Message { worker, key, word, deliveries: 0 });
                // The order in which messages were sent says nothing about the order in which they arrive.
                next.network.sort_by_key(|message| (message.key.attempt, message.word));
            }
            Action::Deliver { position } => next.deliver(position),
            Action::Expire => {
                next.expiries += 1;
                // Beyond the longest rest of a failed trial, too.
                next.now_ms += 3 * TTL_MS;
                next.step(Input::Tick).unwrap();
            }
            Action::Crash => {
                next.crashes += 1;
                next.core = State::replay(*next.core.settings(), &next.log, next.now_ms);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("every invariant holds", |_, world| {
                invariants::violations(&world.core, &world.log).is_empty()
            }),
            Property::<Self>::always("a superseded attempt changes nothing, an end is an end", |_, world| {
                world.wrong.is_none()
            }),
            Property::<Self>::always("what was acknowledged is done, also after a crash", |_, world| {
                let again = State::replay(*world.core.settings(), &world.log, world.now_ms);
                let is_done =
                    |core: &State, key: &LeaseKey| core.trial(&key.trial).unwrap().state == TrialState::Done;
                world.acknowledged.iter().all(|key| is_done(&world.core, key) && is_done(&again, key))
            }),
            Property::<Self>::always("at most one attempt is acknowledged", |_, world| {
                world.acknowledged.len() <= 1
            }),
            // Without these the bounds would be too narrow to say anything.
            Property::<Self>::sometimes("the second attempt ends the trial after a crash", |_, world| {
                world.crashes > 0 && world.acknowledged.first().is_some_and(|key| key.attempt == 2)
            }),
            Property::<Self>::sometimes("a superseded attempt is refused after the end", |_, world| {
                world.has_fenced && !world.acknowledged.is_empty()
            }),
            Property::<Self>::sometimes("a trial goes on from a checkpoint after a crash", |_, world| {
                let entry = world.core.trial(&trial(1).id).unwrap();
                world.crashes > 0 && entry.state == TrialState::Leased && entry.checkpoint.is_some()
            }),
        ]
    }
}

#[test]
fn every_order_of_leases_duplicates_and_crashes_keeps_the_promise() {
    let checker = Protocol { bounds: Bounds::chosen() }.checker().spawn_dfs().join();
    checker.assert_properties();
    println!("{} states, {} of them distinct", checker.state_count(), checker.unique_state_count());
    assert!(checker.unique_state_count() > 1_000, "{}", checker.unique_state_count());
}
