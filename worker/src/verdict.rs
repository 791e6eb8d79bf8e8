//! What the coordinator's refusal of a call means for the worker. Every status code is judged here and nowhere else.

use tonic::{Code, Status};

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The coordinator is away, slow or cannot store at the moment: try again.
    Retry,
    /// It does not know the session (it was restarted): register again, then try again.
    UnknownSession,
    /// It has other plans for this trial: drop it.
    Superseded,
    /// It will never take this message.
    Refused,
}

/// Judges `status`.
pub(crate) fn judge(status: &Status) -> Verdict {
    match status.code() {
        // A token that was revoked ends every session of its holder; what the next registration says decides. Results
        // are kept meanwhile: another worker's token may still hand them over.
        Code::Unauthenticated | Code::PermissionDenied => Verdict::UnknownSession,
        Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists => Verdict::Superseded,
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented | Code::NotFound => Verdict::Refused,
        _ => Verdict::Retry,
    }
}

/// A status in words for people, without what could steer a terminal.
pub(crate) fn words(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    if text.is_empty() {
        text = format!("{:?}", status.code());
    }
    plain(&text)
}

/// `text` without control characters: it came over the network and goes to a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
