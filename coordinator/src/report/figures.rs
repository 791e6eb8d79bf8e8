//! The figures over all configs as Plotly specifications (JSON). Colours are names (`$c3`, `$text`) that the page
//! replaces by those of its light or dark theme.

use domain::metric::MetricName;
use serde_json::{Value, json};

use super::round::{decimals, significant};
use crate::leaderboard::{ConfigRow, Leaderboard, metric_of, text};
use crate::store::records::SweepData;

/// Points of one curve at most; longer runs are thinned for drawing.
const MAX_CURVE_POINTS: usize = 400;

/// Colours of the palette.
const PALETTE: usize = 10;

/// Dashes, changed after each round of the palette so that no two of the first forty configs look alike.
const DASHES: [&str; 4] = ["solid", "dash", "dot", "dashdot"];

/// One figure of the page.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// Its anchor.
    pub(super) id: &'static str,
    /// Plotly's traces and layout.
    pub(super) spec: Value,
    /// Height in CSS pixels.
    pub(super) height: usize,
}

/// The colour of the config at this place of the leaderboard.
pub(super) fn colour(index: usize) -> String {
    format!("$c{}", index % PALETTE)
}

/// Mean loss per epoch over the seeds of each config, with a band from the smallest to the largest; PCA's error as a
/// line for comparison. `None` when nothing was trained by epochs.
pub(super) fn loss_curves(data: &SweepData, board: &Leaderboard) -> Option<Figure> {
    let mut traces = Vec::new();
    let (mut sse_shown, mut longest, mut has_kl) = (Range::default(), 0_u32, false);
    for (index, row) in board.rows.iter().enumerate() {
        let sse = Curve::of(data, row, |epoch| epoch.sse_per_cell);
        if let Some(sse) = sse {
            longest = longest.max(sse.last_epoch());
            sse.settled().for_each(|value| sse_shown.include(value));
            traces.extend(sse.traces(row, index, "y", true));
            let kl = Curve::of(data, row, |epoch| epoch.kl_per_cell).filter(Curve::is_not_zero);
            if let Some(kl) = kl {
                has_kl = true;
                traces.extend(kl.traces(row, index, "y2", false));
            }
        }
    }
    if traces.is_empty() {
        return None;
    }
    for (index, row) in board.rows.iter().enumerate().filter(|(_, row)| row.deterministic) {
        if let Some(summary) = row.metric(MetricName::SsePerCell) {
            sse_shown.include(summary.mean);
            let error = significant(summary.mean);
            traces.push(json!({
                "type": "scatter", "mode": "lines", "name": row.label, "x": [1, longest], "y": [error, error],
                "line": {"color": colour(index), "width": 1.5, "dash": "dashdot"},
                "hovertemplate": "%{y:.1f} (no epochs)<extra>%{fullData.name}</extra>",
            }));
        }
    }
    let counts = board.rows.iter().filter(|row| row.model.reconstruction().is_of_counts()).count();
    let y_title = match counts {
        0 => "squared error per cell",
        all if all == board.rows.len() => "−log likelihood per cell [nat]",
        _ => "reconstruction term per cell (not comparable between kinds of loss)",
    };
    let mut layout = json!({
        "xaxis": {"title": {"text": "epoch"}, "anchor": if has_kl { "y2" } else { "y" }},
        "yaxis": {"title": {"text": y_title}, "range": sse_shown.padded(), "domain": if has_kl { [0.42, 1.0] } else { [0.0, 1.0] }},
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": -0.16, "yanchor": "top"},
    });
    if has_kl {
        layout["yaxis2"] =
            json!({"title": {"text": "KL per cell [nat]"}, "domain": [0.0, 0.34], "rangemode": "tozero"});
    }
    let legend_rows = board.rows.len().div_ceil(3);
    let height = if has_kl { 620 } else { 420 } + 22 * legend_rows;
    Some(Figure { id: "loss", spec: json!({"data": traces, "layout": layout}), height })
}

/// Mean, smallest and largest value per epoch over the done trials of a config.
struct Curve {
    epochs: Vec<u32>,
    mean: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    seeds: usize,
}

impl Curve {
    fn of(data: &SweepData, row: &ConfigRow, value: fn(&domain::EpochRecord) -> f64) -> Option<Self> {
        let runs: Vec<&[domain::EpochRecord]> = row
            .trials
            .iter()
            .map(|&position| &data.trials[position])
            .filter(|record| record.state == domain::TrialState::Done)
            .filter_map(|record| record.outcome.as_ref())
            .map(|outcome| outcome.epochs.as_slice())
            .filter(|epochs| !epochs.is_empty())
            .collect();
        let longest = runs.iter().map(|run| run.len()).max()?;
        let stride = longest.div_ceil(MAX_CURVE_POINTS).max(1);
        let mut curve = Self { epochs: vec![], mean: vec![], low: vec![], high: vec![], seeds: runs.len() };
        for position in (0..longest).filter(|position| position % stride == 0 || position + 1 == longest) {
            let here: Vec<f64> = runs
                .iter()
                .filter_map(|run| run.get(position))
                .map(value)
                .filter(|value| value.is_finite())
                .collect();
            if here.is_empty() {
                continue;
            }
            curve.epochs.push(u32::try_from(position + 1).unwrap_or(u32::MAX));
            curve.mean.push(here.iter().sum::<f64>() / here.len() as f64);
            curve.low.push(here.iter().copied().fold(f64::INFINITY, f64::min));
            curve.high.push(here.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
        (!curve.epochs.is_empty()).then_some(curve)
    }

    fn last_epoch(&self) -> u32 {
        self.epochs.last().copied().unwrap_or(1)
    }

    fn is_not_zero(&self) -> bool {
        self.high.iter().any(|value| *value != 0.0)
    }

    /// Values after the first epochs, whose fall would flatten all that follows: ten, or a twentieth of a long run,
    /// or a quarter of a short one.
    fn settled(&self) -> impl Iterator<Item = f64> {
        let length = self.mean.len();
        let skip = (length / 20).max((length / 4).min(10));
        self.low[skip..].iter().chain(&self.high[skip..]).copied()
    }

    fn traces(&self, row: &ConfigRow, index: usize, axis: &str, in_legend: bool) -> Vec<Value> {
        let mut traces = Vec::new();
        if self.seeds > 1 {
            let there_and_back: Vec<u32> =
                self.epochs.iter().chain(self.epochs.iter().rev()).copied().collect();
            let edge: Vec<Value> =
                self.high.iter().chain(self.low.iter().rev()).map(|value| significant(*value)).collect();
            traces.push(json!({
                "type": "scatter", "mode": "lines", "x": there_and_back, "y": edge, "yaxis": axis, "fill": "toself",
                "fillcolor": format!("{}a", colour(index)), "line": {"width": 0}, "hoverinfo": "skip",
                "legendgroup": row.label, "showlegend": false, "name": row.label,
            }));
        }
        let mean: Vec<Value> = self.mean.iter().map(|value| significant(*value)).collect();
        traces.push(json!({
            "type": "scatter", "mode": "lines", "x": self.epochs, "y": mean, "yaxis": axis, "name": row.label,
            "legendgroup": row.label, "showlegend": in_legend,
            "line": {"color": colour(index), "width": 2, "dash": DASHES[index / PALETTE % DASHES.len()]},
            "hovertemplate": format!("epoch %{{x}}: %{{y:.2f}} (mean of {})<extra>%{{fullData.name}}</extra>", self.seeds),
        }));
        traces
    }
}

#[derive(Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Default for Range {
    fn default() -> Self {
        Self { low: f64::INFINITY, high: f64::NEG_INFINITY }
    }
}

impl Range {
    fn include(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    fn padded(&self) -> [Value; 2] {
        let pad = ((self.high - self.low) * 0.05).max(self.high.abs() * 1e-3);
        [significant(self.low - pad), significant(self.high + pad)]
    }
}

/// Training seconds and seconds per epoch: every trial as a point, a box where there are several.
pub(super) fn training_times(data: &SweepData, board: &Leaderboard) -> Option<Figure> {
    let mut traces = Vec::new();
    for (axis, metric) in [("", MetricName::TrainSeconds), ("2", MetricName::SecondsPerEpoch)] {
        for (index, row) in board.rows.iter().enumerate() {
            let (mut seconds, mut words) = (Vec::new(), Vec::new());
            for record in row.trials.iter().map(|&position| &data.trials[position]) {
                if let Some(value) = metric_of(record, metric) {
                    seconds.push(significant(value));
                    words.push(format!("seed {}, trial {}", record.trial.seed, record.trial.id.short()));
                }
            }
            if seconds.is_empty() {
                continue;
            }
            let rows = vec![row.label.as_str(); seconds.len()];
            traces.push(json!({
                "type": "box", "orientation": "h", "x": seconds, "y": rows, "text": words, "name": row.label,
                "xaxis": format!("x{axis}"), "yaxis": "y", "showlegend": false, "boxpoints": "all", "jitter": 0.5,
                "pointpos": 0, "width": 0.6, "line": {"width": 1, "color": colour(index)}, "fillcolor": "rgba(0,0,0,0)",
                "marker": {"size": 6, "color": colour(index), "opacity": 0.8},
                "hovertemplate": "%{x:.4~g} s, %{text}<extra></extra>",
            }));
        }
    }
    if traces.is_empty() {
        return None;
    }
    let labels: Vec<&str> = board.rows.iter().map(|row| row.label.as_str()).collect();
    let layout = json!({
        "xaxis": {"title": {"text": "training [s]"}, "domain": [0.0, 0.48], "rangemode": "tozero"},
        "xaxis2": {"title": {"text": "one epoch [s]"}, "domain": [0.54, 1.0], "rangemode": "tozero", "anchor": "y"},
        "yaxis": {"categoryorder": "array", "categoryarray": labels, "autorange": "reversed", "automargin": true},
        "boxmode": "overlay", "margin": {"b": 60},
    });
    Some(Figure {
        id: "times",
        spec: json!({"data": traces, "layout": layout}),
        height: 110 + 34 * labels.len(),
    })
}

/// One part of the heat map: what was clustered how, and its scores with their headings.
type ScorePanel = (&'static str, [(&'static str, MetricName); 5]);

const SCORE_PANELS: [ScorePanel; 3] = [
    (
        "k-means on the latent codes",
        [
            ("NMI", MetricName::LatentKmeansNmi),
            ("ARI", MetricName::LatentKmeansAri),
            ("AMI", MetricName::LatentKmeansAmi),
            ("homogeneity", MetricName::LatentKmeansHomogeneity),
            ("completeness", MetricName::LatentKmeansCompleteness),
        ],
    ),
    (
        "Leiden on the latent codes",
        [
            ("NMI", MetricName::LatentLeidenNmi),
            ("ARI", MetricName::LatentLeidenAri),
            ("AMI", MetricName::LatentLeidenAmi),
            ("homogeneity", MetricName::LatentLeidenHomogeneity),
            ("completeness", MetricName::LatentLeidenCompleteness),
        ],
    ),
    (
        "k-means on the 2-D t-SNE",
        [
            ("NMI", MetricName::Tsne2dKmeansNmi),
            ("ARI", MetricName::Tsne2dKmeansAri),
            ("AMI", MetricName::Tsne2dKmeansAmi),
            ("homogeneity", MetricName::Tsne2dKmeansHomogeneity),
            ("completeness", MetricName::Tsne2dKmeansCompleteness),
        ],
    ),
];

/// Between two parts of the heat map, as a share of its width.
const PANEL_GAP: f64 = 0.03;

/// Mean agreement of clusters with the labels, configs × scores, of what was clustered. `None` without labels.
pub(super) fn score_heat_map(board: &Leaderboard) -> Option<Figure> {
    let has_any = |row: &ConfigRow, (_, scores): &ScorePanel| {
        scores.iter().any(|(_, name)| row.metric(*name).is_some())
    };
    let panels: Vec<&ScorePanel> =
        SCORE_PANELS.iter().filter(|panel| board.rows.iter().any(|row| has_any(row, panel))).collect();
    let shown: Vec<&ConfigRow> =
        board.rows.iter().filter(|row| panels.iter().any(|panel| has_any(row, panel))).collect();
    if shown.is_empty() {
        return None;
    }
    let labels: Vec<&str> = shown.iter().map(|row| row.label.as_str()).collect();
    let width = (1.0 - PANEL_GAP * (panels.len() - 1) as f64) / panels.len() as f64;
    let tilt = if panels.len() > 2 { -35 } else { 0 };
    let mut traces = Vec::new();
    let mut headings = Vec::new();
    let mut layout = json!({
        "yaxis": {"autorange": "reversed", "automargin": true, "showgrid": false},
        "coloraxis": {"colorscale": "Cividis", "colorbar": {"thickness": 12, "outlinewidth": 0}},
        "margin": {"t": 120, "b": 10},
    });
    for (position, (words, scores)) in panels.into_iter().enumerate() {
        let axis = if position == 0 { String::new() } else { (position + 1).to_string() };
        traces.push(score_trace(&shown, &labels, scores, &axis));
        let left = position as f64 * (width + PANEL_GAP);
        layout[format!("xaxis{axis}")] = json!({
            "domain": [decimals(left, 4), decimals(left + width, 4)], "side": "top", "showgrid": false, "tickangle": tilt,
            "anchor": "y",
        });
        headings.push(json!({
            "text": words, "x": decimals(left + width / 2.0, 4), "y": 1.0, "yshift": 76, "yanchor": "bottom",
            "xanchor": "center", "xref": "paper", "yref": "paper", "showarrow": false, "font": {"size": 14},
        }));
    }
    layout["annotations"] = json!(headings);
    Some(Figure {
        id: "scores",
        spec: json!({"data": traces, "layout": layout}),
        height: 134 + 34 * labels.len(),
    })
}

fn score_trace(shown: &[&ConfigRow], labels: &[&str], scores: &[(&str, MetricName); 5], axis: &str) -> Value {
    let cell = |row: &ConfigRow, name: MetricName| row.metric(name).map(|summary| decimals(summary.mean, 6));
    let words = |row: &ConfigRow, name: MetricName| {
        row.metric(name)
            .map(|s| format!("{} (n = {})", text::mean_and_interval(name, s), s.n))
            .unwrap_or_default()
    };
    let z: Vec<Vec<Option<Value>>> =
        shown.iter().map(|row| scores.iter().map(|(_, name)| cell(row, *name)).collect()).collect();
    let hover: Vec<Vec<String>> =
        shown.iter().map(|row| scores.iter().map(|(_, name)| words(row, *name)).collect()).collect();
    json!({
        "type": "heatmap", "x": scores.map(|(heading, _)| heading), "y": labels, "z": z, "customdata": hover,
        "xaxis": format!("x{axis}"), "yaxis": "y", "coloraxis": "coloraxis", "texttemplate": "%{z:.3f}",
        "hovertemplate": "%{y}<br>%{x}: %{customdata}<extra></extra>", "xgap": 2, "ygap": 2,
    })
}

/// What the latent dimensions of the chosen trials carry, largest first: a dimension's number has no meaning across seeds.
pub(super) fn latent_dimensions(
    id: &'static str,
    heading: &str,
    rows: &[(String, Vec<f64>)],
) -> Option<Figure> {
    let widest = rows.iter().map(|(_, values)| values.len()).max().filter(|widest| *widest > 0)?;
    let z: Vec<Vec<Option<Value>>> = rows
        .iter()
        .map(|(_, values)| {
            let mut sorted = values.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let mut cells: Vec<Option<Value>> =
                sorted.into_iter().map(|value| Some(decimals(value, 4))).collect();
            cells.resize(widest, None);
            cells
        })
        .collect();
    let labels: Vec<&str> = rows.iter().map(|(label, _)| label.as_str()).collect();
    let ranks: Vec<String> = (1..=widest).map(|rank| rank.to_string()).collect();
    let mut trace = json!({
        "type": "heatmap", "x": ranks, "y": labels, "z": z, "colorscale": "Cividis", "xgap": 2, "ygap": 2,
        "colorbar": {"thickness": 12, "outlinewidth": 0}, "hovertemplate": "%{y}<br>dimension %{x}: %{z:.4f}<extra></extra>",
    });
    if widest <= 16 {
        trace["texttemplate"] = json!("%{z:.2f}");
    }
    let layout = json!({
        "xaxis": {"title": {"text": format!("latent dimension, by {heading}")}, "type": "category", "showgrid": false},
        "yaxis": {"autorange": "reversed", "automargin": true, "showgrid": false},
    });
    Some(Figure { id, spec: json!({"data": [trace], "layout": layout}), height: 110 + 34 * labels.len() })
}
