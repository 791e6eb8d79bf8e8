//! `[grid]`: models, seeds and the axes of the cross product.

use toml::de::DeValue;

use super::error::{Fault, Span};
use super::keys::{GRID, MODELS, SEED, SEEDS};
use super::shape::{Placed, Raw, Shape, Value, found, quote};
use super::table::{Checked, Entry, as_table, missing};
use super::target::{Named, Target, flatten, resolve};
use crate::config::ModelKind;

/// `[grid]`, checked.
#[derive(Debug)]
pub(super) struct Grid {
    /// Of the key `grid`.
    pub(super) span: Span,
    /// In the order of the file, each once.
    pub(super) models: Vec<ModelKind>,
    /// Of each model's name.
    pub(super) model_spans: Vec<Span>,
    /// In the order of the file, each once, at least one.
    pub(super) seeds: Vec<u64>,
    /// In the order of the file.
    pub(super) axes: Vec<Axis>,
}

/// One factor of the cross product: a key, or the keys of a `zip` group.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) members: Vec<Member>,
    /// At least one point; each has one value a member.
    pub(super) points: Vec<Vec<Placed>>,
}

/// A key of an axis.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) target: Target,
    /// Of the key.
    pub(super) span: Span,
}

const PLACE: &str = "[grid]";

/// Reads `[grid]`.
pub(super) fn read_grid(entry: &Entry<'_, '_>) -> Result<Grid, Fault> {
    let table = as_table(PLACE, entry.raw)?;
    let own_keys: Vec<&str> = GRID.iter().map(|key| key.name).collect();
    let mut models = None;
    let mut seeds = vec![0];
    let mut zip = None;
    let mut axes: Vec<Axis> = Vec::new();
    for named in flatten(table) {
        match named.name.as_str() {
            "model" => models = Some(read_models(named.raw)?),
            "seed" => seeds = read_seeds(named.raw)?,
            "zip" => zip = Some(named.raw),
            _ => {
                let axis = read_axis(&named, &own_keys)?;
                refuse_second(&axes, &axis)?;
                axes.push(axis);
            }
        }
    }
    let (models, model_spans) = models.ok_or_else(|| no_model(&entry.span))?;
    let axes = match zip {
        Some(raw) => join(axes, &read_zip(raw)?)?,
        None => axes,
    };
    axes.iter().try_for_each(refuse_equal_points)?;
    Ok(Grid { span: entry.span.clone(), models, model_spans, seeds, axes })
}

fn no_model(span: &Span) -> Fault {
    let key = GRID.iter().find(|key| key.name == "model").expect("a key of the table");
    missing(PLACE, key, span.clone())
        .help(format!("write model = [\"ae\", \"beta-vae\"]; model is {}", MODELS.describe()))
}

fn read_models(raw: &Raw<'_>) -> Result<(Vec<ModelKind>, Vec<Span>), Fault> {
    let placed = MODELS.read_many("model", raw)?;
    refuse_repeats("model", &placed)?;
    let models = placed.iter().filter_map(|placed| match placed.value {
        Value::Word(word) => Some((ModelKind::from_name(word)?, placed.span.clone())),
        _ => None,
    });
    Ok(models.unzip())
}

fn read_seeds(raw: &Raw<'_>) -> Result<Vec<u64>, Fault> {
    if matches!(raw.get_ref(), DeValue::Table(_)) {
        return read_seed_range(raw);
    }
    let placed = SEED.read_many("seed", raw)?;
    refuse_repeats("seed", &placed)?;
    let seeds = placed.iter().filter_map(|placed| match placed.value {
        Value::Whole(seed) => Some(seed),
        _ => None,
    });
    Ok(seeds.collect())
}

/// `{ start, count }`.
fn read_seed_range(raw: &Raw<'_>) -> Result<Vec<u64>, Fault> {
    let table = as_table("seed", raw)?;
    let range = Checked::read("seed", SEEDS, table, &raw.span())?;
    let start = range.whole("start").expect("has a default");
    let count = range.whole("count").expect("is required");
    match start.checked_add(count - 1).filter(|last| i64::try_from(*last).is_ok()) {
        Some(last) => Ok((start..=last).collect()),
        None => Err(Fault::at(raw.span(), format!("the last seed would be over {}", i64::MAX))
            .help("start at a smaller seed")),
    }
}

fn read_axis(named: &Named<'_, '_>, own_keys: &[&str]) -> Result<Axis, Fault> {
    let target = resolve(PLACE, &named.name, &named.span, own_keys)?;
    let values = target.param.shape().read_many(target.param.name(), named.raw)?;
    let member = Member { target, span: named.span.clone() };
    Ok(Axis { members: vec![member], points: values.into_iter().map(|value| vec![value]).collect() })
}

/// The same key under two of its names.
fn refuse_second(axes: &[Axis], axis: &Axis) -> Result<(), Fault> {
    let Some(new) = axis.members.first() else { return Ok(()) };
    match axes.iter().flat_map(|axis| &axis.members).find(|old| old.target == new.target) {
        Some(old) => Err(Fault::at(new.span.clone(), format!("{} stands in [grid] twice", new.target))
            .also("first at", old.span.clone())
            .help("keep one of them")),
        None => Ok(()),
    }
}

/// Equal values in one list would be equal trials.
fn refuse_repeats(name: &str, values: &[Placed]) -> Result<(), Fault> {
    let mut seen: std::collections::HashMap<String, &Placed> = std::collections::HashMap::new();
    for placed in values {
        if let Some(first) = seen.insert(placed.value.to_string(), placed) {
            return Err(Fault::at(placed.span.clone(), format!("{name} {} is listed twice", placed.value))
                .also("first at", first.span.clone())
                .help("remove one of them: equal trials are one trial"));
        }
    }
    Ok(())
}

fn refuse_equal_points(axis: &Axis) -> Result<(), Fault> {
    if let [member] = axis.members.as_slice() {
        let values: Vec<Placed> = axis.points.iter().flatten().cloned().collect();
        return refuse_repeats(member.target.param.name(), &values);
    }
    let text =
        |point: &[Placed]| point.iter().map(|placed| placed.value.to_string()).collect::<Vec<_>>().join(", ");
    let mut seen = std::collections::HashMap::new();
    for point in &axis.points {
        let Some(head) = point.first() else { continue };
        if let Some(first) = seen.insert(text(point), head.span.clone()) {
            return Err(Fault::at(
                head.span.clone(),
                format!("the zipped values {} are listed twice", text(point)),
            )
            .also("first at", first)
            .help("remove one of them: equal trials are one trial"));
        }
    }
    Ok(())
}

/// A group of keys that vary together.
struct Group {
    span: Span,
    targets: Vec<(Target, Span)>,
}

fn read_zip(raw: &Raw<'_>) -> Result<Vec<Group>, Fault> {
    let malformed = |raw: &Raw<'_>| {
        Fault::at(raw.span(), format!("zip must be a list of groups of keys, found {}", found(raw)))
            .help("for example zip = [[\"beta\", \"alpha\"]]")
    };
    let DeValue::Array(groups) = raw.get_ref() else { return Err(malformed(raw)) };
    groups
        .iter()
        .map(|group| match group.get_ref() {
            DeValue::Array(names) if names.len() >= 2 => {
                let targets: Result<_, Fault> = names.iter().map(read_zipped).collect();
                Ok(Group { span: group.span(), targets: targets? })
            }
            DeValue::Array(_) => Err(Fault::at(group.span(), "a zip group couples at least two keys")
                .help("for example zip = [[\"beta\", \"alpha\"]]")),
            _ => Err(malformed(group)),
        })
        .collect()
}

fn read_zipped(raw: &Raw<'_>) -> Result<(Target, Span), Fault> {
    let placed = Shape::Text.read("a key in zip", raw)?;
    let Value::Text(name) = &placed.value else {
        return Err(Fault::at(placed.span, "a key in zip must be a text"));
    };
    if GRID.iter().any(|key| key.name == name) {
        return Err(Fault::at(placed.span.clone(), format!("{name} cannot be zipped"))
            .help("zip couples parameters; [[override]] ties a value to a model"));
    }
    resolve("zip", name, &placed.span, &[]).map(|target| (target, placed.span))
}

/// Puts the members of each group into one axis, at the place of its first member in the file.
fn join(mut axes: Vec<Axis>, groups: &[Group]) -> Result<Vec<Axis>, Fault> {
    for group in groups {
        let mut positions = Vec::new();
        for (target, span) in &group.targets {
            let position =
                axes.iter().position(|axis| axis.members.iter().any(|member| member.target == *target));
            let Some(position) = position else {
                return Err(Fault::at(span.clone(), format!("zip names {target}, which is not in [grid]"))
                    .help(format!("give {target} a list of values in [grid]")));
            };
            let is_taken = axes[position].members.len() > 1 || positions.contains(&position);
            if is_taken {
                return Err(Fault::at(
                    span.clone(),
                    format!("{} is zipped twice", quote(&target.to_string())),
                ));
            }
            positions.push(position);
        }
        let lengths: Vec<String> = group
            .targets
            .iter()
            .zip(&positions)
            .map(|((target, _), position)| format!("{target} has {}", axes[*position].points.len()))
            .collect();
        if positions.windows(2).any(|pair| axes[pair[0]].points.len() != axes[pair[1]].points.len()) {
            return Err(Fault::at(group.span.clone(), "zipped keys need lists of equal length")
                .help(lengths.join(", ")));
        }
        axes = merge(axes, &positions);
    }
    Ok(axes)
}

fn merge(axes: Vec<Axis>, positions: &[usize]) -> Vec<Axis> {
    let Some(first) = positions.iter().copied().min() else { return axes };
    let mut members = Vec::new();
    let mut columns = Vec::new();
    for position in positions {
        members.extend(axes[*position].members.iter().cloned());
        columns.push(&axes[*position].points);
    }
    let length = columns.first().map_or(0, |column| column.len());
    let points =
        (0..length).map(|row| columns.iter().flat_map(|column| column[row].clone()).collect()).collect();
    let mut joined = Some(Axis { members, points });
    let mut out = Vec::new();
    for (position, axis) in axes.into_iter().enumerate() {
        if position == first {
            out.extend(joined.take());
        } else if !positions.contains(&position) {
            out.push(axis);
        }
    }
    out
}
