//! `coordinator token`: makes, lists and ends join tokens, in the state folder or at a coordinator that serves.
//!
//! A secret is shown once: on stdout, or into a file that nobody else can read. It is never an argument.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sweep_proto::join::TokenId;
use sweep_proto::v1;
use tonic::Status;

use super::reach::{self, TokenArgs, refusal};
use super::station::Station;
use super::{put, say};
use crate::access::{Authority, MAX_LABEL_BYTES, Revocation, Role, TokenRecord, TokenStore, fresh_token};
use crate::clock::wall_ms;
use crate::config::{parse_life_ms, parse_url};
use crate::error::{CliError, Ending};
use crate::leaderboard::text;

/// Longest wait for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token; one a launch is a good habit
    Create {
        /// What its holder may do
        #[arg(long, value_enum)]
        role: Role,
        /// What to call it in the list
        #[arg(long, value_name = "WORDS", default_value = "", value_parser = parse_label)]
        label: String,
        /// How long it lives, for instance 12h or 30d [default: until it is revoked]
        #[arg(long, value_name = "TIME", value_parser = parse_life_ms)]
        expires: Option<u64>,
        /// Write it into this new file, readable by nobody else, instead of to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Show which tokens there are; never their secrets
    List {
        #[command(flatten)]
        place: Place,
    },
    /// End a token; what its workers run is leased again
    Revoke {
        /// Its id, as the list shows it
        id: TokenId,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the tokens are.
#[derive(Debug, clap::Args)]
struct Place {
    /// Ask this coordinator, as an operator, instead of the state folder
    #[arg(long, value_name = "https://HOST:PORT", value_parser = parse_url)]
    coordinator: Option<String>,
    #[command(flatten)]
    token: TokenArgs,
}

fn parse_label(text: &str) -> Result<String, String> {
    if text.len() > MAX_LABEL_BYTES || text != text::terminal(text) {
        return Err(format!("expected at most {MAX_LABEL_BYTES} bytes of plain text"));
    }
    Ok(text.to_owned())
}

pub(super) async fn run(state: &Path, args: Args) -> Result<Ending, CliError> {
    match args.action {
        Action::Create { role, label, expires, out, place } => {
            let (line, id) = match &place.coordinator {
                Some(url) => create_at(url, &place.token, role, label, expires).await?,
                None => create_here(state, role, label, expires).await?,
            };
            hand_over(&line, &id, role, out.as_deref())?;
        }
        Action::List { place } => put(&match &place.coordinator {
            Some(url) => list_at(url, &place.token).await?,
            None => {
                let tokens = here(state).await?.list().await?;
                table(&tokens.iter().map(Row::of_record).collect::<Vec<_>>())
            }
        }),
        Action::Revoke { id, place } => {
            let found = match &place.coordinator {
                Some(url) => revoke_at(url, &place.token, id).await?,
                None => here(state).await?.revoke(id, wall_ms()).await?,
            };
            put(&match found {
                Revocation::Done => format!("{id} is revoked: its holders are out within a second\n"),
                Revocation::Before => format!("{id} had been revoked before\n"),
                Revocation::Unknown => {
                    return Err(CliError::NotFound(format!(
                        "there is no token {id}; `coordinator token list` shows which there are"
                    )));
                }
            });
        }
    }
    Ok(Ending::Ok)
}

async fn here(state: &Path) -> Result<TokenStore, CliError> {
    Ok(TokenStore::of_state_dir(state, &Station::holder()).await?)
}

async fn create_here(
    state: &Path,
    role: Role,
    label: String,
    life_ms: Option<u64>,
) -> Result<(String, String), CliError> {
    let store = here(state).await?;
    let now_ms = wall_ms();
    let authority = Authority::of_state_dir(state, now_ms)?;
    let expires_ms = life_ms.map(|life_ms| now_ms.saturating_add_unsigned(life_ms));
    let (token, record) =
        fresh_token(&authority, role, label, now_ms, expires_ms).map_err(crate::access::AccessError::from)?;
    store.add(&record).await?;
    Ok((token.reveal(), token.id.to_string()))
}

async fn create_at(
    url: &str,
    token: &TokenArgs,
    role: Role,
    label: String,
    lives_ms: Option<u64>,
) -> Result<(String, String), CliError> {
    let mut client = reach::tokens(url, token, ANSWER_LIMIT)?;
    let request = v1::CreateTokenRequest { role: role.name().to_owned(), label, lives_ms };
    let made = client.create_token(request).await.map_err(|status| refusal(url, &status))?.into_inner();
    Ok((made.token, made.id))
}

/// The one moment at which a token is shown.
fn hand_over(line: &str, id: &str, role: Role, out: Option<&Path>) -> Result<(), CliError> {
    let Some(path) = out else {
        put(&format!("{line}\n"));
        say(&format!(
            "token {id} ({role}): this line is not shown again. In a file it wants `chmod 600 FILE`; --out does that"
        ));
        return Ok(());
    };
    let failed = |source| CliError::TokenFile { path: path.to_owned(), source };
    // A new file: whoever has an old one open would read the new secret, too.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    put(&format!("token {id} ({role}) is in {}\n", path.display()));
    Ok(())
}

async fn list_at(url: &str, token: &TokenArgs) -> Result<String, CliError> {
    let mut client = reach::tokens(url, token, ANSWER_LIMIT)?;
    let refused = |status: Status| refusal(url, &status);
    let answer = client.list_tokens(v1::ListTokensRequest {}).await.map_err(refused)?.into_inner();
    Ok(table(&answer.tokens.into_iter().map(Row::of_wire).collect::<Vec<_>>()))
}

async fn revoke_at(url: &str, token: &TokenArgs, id: TokenId) -> Result<Revocation, CliError> {
    let mut client = reach::tokens(url, token, ANSWER_LIMIT)?;
    let request = v1::RevokeTokenRequest { id: id.to_string() };
    match client.revoke_token(request).await {
        Ok(answer) if answer.get_ref().was_revoked => Ok(Revocation::Before),
        Ok(_) => Ok(Revocation::Done),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(Revocation::Unknown),
        Err(status) => Err(refusal(url, &status)),
    }
}

/// A line of the list.
struct Row {
    id: String,
    role: String,
    label: String,
    created_ms: i64,
    expires_ms: Option<i64>,
    revoked_ms: Option<i64>,
}

impl Row {
    fn of_record(record: &TokenRecord) -> Self {
        Self {
            id: record.id.to_string(),
            role: record.role.name().to_owned(),
            label: record.label.clone(),
            created_ms: record.created_ms,
            expires_ms: record.expires_ms,
            revoked_ms: record.revoked_ms,
        }
    }

    fn of_wire(message: v1::TokenSummary) -> Self {
        Self {
            id: message.id,
            role: message.role,
            label: message.label,
            created_ms: message.created_ms,
            expires_ms: message.expires_ms,
            revoked_ms: message.revoked_ms,
        }
    }

    fn state(&self, now_ms: i64) -> String {
        match (self.revoked_ms, self.expires_ms) {
            (Some(at), _) => format!("revoked {}", day(at)),
            (None, Some(end)) if end <= now_ms => format!("expired {}", day(end)),
            (None, Some(end)) => format!("live until {}", day(end)),
            (None, None) => "live".to_owned(),
        }
    }
}

/// A moment as a person writes it, in UTC.
fn day(ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(ms).ok();
    moment.map_or_else(|| "?".to_owned(), |moment| moment.strftime("%Y-%m-%d %H:%M").to_string())
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no tokens: make one with `coordinator token create --role worker --out worker.token`\n"
            .to_owned();
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.force_no_tty();
    table.set_header(["id", "role", "made (UTC)", "state", "label"]);
    let now_ms = wall_ms();
    for row in rows {
        let cells = [&row.id, &row.role, &day(row.created_ms), &row.state(now_ms), &row.label];
        table.add_row(cells.map(|cell| text::terminal(cell)));
    }
    format!("{table}\n")
}
