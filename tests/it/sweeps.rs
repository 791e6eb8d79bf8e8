//! `coordinator sweep` from start to report on small data: what is written, what a second run does, and that equal
//! inputs give equal numbers.

use serde_json::Value;
use system_tests::data::data_table;
use system_tests::process::run;
use system_tests::{Finished, Product, Scratch, SyntheticCells};

/// A small sweep of every model.
pub(crate) fn small_grid(name: &str, grid: &str, epochs: u32) -> String {
    format!(
        "name = \"{name}\"\n{}\n[grid]\n{grid}\n[train]\nepochs = {epochs}\nbatch_size = 64\n\
         [model]\npreset = \"report\"\n[evaluation]\ntsne_iterations = 300\nkmeans_starts = 10\n",
        data_table("cells")
    )
}

/// A scratch folder with the small data set in `cells/` and a grid file `grid.toml`.
pub(crate) fn scene(grid_toml: &str) -> Scratch {
    let scratch = Scratch::new();
    SyntheticCells::default().write(&scratch.join("cells"));
    scratch.write("grid.toml", grid_toml);
    scratch
}

pub(crate) fn coordinator(scratch: &Scratch, args: &[&str]) -> Finished {
    run(&Product::get().coordinator, scratch.path(), args)
}

/// `leaderboard --format json` of the newest sweep in the default state folder.
pub(crate) fn leaderboard(scratch: &Scratch, more: &[&str]) -> Value {
    let args = [&["leaderboard", "--format", "json"], more].concat();
    let finished = coordinator(scratch, &args).expect_code(0);
    serde_json::from_str(&finished.stdout).expect("the leaderboard is JSON")
}

/// Removes what may differ between two machines or runs: times and memory.
pub(crate) fn without_times(mut board: Value) -> Value {
    for row in board["rows"].as_array_mut().expect("rows") {
        let metrics = row["metrics"].as_object_mut().expect("metrics");
        for name in ["train_seconds", "seconds_per_epoch", "evaluation_seconds", "peak_memory_bytes"] {
            metrics.remove(name);
        }
    }
    board
}

/// The page without what stands between `<script…>` and `</script>`; the tags themselves stay.
fn without_script_bodies(html: &str) -> String {
    let mut page = String::new();
    for part in html.split("</script>") {
        let (before, script) = part.split_once("<script").unwrap_or((part, ""));
        page.push_str(before);
        page.push_str(script.split('>').next().unwrap_or_default());
    }
    page
}

const EVERY_MODEL: &str = "model = [\"ae\", \"beta-vae\", \"beta-vsc\", \"pca\"]\nbeta = [1.0, 2.0]\nseed = { start = 0, count = 2 }";

#[test]
fn a_sweep_ends_with_a_leaderboard_and_a_report() {
    let scratch = scene(&small_grid("small", EVERY_MODEL, 4));
    let finished = coordinator(&scratch, &["sweep", "grid.toml"]).expect_code(0);
    // The leaderboard is data and goes to stdout; talk goes to stderr.
    for model in ["ae", "beta-vae", "beta-vsc", "pca"] {
        assert!(finished.stdout.contains(model), "{model} is in the leaderboard:\n{}", finished.stdout);
    }
    assert!(finished.stderr.contains("report.html"), "{}", finished.stderr);

    let board = leaderboard(&scratch, &[]);
    assert_eq!(board["schema"], 1);
    assert_eq!(board["sweep"], "small");
    let rows = board["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6, "AE once, two betas for each variational model, PCA once");
    for row in rows {
        let expected_n = if row["model"] == "pca" { 1 } else { 2 };
        assert_eq!(row["n"], expected_n, "{row}");
        // PCA has no optimiser that could have seen a loss.
        let trained: &[&str] =
            if row["model"] == "pca" { &[] } else { &["train_sse_per_cell", "train_seconds"] };
        for metric in [&["sse_per_cell", "latent_kmeans_ari", "tsne2d_kmeans_nmi"], trained].concat() {
            let mean = row["metrics"][metric]["mean"].as_f64();
            assert!(mean.is_some_and(f64::is_finite), "{metric} of {row}");
        }
        if row["model"] == "beta-vae" {
            assert!(row["params"]["beta"].is_number(), "{row}");
        }
    }

    let reports = scratch.join(".latentsweep/reports/small");
    for file in ["report.html", "report.md", "report.json", "leaderboard.csv", "trials.csv"] {
        let length = std::fs::metadata(reports.join(file)).map(|meta| meta.len()).unwrap_or(0);
        assert!(length > 100, "{file} has {length} bytes");
    }
    let html = std::fs::read_to_string(reports.join("report.html")).unwrap();
    // Plotly's own code names addresses for maps of the world, which no figure here draws: what counts is the page.
    let page = without_script_bodies(&html);
    for loads in ["src=", "<link", "@import", "url(http"] {
        assert!(!page.contains(loads), "the report loads something: {loads}");
    }
}

#[test]
fn a_second_run_does_only_what_is_missing() {
    let scratch = scene(&small_grid("again", "model = [\"ae\"]\nseed = [0, 1]", 3));
    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    let first = leaderboard(&scratch, &["--per-trial"]);

    let again = coordinator(&scratch, &["sweep", "grid.toml"]).expect_code(0);
    assert!(
        again.stderr.contains("nothing to run") || again.stderr.contains("nothing is missing"),
        "{}",
        again.stderr
    );
    assert_eq!(leaderboard(&scratch, &["--per-trial"]), first, "even the times are those of the first run");

    // One seed more: one trial more, and the old ones keep their very times.
    scratch.write("grid.toml", &small_grid("again", "model = [\"ae\"]\nseed = [0, 1, 2]", 3));
    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    let grown = leaderboard(&scratch, &["--per-trial"]);
    let rows = grown["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for old in first["rows"].as_array().unwrap() {
        let same_trial = rows.iter().find(|row| row["trial"] == old["trial"]).expect("it is still there");
        assert_eq!(same_trial["metrics"], old["metrics"]);
    }
}

#[test]
fn two_fresh_runs_give_equal_bits() {
    let boards: Vec<Value> = (0..2)
        .map(|run| {
            let scratch = scene(&small_grid("bits", EVERY_MODEL, 3));
            // One worker at a time and two at once: neither may change a number.
            let workers = if run == 0 { "1" } else { "2" };
            let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet", "--workers", workers])
                .expect_code(0);
            without_times(leaderboard(&scratch, &["--per-trial"]))
        })
        .collect();
    assert_eq!(boards[0], boards[1]);
    assert_eq!(boards[0]["rows"].as_array().unwrap().len(), 11);
}

#[test]
fn every_format_of_the_leaderboard_has_the_same_rows() {
    let scratch = scene(&small_grid("formats", "model = [\"ae\", \"pca\"]\nseed = [0, 1]", 2));
    let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
    let csv = coordinator(&scratch, &["leaderboard", "--format", "csv"]).expect_code(0).stdout;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let markdown = coordinator(&scratch, &["leaderboard", "formats", "--format", "md"]).expect_code(0).stdout;
    assert_eq!(markdown.lines().filter(|line| line.starts_with('|')).count(), 4, "{markdown}");
    let table = coordinator(&scratch, &["leaderboard", "--format", "table"]).expect_code(0).stdout;
    assert!(table.contains("pca") && table.contains("ae"), "{table}");
    let _ = coordinator(&scratch, &["leaderboard", "no-such-sweep"]).expect_code(5);
}

/// z-scores and counts reach the nets as such, labels can come from the counts, and the report says both.
#[test]
fn every_input_trains_and_labels_may_be_clusters() {
    let of_values: &[&str] = &["ae", "beta-vsc", "pca"];
    let of_counts: &[&str] = &["scvi", "ldvae", "dca"];
    let inputs = [
        ("lognorm", "log-normalised", of_values, "sse_per_cell"),
        ("scaled", "z-scores", of_values, "sse_per_cell"),
        ("counts", "raw counts", of_counts, "nll_per_cell"),
    ];
    let mut errors_of_pca = Vec::new();
    for (input, words, models, loss) in inputs {
        let name = format!("input-{input}");
        let data = format!("labels = \"cluster\"\ninput = \"{input}\"\ngenes = {{ hvg = 120 }}");
        let grid = small_grid(&name, &format!("model = {models:?}"), 3);
        let scratch = scene(&grid.replace("labels = \"cells/labels.csv\"", &data));
        let _ = coordinator(&scratch, &["sweep", "grid.toml", "--quiet"]).expect_code(0);
        let board = leaderboard(&scratch, &[]);
        let rows = board["rows"].as_array().unwrap();
        assert_eq!(rows.len(), models.len());
        for row in rows {
            assert_eq!(row["n"], 1, "{row}");
            assert!(row["metrics"]["latent_kmeans_nmi"]["mean"].is_number(), "{row}");
            assert!(row["metrics"][loss]["mean"].is_number(), "{row}");
        }
        if let Some(pca) = rows.iter().find(|row| row["model"] == "pca") {
            errors_of_pca.push(pca["metrics"]["sse_per_cell"]["mean"].as_f64().unwrap());
        }
        let folder = scratch.join(".latentsweep/reports").join(&name);
        let report = std::fs::read_to_string(folder.join("report.md")).unwrap();
        for part in [words, "clusters of these same counts", "120 genes", "(unnamed)"] {
            assert!(report.contains(part), "{part:?} is in the report:\n{report}");
        }
    }
    // A z-score has variance 1, so 120 genes have 119.5 a cell (240 cells, n − 1), of which six components take at least
    // their share; log-normalised values of these cells vary several times more.
    let [lognorm, scaled] = errors_of_pca.try_into().unwrap();
    assert!((1.0..119.5 * (1.0 - 6.0 / 120.0)).contains(&scaled) && scaled < lognorm, "{lognorm} {scaled}");
}
