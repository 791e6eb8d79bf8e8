//! The critical-difference diagram (Demšar 2006) as SVG that takes the page's colours: mean ranks on an axis, and bars
//! over those that lie too near to each other to be told apart.

use std::fmt::Write;

use stats::{ALPHA, CriticalDifference, Friedman};

use crate::leaderboard::{Comparison, p_words, text};

/// Configs up to which a diagram can be read.
const MOST: usize = 30;

/// Longest label drawn, in characters.
const LONGEST: usize = 34;

const WIDTH: f64 = 900.0;
/// Where the axis starts and ends.
const AXIS: (f64, f64) = (270.0, 630.0);
const AXIS_Y: f64 = 60.0;
const RULER_Y: f64 = 26.0;
const BAR_STEP: f64 = 9.0;
const LABEL_STEP: f64 = 21.0;

/// A diagram and what is to be said of it.
pub(super) struct Diagram {
    /// The picture; every text in it is escaped.
    pub(super) svg: String,
    /// What it shows, and how far to trust it.
    pub(super) words: String,
}

/// The diagram of these mean ranks; `None` where there is nothing to draw.
pub(super) fn diagram(comparison: &Comparison, test: &Friedman, incomplete: usize) -> Option<Diagram> {
    if test.configs > MOST {
        return None;
    }
    let critical = stats::critical_difference(&test.mean_ranks, test.blocks, ALPHA)?;
    let labels: Vec<&str> = comparison.members.iter().map(|member| member.label.as_str()).collect();
    let svg = draw(&labels, &test.mean_ranks, &critical);
    Some(Diagram { svg, words: words(test, &critical, incomplete) })
}

fn words(test: &Friedman, critical: &CriticalDifference, incomplete: usize) -> String {
    let left_out = match incomplete {
        0 => String::new(),
        n => format!(" ({} left out: some config lacks a value there)", text::count(n, "seed")),
    };
    let mut words = format!(
        "Mean rank of each config over {}{left_out}, 1 being the best. A bar joins configs that lie within Nemenyi's critical \
         difference of {:.2}. Friedman's χ² is {:.2}, p {} (Iman and Davenport's F: p {}), by approximations that are rough for few seeds.",
        text::count(test.blocks, "seed"),
        critical.distance,
        test.chi_squared,
        p_words(test.p),
        p_words(test.f_p)
    );
    if test.f_p >= ALPHA && test.p >= ALPHA {
        words
            .push_str(" The test finds no difference between any of them, so the diagram licenses no claim.");
    }
    words
}

fn draw(labels: &[&str], mean_ranks: &[f64], critical: &CriticalDifference) -> String {
    let k = labels.len();
    let on_axis = |rank: f64| AXIS.0 + (rank - 1.0) / (k as f64 - 1.0) * (AXIS.1 - AXIS.0);
    let left = k.div_ceil(2);
    let first_label = AXIS_Y + 16.0 + BAR_STEP * critical.bars.len() as f64 + 14.0;
    let height = first_label + LABEL_STEP * (left as f64 - 0.5) + 14.0;
    let mut svg = format!(
        "<svg class=\"critical\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" \
         role=\"img\" aria-label=\"Critical-difference diagram: {}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" \
         fill=\"currentColor\" stroke=\"none\">",
        escaped(&spoken(labels, mean_ranks, critical))
    );
    let mut line = |x1: f64, y1: f64, x2: f64, y2: f64, width: f64| {
        write!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"currentColor\" stroke-width=\"{width}\"/>")
            .expect("a string takes every line");
    };
    line(AXIS.0, AXIS_Y, AXIS.1, AXIS_Y, 1.2);
    // at most a dozen numbers on the axis, or they would run into each other
    let every = k.div_ceil(12);
    let ticks: Vec<usize> = (1..=k).filter(|rank| (rank - 1).is_multiple_of(every)).collect();
    ticks
        .iter()
        .for_each(|rank| line(on_axis(*rank as f64), AXIS_Y - 5.0, on_axis(*rank as f64), AXIS_Y, 1.2));
    let ruler = on_axis((1.0 + critical.distance).min(k as f64));
    line(AXIS.0, RULER_Y, ruler, RULER_Y, 1.6);
    line(AXIS.0, RULER_Y - 4.0, AXIS.0, RULER_Y + 4.0, 1.6);
    // a ruler that is longer than the axis has no end
    if 1.0 + critical.distance <= k as f64 {
        line(ruler, RULER_Y - 4.0, ruler, RULER_Y + 4.0, 1.6);
    }
    for (place, (first, last)) in critical.bars.iter().enumerate() {
        let y = AXIS_Y + 12.0 + BAR_STEP * place as f64;
        let ends = (mean_ranks[critical.order[*first]], mean_ranks[critical.order[*last]]);
        line(on_axis(ends.0) - 4.0, y, on_axis(ends.1) + 4.0, y, 4.0);
    }
    for (place, &config) in critical.order.iter().enumerate() {
        let (x, y, end) = label_place(place, k, left, first_label, on_axis(mean_ranks[config]));
        line(x, AXIS_Y, x, y, 0.8);
        line(x, y, end, y, 0.8);
    }
    for rank in ticks {
        push_text(&mut svg, on_axis(rank as f64), AXIS_Y - 10.0, "middle", &rank.to_string(), None);
    }
    let beyond = if 1.0 + critical.distance > k as f64 { ", longer than the axis" } else { "" };
    let words = format!("critical difference {:.2}{beyond}", critical.distance);
    push_text(&mut svg, AXIS.0, RULER_Y - 10.0, "start", &words, None);
    for (place, &config) in critical.order.iter().enumerate() {
        let (_, y, end) = label_place(place, k, left, first_label, 0.0);
        let (x, anchor) = if place < left { (end - 6.0, "end") } else { (end + 6.0, "start") };
        let short = shortened(labels[config]);
        let words = format!("{short} ({:.2})", mean_ranks[config]);
        push_text(&mut svg, x, y + 4.5, anchor, &words, (short != labels[config]).then_some(labels[config]));
    }
    svg.push_str("</svg>");
    svg
}

/// Where the line of the config at `place` leaves the axis, its height, and where it ends at the label.
fn label_place(place: usize, k: usize, left: usize, first: f64, x: f64) -> (f64, f64, f64) {
    if place < left {
        (x, first + LABEL_STEP * place as f64, AXIS.0 - 14.0)
    } else {
        // half a step lower, or equal ranks on both sides would look like one line
        (x, first + LABEL_STEP * ((k - 1 - place) as f64 + 0.5), AXIS.1 + 14.0)
    }
}

fn push_text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str, whole: Option<&str>) {
    let title = whole.map(|whole| format!("<title>{}</title>", escaped(whole))).unwrap_or_default();
    write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{title}{}</text>", escaped(words))
        .expect("a string takes every text");
}

fn spoken(labels: &[&str], mean_ranks: &[f64], critical: &CriticalDifference) -> String {
    let one = |&config: &usize| format!("{} has mean rank {:.2}", labels[config], mean_ranks[config]);
    critical.order.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST {
        return label.to_owned();
    }
    label.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn escaped(words: &str) -> String {
    let mut safe = String::new();
    for c in text::terminal(words).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{draw, shortened};
    use stats::critical_difference;

    #[test]
    fn every_config_is_drawn_and_words_stay_words() {
        let ranks = [1.5, 3.0, 2.5, 3.0];
        let labels =
            ["ae", "<script>", "beta-vae β=2", "a config whose label is far too long to be drawn whole"];
        let svg = draw(&labels, &ranks, &critical_difference(&ranks, 5, 0.05).unwrap());
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"));
        assert_eq!(svg.matches("<text").count(), 4 + 1 + 4);
        assert!(svg.contains("<title>a config whose label is far too long to be drawn whole</title>"));
        assert!(svg.ends_with("</svg>") && !svg.contains("NaN"));
    }

    #[test]
    fn thirty_configs_fit() {
        let ranks: Vec<f64> = (1..=30).map(f64::from).collect();
        let labels = vec!["x"; 30];
        let svg = draw(&labels, &ranks, &critical_difference(&ranks, 3, 0.05).unwrap());
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(shortened("short"), "short");
    }
}
