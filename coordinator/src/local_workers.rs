//! Worker processes of `coordinator sweep`: this program started again, watched, and started anew when one dies.
//!
//! A worker that dies with a trial in its hands says nothing about the next worker: the core decides what becomes of
//! the trial, and whether it is to blame. Must not live here: leases, trials, progress.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sweep_proto::join::{JoinToken, TOKEN_ENV, TOKEN_FILE_ENV};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::runtime::CoordinatorHandle;

/// The hidden subcommand that makes this program a worker.
pub const SUBCOMMAND: &str = "local-worker";

/// Ends in a row before the worker has introduced itself, after which trying again is pointless.
const MOST_FAILED_STARTS: u32 = 3;
/// Times that one worker is started anew in all. The core gives up on a trial that keeps killing workers long before.
const MOST_RESTARTS: u32 = 1000;
/// Wait before starting anew, doubled after each failed start.
const FIRST_DELAY: Duration = Duration::from_millis(200);
/// How long a worker that has nothing left to do may take to go.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);
/// Exit codes by which a worker says that starting it again would not help: usage, not reachable, not allowed, set-up.
const HOPELESS: [i32; 4] = [2, 3, 4, 78];

/// Shows a line to the person.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// What every worker is told.
#[derive(Debug, Clone)]
pub struct LaunchPlan {
    /// Where the coordinator listens.
    pub url: String,
    /// Folder that all workers share for data sets.
    pub cache: PathBuf,
    /// Trials at once in each.
    pub slots: u32,
    /// What lets them in where the coordinator wants a token.
    pub token: Option<JoinToken>,
}

/// What the workers are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Work,
    Drain,
    Kill,
}

/// The worker processes. Dropping it kills them.
pub struct LocalWorkers {
    keepers: JoinSet<Result<(), String>>,
    orders: watch::Sender<Order>,
    is_waited_for: bool,
}

impl LocalWorkers {
    /// Starts `count` workers; ends and new starts are told to the person by `tell`.
    #[must_use]
    pub fn start(count: u32, plan: LaunchPlan, handle: &CoordinatorHandle, tell: Tell) -> Self {
        let (orders, _) = watch::channel(Order::Work);
        let mut keepers = JoinSet::new();
        for number in 1..=count {
            let keeper = Keeper {
                number,
                plan: plan.clone(),
                handle: handle.clone(),
                tell: Arc::clone(&tell),
                orders: orders.subscribe(),
            };
            keepers.spawn(keeper.keep());
        }
        Self { keepers, orders, is_waited_for: true }
    }

    /// Waits until every worker has ended for good.
    ///
    /// # Errors
    /// Words for people as soon as the last worker that could still work cannot be kept running.
    pub async fn all_ended(&mut self) -> Result<(), String> {
        if !self.is_waited_for {
            std::future::pending::<()>().await;
        }
        let mut trouble = None;
        while let Some(ended) = self.keepers.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(words)) => trouble = Some(words),
                Err(error) => trouble = Some(format!("the task that keeps a worker ended early: {error}")),
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    /// [`LocalWorkers::all_ended`] stays pending from now on.
    pub const fn wait_no_more(&mut self) {
        self.is_waited_for = false;
    }

    /// Tells them to give back what runs and go.
    pub fn drain(&self) {
        self.orders.send_replace(Order::Drain);
    }

    /// Lets them go by themselves, since nothing is left to run; ends those that linger.
    pub async fn leave(mut self) {
        // Whoever is between two lives need not come back.
        self.orders.send_if_modified(|_| false);
        let all_gone = async { while self.keepers.join_next().await.is_some() {} };
        if tokio::time::timeout(LEAVE_LIMIT, all_gone).await.is_err() {
            self.kill().await;
        }
    }

    /// Ends them at once.
    pub async fn kill(mut self) {
        self.orders.send_replace(Order::Kill);
        while self.keepers.join_next().await.is_some() {}
    }
}

/// Keeps one worker process running.
struct Keeper {
    number: u32,
    plan: LaunchPlan,
    handle: CoordinatorHandle,
    tell: Tell,
    orders: watch::Receiver<Order>,
}

impl Keeper {
    async fn keep(mut self) -> Result<(), String> {
        let mut failed_starts = 0;
        for _ in 0..=MOST_RESTARTS {
            let mut process = self.launch()?;
            let pid = process.child.id();
            let status = self.watch(&mut process.child).await;
            let last_words = process.said.await.unwrap_or_default();
            let status =
                status.map_err(|error| format!("cannot watch local worker {}: {error}", self.number))?;
            let name = pid.and_then(|pid| self.registered_name(pid));
            if let Some(name) = &name
                && let Err(error) = self.handle.worker_gone(name).await
            {
                tracing::warn!(%error, worker = %name, "its lease runs out by itself");
            }
            if *self.orders.borrow() != Order::Work || status.success() {
                return Ok(());
            }
            failed_starts = if name.is_some() { 0 } else { failed_starts + 1 };
            let is_hopeless = status.code().is_some_and(|code| HOPELESS.contains(&code));
            if is_hopeless || failed_starts >= MOST_FAILED_STARTS {
                return Err(self.hopeless_words(status, &last_words));
            }
            (self.tell)(&format!(
                "local worker {} ended ({status}); what it ran is leased again, and another takes its place",
                self.number
            ));
            let delay = FIRST_DELAY * 2_u32.pow(failed_starts);
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = self.orders.changed() => return Ok(()),
            }
        }
        Err(format!("local worker {} was started anew {MOST_RESTARTS} times and never lasted", self.number))
    }

    fn launch(&self) -> Result<Process, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let mut command = Command::new(program);
        // Tokens that this process was given are for other coordinators.
        command.env_remove(TOKEN_ENV).env_remove(TOKEN_FILE_ENV);
        if let Some(token) = &self.plan.token {
            // Only this user can read a process's environment; everybody can read its arguments.
            command.env(TOKEN_ENV, token.reveal());
        }
        let mut child = command
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal reaches the whole foreground group; what it means for workers is decided here.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start local worker {}: {error}", self.number))?;
        let said = child.stderr.take().map(|stderr| {
            let (number, tell) = (self.number, Arc::clone(&self.tell));
            tokio::spawn(pass_on(BufReader::new(stderr), number, tell))
        });
        Ok(Process { child, said: said.unwrap_or_else(|| tokio::spawn(async { String::new() })) })
    }

    fn arguments(&self) -> Vec<OsString> {
        let texts = [
            SUBCOMMAND.to_owned(),
            "--coordinator".to_owned(),
            self.plan.url.clone(),
            "--slots".to_owned(),
            self.plan.slots.to_string(),
            "--name".to_owned(),
            format!("local-{}", self.number),
            "--quiet".to_owned(),
            format!("--exit-with-parent={}", std::process::id()),
            "--cache".to_owned(),
        ];
        texts
            .into_iter()
            .map(OsString::from)
            .chain(std::iter::once(self.plan.cache.clone().into_os_string()))
            .collect()
    }

    /// Waits for the process's end and passes orders on meanwhile.
    async fn watch(&mut self, child: &mut Child) -> std::io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = child.wait() => return status,
                changed = self.orders.changed() => {
                    let order = if changed.is_ok() { *self.orders.borrow() } else { Order::Kill };
                    match (order, child.id().and_then(|pid| i32::try_from(pid).ok())) {
                        (Order::Drain, Some(pid)) => {
                            // An error says that it has ended, which `wait` will see.
                            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
                        }
                        (Order::Kill, _) => {
                            let _ = child.start_kill();
                            return child.wait().await;
                        }
                        (Order::Work, _) | (Order::Drain, None) => {}
                    }
                }
            }
        }
    }

    /// What the worker with this process id calls itself, if it has introduced itself.
    fn registered_name(&self, pid: u32) -> Option<String> {
        let prefix = format!("local-{}", self.number);
        let progress = self.handle.progress();
        let now = progress.borrow();
        let is_it = |worker: &&crate::runtime::WorkerStatus| {
            worker.info.pid == pid && worker.info.name.starts_with(&prefix)
        };
        now.workers.iter().find(is_it).map(|worker| worker.info.name.clone())
    }

    fn hopeless_words(&self, status: ExitStatus, last_words: &str) -> String {
        let said = if last_words.is_empty() { String::new() } else { format!(": {last_words}") };
        format!(
            "local worker {} cannot be kept running ({status}){said}\n  next: try it by hand: worker --coordinator {}",
            self.number, self.plan.url
        )
    }
}

struct Process {
    child: Child,
    /// Passes on what it says; ends with its last line.
    said: JoinHandle<String>,
}

/// Shows what a worker says, made safe for a terminal, and returns the last of it.
async fn pass_on(stderr: impl tokio::io::AsyncBufRead + Unpin, number: u32, tell: Tell) -> String {
    let mut lines = stderr.lines();
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        last = crate::leaderboard::text::terminal(&line);
        tell(&format!("local worker {number}: {last}"));
    }
    last
}
