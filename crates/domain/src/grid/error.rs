//! What is wrong with a grid file, where, and what to do about it. One type for every mistake, so that each has the
//! same four parts. Colours and terminals are the business of the binaries.

use std::ops::Range;

/// Bytes of the grid file's text.
pub(super) type Span = Range<usize>;

/// A mistake in a grid file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GridError {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The bytes of the text that are wrong; `None` when something is missing from the file as a whole.
    pub span: Option<Range<usize>>,
    /// Line of the span's start, from 1.
    pub line: usize,
    /// Column of the span's start, from 1, in characters.
    pub column: usize,
    /// What to do: the nearest right word, the allowed values, another way to say it.
    pub help: Option<String>,
}

/// Most characters of a source line that [`GridError::render`] shows.
const WIDEST_EXCERPT: usize = 120;
/// Characters that stay visible before the mistake when a line is longer than that.
const LEAD_IN: usize = 40;

impl GridError {
    /// The error as plain text: `file:line:column: message`, the source line, carets under the mistake, the help.
    /// Lines are separated by `\n`; there is none at the end. `text` is the text that was parsed; any other text
    /// gives a wrong excerpt, but no panic. Control characters of the source are shown as `�`, long lines are cut.
    #[must_use]
    pub fn render(&self, text: &str, file_name: &str) -> String {
        let mut out = format!("{file_name}:{}:{}: {}", self.line, self.column, self.message);
        if let Some(excerpt) = self.excerpt(text) {
            out.push('\n');
            out.push_str(&excerpt);
        }
        if let Some(help) = &self.help {
            out.push_str("\nhelp: ");
            out.push_str(help);
        }
        out
    }

    /// Source line and caret line; `None` without a span.
    fn excerpt(&self, text: &str) -> Option<String> {
        let span = self.span.as_ref()?;
        let source_line = text.lines().nth(self.line.checked_sub(1)?).unwrap_or("");
        let source_line = source_line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(source_line);
        let characters: Vec<char> = source_line.chars().map(visible).collect();
        let first = self.column.saturating_sub(1).min(characters.len());
        let marked = text.get(span.clone()).unwrap_or("").lines().next().unwrap_or("").chars().count();

        let window_start = if characters.len() > WIDEST_EXCERPT { first.saturating_sub(LEAD_IN) } else { 0 };
        let window_end = characters.len().min(window_start + WIDEST_EXCERPT);
        let before = if window_start > 0 { "…" } else { "" };
        let after = if window_end < characters.len() { "…" } else { "" };
        let shown: String = characters[window_start..window_end].iter().collect();
        let indent = " ".repeat(before.chars().count() + first - window_start);
        let carets = "^".repeat(marked.min(window_end.saturating_sub(first)).max(1));

        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let shown = format!("{before}{shown}{after}");
        Some(format!("{number} | {}\n{gutter} | {indent}{carets}", shown.trim_end()))
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// One column for one character, and nothing that a terminal would obey.
fn visible(character: char) -> char {
    match character {
        '\t' => ' ',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}

/// A mistake before its place is counted in lines and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    message: String,
    span: Option<Span>,
    help: Option<String>,
    /// Another place that belongs to it: words, then the place.
    also: Option<(String, Span)>,
}

impl Fault {
    /// Something wrong at `span`.
    pub(super) fn at(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span), help: None, also: None }
    }

    /// Something missing from the file.
    pub(super) fn of_file(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, help: None, also: None }
    }

    /// With advice.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With a second place, which the message will name as `words line:column`.
    pub(super) fn also(mut self, words: impl Into<String>, span: Span) -> Self {
        self.also = Some((words.into(), span));
        self
    }

    /// The error as people see it.
    pub(super) fn locate(self, text: &str) -> GridError {
        let (line, column) = self.span.as_ref().map_or((1, 1), |span| line_and_column(text, span.start));
        let message = match self.also {
            None => self.message,
            Some((words, span)) => {
                let (other_line, other_column) = line_and_column(text, span.start);
                format!("{} ({words} {other_line}:{other_column})", self.message)
            }
        };
        GridError { message, span: self.span, line, column, help: self.help }
    }
}

/// Line and column, both from 1, of the byte `offset`.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |position| position + 1);
    let in_line = &before[line_start..];
    let column = in_line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(in_line).chars().count() + 1;
    (line, column)
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed<S: AsRef<str>>(words: &[S], last_joint: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} {last_joint} {}", head.join(", "), last.as_ref())
        }
    }
}

/// The word of `known` that `found` most probably means: equal but for case and `-`/`_`, or few letters away.
pub(super) fn closest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let target = plain(found);
    let letters = target.chars().count();
    // One letter in three may be wrong; a longer word that merely starts so is no typo.
    let tolerance = (letters / 3).max(1);
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&target, &plain(word)), word))
        .filter(|(distance, _)| *distance <= tolerance && *distance < letters)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::{Fault, closest, line_and_column, listed};

    #[test]
    fn places_count_characters_from_one() {
        let text = "a\nbé = ü\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 2), (2, 1));
        assert_eq!(line_and_column(text, text.find('ü').unwrap()), (2, 6));
        assert_eq!(line_and_column(text, 4), (2, 2)); // inside é: the character it belongs to
        assert_eq!(line_and_column(text, 1000), (3, 1));
        assert_eq!(line_and_column("\u{feff}x = 1", 3), (1, 1));
    }

    #[test]
    fn suggestions_are_near_or_absent() {
        let keys = ["epochs", "batch_size", "learning_rate", "c"];
        assert_eq!(closest("epoch", keys), Some("epochs"));
        assert_eq!(closest("batch-size", keys), Some("batch_size"));
        assert_eq!(closest("Learning_Rate", keys), Some("learning_rate"));
        assert_eq!(closest("momentum", keys), None);
        assert_eq!(closest("q", keys), None);
        assert_eq!(closest("", keys), None);
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(listed(&["a"], "or"), "a");
        assert_eq!(listed(&["a", "b", "c"], "or"), "a, b or c");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake_and_controls_are_harmless() {
        let text = format!("{}\u{1b}\tX{}", "a".repeat(200), "b".repeat(200));
        let error = Fault::at(202..203, "wrong").locate(&text);
        let rendered = error.render(&text, "f");
        let expected = format!(
            "f:1:203: wrong\n1 | …{}\u{fffd} X{}…\n  | {}^",
            "a".repeat(38),
            "b".repeat(79),
            " ".repeat(41)
        );
        assert_eq!(rendered, expected);
    }

    #[test]
    fn another_text_gives_a_wrong_excerpt_but_no_panic() {
        let error = Fault::at(10..14, "wrong").help("h").locate("0123456789éé\n");
        assert_eq!(error.render("", "f"), "f:1:11: wrong\n1 | \n  | ^\nhelp: h");
        assert_eq!(Fault::of_file("missing").locate("x").render("x", "f"), "f:1:1: missing");
    }
}
