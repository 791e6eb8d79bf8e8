//! A worker that is out to get the person: its strings reach HTML, spreadsheets, Markdown and terminals, and are words in
//! each of them.

use std::time::Duration;

use domain::outcome::{Diagnostics, Environment};
use domain::{EpochRecord, Metric, MetricName, Outcome, OutcomeStatus};
use nix::sys::signal::Signal;
use sweep_proto::convert::outcome_to_wire;
use sweep_proto::v1;
use sweep_proto::v1::worker_service_client::WorkerServiceClient;

use crate::network::serve;
use crate::sweeps::{coordinator, scene, small_grid};

/// What each sink would obey: escape sequences and a line break, a tag, a formula, a table's edge, text run backwards.
const CURSES: [&str; 4] = [
    "=cmd|' /C calc'!A0\u{1b}[2J\u{1b}]0;pwned\u{7}",
    "<script>alert(1)</script>\u{202e}<img src=x onerror=alert(1)>",
    "@SUM(1+1)*cmd|'\r\n| forged | row |",
    "+1\u{9b}31m</td></tr><h1>done</h1>",
];

fn curse(number: usize) -> String {
    CURSES[number % CURSES.len()].to_owned()
}

#[test]
fn what_a_worker_says_is_words_in_every_sink() {
    let scratch = scene(&small_grid("cursed", "model = [\"ae\"]\nseed = [0, 1]", 3));
    let (server, url) = serve(&scratch, &["grid.toml"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(curse_everything(&url));

    let mut said = vec![
        coordinator(&scratch, &["status", "--coordinator", &url]).expect_code(0).stdout,
        coordinator(&scratch, &["status"]).expect_code(0).stdout,
    ];
    for format in ["table", "csv", "md"] {
        let args = ["leaderboard", "--per-trial", "--format", format];
        said.push(coordinator(&scratch, &args).expect_code(0).stdout);
    }
    let _ = coordinator(&scratch, &["report", "--out", "report"]).expect_code(0);
    for file in ["report.html", "report.md", "trials.csv", "leaderboard.csv"] {
        said.push(std::fs::read_to_string(scratch.join("report").join(file)).unwrap());
    }
    server.signal(Signal::SIGTERM);
    said.push(server.finish(Duration::from_secs(60)).stderr);

    assert!(said.iter().filter(|text| text.contains("alert(1)")).count() >= 4, "the words did get there");
    for text in &said {
        // A page's own script may hold control characters as it likes; everything else may not.
        if !text.starts_with("<!") {
            let unsafe_one = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(unsafe_one, None, "in {text}");
        }
    }
    let page = &said[5];
    assert!(page.starts_with("<!") && !page.contains("<script>alert(1)") && !page.contains("<img src=x"));
    assert!(!page.contains("<h1>done"), "no tag of a worker's is one");
    for csv in [&said[3], &said[7]] {
        for cell in csv.lines().flat_map(|line| line.split([',', '"'])) {
            let is_number = cell.parse::<f64>().is_ok();
            assert!(is_number || !cell.trim_start().starts_with(['=', '+', '@']), "{cell:?} would be run");
        }
    }
    // A row more in a table would be a trial that never was.
    for markdown in [&said[4], &said[6]] {
        assert!(!markdown.lines().any(|line| line.starts_with("| forged")), "{markdown}");
    }
}

/// Registers under cursed names, hands in one cursed outcome and one cursed failure, and stays.
async fn curse_everything(url: &str) {
    let mut client = WorkerServiceClient::connect(url.to_owned()).await.unwrap();
    let request = v1::RegisterRequest {
        worker: "cursed".to_owned(),
        host: curse(0),
        pid: 1,
        slots: 2,
        protocol: sweep_proto::PROTOCOL,
        version: curse(1),
        device: curse(2),
        isa: curse(3),
    };
    let session = client.register(request).await.unwrap().into_inner().session;
    let request = v1::LeaseTrialsRequest { session: session.clone(), want: 2 };
    let leases = client.lease_trials(request).await.unwrap().into_inner().leases;
    let [good, bad] = &leases[..] else { panic!("two leases: {leases:?}") };
    let key = |lease: &v1::Lease| {
        Some(v1::LeaseKey {
            trial_id: lease.trial_id.clone(),
            attempt: lease.attempt,
            nonce: lease.nonce.clone(),
        })
    };
    let outcome = Outcome {
        status: OutcomeStatus::Done,
        metrics: vec![Metric { name: MetricName::SsePerCell, value: -5.0 }],
        epochs: vec![EpochRecord {
            epoch: 1,
            loss_per_cell: 1.0,
            sse_per_cell: 1.0,
            kl_per_cell: 0.0,
            kl_spike_per_cell: None,
            validation_sse_per_cell: None,
            validation_loss_per_cell: None,
            seconds: 0.1,
        }],
        diagnostics: Diagnostics::default(),
        artifacts: Vec::new(),
        environment: Environment {
            worker: curse(1),
            host: curse(2),
            version: curse(3),
            device: curse(0),
            isa: curse(1),
            engine: curse(2),
        },
    };
    let request = v1::ReportOutcomeRequest {
        session: session.clone(),
        lease: key(good),
        outcome: Some(outcome_to_wire(&outcome)),
    };
    client.report_outcome(request).await.unwrap();
    // Its last words are the ones that are shown.
    for number in 0..2 {
        let request = v1::ReportFailureRequest {
            session: session.clone(),
            lease: key(bad),
            kind: "panic".to_owned(),
            message: format!("{}{}", curse(number), curse(number + 2)),
            checkpoint: None,
        };
        client.report_failure(request).await.unwrap();
    }
    let failed = v1::ReportFailureRequest {
        session,
        lease: key(bad),
        kind: "../panic".to_owned(),
        message: String::new(),
        checkpoint: None,
    };
    assert!(client.report_failure(failed).await.is_err(), "a kind that is none");
}
