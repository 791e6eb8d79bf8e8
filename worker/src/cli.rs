//! The worker's command line. Turns arguments into [`WorkerOptions`]; decides nothing else.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use sweep_proto::join::{JoinToken, TOKEN_FILE_ENV};

use crate::back_off::Pace;
use crate::config::{
    CoordinatorUrl, EngineChoice, MAX_NAME_LEN, MAX_SLOTS, OBEY_LIMIT, ParentBond, WorkerOptions,
    default_cache,
};

/// Leases trials from a coordinator, trains and scores them, and hands the results back.
///
/// Exit codes: 0 the coordinator has no trials left; 2 wrong usage; 3 no coordinator answered; 4 the coordinator
/// refuses this worker; 75 drained (SIGTERM, SIGINT or SIGUSR1: what ran was given back); 78 wrong set-up of this
/// host; 130 interrupted twice.
#[derive(Debug, Parser)]
#[command(name = "worker", version)]
pub(crate) struct Cli {
    /// Where the coordinator is
    #[arg(long, value_name = "URL", value_parser = CoordinatorUrl::parse, env = "LATENTSWEEP_COORDINATOR")]
    coordinator: CoordinatorUrl,

    /// File with the join token for an https:// coordinator, readable by nobody else; or set LATENTSWEEP_TOKEN
    #[arg(long, value_name = "FILE", env = TOKEN_FILE_ENV)]
    token_file: Option<PathBuf>,

    /// Trials to run at once, one thread each [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = parse_slots)]
    slots: Option<NonZeroUsize>,

    /// Folder for data sets and for results that wait for the coordinator
    /// [default: $XDG_CACHE_HOME/latentsweep or ~/.cache/latentsweep]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// How the coordinator's lists call this worker; process id and launch are appended [default: the host's name]
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: Option<String>,

    /// Which code trains: the fast kernels, or the reference that they are held to
    #[arg(long, value_enum, default_value_t = EngineChoice::Sparse)]
    engine: EngineChoice,

    /// How long to try to reach the coordinator at the start (`90s`, `5m`, `1h30m`); 0 tries for ever
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    connect_timeout: Duration,

    /// How often a trial in training is put on this host's disk: a kill costs at most so much
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    checkpoint_every: Duration,

    /// Say nothing but warnings and errors
    #[arg(long, short)]
    quiet: bool,

    /// End when the process that started this one is gone; its id may be given
    #[arg(long, value_name = "PID", num_args = 0..=1, require_equals = true, hide = true)]
    exit_with_parent: Option<Option<u32>>,
}

impl Cli {
    /// The checked options.
    ///
    /// # Errors
    /// Words for people when a default cannot be found or a token cannot be used.
    pub(crate) fn into_options(self) -> Result<WorkerOptions, String> {
        let cache = self.cache.or_else(default_cache).ok_or_else(|| {
            "no folder for the cache: neither XDG_CACHE_HOME nor HOME is set\n  next: name one with --cache DIR".to_owned()
        })?;
        // A plain connection carries no secret, so none is looked for.
        let token = match self.coordinator.is_secure() {
            true => JoinToken::find(self.token_file.as_deref()).map_err(|error| error.to_string())?,
            false => None,
        };
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(WorkerOptions {
            coordinator: self.coordinator,
            token,
            slots: self.slots.unwrap_or_else(cores),
            cache,
            name: self.name,
            engine: self.engine,
            connect_timeout: (!self.connect_timeout.is_zero()).then_some(self.connect_timeout),
            quiet: self.quiet,
            parent: self.exit_with_parent.map_or(ParentBond::None, ParentBond::Parent),
            obey_limit: OBEY_LIMIT,
            checkpoint_every: self.checkpoint_every,
            pace: Pace::default(),
        })
    }
}

fn parse_slots(text: &str) -> Result<NonZeroUsize, String> {
    let slots = text.parse::<NonZeroUsize>().ok().filter(|slots| slots.get() <= MAX_SLOTS);
    slots.ok_or_else(|| format!("expected a number from 1 to {MAX_SLOTS}"))
}

fn parse_name(text: &str) -> Result<String, String> {
    let all_allowed = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if text.is_empty() || text.len() > MAX_NAME_LEN || !all_allowed {
        return Err(format!("expected 1 to {MAX_NAME_LEN} letters, digits, '-', '_' or '.'"));
    }
    Ok(text.to_owned())
}

/// `1h30m`, `90s`, `250ms`; a bare number counts seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 90s, 5m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(number_len);
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let unit_len = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, next) = tail.split_at(unit_len);
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        total += Duration::from_millis(u64::from(number) * unit_ms);
        rest = next;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::{Cli, parse_duration};
    use crate::config::ParentBond;
    use clap::{CommandFactory, Parser};
    use std::time::Duration;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_follow_from_arguments() {
        let line = [
            "worker",
            "--coordinator",
            "http://h:1",
            "--slots",
            "3",
            "--cache",
            "/c",
            "--connect-timeout",
            "0",
        ];
        let options = Cli::try_parse_from(line).unwrap().into_options().unwrap();
        assert_eq!(options.slots.get(), 3);
        assert_eq!(options.connect_timeout, None);
        assert_eq!(options.parent, ParentBond::None);

        let line =
            ["worker", "--coordinator", "http://h:1", "--cache", "/c", "--exit-with-parent", "--quiet"];
        let options = Cli::try_parse_from(line).unwrap().into_options().unwrap();
        assert_eq!(options.parent, ParentBond::Parent(None));
        assert_eq!(options.connect_timeout, Some(Duration::from_secs(60)));
        assert!(options.quiet);
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for extra in [
            ["--slots", "0"],
            ["--slots", "9999"],
            ["--name", "a b"],
            ["--engine", "x"],
            ["--connect-timeout", "soon"],
        ] {
            let line = ["worker", "--coordinator", "http://h:1"].into_iter().chain(extra);
            assert!(Cli::try_parse_from(line).is_err(), "{extra:?}");
        }
    }

    #[test]
    fn times_are_read() {
        for (text, ms) in [
            ("0", 0),
            ("60", 60_000),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text:?}");
        }
        for text in ["", "s", "1x", "-1", "1.5h", "1h-2m", "99999999999"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
