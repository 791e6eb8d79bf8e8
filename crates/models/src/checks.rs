//! What must hold of a config before a net is built from it.

use domain::config::Encode;
use domain::{Config, ModelSpec, TrainSpec};

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
    }
    Ok(spec)
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
