//! The report of a made-up sweep: safe, complete, and the same bytes each time.

use domain::embedding::Embedding;
use domain::outcome::ArtifactRef;

use super::{Report, ReportInput, render};
use crate::leaderboard::fixture::{HOSTILE, classes, embedding, sweep};
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
    for anchor in ["ran", "leaderboard", "curves", "time", "agreement", "maps", "latent", "trials"] {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    for trial in sweep().trials {
        assert!(page.contains(&trial.trial.id.to_string()));
    }
    assert!(page.contains("the median of 3 seeds"));
    assert!(page.contains("1 diverged, 1 failed"));
}

#[test]
fn a_map_that_cannot_be_read_is_said_and_the_rest_stands() {
    let page = page_of(&report_of(&sweep(), &|_| Err("the file is <gone>".to_owned())));
    assert!(page.contains("No maps: the file is"));
    assert!(!page.contains("<gone>"));
    assert!(page.contains("id=\"curves\""));
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
    assert_eq!(names, ["leaderboard.csv", "report.html", "report.json", "report.md", "trials.csv"]);
}
