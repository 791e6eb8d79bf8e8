//! The task that owns the engine.

use std::sync::Arc;
use std::time::Duration;

use sweep_engine::{Effect, Event, Input, Rejection, Reply, Settings, State, decide};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::handle::{Answer, CoordinatorHandle, Message, RuntimeError};
use super::progress::{Recent, snapshot};
use crate::artifacts::ArtifactStore;
use crate::clock::{MonotonicClock, wall_ms};
use crate::failpoint::{self, Place};
use crate::store::{Store, StoreError};

/// Inputs that may wait; a sender beyond them waits itself.
const INBOX: usize = 4096;
/// Most inputs in one transaction: one `fsync` then serves them all, and none waits for more than this many others.
const MAX_BATCH: usize = 256;
/// Between two questions whether the store has room.
const LOOK_EVERY_MS: u64 = 500;
/// Share of a lease's life between two looks at the clock, and its bounds.
const TICKS_PER_TTL: u64 = 40;
const TICK_MIN_MS: u64 = 10;
const TICK_MAX_MS: u64 = 200;

pub(super) async fn start(
    settings: Settings,
    store: Arc<dyn Store>,
    checkpoints: Option<ArtifactStore>,
) -> Result<CoordinatorHandle, StoreError> {
    let clock = MonotonicClock::start();
    let events = store.replay().await?;
    let state = State::replay(settings, &events, clock.now_ms());
    if let Some(files) = &checkpoints {
        let needed = state.record().trials.values().filter_map(|entry| entry.checkpoint);
        files.keep_only(&needed.map(|checkpoint| checkpoint.hash).collect()).await;
    }
    let recent = Recent::default();
    let (inbox, messages) = mpsc::channel(INBOX);
    let (publisher, progress) = watch::channel(snapshot(&state, &recent, clock.now_ms(), None));
    let actor = Actor {
        state,
        store: Arc::clone(&store),
        clock,
        recent,
        publisher,
        checkpoints,
        shortage: None,
        next_look_ms: 0,
        problem: None,
    };
    tokio::spawn(actor.run(messages));
    Ok(CoordinatorHandle { inbox, progress, store, lease_ttl_ms: settings.lease_ttl_ms })
}

struct Actor {
    state: State,
    store: Arc<dyn Store>,
    clock: MonotonicClock,
    recent: Recent,
    publisher: watch::Sender<super::ProgressSnapshot>,
    checkpoints: Option<ArtifactStore>,
    /// Why nothing new is begun.
    shortage: Option<String>,
    next_look_ms: u64,
    /// Set while the state may differ from the store: nothing is decided before it was read anew.
    problem: Option<Arc<StoreError>>,
}

type Waiting = (oneshot::Sender<Answer>, Result<Reply, Rejection>);

impl Actor {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let tick_ms = (self.state.settings().lease_ttl_ms / TICKS_PER_TTL).clamp(TICK_MIN_MS, TICK_MAX_MS);
        let mut ticks = tokio::time::interval(Duration::from_millis(tick_ms));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                count = messages.recv_many(&mut batch, MAX_BATCH) => {
                    if count == 0 {
                        break;
                    }
                    if let Some(done) = self.serve(batch.drain(..)).await {
                        messages.close();
                        self.store.close().await;
                        self.publish();
                        // Whoever asked may have gone.
                        let _ = done.send(());
                        return;
                    }
                }
                _ = ticks.tick() => {
                    self.look_at_the_disk().await;
                    self.serve_inputs(vec![(Input::Tick, None)]).await;
                    self.publish();
                }
            }
        }
        self.store.close().await;
    }

    /// Serves a batch; answers the one who asked to stop, if someone did.
    async fn serve(&mut self, batch: impl Iterator<Item = Message>) -> Option<oneshot::Sender<()>> {
        let mut inputs = Vec::new();
        let mut stop = None;
        for message in batch {
            match message {
                Message::Input { input, answer } => inputs.push((input, Some(answer))),
                Message::Shutdown { done } => stop = Some(done),
            }
        }
        self.serve_inputs(inputs).await;
        stop
    }

    async fn serve_inputs(&mut self, inputs: Vec<(Input, Option<oneshot::Sender<Answer>>)>) {
        if let Some(problem) = self.recover().await {
            for (_, answer) in inputs {
                refuse(answer, &problem);
            }
            return;
        }
        if inputs.iter().any(|(_, answer)| answer.is_some()) {
            failpoint::reach(Place::Received);
        }
        let mut events: Vec<Event> = Vec::new();
        let mut effects: Vec<Effect> = Vec::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        for (input, answer) in inputs {
            let decision = decide(&self.state, self.clock.now_ms(), input);
            decision.events.iter().for_each(|event| self.state.apply(event));
            decision.touches.iter().for_each(|touch| self.state.touch(touch));
            events.extend(decision.events);
            effects.extend(decision.effects);
            waiting.extend(answer.map(|sender| (sender, decision.reply)));
        }
        if !events.is_empty() {
            failpoint::reach(Place::BeforeCommit);
            if let Err(error) = self.store.append(wall_ms(), &events).await {
                self.fail(error, waiting);
                return;
            }
            failpoint::reach(Place::AfterCommit);
        }
        self.recent.note(&events, &effects);
        effects.iter().for_each(|effect| self.perform(effect));
        // Who has submitted a sweep finds it in the progress; everything else may wait for the next tick.
        if events.iter().any(|event| matches!(event, Event::SweepSubmitted { .. })) {
            self.publish();
        }
        for (answer, reply) in waiting {
            // Whoever asked may have gone.
            let _ = answer.send(reply.map_err(RuntimeError::Rejected));
        }
    }

    fn perform(&self, effect: &Effect) {
        log_effect(effect);
        if let (Effect::CheckpointObsolete { hash }, Some(files)) = (effect, &self.checkpoints) {
            // The disk may be slow, and nobody waits for it.
            let (files, hash) = (files.clone(), *hash);
            tokio::spawn(async move { files.remove(&hash).await });
        }
    }

    /// Begins nothing new while the store has no room for it.
    async fn look_at_the_disk(&mut self) {
        let now_ms = self.clock.now_ms();
        if now_ms < self.next_look_ms {
            return;
        }
        self.next_look_ms = now_ms + LOOK_EVERY_MS;
        let shortage = self.store.readiness().await.err();
        if shortage.is_some() != self.shortage.is_some() {
            // It is no part of the record, so that it holds even while the record cannot be read.
            let decision = decide(&self.state, now_ms, Input::Hold { is_on: shortage.is_some() });
            decision.touches.iter().for_each(|touch| self.state.touch(touch));
        }
        self.shortage = shortage;
    }

    /// The store refused a batch: nobody hears anything else, and the state is what the store says.
    fn fail(&mut self, error: StoreError, waiting: Vec<Waiting>) {
        tracing::error!(%error, "the record could not be written");
        let problem = Arc::new(error);
        self.problem = Some(Arc::clone(&problem));
        for (answer, _) in waiting {
            refuse(Some(answer), &problem);
        }
    }

    /// Reads the state anew after a failure; answers why that is not possible yet.
    async fn recover(&mut self) -> Option<Arc<StoreError>> {
        self.problem.as_ref()?;
        match self.store.replay().await {
            Ok(events) => {
                self.state.recover(&events, self.clock.now_ms());
                self.problem = None;
                tracing::info!("the record has been read again");
                None
            }
            Err(error) => {
                let problem = Arc::new(error);
                self.problem = Some(Arc::clone(&problem));
                Some(problem)
            }
        }
    }

    fn publish(&self) {
        let problem = self.problem.as_ref().map(ToString::to_string).or_else(|| self.shortage.clone());
        let now = snapshot(&self.state, &self.recent, self.clock.now_ms(), problem);
        self.publisher.send_if_modified(|before| {
            let is_changed = *before != now;
            *before = now;
            is_changed
        });
    }
}

fn refuse(answer: Option<oneshot::Sender<Answer>>, problem: &Arc<StoreError>) {
    if let Some(sender) = answer {
        // Whoever asked may have gone.
        let _ = sender.send(Err(RuntimeError::Store(Arc::clone(problem))));
    }
}

fn log_effect(effect: &Effect) {
    match effect {
        Effect::WorkerJoined { worker } => tracing::info!(worker, "worker joined"),
        Effect::WorkerLeft { worker } => tracing::info!(worker, "worker left"),
        Effect::TrialEnded { trial, state } => tracing::info!(%trial, state = state.name(), "trial ended"),
        Effect::AttemptFailed { trial, attempt, kind, message, worker } => {
            tracing::warn!(%trial, attempt, kind = kind.name(), message, worker, "attempt failed");
        }
        Effect::CheckpointObsolete { hash } => tracing::debug!(%hash, "checkpoint no longer needed"),
        Effect::WorkerDisobeys { worker, trial } => {
            tracing::warn!(worker, %trial, "the worker was told to stop this trial and did not; it gets no new ones");
        }
    }
}
