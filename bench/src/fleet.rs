//! Workers that do nothing: they speak the whole protocol with a real coordinator, and every trial ends at once with the
//! same made-up numbers. What is left is the bookkeeping.
//!
//! Must not live here: what is measured with them.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use domain::outcome::{Diagnostics, Environment};
use domain::{Metric, MetricName, Outcome, OutcomeStatus};
use sweep_proto::convert::outcome_to_wire;
use sweep_proto::dial::{Connection, Dialer};
use sweep_proto::join::JoinToken;
use sweep_proto::v1::worker_service_client::WorkerServiceClient;
use sweep_proto::{MAX_MESSAGE_BYTES, PROTOCOL, v1};
use tokio::task::JoinSet;
use tonic::codegen::Bytes;
use tonic::transport::Endpoint;

use crate::product::{Watched, wait_until};

/// Longest wait for an answer.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// A client of the worker's service.
pub type Client = WorkerServiceClient<Connection>;

/// `coordinator serve` in a folder, its log in `serve.err` there.
///
/// # Errors
/// When it cannot be started or ends before it listens.
pub fn serve(
    coordinator: &std::path::Path,
    folder: &std::path::Path,
    args: &[&str],
) -> anyhow::Result<(Watched, String)> {
    let log = folder.join("serve.err");
    let mut command = Command::new(coordinator);
    command.arg("serve").args(args).current_dir(folder);
    command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).context("making its log")?);
    let mut process = Watched::start("the coordinator", &mut command)?;
    let mut url = None;
    wait_until(|| {
        let said = std::fs::read_to_string(&log)?;
        url = said
            .split_once("listening on ")
            .and_then(|(_, rest)| rest.split_once('\n'))
            .map(|(url, _)| url.trim().to_owned());
        ensure!(process.glance()? || url.is_some(), "the coordinator ended before it served: {said}");
        Ok(url.is_some())
    })?;
    Ok((process, url.context("no address")?))
}

/// A client of the coordinator at `url`, with a connection of its own.
///
/// # Errors
/// When the address cannot be dialled.
pub fn client(url: &str, token: Option<&JoinToken>) -> anyhow::Result<Client> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true).timeout(CALL_LIMIT);
    let client = WorkerServiceClient::new(Dialer::new(endpoint, token)?.lazy());
    Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
}

/// Registers a worker of this name; returns its session.
///
/// # Errors
/// What the coordinator says.
pub async fn register(client: &mut Client, name: &str, slots: u32) -> Result<Bytes, tonic::Status> {
    let request = v1::RegisterRequest {
        worker: name.to_owned(),
        host: "bench".to_owned(),
        pid: std::process::id(),
        slots,
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: "cpu".to_owned(),
        isa: "none".to_owned(),
    };
    Ok(client.register(request).await?.into_inner().session)
}

/// What every trial comes to.
#[must_use]
pub fn made_up_outcome() -> v1::Outcome {
    let metric = |name, value| Metric { name, value };
    outcome_to_wire(&Outcome {
        status: OutcomeStatus::Done,
        metrics: vec![
            metric(MetricName::SsePerCell, 1758.25),
            metric(MetricName::TrainSeconds, 0.5),
            metric(MetricName::LatentKmeansAri, 0.5),
        ],
        epochs: Vec::new(),
        diagnostics: Diagnostics::default(),
        artifacts: Vec::new(),
        environment: Environment {
            worker: "bench".to_owned(),
            host: "bench".to_owned(),
            ..Default::default()
        },
    })
}

/// Counts what workers have ended, up to a number.
#[derive(Debug)]
pub struct Tally {
    ended: AtomicUsize,
    wanted: usize,
}

impl Tally {
    /// Until so many have ended.
    #[must_use]
    pub fn of(wanted: usize) -> Arc<Self> {
        Arc::new(Self { ended: AtomicUsize::new(0), wanted })
    }

    /// How many have ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    fn is_reached(&self) -> bool {
        self.ended() >= self.wanted
    }
}

/// One worker with `slots`: leases, ends each trial at once, all of a lease's trials side by side, until the tally is
/// reached.
///
/// # Errors
/// What the coordinator refuses.
pub async fn work(url: String, name: String, slots: u32, tally: Arc<Tally>) -> anyhow::Result<()> {
    let mut client = client(&url, None)?;
    let session = register(&mut client, &name, slots).await?;
    let outcome = made_up_outcome();
    while !tally.is_reached() {
        let request = v1::LeaseTrialsRequest { session: session.clone(), want: slots };
        let answer = client.lease_trials(request).await?.into_inner();
        if answer.leases.is_empty() {
            tokio::time::sleep(Duration::from_millis(answer.retry_after_ms.clamp(1, 100))).await;
        }
        let mut reports = JoinSet::new();
        for lease in answer.leases {
            let request = v1::ReportOutcomeRequest {
                session: session.clone(),
                lease: Some(v1::LeaseKey {
                    trial_id: lease.trial_id,
                    attempt: lease.attempt,
                    nonce: lease.nonce,
                }),
                outcome: Some(outcome.clone()),
            };
            let mut client = client.clone();
            reports.spawn(async move { client.report_outcome(request).await });
        }
        while let Some(reported) = reports.join_next().await {
            reported??;
            tally.ended.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
