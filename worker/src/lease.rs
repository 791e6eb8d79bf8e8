//! Reads a lease as it came over the wire. The trial's id is a hash of all that decides its numbers: the worker makes
//! it anew and trains nothing whose id is another.

use domain::outcome::CheckpointRef;
use domain::{Config, FailureKind, Trial};
use sweep_proto::convert::{self, LeaseKey, WireError};
use sweep_proto::v1;

use crate::runner::TrialFailure;

/// A lease that names its trial well; whether the trial can be run stands in `trial`.
#[derive(Debug)]
pub(crate) struct CheckedLease {
    pub(crate) key: LeaseKey,
    /// Where the trial may begin.
    pub(crate) checkpoint: Option<CheckpointRef>,
    pub(crate) trial: Result<Trial, TrialFailure>,
}

/// Checks `lease`.
///
/// # Errors
/// When it does not even name its trial, so that nothing can be answered.
pub(crate) fn check(lease: &v1::Lease) -> Result<CheckedLease, WireError> {
    let key =
        v1::LeaseKey { trial_id: lease.trial_id.clone(), attempt: lease.attempt, nonce: lease.nonce.clone() };
    let key = LeaseKey::from_wire(Some(&key))?;
    // One that is named wrongly is as good as none: the trial begins at the start.
    let checkpoint = convert::checkpoint_from_wire(lease.checkpoint.as_ref()).unwrap_or_default();
    Ok(CheckedLease { key, checkpoint, trial: trial_of(lease, &key) })
}

fn trial_of(lease: &v1::Lease, key: &LeaseKey) -> Result<Trial, TrialFailure> {
    let bad = |message: String| TrialFailure { kind: FailureKind::BadConfig, message };
    let data = convert::fingerprint(&lease.data_fingerprint).map_err(|error| bad(error.to_string()))?;
    let config: Config = serde_json::from_str(&lease.config_json)
        .map_err(|error| bad(format!("this worker cannot read the config: {error}")))?;
    let trial = Trial::new(config, lease.seed, data);
    if trial.id != key.trial {
        return Err(bad(format!(
            "the lease says trial {}, its config, seed and data make trial {}: coordinator and worker are of different \
             versions, or the lease was damaged",
            key.trial, trial.id
        )));
    }
    Ok(trial)
}

#[cfg(test)]
mod tests {
    use super::check;
    use domain::config::PcaSpec;
    use domain::{Config, EvaluationSpec, FailureKind, Fingerprint, ModelSpec, Trial};
    use sweep_proto::v1;

    fn lease() -> (Trial, v1::Lease) {
        let model = ModelSpec::Pca(PcaSpec { latent_dim: 3 });
        let evaluation = EvaluationSpec { perplexity: 40.000_000_000_000_01, ..Default::default() };
        let trial = Trial::new(Config { model, train: None, evaluation }, 7, Fingerprint::of(b"d"));
        let lease = v1::Lease {
            trial_id: trial.id.as_bytes().to_vec().into(),
            attempt: 1,
            nonce: vec![1; 16].into(),
            config_json: trial.config.canonical_json(),
            seed: 7,
            data_fingerprint: trial.data.as_bytes().to_vec().into(),
            ttl_ms: 30_000,
            checkpoint: None,
        };
        (trial, lease)
    }

    #[test]
    fn a_lease_gives_its_trial_to_the_bit() {
        let (trial, lease) = lease();
        assert_eq!(check(&lease).unwrap().trial.unwrap(), trial);
    }

    #[test]
    fn whatever_does_not_make_the_id_is_a_bad_config() {
        let changes: [fn(&mut v1::Lease); 5] = [
            |lease| lease.seed = 8,
            |lease| lease.config_json = lease.config_json.replace("\"latent_dim\":3", "\"latent_dim\":4"),
            |lease| lease.config_json = "{".to_owned(),
            |lease| lease.data_fingerprint = vec![0; 32].into(),
            |lease| lease.data_fingerprint = vec![0; 3].into(),
        ];
        for change in changes {
            let (_, mut lease) = lease();
            change(&mut lease);
            assert_eq!(check(&lease).unwrap().trial.unwrap_err().kind, FailureKind::BadConfig);
        }
        let (_, mut lease) = lease();
        lease.nonce = vec![].into();
        assert!(check(&lease).is_err());
    }
}
