//! The cross product: which configs and trials a grid file asks for, in which order, each once.
//!
//! Configs come in grid order: models in the order of their list, then the axes in the order of the file, the last
//! one fastest. Trials come seed by seed: every config with the first seed, then every config with the second, so
//! that a sweep that is cut short has already compared everything once.

use std::collections::HashSet;

use super::MOST_TRIALS;
use super::axes::{Axis, Grid};
use super::document::{Document, refuse_word_of_another};
use super::error::{Fault, listed};
use super::resolve::Settings;
use super::shape::Placed;
use super::target::Target;
use crate::config::{Config, ModelKind, TrainSpec};
use crate::ids::Fingerprint;
use crate::trial::Trial;

/// What a grid file asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Every config once, in grid order.
    pub configs: Vec<Config>,
    /// The seeds, in the order of the file; at least one.
    pub seeds: Vec<u64>,
    /// Grid points (model × every axis × seed) that are another point's trial: values of keys that a model does not
    /// have, seeds of a model without chance, two ways to write one net. Saturates at `u64::MAX`.
    pub folded: u64,
    /// Every trial once: index into `configs`, and seed. Seed by seed; a model without chance (PCA) has only the first.
    pub trials: Vec<(usize, u64)>,
}

impl Plan {
    /// The trials on the data set `data`, in the order in which they should run.
    #[must_use]
    pub fn trials(&self, data: &Fingerprint) -> Vec<Trial> {
        self.trials
            .iter()
            .map(|(config, seed)| Trial::new(self.configs[*config].clone(), *seed, *data))
            .collect()
    }

    /// How many combinations the grid has before equal ones fall together; saturates at `u64::MAX`.
    #[must_use]
    pub fn grid_points(&self) -> u64 {
        self.folded.saturating_add(self.trials.len() as u64)
    }
}

/// Multiplies the grid out.
pub(super) fn expand(document: &Document) -> Result<Plan, Fault> {
    let grid = &document.grid;
    refuse_axes_without_effect(document)?;
    refuse_words_of_others(document)?;
    let axes_of: Vec<(ModelKind, Vec<Factor<'_>>)> =
        grid.models.iter().map(|model| (*model, factors(document, *model))).collect();
    refuse_too_many(grid, &axes_of)?;

    let mut watch = OverrideWatch::new(document);
    let mut configs = Vec::new();
    let mut known = HashSet::new();
    for (model, axes) in &axes_of {
        let base = fixed_settings(document, *model);
        for settings in Product::new(base, axes) {
            let settings = watch.apply(*model, settings)?;
            let config = settings.config(*model);
            refuse_patience_alone(document, &config)?;
            if known.insert(config.canonical_json()) {
                configs.push(config);
            }
        }
    }
    watch.refuse_idle()?;
    Ok(with_seeds(grid, configs))
}

fn with_seeds(grid: &Grid, configs: Vec<Config>) -> Plan {
    let mut trials = Vec::new();
    for (round, seed) in grid.seeds.iter().enumerate() {
        for (index, config) in configs.iter().enumerate() {
            if round == 0 || config.model.kind().is_seeded() {
                trials.push((index, *seed));
            }
        }
    }
    let lengths = grid.axes.iter().map(|axis| axis.points.len()).chain([grid.models.len(), grid.seeds.len()]);
    let points = lengths.fold(1_u64, |product, length| product.saturating_mul(length as u64));
    let folded = points.saturating_sub(trials.len() as u64);
    Plan { configs, seeds: grid.seeds.clone(), folded, trials }
}

/// The values of one axis as one model sees them: only its own keys, equal rows once.
struct Factor<'d> {
    targets: Vec<Target>,
    rows: Vec<Vec<&'d Placed>>,
}

/// Whether `target`'s values reach `model`: it has the key, and nothing more specific says its value.
fn is_effective(document: &Document, target: Target, model: ModelKind) -> bool {
    let is_more_specific = |other: &Target| other.model == Some(model) && other.param == target.param;
    let is_pinned = target.model.is_none()
        && (document.fixed.iter().any(|setting| is_more_specific(&setting.target))
            || members(&document.grid).any(|member| is_more_specific(&member.target)));
    target.is_of(model) && !is_pinned
}

fn members(grid: &Grid) -> impl Iterator<Item = &super::axes::Member> {
    grid.axes.iter().flat_map(|axis| &axis.members)
}

fn factors(document: &Document, model: ModelKind) -> Vec<Factor<'_>> {
    document.grid.axes.iter().filter_map(|axis| factor(document, axis, model)).collect()
}

fn factor<'d>(document: &'d Document, axis: &'d Axis, model: ModelKind) -> Option<Factor<'d>> {
    let effective: Vec<usize> = (0..axis.members.len())
        .filter(|member| is_effective(document, axis.members[*member].target, model))
        .collect();
    if effective.is_empty() {
        return None;
    }
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for point in &axis.points {
        let row: Vec<&Placed> = effective.iter().map(|member| &point[*member]).collect();
        let text: Vec<String> = row.iter().map(|placed| placed.value.to_string()).collect();
        if seen.insert(text) {
            rows.push(row);
        }
    }
    Some(Factor { targets: effective.iter().map(|member| axis.members[*member].target).collect(), rows })
}

/// Defaults, then the preset, then `[train]`, `[evaluation]` and `[model]`, then `[model.X]`.
fn fixed_settings(document: &Document, model: ModelKind) -> Settings {
    let mut settings = Settings::defaults(model);
    let of_preset = document.preset.iter().flat_map(|preset| &preset.settings);
    for setting in of_preset.chain(&document.fixed).filter(|setting| setting.target.is_of(model)) {
        settings.set(setting.target.param, setting.value.value.clone());
    }
    settings
}

/// Every combination of rows, the last axis fastest.
struct Product<'a, 'd> {
    base: Settings,
    axes: &'a [Factor<'d>],
    next: Option<Vec<usize>>,
}

impl<'a, 'd> Product<'a, 'd> {
    fn new(base: Settings, axes: &'a [Factor<'d>]) -> Self {
        Self { base, axes, next: Some(vec![0; axes.len()]) }
    }

    fn step(&self, mut place: Vec<usize>) -> Option<Vec<usize>> {
        for axis in (0..place.len()).rev() {
            place[axis] += 1;
            if place[axis] < self.axes[axis].rows.len() {
                return Some(place);
            }
            place[axis] = 0;
        }
        None
    }
}

impl Iterator for Product<'_, '_> {
    type Item = Settings;

    fn next(&mut self) -> Option<Settings> {
        let place = self.next.take()?;
        let mut settings = self.base.clone();
        for (axis, row) in self.axes.iter().zip(&place) {
            for (target, placed) in axis.targets.iter().zip(&axis.rows[*row]) {
                settings.set(target.param, placed.value.clone());
            }
        }
        self.next = self.step(place);
        Some(settings)
    }
}

/// Applies the overrides and remembers which of them ever did something.
struct OverrideWatch<'d> {
    document: &'d Document,
    /// For each override: whether it matched, and which of its settings reached a config.
    seen: Vec<(bool, Vec<bool>)>,
}

impl<'d> OverrideWatch<'d> {
    fn new(document: &'d Document) -> Self {
        Self {
            document,
            seen: document.overrides.iter().map(|one| (false, vec![false; one.set.len()])).collect(),
        }
    }

    /// Every match looks at the point as the grid made it, so the order of overrides only decides who has the last word.
    fn apply(&mut self, model: ModelKind, point: Settings) -> Result<Settings, Fault> {
        if self.document.overrides.is_empty() {
            return Ok(point);
        }
        let as_made = point.completed(model);
        let mut changed = point;
        for (one, (has_matched, reached)) in self.document.overrides.iter().zip(&mut self.seen) {
            if !one.matches(model, &as_made) {
                continue;
            }
            *has_matched = true;
            for (setting, has_reached) in one.set.iter().zip(reached) {
                if setting.target.is_of(model) {
                    *has_reached = true;
                    refuse_word_of_another(model, setting.target.param, &setting.value)?;
                    changed.set(setting.target.param, setting.value.value.clone());
                }
            }
        }
        Ok(changed)
    }

    fn refuse_idle(&self) -> Result<(), Fault> {
        for (one, (has_matched, reached)) in self.document.overrides.iter().zip(&self.seen) {
            if !has_matched {
                return Err(Fault::at(one.span.clone(), "this override matches no point of the grid")
                    .help("match compares with the values that [grid], the sections and the defaults give"));
            }
            if let Some((setting, _)) = one.set.iter().zip(reached).find(|(_, has_reached)| !**has_reached) {
                return Err(Fault::at(
                    setting.span.clone(),
                    format!("no matched model has {}", setting.target),
                )
                .help(owners(setting.target)));
            }
        }
        Ok(())
    }
}

/// Early stopping watches the held-out loss.
fn refuse_patience_alone(document: &Document, config: &Config) -> Result<(), Fault> {
    let is_alone = |train: &&TrainSpec| train.patience.is_some() && train.validation_fraction == 0.0;
    if config.train.as_ref().filter(is_alone).is_none() {
        return Ok(());
    }
    let fixed = document.fixed.iter().map(|setting| (setting.target, &setting.span));
    let varied = members(&document.grid).map(|member| (member.target, &member.span));
    let overridden =
        document.overrides.iter().flat_map(|one| &one.set).map(|setting| (setting.target, &setting.span));
    let span = fixed.chain(varied).chain(overridden).find(|(target, _)| target.param.name() == "patience");
    let message = "patience watches the loss of held-out cells, and there are none";
    let fault = match span {
        Some((_, span)) => Fault::at(span.clone(), message),
        None => Fault::of_file(message),
    };
    Err(fault.help("write validation_fraction = 0.1 below [train], or leave patience out"))
}

fn owners(target: Target) -> String {
    let names: Vec<&str> = match target.model {
        Some(model) => vec![model.name()],
        None => target.param.models.iter().map(|model| model.name()).collect(),
    };
    format!("{} belongs to {}", target.param.name(), listed(&names, "and"))
}

/// A key of `[grid]` that changes nothing is a mistake of some kind.
fn refuse_axes_without_effect(document: &Document) -> Result<(), Fault> {
    for member in members(&document.grid) {
        let models = &document.grid.models;
        if models.iter().any(|model| is_effective(document, member.target, *model)) {
            continue;
        }
        let name = member.target.param.name();
        let (message, help) = if models.iter().any(|model| member.target.is_of(*model)) {
            let message =
                format!("{name} in [grid] has no effect: each model that has it says its own value");
            (message, format!("remove it, or remove {name} from the tables of single models"))
        } else {
            let message = format!("no model of this grid has {}", member.target);
            (message, format!("{}; add such a model, or remove {name}", owners(member.target)))
        };
        return Err(Fault::at(member.span.clone(), message).help(help));
    }
    Ok(())
}

/// Words that a chosen model does not know, in `[grid]` and in the sections.
fn refuse_words_of_others(document: &Document) -> Result<(), Fault> {
    for model in &document.grid.models {
        for setting in document.fixed.iter().filter(|one| is_effective(document, one.target, *model)) {
            refuse_word_of_another(*model, setting.target.param, &setting.value)?;
        }
        for axis in factors(document, *model) {
            for row in &axis.rows {
                for (target, placed) in axis.targets.iter().zip(row) {
                    refuse_word_of_another(*model, target.param, placed)?;
                }
            }
        }
    }
    Ok(())
}

fn refuse_too_many(grid: &Grid, axes_of: &[(ModelKind, Vec<Factor<'_>>)]) -> Result<(), Fault> {
    let mut total = 0_u64;
    for (model, axes) in axes_of {
        let configs = axes.iter().fold(1_u64, |product, axis| product.saturating_mul(axis.rows.len() as u64));
        let seeds = if model.is_seeded() { grid.seeds.len() as u64 } else { 1 };
        total = total.saturating_add(configs.saturating_mul(seeds));
    }
    if total <= MOST_TRIALS {
        return Ok(());
    }
    Err(Fault::at(
        grid.span.clone(),
        format!("the grid has {total} trials; a sweep has at most {MOST_TRIALS}"),
    )
    .help("give some keys or seeds fewer values, or couple keys with zip"))
}
