//! One line of a table, cut into fields. What the fields mean must not live here.

use std::borrow::Cow;

use crate::error::TableProblem;

/// The characters that part columns, in the order in which they are tried.
const DELIMITERS: [u8; 4] = [b'\t', b',', b';', b' '];

/// The fields of a line. A field in quotation marks may hold the delimiter, and quotation marks twice.
pub(super) struct Fields<'a> {
    rest: Option<&'a [u8]>,
    delimiter: u8,
}

impl<'a> Fields<'a> {
    pub(super) fn of(line: &'a [u8], delimiter: u8) -> Self {
        Self { rest: Some(line), delimiter }
    }

    /// The next field without its quotation marks and the spaces around it.
    pub(super) fn next(&mut self) -> Option<Result<Cow<'a, [u8]>, TableProblem>> {
        let rest = self.rest?;
        if rest.first() == Some(&b'"') {
            return Some(self.quoted(rest));
        }
        let field = match rest.iter().position(|&byte| byte == self.delimiter) {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                &rest[..end]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(Ok(Cow::Borrowed(field.trim_ascii())))
    }

    fn quoted(&mut self, rest: &'a [u8]) -> Result<Cow<'a, [u8]>, TableProblem> {
        let mut text: Option<Vec<u8>> = None; // only for a text with quotation marks in it
        let mut start = 1;
        loop {
            let length =
                rest[start..].iter().position(|&byte| byte == b'"').ok_or(TableProblem::OpenQuote)?;
            let (end, part) = (start + length, &rest[start..start + length]);
            if rest.get(end + 1) == Some(&b'"') {
                let text = text.get_or_insert_default();
                text.extend_from_slice(part);
                text.push(b'"');
                start = end + 2;
                continue;
            }
            let after = rest[end + 1..].iter().position(|&byte| byte == self.delimiter);
            self.rest = after.map(|offset| &rest[end + 1 + offset + 1..]);
            return Ok(match text {
                None => Cow::Borrowed(part),
                Some(mut text) => {
                    text.extend_from_slice(part);
                    Cow::Owned(text)
                }
            });
        }
    }
}

/// All fields of a line as text.
pub(super) fn texts(line: &[u8], delimiter: u8) -> Result<Vec<String>, TableProblem> {
    let mut fields = Fields::of(line, delimiter);
    let mut texts = Vec::new();
    while let Some(field) = fields.next() {
        texts.push(String::from_utf8_lossy(&field?).into_owned());
    }
    Ok(texts)
}

/// What parts the columns: what the file's ending says, where `line` (the first of counts) has it, else the one that
/// parts it most often.
pub(super) fn sniff(file_name: &str, line: &[u8]) -> Option<u8> {
    let lower = file_name.to_lowercase();
    let by_ending = match lower.strip_suffix(".gz").unwrap_or(&lower).rsplit_once('.') {
        Some((_, "csv")) => Some(b','),
        Some((_, "tsv" | "tab")) => Some(b'\t'),
        _ => None,
    };
    let count = |delimiter: u8| {
        let mut fields = Fields::of(line, delimiter);
        let mut parts = 0_usize;
        while let Some(Ok(_)) = fields.next() {
            parts += 1;
        }
        parts
    };
    by_ending.filter(|&delimiter| count(delimiter) > 1).or_else(|| {
        // The space comes last and parts names too: only where nothing else parts the line.
        let [usual @ .., space] = DELIMITERS;
        let best = usual.into_iter().rev().max_by_key(|&delimiter| count(delimiter));
        best.into_iter().chain([space]).find(|&delimiter| count(delimiter) > 1)
    })
}

#[cfg(test)]
mod tests {
    use super::{sniff, texts};
    use crate::error::TableProblem;

    #[test]
    fn quotes_hold_delimiters_and_quotes() {
        let fields = |line: &str| texts(line.as_bytes(), b',').unwrap();
        assert_eq!(
            fields(r#""a,b", c ,,"d ""e""","f"#.trim_end_matches(",\"f")),
            ["a,b", "c", "", "d \"e\""]
        );
        assert_eq!(fields(""), [""]);
        assert_eq!(fields("a,"), ["a", ""]);
        assert_eq!(fields("\"\",\"x\""), ["", "x"]);
        assert_eq!(texts(b"a,\"b", b','), Err(TableProblem::OpenQuote));
    }

    #[test]
    fn the_ending_says_it_unless_the_line_says_otherwise() {
        assert_eq!(sniff("a.csv", b"g,1,2\t"), Some(b','));
        assert_eq!(sniff("a.csv.gz", b"g\t1\t2"), Some(b'\t'));
        assert_eq!(sniff("a.csv", b"g;1;2"), Some(b';'));
        assert_eq!(sniff("a.TSV", b"g,h\t1\t2"), Some(b'\t'));
        assert_eq!(sniff("a.txt", b"\"g h\" 1 2"), Some(b' '));
        assert_eq!(sniff("a.txt", b"T cell,1,2"), Some(b','));
        assert_eq!(sniff("a.txt", b"one"), None);
    }
}
