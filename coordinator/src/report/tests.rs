//! The report of a made-up sweep: safe, complete, and the same bytes each time.

use domain::embedding::Embedding;
use domain::outcome::ArtifactRef;

use super::{Report, ReportInput, render};
use crate::leaderboard::fixture::{HOSTILE, beta_vae, classes, embedding, record, sweep};
use crate::store::records::SweepData;

fn report_of(data: &SweepData, embedding: &dyn Fn(&ArtifactRef) -> Result<Embedding, String>) -> Report {
    render(&ReportInput { data, cell_classes: Some(&classes()), embedding }).unwrap()
}

/// The page without Plotly's source.
fn page_of(report: &Report) -> String {
    report.html.replace(&super::page::plotly_source(), "")
}

#[test]
fn equal_data_give_equal_bytes() {
    let once = report_of(&sweep(), &|_| Ok(embedding()));
    assert_eq!(once, report_of(&sweep(), &|_| Ok(embedding())));
}

#[test]
fn hostile_words_stay_words() {
    let report = report_of(&sweep(), &|_| Ok(embedding()));
    assert!(!report.html.contains("<img src=x"));
    assert!(!report.html.contains("NK</script>"));
    assert!(!report.html.contains("<b>pbmc3k</b>"));
    assert!(report.html.contains("&#60;b&#62;pbmc3k") || report.html.contains("&lt;b&gt;pbmc3k"));
    for text in [&report.html, &report.markdown, &report.trials_csv] {
        assert!(!text.contains(HOSTILE));
    }
    assert!(!report.markdown.contains("<img"));
}

#[test]
fn nothing_is_loaded_from_a_network() {
    let page = page_of(&report_of(&sweep(), &|_| Ok(embedding())));
    for loads in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_page_shows_every_part_and_every_trial() {
    let page = page_of(&report_of(&sweep(), &|_| Ok(embedding())));
    let sections = [
        "ran",
        "leaderboard",
        "comparison",
        "curves",
        "time",
        "maps",
        "agreement",
        "latent",
        "cost",
        "trials",
    ];
    let places = sections.map(|anchor| page.find(&format!("<section id=\"{anchor}\"")).unwrap_or_default());
    assert!(places.is_sorted(), "the sections stand in the promised order: {places:?}");
    for anchor in sections {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    for trial in sweep().trials {
        assert!(page.contains(&trial.trial.id.to_string()));
    }
    assert!(page.contains("the median of 3 seeds"));
    assert!(page.contains("1 diverged, 1 failed"));
}

#[test]
fn every_claim_carries_n_interval_and_corrected_p() {
    let mut data = sweep();
    data.trials.truncate(1);
    for seed in 0..9 {
        let jitter = (seed % 4) as f64 * 0.01;
        data.trials.push(record(2 * seed + 1, beta_vae(1.0), seed, Ok(Some((0.8 + jitter, 1750.0)))));
        let end = if seed == 8 { Ok(None) } else { Ok(Some((0.3 - jitter, 1790.0 + jitter))) };
        data.trials.push(record(2 * seed + 2, beta_vae(2.0), seed, end));
    }
    let report = report_of(&data, &|_| Ok(embedding()));
    let claim =
        "is better than beta-vae β=2 by 0.5300 (95 % interval 0.5100 to 0.5500, n = 8, corrected p 0.0156";
    assert!(report.markdown.contains("beta-vae β=1 is better than"), "{}", report.markdown);
    assert!(page_of(&report).contains(claim), "{}", page_of(&report));
    assert!(page_of(&report).contains("beta-vae β=2 lacks seed 8 (1 diverged)"));
    assert!(page_of(&report).contains("<svg class=\"critical\""));
    let tree: serde_json::Value = serde_json::from_str(&report.json).unwrap();
    assert_eq!(tree["comparisons"][0]["told_apart"], 3);
    assert_eq!(tree["comparisons"][0]["friedman"]["incomplete_seeds"], serde_json::json!([8]));
    for pair in tree["comparisons"][0]["differences"].as_array().unwrap() {
        assert!(pair["corrected_p"].as_f64().unwrap() <= 0.05 && pair["n"].as_u64().unwrap() >= 8);
    }
}

#[test]
fn a_map_that_cannot_be_read_is_said_and_the_rest_stands() {
    let page = page_of(&report_of(&sweep(), &|_| Err("the file is <gone>".to_owned())));
    assert!(page.contains("No maps: the file is"));
    assert!(!page.contains("<gone>"));
    assert!(page.contains("id=\"curves\""));
}

/// Whoever reads a score against clusters must know that they are clusters of the same counts.
#[test]
fn labels_made_by_clustering_are_called_so() {
    let mut data = sweep();
    let about_files = page_of(&report_of(&data, &|_| Ok(embedding())));
    assert!(!about_files.contains("clusters of these same counts"));
    data.sweep.dataset.clustering = Some("2000 genes & Louvain".to_owned());
    let page = page_of(&report_of(&data, &|_| Ok(embedding())));
    assert!(page.contains("clusters of these same counts"));
    assert!(
        page.contains("found by clustering these counts (2000 genes &amp; Louvain)")
            || page.contains("(2000 genes &#38; Louvain)")
    );
}

#[test]
fn an_empty_sweep_still_has_a_report() {
    let mut data = sweep();
    data.trials.clear();
    data.sweep.dataset.label_classes.clear();
    let page = page_of(&report_of(&data, &|_| Ok(embedding())));
    assert!(page.contains("0 of 0 done"));
}

#[test]
fn json_reads_back_and_files_are_written_whole() {
    let report = report_of(&sweep(), &|_| Ok(embedding()));
    let tree: serde_json::Value = serde_json::from_str(&report.json).unwrap();
    assert_eq!((tree["schema"].as_u64(), tree["trials"].as_array().unwrap().len()), (Some(1), 8));

    let folder = tempfile::tempdir().unwrap();
    let path = report.write(&folder.path().join("reports/made-up")).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), report.html);
    let mut names: Vec<String> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["comparisons.csv", "leaderboard.csv", "report.html", "report.json", "report.md", "trials.csv"]
    );
}
