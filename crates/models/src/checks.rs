//! What must hold of a config before a net is built from it.

use domain::config::Encode;
use domain::{Config, ModelSpec, Schedule, TrainSpec};

use crate::error::TrainError;

/// The checks of the grid file, once more for what would panic or loop here: a config may come from anywhere.
pub(crate) fn trainable(config: &Config) -> Result<TrainSpec, TrainError> {
    let spec = config.train.clone().ok_or_else(|| TrainError::bad_config("train", "this model needs one"))?;
    if spec.batch_size == 0 {
        return Err(TrainError::bad_config("batch_size", "found 0, it must be at least 1"));
    }
    if spec.epochs == 0 {
        return Err(TrainError::bad_config("epochs", "found 0, it must be at least 1"));
    }
    if !(spec.learning_rate.is_finite() && spec.learning_rate > 0.0) {
        let problem = format!("found {}, it must be positive", spec.learning_rate);
        return Err(TrainError::bad_config("learning_rate", problem));
    }
    check_optimiser(&spec, &config.model)?;
    check_validation(&spec)?;
    check_counts(&config.model)?;
    if let Some(net) = config.model.net() {
        check_widths("latent_dim", &[net.latent_dim])?;
        check_widths("encoder", &net.encoder)?;
        check_widths("decoder", &net.decoder)?;
        if !net.branch.is_empty() {
            check_widths("branch", &net.branch)?;
        }
    }
    if let Some(beta) = config.model.beta().filter(|beta| !(beta.is_finite() && *beta >= 0.0)) {
        return Err(TrainError::bad_config("beta", format!("found {beta}, it must be 0 or more")));
    }
    let free_bits = match &config.model {
        ModelSpec::BetaVae(model) => model.free_bits,
        ModelSpec::BetaVsc(model) => model.free_bits,
        ModelSpec::Scvi(model) => model.free_bits,
        ModelSpec::Ldvae(model) => model.free_bits,
        ModelSpec::Pca(_) | ModelSpec::Ae(_) | ModelSpec::Dca(_) => 0.0,
    };
    if !(free_bits.is_finite() && free_bits >= 0.0) {
        return Err(TrainError::bad_config("free_bits", format!("found {free_bits}, it must be 0 or more")));
    }
    for (name, schedule) in config.model.schedules() {
        if let Some(problem) = schedule.problem() {
            return Err(TrainError::bad_config(name, problem));
        }
    }
    if let ModelSpec::BetaVae(model) = &config.model
        && matches!(model.encode, Encode::Mu | Encode::Thresholded)
    {
        return Err(TrainError::bad_config("encode", "a beta-vae encodes by \"mean\" or \"sample\""));
    }
    if let ModelSpec::BetaVsc(model) = &config.model {
        if !(model.alpha > 0.0 && model.alpha < 1.0) {
            let problem = format!("found {}, it must lie between 0 and 1", model.alpha);
            return Err(TrainError::bad_config("alpha", problem));
        }
        if !(model.c.is_finite() && model.c > 0.0) {
            return Err(TrainError::bad_config("c", format!("found {}, it must be positive", model.c)));
        }
        if let Some(start) = model.c_start.filter(|start| !(start.is_finite() && *start > 0.0)) {
            return Err(TrainError::bad_config("c_start", format!("found {start}, it must be positive")));
        }
    }
    Ok(spec)
}

fn check_optimiser(spec: &TrainSpec, model: &ModelSpec) -> Result<(), TrainError> {
    let TrainSpec { adam_eps, weight_decay, .. } = spec;
    if !(adam_eps.is_finite() && *adam_eps > 0.0) {
        return Err(TrainError::bad_config("adam_eps", format!("found {adam_eps}, it must be positive")));
    }
    if !(weight_decay.is_finite() && *weight_decay >= 0.0) {
        let problem = format!("found {weight_decay}, it must be 0 or more");
        return Err(TrainError::bad_config("weight_decay", problem));
    }
    if *weight_decay > 0.0 && !model.kind().reconstruction().is_of_counts() {
        return Err(TrainError::bad_config("weight_decay", "only models of counts have one"));
    }
    Ok(())
}

/// The nets of models of counts.
fn check_counts(model: &ModelSpec) -> Result<(), TrainError> {
    let (encoder, decoder, dropout) = match model {
        ModelSpec::Scvi(spec) => (&spec.encoder, Some(&spec.decoder), spec.dropout),
        ModelSpec::Ldvae(spec) => (&spec.encoder, None, spec.dropout),
        ModelSpec::Dca(spec) => (&spec.encoder, Some(&spec.decoder), spec.dropout),
        ModelSpec::Pca(_) | ModelSpec::Ae(_) | ModelSpec::BetaVae(_) | ModelSpec::BetaVsc(_) => return Ok(()),
    };
    check_widths("latent_dim", &[model.latent_dim()])?;
    check_widths("encoder", encoder)?;
    decoder.map_or(Ok(()), |decoder| check_widths("decoder", decoder))?;
    if !(0.0..1.0).contains(&dropout) {
        let problem = format!("found {dropout}, it must be 0 or more and below 1");
        return Err(TrainError::bad_config("dropout", problem));
    }
    Ok(())
}

/// A cycle of one step would keep its weight at the start for ever.
pub(crate) fn schedules_fit(model: &ModelSpec, steps: u64) -> Result<(), TrainError> {
    for (name, schedule) in model.schedules() {
        if let Schedule::Cycles { cycles, .. } = schedule
            && steps < 2 * u64::from(cycles)
        {
            let problem = format!("{cycles} cycles in {steps} steps: a cycle needs at least 2 steps");
            return Err(TrainError::bad_config(name, problem));
        }
    }
    Ok(())
}

fn check_validation(spec: &TrainSpec) -> Result<(), TrainError> {
    let TrainSpec { validation_fraction: fraction, patience, min_delta, .. } = spec;
    if !(0.0..1.0).contains(fraction) {
        let problem = format!("found {fraction}, it must be 0 or more and below 1");
        return Err(TrainError::bad_config("validation_fraction", problem));
    }
    if !(min_delta.is_finite() && *min_delta >= 0.0) {
        return Err(TrainError::bad_config("min_delta", format!("found {min_delta}, it must be 0 or more")));
    }
    match patience {
        Some(0) => Err(TrainError::bad_config("patience", "found 0, it must be at least 1")),
        Some(_) if *fraction == 0.0 => {
            Err(TrainError::bad_config("patience", "it needs held-out cells: a validation_fraction above 0"))
        }
        _ => Ok(()),
    }
}

fn check_widths(field: &'static str, widths: &[u32]) -> Result<(), TrainError> {
    if widths.is_empty() || widths.iter().any(|width| !(1..=65_536).contains(width)) {
        return Err(TrainError::bad_config(
            field,
            format!("found {widths:?}, widths are 1 to 65536, at least one"),
        ));
    }
    Ok(())
}
