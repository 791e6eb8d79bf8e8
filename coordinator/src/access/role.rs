//! What a token may do: one role, and one table of what each call needs. Whatever is not in the table is refused.

use std::fmt;

/// What the holder of a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Leases trials and hands results in
    Worker,
    /// Sees sweeps and workers
    Viewer,
    /// Sees, submits, gives orders and handles tokens
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Worker, Self::Viewer, Self::Operator];

    /// Its name in the database and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether a token of this role may do what needs `needed`. A worker is no viewer: what others run is none of its
    /// business, and a stolen worker token shows nothing.
    #[must_use]
    pub fn may(self, needed: Self) -> bool {
        self == needed || (self == Self::Operator && needed == Self::Viewer)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Anybody who reaches the port.
    Nothing,
    /// A token of this role.
    Role(Role),
}

/// What the call with this path needs, `/package.Service/Method`; `None` for a path that nobody has thought of.
#[must_use]
pub fn need(path: &str) -> Option<Need> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let role = match (service, method) {
        ("grpc.health.v1.Health", _) => return Some(Need::Nothing),
        (
            "sweep.v1.WorkerService",
            "Register" | "LeaseTrials" | "Heartbeat" | "ReportOutcome" | "ReportFailure" | "FetchDataset"
            | "FetchCheckpoint" | "PutArtifact" | "Leave",
        ) => Role::Worker,
        ("sweep.v1.SweepService", "ListSweeps" | "ListWorkers") => Role::Viewer,
        ("sweep.v1.SweepService", "SubmitSweep" | "ControlSweep") => Role::Operator,
        ("sweep.v1.TokenService", "CreateToken" | "ListTokens" | "RevokeToken") => Role::Operator,
        _ => return None,
    };
    Some(Need::Role(role))
}

#[cfg(test)]
mod tests {
    use super::{Need, Role, need};

    #[test]
    fn roles_do_not_leak_into_each_other() {
        let may = |held: Role| Role::ALL.map(|needed| held.may(needed));
        assert_eq!(may(Role::Worker), [true, false, false]);
        assert_eq!(may(Role::Viewer), [false, true, false]);
        assert_eq!(may(Role::Operator), [false, true, true]);
    }

    #[test]
    fn every_rpc_of_the_wire_stands_in_the_table_and_nothing_else_does() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/sweep/v1");
        let mut found = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let mut service = String::new();
            for line in text.lines().map(str::trim) {
                let word = |prefix: &str| {
                    let rest = line.strip_prefix(prefix)?;
                    Some(rest.split(|c: char| !c.is_alphanumeric()).next()?.to_owned())
                };
                if let Some(name) = word("service ") {
                    service = name;
                }
                if let Some(method) = word("rpc ") {
                    found += 1;
                    let path = format!("/sweep.v1.{service}/{method}");
                    assert!(matches!(need(&path), Some(Need::Role(_))), "{path} stands in no role's list");
                }
            }
        }
        assert!(found >= 11, "only {found} rpcs were found");
        for path in
            ["", "/", "/sweep.v1.SweepService/DropEverything", "/sweep.v2.WorkerService/Register", "x/y"]
        {
            assert_eq!(need(path), None, "{path}");
        }
    }
}
