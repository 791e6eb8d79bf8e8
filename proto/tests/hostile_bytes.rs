//! Bytes that no honest program would send: what decodes is converted or refused with a typed error, never a panic, and
//! what is accepted keeps its bounds.

use domain::ids::{ArtifactHash, LeaseNonce};
use domain::outcome::{ArtifactKind, ArtifactRef, Diagnostics, Environment};
use domain::{EpochRecord, Metric, MetricName, Outcome, OutcomeStatus, TrialId};
use proptest::prelude::*;
use prost::Message;
use sweep_proto::convert::{self, LeaseKey, outcome_from_wire, outcome_to_wire};
use sweep_proto::join::{JoinToken, parse_bearer};
use sweep_proto::v1;

/// A request with every field filled: bytes near it decode more often than bytes from nowhere.
fn example() -> v1::ReportOutcomeRequest {
    let outcome = Outcome {
        status: OutcomeStatus::Done,
        metrics: vec![
            Metric { name: MetricName::TrainSsePerCell, value: 1758.25 },
            Metric { name: MetricName::LatentKmeansAri, value: 0.4 },
        ],
        epochs: (1..=3)
            .map(|epoch| EpochRecord {
                epoch,
                loss_per_cell: 3.0,
                sse_per_cell: 2.0,
                kl_per_cell: 1.0,
                kl_spike_per_cell: Some(0.5),
                validation_sse_per_cell: Some(2.0),
                validation_loss_per_cell: Some(3.0),
                seconds: 0.1,
            })
            .collect(),
        diagnostics: Diagnostics {
            kl_per_dim: vec![0.1; 8],
            code_variance: vec![1.0; 8],
            kl_spike_per_dim: vec![0.05; 8],
            mean_gate: vec![0.5; 8],
            zero_share: Some(0.25),
            hard_zero_share: Some(0.5),
            dead_gates: vec![1, 6],
        },
        artifacts: vec![ArtifactRef {
            kind: ArtifactKind::Embedding,
            hash: ArtifactHash::of(b"x"),
            bytes: 1,
        }],
        environment: Environment { worker: "w".into(), host: "h".into(), ..Default::default() },
    };
    let key = LeaseKey { trial: TrialId::of(b"t"), attempt: 1, nonce: LeaseNonce::of(b"n") };
    v1::ReportOutcomeRequest {
        session: vec![7; 16].into(),
        lease: Some(key.to_wire()),
        outcome: Some(outcome_to_wire(&outcome)),
    }
}

/// One thing that goes wrong with bytes on their way.
#[derive(Debug, Clone)]
enum Damage {
    Set(usize, u8),
    Cut(usize, usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<usize>(), 0..64_usize).prop_map(|(at, length)| Damage::Cut(at, length)),
        (any::<usize>(), 0..256_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 0..32))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let length = bytes.len().max(1);
        match damage {
            Damage::Set(at, byte) => {
                if let Some(old) = bytes.get_mut(at % length) {
                    *old = *byte;
                }
            }
            Damage::Cut(at, cut) => {
                let start = at % length;
                let end = (start + cut).min(bytes.len());
                bytes.drain(start.min(end)..end);
            }
            Damage::Repeat(at, count) => {
                let start = (at % length).min(bytes.len());
                let end = (start + count).min(bytes.len());
                let part = bytes[start..end].to_vec();
                bytes.splice(start..start, part);
            }
            Damage::Insert(at, more) => {
                let start = (at % length).min(bytes.len());
                bytes.splice(start..start, more.iter().copied());
            }
        }
    }
    bytes
}

/// Decodes `bytes` as each message of the wire and converts what there is to convert.
fn take(bytes: &[u8]) {
    if let Ok(message) = v1::ReportOutcomeRequest::decode(bytes) {
        let _ = convert::session_id(&message.session);
        let _ = LeaseKey::from_wire(message.lease.as_ref());
        if let Ok(outcome) = outcome_from_wire(message.outcome) {
            keeps_bounds(&outcome);
        }
    }
    if let Ok(message) = v1::Outcome::decode(bytes)
        && let Ok(outcome) = outcome_from_wire(Some(message))
    {
        keeps_bounds(&outcome);
    }
    if let Ok(message) = v1::ReportFailureRequest::decode(bytes) {
        let _ = convert::failure_kind(&message.kind);
        assert!(convert::clip_message(&message.message).len() <= convert::MAX_MESSAGE_TEXT_BYTES);
    }
    if let Ok(message) = v1::HeartbeatRequest::decode(bytes) {
        message.running.iter().for_each(|trial| drop(LeaseKey::from_wire(trial.lease.as_ref())));
    }
    if let Ok(message) = v1::FetchDatasetRequest::decode(bytes) {
        let _ = convert::fingerprint(&message.fingerprint);
    }
    if let Ok(message) = v1::PutArtifactRequest::decode(bytes) {
        let _ = convert::artifact_hash(&message.hash);
    }
    let _ = v1::RegisterRequest::decode(bytes);
    let _ = v1::LeaseTrialsRequest::decode(bytes);
    let _ = v1::LeaveRequest::decode(bytes);
    let _ = v1::SubmitSweepRequest::decode(bytes);
    let _ = v1::CreateTokenRequest::decode(bytes);
    let _ = v1::RevokeTokenRequest::decode(bytes);
    // What a worker and a person's command decode.
    let _ = v1::RegisterResponse::decode(bytes);
    let _ = v1::LeaseTrialsResponse::decode(bytes);
    let _ = v1::HeartbeatResponse::decode(bytes);
    let _ = v1::FetchDatasetResponse::decode(bytes);
    let _ = v1::ListSweepsResponse::decode(bytes);
    let _ = v1::ListWorkersResponse::decode(bytes);
    let _ = v1::ListTokensResponse::decode(bytes);
}

/// What no accepted outcome may break, and it crosses the wire again unchanged.
fn keeps_bounds(outcome: &Outcome) {
    let numbers = outcome.metrics.iter().map(|metric| metric.value);
    let epochs =
        outcome.epochs.iter().flat_map(|e| [e.loss_per_cell, e.sse_per_cell, e.kl_per_cell, e.seconds]);
    let lists = &outcome.diagnostics;
    let diagnostics =
        [&lists.kl_per_dim, &lists.code_variance, &lists.mean_gate].into_iter().flatten().copied();
    for number in numbers.chain(epochs).chain(diagnostics).chain(lists.zero_share) {
        assert!(number.is_finite() && number.abs() <= convert::MAX_MAGNITUDE, "{number}");
    }
    assert!(outcome.metrics.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert!(outcome.epochs.len() <= convert::MAX_EPOCHS && outcome.epochs.iter().all(|e| e.seconds >= 0.0));
    assert!(outcome.artifacts.len() <= convert::MAX_ARTIFACTS);
    assert!(outcome.environment.host.len() <= convert::MAX_NAME_BYTES);
    assert_eq!(outcome_from_wire(Some(outcome_to_wire(outcome))).as_ref(), Ok(outcome));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bytes_from_nowhere(bytes in prop::collection::vec(any::<u8>(), 0..1024)) {
        take(&bytes);
    }

    #[test]
    fn bytes_of_an_outcome_damaged_on_the_way(damages in prop::collection::vec(damage(), 0..6)) {
        take(&damaged(example().encode_to_vec(), &damages));
    }

    #[test]
    fn an_outcome_with_any_numbers_and_names(
        values in prop::collection::vec(any::<f64>(), 8),
        names in prop::collection::vec(".{0,300}", 4),
        epoch in any::<u32>(),
        status in any::<i32>(),
        hash in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut message = example().outcome.expect("the example has one");
        message.status = status;
        message.metrics[0].value = values[0];
        message.metrics[1].name.clone_from(&names[0]);
        message.epochs[1].epoch = epoch;
        message.epochs[2].kl_per_cell = values[1];
        message.artifacts[0].kind.clone_from(&names[1]);
        message.artifacts[0].hash = hash.into();
        if let Some(diagnostics) = &mut message.diagnostics {
            diagnostics.mean_gate.clone_from(&values);
        }
        if let Some(environment) = &mut message.environment {
            environment.device.clone_from(&names[2]);
            environment.host.clone_from(&names[3]);
        }
        if let Ok(outcome) = outcome_from_wire(Some(message)) {
            keeps_bounds(&outcome);
        }
    }

    #[test]
    fn a_line_that_is_no_token(text in ".{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(JoinToken::parse(&text, "x").is_err());
        prop_assert!(parse_bearer(&bytes).is_none());
        let half_a_token = format!("lst1.{text}");
        prop_assert!(JoinToken::parse(&half_a_token, "x").is_err());
    }
}

#[test]
fn the_undamaged_example_is_accepted() {
    let outcome = outcome_from_wire(example().outcome).expect("the example is a good outcome");
    keeps_bounds(&outcome);
    assert_eq!(outcome.epochs.len(), 3);
}
