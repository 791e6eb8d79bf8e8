//! Which configs can be told apart by the metric that ranks: paired over seeds, corrected over all pairs. The tests are
//! `stats`'; here stands who is compared with whom, and what the number of seeds allows to claim, in words.

use std::collections::BTreeSet;

use domain::ConfigId;
use domain::metric::{Direction, MetricName, Reproducibility};
use stats::{ALPHA, Bootstrap, BySeed, Family, Friedman, Scores, Verdict};

use super::{ConfigRow, Losses, StateCounts, metric_of, text};
use crate::store::records::SweepData;

/// Configs up to which every pair is compared: beyond, the pairs alone would be millions.
const MOST_CONFIGS: usize = 200;

/// Common seeds from which on a bootstrap interval is given.
const LEAST_BOOTSTRAP: usize = 10;
/// Pairs of a family up to which each gets one.
const MOST_BOOTSTRAPPED: usize = 300;
const RESAMPLES: usize = 9_999;
/// Equal data give equal intervals.
const BOOTSTRAP_SEED: u64 = 1;

/// A config in a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Who it is.
    pub config_id: ConfigId,
    /// What it is called.
    pub label: String,
    /// Its values.
    pub scores: Scores,
    /// Where its trials stand.
    pub counts: StateCounts,
}

/// Several configs on one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The metric.
    pub metric: MetricName,
    /// What the losses of its members measure, where the metric is a loss.
    pub loss: Option<&'static str>,
    /// Configs with a value, best first.
    pub members: Vec<Member>,
    /// All pairs of members; `None` for too many configs.
    pub family: Option<Family>,
}

/// One comparison a kind of loss, and for each row the places and groups that follow. `rows` are sorted.
pub(super) fn compare_rows(
    data: &SweepData,
    metric: MetricName,
    losses: &Losses,
    rows: &mut [ConfigRow],
) -> Vec<Comparison> {
    if metric.direction() == Direction::Neither {
        return Vec::new();
    }
    let mut comparisons = Vec::new();
    for kind in rows.chunk_by_mut(|a, b| losses.place(a.loss) == losses.place(b.loss)) {
        let mut with_values: Vec<&mut ConfigRow> =
            kind.iter_mut().filter(|row| row.metric(metric).is_some()).collect();
        if with_values.is_empty() {
            continue;
        }
        let members: Vec<Member> = with_values.iter().map(|row| member(data, metric, row)).collect();
        let family = (members.len() <= MOST_CONFIGS).then(|| {
            let scores: Vec<Scores> = members.iter().map(|member| member.scores.clone()).collect();
            stats::compare(&scores, metric.direction() == Direction::Higher)
        });
        if let Some(family) = &family {
            for (position, row) in with_values.iter_mut().enumerate() {
                row.places = Some(family.places[position]);
                row.groups = family.groups.as_ref().map(|groups| letters(&groups[position]));
            }
        }
        let loss = metric.is_loss().then_some(with_values[0].loss);
        comparisons.push(Comparison { metric, loss, members, family });
    }
    comparisons
}

fn member(data: &SweepData, metric: MetricName, row: &ConfigRow) -> Member {
    let records = row.trials.iter().map(|&position| &data.trials[position]);
    let values: BySeed =
        records.filter_map(|record| Some((record.trial.seed, metric_of(record, metric)?))).collect();
    // The time of a model without a seed varies as any other's: one measurement is no constant.
    let is_constant = row.deterministic && metric.reproducibility() == Reproducibility::Exact;
    let constant = values.values().next().copied().filter(|_| is_constant);
    Member {
        config_id: row.config_id,
        label: row.label.clone(),
        scores: constant.map_or(Scores::BySeed(values), Scores::Constant),
        counts: row.counts,
    }
}

/// `a`, `ab`.
fn letters(groups: &[usize]) -> String {
    let letter = |group: &usize| char::from(b'a' + u8::try_from(group % 26).unwrap_or(0));
    groups.iter().map(letter).collect()
}

impl Comparison {
    /// Whether any difference could be claimed at all, were it only clear enough.
    #[must_use]
    pub fn can_tell(&self) -> bool {
        self.family.as_ref().is_some_and(|family| family.smallest_p < ALPHA)
    }

    /// Fewest and most common seeds of the pairs that were tested.
    #[must_use]
    pub fn common_seeds(&self) -> Option<(usize, usize)> {
        let tested =
            self.family.iter().flat_map(|family| &family.comparisons).filter(|one| one.test.is_some());
        let n = tested.map(|one| one.paired.seeds.len());
        n.clone().min().zip(n.max())
    }

    /// What so many seeds allow to claim, in one or two sentences.
    #[must_use]
    pub fn allows(&self) -> String {
        let Some(family) = &self.family else {
            return format!(
                "More than {MOST_CONFIGS} configs are not compared pair by pair: narrow them down with --filter."
            );
        };
        let Some((fewest, most)) = self.common_seeds() else {
            return "No two configs with a seed have one in common: nothing can be tested.".to_owned();
        };
        let seeds = if fewest == most {
            text::count(most, "common seed")
        } else {
            format!("{fewest} to {most} common seeds")
        };
        let pairs = text::count(family.tests, "pair");
        let smallest = p_words(family.smallest_p);
        if self.can_tell() {
            format!(
                "With {seeds} and {pairs} of configs the smallest p that could come out is {smallest} after Holm's correction."
            )
        } else {
            format!(
                "With {seeds} and {pairs} of configs the smallest p that could come out is {smallest} after Holm's correction: no difference \
                 can be claimed, however large. {} common seeds would be the least.",
                stats::seeds_needed(family.tests)
            )
        }
    }

    /// Every seed that some member has a value at, rising.
    #[must_use]
    pub fn all_seeds(&self) -> Vec<u64> {
        let seeds: BTreeSet<u64> = self.members.iter().flat_map(Member::seeds).collect();
        seeds.into_iter().collect()
    }

    /// Position of the better member of a pair that is told apart.
    #[must_use]
    pub fn better(&self, pair: &stats::Comparison) -> Option<usize> {
        let higher_is_better = self.metric.direction() == Direction::Higher;
        match pair.verdict {
            Verdict::NotTold => None,
            Verdict::FirstLarger => Some(if higher_is_better { pair.first } else { pair.second }),
            Verdict::SecondLarger => Some(if higher_is_better { pair.second } else { pair.first }),
        }
    }

    /// Pairs that are told apart.
    #[must_use]
    pub fn told(&self) -> Vec<&stats::Comparison> {
        let pairs = self.family.iter().flat_map(|family| &family.comparisons);
        pairs.filter(|pair| pair.verdict != Verdict::NotTold).collect()
    }

    /// Bootstrap intervals of a pair's mean difference; `None` below ten common seeds, where they are too narrow, and in a
    /// family too large to resample every pair.
    #[must_use]
    pub fn bootstrap(&self, pair: &stats::Comparison) -> Option<Bootstrap> {
        let differences = &pair.paired.differences;
        let pairs = self.family.as_ref().map_or(0, |family| family.comparisons.len());
        if differences.len() < LEAST_BOOTSTRAP || pairs > MOST_BOOTSTRAPPED {
            return None;
        }
        stats::bootstrap_mean(differences, RESAMPLES, BOOTSTRAP_SEED)
    }

    /// Friedman's test over the seeds that all members have, and the seeds left out because some member lacks them. A member
    /// without a seed has the same value in every block.
    #[must_use]
    pub fn friedman(&self) -> Option<(Friedman, Vec<u64>)> {
        let seeds = self.all_seeds();
        let columns: Vec<BySeed> = self.members.iter().map(|member| member.column(&seeds)).collect();
        let blocks = stats::blocks(&columns.iter().collect::<Vec<_>>());
        let test = stats::friedman(&blocks.rows, self.metric.direction() == Direction::Higher)?;
        Some((test, blocks.incomplete.into_iter().map(|(seed, _)| seed).collect()))
    }
}

impl Member {
    /// Those of `seeds` at which it has no value; none for a config without a seed.
    #[must_use]
    pub fn lacks(&self, seeds: &[u64]) -> Vec<u64> {
        let column = self.column(seeds);
        seeds.iter().copied().filter(|seed| !column.contains_key(seed)).collect()
    }

    fn seeds(&self) -> Vec<u64> {
        match &self.scores {
            Scores::BySeed(values) => values.keys().copied().collect(),
            Scores::Constant(_) => Vec::new(),
        }
    }

    fn column(&self, seeds: &[u64]) -> BySeed {
        match &self.scores {
            Scores::BySeed(values) => values.clone(),
            Scores::Constant(value) => seeds.iter().map(|seed| (*seed, *value)).collect(),
        }
    }
}

/// A p as people read it: `0.0625`, `0.00012`, `< 0.0001`.
#[must_use]
pub(crate) fn p_words(p: f64) -> String {
    if p < 1e-4 {
        return "< 0.0001".to_owned();
    }
    let digits = if p >= 0.01 { 4 } else { 5 };
    let text = format!("{p:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
