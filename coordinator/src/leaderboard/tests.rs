//! The leaderboard of a made-up sweep, in every format.

use domain::config::ScviSpec;
use domain::metric::{Metric, MetricName};
use domain::{Config, EvaluationSpec, ModelKind, ModelSpec, TrainSpec, TrialState};

use super::fixture::{beta_vae, record, sweep};
use super::{
    FilterError, LeaderboardOptions, TableOptions, build, comparisons_csv, json, rows_csv, rows_markdown,
    rows_table, trials_csv, trials_markdown, trials_table,
};
use crate::store::records::SweepData;

fn labels(options: &LeaderboardOptions) -> Vec<(Option<usize>, String)> {
    let board = build(&sweep(), options).unwrap();
    board.rows.into_iter().map(|row| (row.rank, row.label)).collect()
}

#[test]
fn configs_are_ranked_by_their_mean_and_only_done_trials_count() {
    let board = build(&sweep(), &LeaderboardOptions::default()).unwrap();
    assert_eq!(board.metric, MetricName::LatentKmeansAri);
    let seen: Vec<_> = board.rows.iter().map(|row| (row.rank, row.label.as_str(), row.n)).collect();
    // β = 1 has mean 0.6 (up to rounding), β = 2 has 0.6 in its only done trial; β = 4 has nothing yet
    assert_eq!(seen[0], (Some(1), "pca", 1));
    assert_eq!(seen[3], (None, "beta-vae β=4", 0));
    let two = board.rows.iter().find(|row| row.label == "beta-vae β=2").unwrap();
    assert_eq!(two.counts.words(), "1 diverged, 1 failed");
    assert_eq!(two.metric(MetricName::LatentKmeansAri).unwrap().ci95, None);
    assert!(board.rows[0].deterministic && !two.deterministic);
}

#[test]
fn equal_means_share_a_rank_and_the_next_one_is_skipped() {
    let mut data = sweep();
    data.trials = vec![
        record(0, beta_vae(1.0), 0, Ok(Some((0.5, 1.0)))),
        record(1, beta_vae(2.0), 0, Ok(Some((0.5, 2.0)))),
        record(2, beta_vae(4.0), 0, Ok(Some((0.4, 3.0)))),
    ];
    let ranks: Vec<_> =
        build(&data, &LeaderboardOptions::default()).unwrap().rows.iter().map(|row| row.rank).collect();
    assert_eq!(ranks, [Some(1), Some(1), Some(3)]);
}

#[test]
fn a_metric_ranks_in_its_direction_and_a_fact_gives_no_ranks() {
    let by = |metric| labels(&LeaderboardOptions { metric: Some(metric), ..LeaderboardOptions::default() });
    assert_eq!(by(MetricName::SsePerCell)[0], (Some(1), "beta-vae β=1".to_owned()));
    assert!(by(MetricName::Parameters).iter().all(|(rank, _)| rank.is_none()));
}

#[test]
fn filters_choose_trials_before_anything_is_counted() {
    let with = |filters: &[&str]| LeaderboardOptions {
        filters: filters.iter().map(|filter| filter.parse().unwrap()).collect(),
        ..LeaderboardOptions::default()
    };
    let beta_one = build(&sweep(), &with(&["beta=1", "seed=2"])).unwrap();
    assert_eq!((beta_one.rows.len(), beta_one.rows[0].n), (1, 1));
    assert_eq!(build(&sweep(), &with(&["state=diverged"])).unwrap().rows[0].counts.diverged, 1);
    assert!(matches!(build(&sweep(), &with(&["betta=1"])), Err(FilterError::UnknownKey { .. })));
    assert!("beta".parse::<super::Filter>().is_err());
}

#[test]
fn filters_take_alternatives_orders_and_their_opposites() {
    let kept = |filter: &str| {
        let filters = vec![filter.parse().unwrap()];
        build(&sweep(), &LeaderboardOptions { filters, ..LeaderboardOptions::default() })
            .unwrap()
            .trials
            .len()
    };
    assert_eq!((kept("model=pca,beta-vae"), kept("model = pca"), kept("model!=pca")), (8, 1, 7));
    assert_eq!((kept("beta>=2"), kept("beta<2"), kept("beta<=4"), kept("beta>4")), (4, 3, 7, 0));
    assert_eq!((kept("seed!=0"), kept("seed=0,2"), kept("state!=done")), (4, 6, 3));
    // what lacks a key is not that value
    assert_eq!((kept("beta!=1"), kept("beta=1")), (5, 3));
    for wrong in ["beta", "=1", "beta!1", "!=1"] {
        assert!(matches!(wrong.parse::<super::Filter>(), Err(FilterError::NotKeyValue(_))), "{wrong}");
    }
    assert!(matches!("model<ae".parse::<super::Filter>(), Err(FilterError::NotANumber(_))));
}

/// Two β-VAEs over so many seeds, far apart, with PCA between them.
fn far_apart(seeds: u64) -> SweepData {
    let mut data = sweep();
    data.trials.truncate(1);
    for seed in 0..seeds {
        let jitter = (seed % 3) as f64 * 0.01;
        data.trials.push(record(2 * seed + 1, beta_vae(1.0), seed, Ok(Some((0.8 + jitter, 1750.0)))));
        data.trials.push(record(2 * seed + 2, beta_vae(2.0), seed, Ok(Some((0.3 - jitter, 1790.0)))));
    }
    data
}

#[test]
fn configs_that_can_be_told_apart_have_letters_and_places_of_their_own() {
    let board = build(&far_apart(8), &LeaderboardOptions::default()).unwrap();
    let seen: Vec<_> =
        board.rows.iter().map(|row| (row.label.as_str(), row.groups.as_deref(), row.places)).collect();
    assert_eq!(
        seen,
        [
            ("beta-vae β=1", Some("a"), Some((1, 1))),
            ("pca", Some("b"), Some((2, 2))),
            ("beta-vae β=2", Some("c"), Some((3, 3))),
        ]
    );
    assert!(board.comparisons[0].can_tell());
    let told = comparisons_csv(&board.comparisons.iter().collect::<Vec<_>>());
    assert_eq!(told.matches(",yes,").count(), 3, "{told}");
    // three tests: the smallest p of 2/2^8 is tripled
    assert!(told.contains("0.0234375"), "{told}");
}

#[test]
fn with_few_seeds_no_claim_is_made_however_large_the_difference() {
    let data = far_apart(5);
    let board = build(&data, &LeaderboardOptions::default()).unwrap();
    assert!(board.rows.iter().all(|row| row.groups.as_deref() == Some("a") && row.places == Some((1, 3))));
    let text = rows_table(&board, TableOptions::default());
    assert!(
        text.contains("no difference can be claimed, however large. 7 common seeds would be the least."),
        "{text}"
    );
    let tree = json(&board, &data, false);
    let comparison = &tree["comparisons"][0];
    assert_eq!((comparison["pairs"].as_u64(), comparison["seeds_needed"].as_u64()), (Some(3), Some(7)));
    assert_eq!(comparison["smallest_corrected_p"].as_f64(), Some(0.1875));
    assert_eq!(tree["rows"][0]["places"], serde_json::json!([1, 3]));
    assert_eq!(tree["rows"][0]["groups"], serde_json::json!(["a"]));
}

#[test]
fn a_time_of_a_model_without_a_seed_is_no_constant() {
    let by_time =
        LeaderboardOptions { metric: Some(MetricName::TrainSeconds), ..LeaderboardOptions::default() };
    let board = build(&far_apart(8), &by_time).unwrap();
    let pca = board.comparisons[0].members.iter().find(|member| member.label == "pca").unwrap();
    assert!(matches!(pca.scores, stats::Scores::BySeed(_)));
}

/// scVI beside β-VAEs: trials that no one grid file asks for, but a store may hold.
fn two_likelihoods() -> SweepData {
    let mut data = sweep();
    let model = ModelSpec::Scvi(ScviSpec::default());
    let scvi =
        Config { model, train: Some(TrainSpec::of(ModelKind::Scvi)), evaluation: EvaluationSpec::default() };
    data.trials = vec![
        record(0, beta_vae(1.0), 0, Ok(Some((0.5, 1760.0)))),
        record(1, scvi, 0, Ok(Some((0.6, 0.0)))),
        record(2, beta_vae(2.0), 0, Ok(Some((0.4, 1790.0)))),
    ];
    for trial in &mut data.trials {
        let metrics = &mut trial.outcome.as_mut().unwrap().metrics;
        let loss = metrics.iter_mut().find(|metric| metric.name == MetricName::SsePerCell).unwrap();
        let of_squares = loss.value;
        if trial.trial.config.model.kind() == ModelKind::Scvi {
            *loss = Metric { name: MetricName::NllPerCell, value: 610.0 };
        }
        metrics.push(Metric { name: MetricName::ValidationLossPerCell, value: of_squares });
    }
    data
}

#[test]
fn losses_of_two_likelihoods_are_never_ranked_against_each_other() {
    let data = two_likelihoods();
    let ranked_by = |metric| {
        let board =
            build(&data, &LeaderboardOptions { metric: Some(metric), ..LeaderboardOptions::default() })
                .unwrap();
        let text = rows_table(&board, TableOptions::default());
        (board.rows.into_iter().map(|row| (row.rank, row.model, row.loss)).collect::<Vec<_>>(), text)
    };
    let (rows, text) = ranked_by(MetricName::ValidationLossPerCell);
    let (squares, counts) = ("squared error", "negative binomial");
    assert_eq!(
        rows,
        [
            (Some(1), ModelKind::BetaVae, squares),
            (Some(2), ModelKind::BetaVae, squares),
            (Some(1), ModelKind::Scvi, counts),
        ]
    );
    assert!(text.contains("Losses that measure different things are ranked apart."), "{text}");
    // A loss that the other kind does not have gives it no rank.
    let (rows, _) = ranked_by(MetricName::NllPerCell);
    let ranks: Vec<_> = rows.iter().map(|(rank, model, _)| (*model, *rank)).collect();
    assert!(
        ranks.contains(&(ModelKind::Scvi, Some(1))) && ranks.contains(&(ModelKind::BetaVae, None)),
        "{ranks:?}"
    );
    // Agreement with labels is comparable.
    let (rows, _) = ranked_by(MetricName::LatentKmeansAri);
    assert_eq!((rows[0].0, rows[0].1), (Some(1), ModelKind::Scvi));
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
}

#[test]
fn without_labels_the_loss_ranks_that_the_models_have() {
    let mut data = two_likelihoods();
    data.sweep.dataset.label_classes.clear();
    data.trials.remove(0);
    assert_eq!(build(&data, &LeaderboardOptions::default()).unwrap().metric, MetricName::NllPerCell);
    let loss = data.trials[0].outcome.as_mut().unwrap().metrics.iter_mut();
    for metric in loss.filter(|metric| metric.name == MetricName::NllPerCell) {
        metric.name = MetricName::ValidationNllPerCell;
    }
    assert_eq!(
        build(&data, &LeaderboardOptions::default()).unwrap().metric,
        MetricName::ValidationNllPerCell
    );
}

#[test]
fn without_labels_the_loss_ranks() {
    let mut data = sweep();
    data.sweep.dataset.label_classes.clear();
    assert_eq!(build(&data, &LeaderboardOptions::default()).unwrap().metric, MetricName::SsePerCell);
}

#[test]
fn json_has_the_promised_schema() {
    let data = sweep();
    let board = build(&data, &LeaderboardOptions::default()).unwrap();
    let tree = json(&board, &data, false);
    assert_eq!((tree["schema"].as_u64(), tree["sweep"].as_str()), (Some(1), Some("made-up")));
    let row = tree["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["params"]["beta"].as_f64() == Some(1.0))
        .unwrap();
    assert_eq!((row["model"].as_str(), row["n"].as_u64()), (Some("beta-vae"), Some(3)));
    let ari = &row["metrics"]["latent_kmeans_ari"];
    assert!((ari["mean"].as_f64().unwrap() - 0.6).abs() < 1e-12);
    assert!((ari["sd"].as_f64().unwrap() - 0.1).abs() < 1e-12);
    assert_eq!(ari["ci95"].as_array().unwrap().len(), 2);
    let pca = tree["rows"].as_array().unwrap().iter().find(|row| row["model"] == "pca").unwrap();
    assert!(
        pca["metrics"]["sse_per_cell"]["sd"].is_null() && pca["metrics"]["sse_per_cell"]["ci95"].is_null()
    );

    let trials = json(&board, &data, true);
    assert_eq!(trials["rows"].as_array().unwrap().len(), 8);
    assert_eq!(trials["rows"][0]["metrics"]["latent_kmeans_ari"], 0.7);
    assert_eq!(trials["rows"][0]["state"], "done");
}

#[test]
fn csv_has_equal_columns_and_no_formula() {
    let data = sweep();
    let board = build(&data, &LeaderboardOptions::default()).unwrap();
    for text in [rows_csv(&board), trials_csv(&board, &data)] {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert!(!lines.is_empty());
        let is_formula = |cell: &str| cell.starts_with(['=', '+', '@']);
        assert!(lines.iter().flatten().all(|cell| !is_formula(cell) && !cell.contains('\u{1b}')), "{text}");
    }
}

#[test]
fn tables_fit_the_terminal_and_markdown_keeps_its_columns() {
    let data = sweep();
    let board = build(&data, &LeaderboardOptions::default()).unwrap();
    for width in [80, 100, 120] {
        let options = TableOptions { width, colour: false };
        for text in [rows_table(&board, options), trials_table(&board, &data, options)] {
            let table = text.lines().take_while(|line| !line.starts_with("Ranked"));
            assert!(table.clone().all(|line| line.chars().count() <= width), "{text}");
            assert!(!text.contains('\u{1b}'));
        }
    }
    for text in [rows_markdown(&board), trials_markdown(&board, &data)] {
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        let first = bars(text.lines().next().unwrap());
        assert!(text.lines().all(|line| bars(line) == first), "{text}");
    }
}

#[test]
fn an_empty_sweep_has_an_empty_leaderboard() {
    let mut data = sweep();
    data.trials.clear();
    let board = build(&data, &LeaderboardOptions::default()).unwrap();
    assert!(board.rows.is_empty());
    assert!(!rows_table(&board, TableOptions::default()).is_empty());
}

#[test]
fn open_trials_are_counted_as_pending() {
    let counts = super::StateCounts::of([TrialState::Leased, TrialState::Pending, TrialState::Done]);
    assert_eq!((counts.open, counts.done, counts.words().as_str()), (2, 1, "2 pending"));
}
