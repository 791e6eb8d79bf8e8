//! Quality against cost: what each config reaches and how long it trains.

use domain::metric::{Direction, MetricName};
use serde_json::{Value, json};

use super::figures::{Figure, colour};
use super::round::significant;
use crate::leaderboard::{ConfigRow, Leaderboard, metric_of};
use crate::store::records::SweepData;

/// What is paid.
const COST: MetricName = MetricName::TrainSeconds;

/// Costs that lie further apart than this are drawn on a logarithmic axis.
const WIDE: f64 = 20.0;

/// Configs up to which each has its name beside it; of more, those of the front.
const MOST_NAMED: usize = 12;

struct Point<'a> {
    index: usize,
    row: &'a ConfigRow,
    cost: Spread,
    quality: Spread,
}

/// A mean with the smallest and the largest value over seeds.
#[derive(Clone, Copy)]
struct Spread {
    mean: f64,
    low: f64,
    high: f64,
    n: usize,
}

/// The ranking metric over training seconds. `None` where fewer than two configs have both, and where the metric is itself a cost or
/// no merit, or a loss of several kinds.
pub(super) fn quality_against_cost(data: &SweepData, board: &Leaderboard) -> Option<Figure> {
    let is_quality = board.metric != COST && board.metric.direction() != Direction::Neither;
    if !is_quality || board.shows_losses() {
        return None;
    }
    let points: Vec<Point<'_>> = board
        .rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| {
            let (cost, quality) = (spread(data, row, COST)?, spread(data, row, board.metric)?);
            Some(Point { index, row, cost, quality })
        })
        .collect();
    if points.len() < 2 {
        return None;
    }
    let front = front(&points, board.metric.direction() == Direction::Higher);
    let mut traces = vec![front_trace(&front.iter().map(|at| &points[*at]).collect::<Vec<_>>())];
    let names_all = points.len() <= MOST_NAMED;
    let marked = |(at, point)| trace(point, front.contains(&at), names_all);
    traces.extend(points.iter().enumerate().map(marked));
    let smallest = points.iter().map(|point| point.cost.low).fold(f64::INFINITY, f64::min);
    let largest = points.iter().map(|point| point.cost.high).fold(0.0, f64::max);
    let is_wide = smallest > 0.0 && largest / smallest > WIDE;
    let mut x = json!({"title": {"text": "training [s], mean over seeds"}, "type": if is_wide { "log" } else { "linear" }});
    if is_wide {
        // 1, 2 and 5 of each decade
        x["dtick"] = json!("D2");
    } else {
        x["rangemode"] = json!("tozero");
    }
    let layout = json!({
        "xaxis": x,
        "yaxis": {"title": {"text": format!("{}, mean over seeds", board.metric)}},
        "showlegend": false, "hovermode": "closest", "margin": {"b": 60, "t": 30, "r": 60},
    });
    Some(Figure { id: "pareto", spec: json!({"data": traces, "layout": layout}), height: 460 })
}

fn spread(data: &SweepData, row: &ConfigRow, metric: MetricName) -> Option<Spread> {
    let mean = row.metric(metric)?.mean;
    let values = || row.trials.iter().filter_map(|&position| metric_of(&data.trials[position], metric));
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    Some(Spread { mean, low, high, n: values().count() })
}

/// Positions of the points that no other beats in one mean without being worse in the other, by rising cost.
fn front(points: &[Point<'_>], higher_is_better: bool) -> Vec<usize> {
    let quality =
        |at: usize| if higher_is_better { points[at].quality.mean } else { -points[at].quality.mean };
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| {
        points[a].cost.mean.total_cmp(&points[b].cost.mean).then(quality(b).total_cmp(&quality(a)))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|&at| {
        let is_better = quality(at) > best;
        best = best.max(quality(at));
        is_better
    });
    order
}

fn front_trace(front: &[&Point<'_>]) -> Value {
    let x: Vec<Value> = front.iter().map(|point| significant(point.cost.mean)).collect();
    let y: Vec<Value> = front.iter().map(|point| significant(point.quality.mean)).collect();
    json!({
        "type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip", "name": "front",
        "line": {"color": "$c9", "width": 1.5, "dash": "dash", "shape": "hv"},
    })
}

fn trace(point: &Point<'_>, is_in_front: bool, is_named: bool) -> Value {
    let whiskers = |spread: Spread| {
        json!({
            "type": "data", "symmetric": false, "array": [significant(spread.high - spread.mean)],
            "arrayminus": [significant(spread.mean - spread.low)], "thickness": 1, "width": 3,
        })
    };
    json!({
        "type": "scatter", "mode": if is_in_front || is_named { "markers+text" } else { "markers" }, "name": point.row.label,
        "x": [significant(point.cost.mean)], "y": [significant(point.quality.mean)],
        "text": [point.row.label], "textposition": "top right", "cliponaxis": false,
        "error_x": whiskers(point.cost), "error_y": whiskers(point.quality),
        "marker": {"color": colour(point.index), "size": 11, "symbol": if is_in_front { "circle" } else { "circle-open" }},
        "hovertemplate": format!("%{{fullData.name}}<br>%{{x:.4~g}} s, %{{y:.4~g}}, n = {}<extra></extra>", point.quality.n),
    })
}

#[cfg(test)]
mod tests {
    use super::quality_against_cost;
    use crate::leaderboard::fixture::sweep;
    use crate::leaderboard::{LeaderboardOptions, build};
    use domain::metric::MetricName;

    #[test]
    fn the_front_holds_the_cheapest_and_the_best() {
        let mut data = sweep();
        // pca: cheap and best of all but one; the first β-VAE: dear and better
        for (position, seconds) in [(0, 1.0), (1, 20.0), (2, 20.0), (3, 20.0), (4, 30.0)] {
            let outcome = data.trials[position].outcome.as_mut().unwrap();
            outcome.metrics.iter_mut().find(|m| m.name == MetricName::TrainSeconds).unwrap().value = seconds;
        }
        let board = build(&data, &LeaderboardOptions::default()).unwrap();
        let figure = quality_against_cost(&data, &board).unwrap();
        let front = &figure.spec["data"][0];
        assert_eq!(front["x"].as_array().unwrap()[0], 1.0);
        assert_eq!(
            front["x"].as_array().unwrap().len(),
            1,
            "0.6 for 20 s is no better than 0.62 for 1 s: {front}"
        );
        let by_loss =
            LeaderboardOptions { metric: Some(MetricName::SsePerCell), ..LeaderboardOptions::default() };
        let board = build(&data, &by_loss).unwrap();
        let front = quality_against_cost(&data, &board).unwrap().spec["data"][0]["x"].clone();
        assert_eq!(front, serde_json::json!([1.0, 20.0]));
    }

    #[test]
    fn a_cost_has_no_quality() {
        let by_time =
            LeaderboardOptions { metric: Some(MetricName::TrainSeconds), ..LeaderboardOptions::default() };
        let data = sweep();
        assert!(quality_against_cost(&data, &build(&data, &by_time).unwrap()).is_none());
    }
}
