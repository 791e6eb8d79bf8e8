//! A worker's checked options. What stands here has been parsed once; nothing checks it again.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use sweep_proto::join::JoinToken;
use tonic::transport::Endpoint;

use crate::back_off::Pace;

/// Most trials that one worker runs at once: one thread each.
pub const MAX_SLOTS: usize = 1024;
/// Longest `--name`, in bytes; process id and launch are appended to it.
pub const MAX_NAME_LEN: usize = 100;

/// How long a trial may take to stop: it looks up after every epoch, and scoring does not look up at all.
pub const OBEY_LIMIT: Duration = Duration::from_secs(600);

/// Which code trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum EngineChoice {
    /// The sparse kernels.
    #[default]
    Sparse,
    /// The dense reference.
    Dense,
}

/// When to end although nothing is finished because the parent process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentBond {
    /// The parent is of no interest.
    None,
    /// End when the process that started this one is gone; holds its id where the parent said it.
    Parent(Option<u32>),
}

/// Everything that decides how a worker runs.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Where the coordinator is.
    pub coordinator: CoordinatorUrl,
    /// What lets this worker in; needed where the coordinator speaks TLS, and sent nowhere else.
    pub token: Option<JoinToken>,
    /// Trials at once, 1 to [`MAX_SLOTS`].
    pub slots: NonZeroUsize,
    /// Folder for data sets and for results that wait for the coordinator.
    pub cache: PathBuf,
    /// Label in the worker's name; the host's name by default.
    pub name: Option<String>,
    /// Which code trains.
    pub engine: EngineChoice,
    /// How long the first contact may take; `None` tries for ever.
    pub connect_timeout: Option<Duration>,
    /// Say nothing but warnings and errors.
    pub quiet: bool,
    /// Whether to end with the parent.
    pub parent: ParentBond,
    /// How long a trial may take to stop once it is told to; [`OBEY_LIMIT`].
    pub obey_limit: Duration,
    /// How often a trial in training is put on this host's disk, for the case of a kill.
    pub checkpoint_every: Duration,
    /// Delays between tries to reach the coordinator.
    pub pace: Pace,
}

/// The address of a coordinator: `https://HOST:PORT`, or `http://HOST:PORT` on this machine.
#[derive(Debug, Clone)]
pub struct CoordinatorUrl {
    text: String,
    endpoint: Endpoint,
}

impl CoordinatorUrl {
    /// The address in `text`; `HOST:PORT` is taken for `http://HOST:PORT`.
    ///
    /// # Errors
    /// Words for people when it is no such address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let authority = full.strip_prefix("http://").or_else(|| full.strip_prefix("https://"));
        let Some(authority) = authority else {
            return Err(
                "expected http://HOST:PORT or https://HOST:PORT; other schemes are not spoken".to_owned()
            );
        };
        if authority.trim_end_matches('/').contains('/') {
            return Err("expected http://HOST:PORT without a path".to_owned());
        }
        let endpoint = Endpoint::from_shared(full.clone())
            .map_err(|error| format!("expected http://HOST:PORT: {error}"))?;
        if endpoint.uri().host().is_none_or(str::is_empty) || endpoint.uri().port().is_none() {
            return Err("expected http://HOST:PORT with a host and a port".to_owned());
        }
        Ok(Self { text: full, endpoint })
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.endpoint.uri().scheme_str() == Some("https")
    }

    /// Where to connect, without any limit set.
    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// The default folder for data sets and waiting results: `$XDG_CACHE_HOME/latentsweep`, else `~/.cache/latentsweep`.
#[must_use]
pub fn default_cache() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("latentsweep"))
}

#[cfg(test)]
mod tests {
    use super::CoordinatorUrl;

    #[test]
    fn an_address_needs_host_and_port() {
        for good in [
            "http://127.0.0.1:7070",
            "http://node-3:1/",
            "localhost:7070",
            "http://[::1]:7070",
            "https://h:1",
        ] {
            assert!(CoordinatorUrl::parse(good).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "http://",
            "http://host",
            "https://host",
            "ftp://host:1",
            "http://host:1/x",
            "http://host:port",
        ] {
            assert!(CoordinatorUrl::parse(bad).is_err(), "{bad:?}");
        }
    }
}
