//! Text files line by line, plain or gzip (told by their first bytes, not by their name), with bounded memory.
//! What the lines mean must not live here.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{CellsError, TextProblem};

const FILE_BUFFER_BYTES: usize = 64 << 10;
const LINE_BUFFER_BYTES: usize = 256 << 10;
/// Longest line that is read: far beyond any gene or barcode, and short enough that no file can exhaust memory by
/// leaving out its line ends.
const MAX_LINE_BYTES: usize = 1 << 20;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A file's decompressed bytes, and what is known of the file.
pub(super) struct TextSource {
    pub(super) reader: Box<dyn Read>,
    /// Length of the file as stored.
    pub(super) stored_bytes: u64,
    pub(super) is_gzip: bool,
}

/// Opens a text file, plain or gzip.
pub(super) fn open(path: &Path) -> Result<TextSource, CellsError> {
    let cannot_open = |source| CellsError::io("open", path, source);
    let file = File::open(path).map_err(cannot_open)?;
    let stored_bytes = file.metadata().map_err(cannot_open)?.len();
    let mut buffered = BufReader::with_capacity(FILE_BUFFER_BYTES, file);
    let is_gzip = buffered.fill_buf().map_err(cannot_open)?.starts_with(&GZIP_MAGIC);
    let reader: Box<dyn Read> =
        if is_gzip { Box::new(MultiGzDecoder::new(buffered)) } else { Box::new(buffered) };
    Ok(TextSource { reader, stored_bytes, is_gzip })
}

/// What a failed read of `path` means, after `line` complete lines.
pub(super) fn read_error(path: &Path, is_gzip: bool, line: u64, source: io::Error) -> CellsError {
    let problem = match source.kind() {
        io::ErrorKind::UnexpectedEof if is_gzip => TextProblem::TruncatedGzip,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if is_gzip => {
            TextProblem::CorruptGzip { why: source.to_string() }
        }
        _ => return CellsError::io("read", path, source),
    };
    CellsError::text(path, line, problem)
}

/// One line without its end (`\n` or `\r\n`).
pub(super) struct Line<'a> {
    /// 1-based.
    pub(super) number: u64,
    pub(super) bytes: &'a [u8],
}

/// Reads a text file line by line. Only one buffer is held, at most as long as the longest line.
pub(super) struct LineReader {
    path: PathBuf,
    source: TextSource,
    max_line_bytes: usize,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end_of_file: bool,
    lines_read: u64,
}

impl LineReader {
    pub(super) fn open(path: &Path) -> Result<Self, CellsError> {
        Self::open_wide(path, MAX_LINE_BYTES)
    }

    /// For files whose lines may be longer.
    pub(super) fn open_wide(path: &Path, max_line_bytes: usize) -> Result<Self, CellsError> {
        Ok(Self {
            path: path.to_owned(),
            source: open(path)?,
            max_line_bytes,
            buffer: vec![0; LINE_BUFFER_BYTES],
            start: 0,
            end: 0,
            at_end_of_file: false,
            lines_read: 0,
        })
    }

    /// How many lines have been handed out.
    pub(super) fn lines_read(&self) -> u64 {
        self.lines_read
    }

    /// An upper bound for the number of decompressed bytes: what the stored length allows. (Deflate can't do better
    /// than 1032 : 1.)
    pub(super) fn max_text_bytes(&self) -> u64 {
        if self.source.is_gzip {
            self.source.stored_bytes.saturating_mul(1032)
        } else {
            self.source.stored_bytes
        }
    }

    /// Length of the file as stored.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.source.stored_bytes
    }

    /// The next line; `None` at the end of the file. A last line without line end counts.
    pub(super) fn next_line(&mut self) -> Result<Option<Line<'_>>, CellsError> {
        let mut searched = self.start;
        let (line_end, next_start) = loop {
            let found = self.buffer[searched..self.end].iter().position(|&byte| byte == b'\n');
            if let Some(offset) = found {
                break (searched + offset, searched + offset + 1);
            }
            if self.at_end_of_file {
                if self.start == self.end {
                    return Ok(None);
                }
                break (self.end, self.end);
            }
            let unfinished = self.end - self.start;
            self.fill()?;
            searched = self.start + unfinished;
        };
        self.lines_read += 1;
        let bytes = &self.buffer[self.start..line_end];
        self.start = next_start;
        Ok(Some(Line { number: self.lines_read, bytes: bytes.strip_suffix(b"\r").unwrap_or(bytes) }))
    }

    /// Moves the unfinished line to the front and reads more behind it.
    fn fill(&mut self) -> Result<(), CellsError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            if self.end >= self.max_line_bytes {
                let problem = TextProblem::LineTooLong { max_bytes: self.max_line_bytes };
                return Err(CellsError::text(&self.path, self.lines_read + 1, problem));
            }
            self.buffer.resize(2 * self.end, 0);
        }
        let read = loop {
            match self.source.reader.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read =
            read.map_err(|source| read_error(&self.path, self.source.is_gzip, self.lines_read, source))?;
        self.at_end_of_file = read == 0;
        self.end += read;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{LineReader, MAX_LINE_BYTES};

    fn lines_of(content: &[u8]) -> Result<Vec<String>, crate::CellsError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let mut reader = LineReader::open(file.path())?;
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line()? {
            assert_eq!(line.number, lines.len() as u64 + 1);
            lines.push(String::from_utf8(line.bytes.to_vec()).unwrap());
        }
        Ok(lines)
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_file() {
        assert_eq!(lines_of(b"").unwrap(), Vec::<String>::new());
        assert_eq!(lines_of(b"a\r\n\nb").unwrap(), ["a", "", "b"]);
        assert_eq!(lines_of(b"a\n").unwrap(), ["a"]);
    }

    #[test]
    fn a_line_may_be_longer_than_the_buffer_but_not_endless() {
        let long = "x".repeat(MAX_LINE_BYTES - 2);
        assert_eq!(lines_of(format!("{long}\ny\n").as_bytes()).unwrap(), [long.as_str(), "y"]);
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert!(lines_of(&endless).unwrap_err().to_string().contains("longer than"));
    }
}
