//! Opens the file of an import, and recognises files that are not CSV in UTF-8.

use domain::limits::MAX_BODY_BYTES;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The operating system refused a read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no header.
    #[error("the file is empty; a CSV file begins with a header")]
    Empty,
    /// The header is not UTF-8.
    #[error("the header is not UTF-8. Save the file as \"CSV UTF-8\"")]
    HeaderNotUtf8,
    /// The text is UTF-16.
    #[error(
        "the file is UTF-16, not UTF-8. Save it as \"CSV UTF-8\", or convert it: iconv -f UTF-16 -t UTF-8 FILE | assay import - …"
    )]
    Utf16,
    /// The file is compressed with gzip.
    #[error("the file is compressed with gzip. Decompress it: zcat FILE | assay import - …")]
    Gzip,
    /// The file is a ZIP archive, as Excel workbooks are.
    #[error("the file is a ZIP archive or an Excel workbook, not CSV. Export it as \"CSV UTF-8\"")]
    Zip,
    /// A cell begins with a quote that is not closed.
    #[error(
        "the quote at the start of a cell in line {line} is not closed {within}. Close it, or write a quote inside a cell twice (\"\")"
    )]
    UnclosedQuote {
        /// Line of the quote.
        line: u64,
        /// Where the end of the cell was expected.
        within: &'static str,
    },
}

/// The source of the rows: a file that can be read twice, or a stream that can be read once.
pub(super) enum Source {
    File(File),
    Stream(Box<dyn Read + Send>),
}

impl Source {
    /// Opens a file, or standard input if the path is `-`. If the rows are needed twice, a stream is copied to a temporary
    /// file first.
    pub(super) fn open(path: &Path, twice: bool) -> io::Result<Self> {
        let stream: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            let file = File::open(path)?;
            if file.metadata()?.is_file() {
                return Ok(Self::File(file));
            }
            Box::new(file)
        };
        if !twice {
            return Ok(Self::Stream(stream));
        }
        let mut stream = stream;
        // The operating system deletes this file when it is closed, even if the process is killed.
        let mut copy = tempfile::tempfile()?;
        io::copy(&mut stream, &mut copy)?;
        Ok(Self::File(copy))
    }

    /// A reader from the start of the rows. A stream can be read once; after that it is empty.
    pub(super) fn read(&mut self) -> Result<CheckedText<Box<dyn Read + Send>>, FileFault> {
        match self {
            Self::File(file) => {
                file.seek(SeekFrom::Start(0))?;
                checked(Box::new(file.try_clone()?))
            }
            Self::Stream(stream) => checked(std::mem::replace(stream, Box::new(io::empty()))),
        }
    }
}

/// A reader of text whose first bytes were checked.
pub(super) type CheckedText<R> = Chain<Cursor<Vec<u8>>, R>;

/// Checks the first bytes of a file.
fn checked<R: Read>(mut reader: R) -> Result<CheckedText<R>, FileFault> {
    let mut start = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut start)?;
    match start.as_slice() {
        [] | [0xef, 0xbb, 0xbf] => Err(FileFault::Empty),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(FileFault::Utf16),
        [0x1f, 0x8b, ..] => Err(FileFault::Gzip),
        b"PK\x03\x04" => Err(FileFault::Zip),
        // Without a byte-order mark, an ASCII character of UTF-16 is a byte beside a zero.
        bytes if bytes.contains(&0) => Err(FileFault::Utf16),
        _ => Ok(Cursor::new(start).chain(reader)),
    }
}

/// A reader of CSV text that knows whether a quote is open.
///
/// A missing quote makes one cell of the rest of the file. The CSV reader accepts such a cell at the end of the file.
pub(super) struct QuoteWatch<R> {
    reader: R,
    delimiter: u8,
    state: QuoteState,
    line: u64,
    ended: bool,
    /// The line of a quote that another quote in a later line seems to close.
    misplaced: Option<u64>,
}

#[derive(Clone, Copy)]
enum QuoteState {
    CellStart,
    Unquoted,
    /// Within quotes that began in this line, this many bytes ago.
    Quoted {
        line: u64,
        bytes: usize,
    },
    /// After a quote within quotes: the end of the cell, or the first of two quotes.
    QuoteInQuoted {
        line: u64,
        bytes: usize,
    },
}

impl<R: Read> QuoteWatch<R> {
    pub(super) fn new(reader: R, delimiter: u8) -> Self {
        Self {
            reader,
            delimiter,
            state: QuoteState::CellStart,
            line: 1,
            ended: false,
            misplaced: None,
        }
    }

    /// If the file has been read to its end, checks that no quote is open there.
    pub(super) fn check_end(&self) -> Result<(), FileFault> {
        match self.state {
            QuoteState::Quoted { line, .. } if self.ended => Err(FileFault::UnclosedQuote {
                line,
                within: "before the end of the file",
            }),
            _ => Ok(()),
        }
    }

    /// The state after a byte, by the rules of RFC 4180.
    fn after(&self, byte: u8) -> QuoteState {
        use QuoteState::{CellStart, QuoteInQuoted, Quoted, Unquoted};
        match (self.state, byte) {
            (CellStart, b'"') => Quoted {
                line: self.line,
                bytes: 0,
            },
            (Quoted { line, bytes }, b'"') => QuoteInQuoted { line, bytes },
            (QuoteInQuoted { line, bytes }, b'"') => Quoted {
                line,
                bytes: bytes + 1,
            },
            (Quoted { line, bytes }, _) => Quoted {
                line,
                bytes: bytes + 1,
            },
            (_, b'\n' | b'\r') => CellStart,
            (_, byte) if byte == self.delimiter => CellStart,
            // The byte-order mark of UTF-8 at the start of the file is not part of the first cell.
            (CellStart, 0xef | 0xbb | 0xbf) if self.line == 1 => CellStart,
            _ => Unquoted,
        }
    }
}

impl<R: Read> Read for QuoteWatch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.ended = read == 0 && !buffer.is_empty();
        for &byte in &buffer[..read] {
            let after = self.after(byte);
            if let (QuoteState::QuoteInQuoted { line, .. }, QuoteState::Unquoted) =
                (self.state, after)
                && line < self.line
                && byte != b' '
            {
                self.misplaced.get_or_insert(line);
            }
            self.state = after;
            self.line += u64::from(byte == b'\n');
        }
        // Text after a closing quote is the start of another cell whose first quote closed this one.
        if let Some(line) = self.misplaced {
            let within = "before the next quote, in a later line";
            return Err(io::Error::other(FileFault::UnclosedQuote { line, within }));
        }
        match self.state {
            // No cell of this size fits into a request.
            QuoteState::Quoted { line, bytes } if bytes > MAX_BODY_BYTES => {
                let within = "within 1 MiB";
                Err(io::Error::other(FileFault::UnclosedQuote { line, within }))
            }
            _ => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        checked(bytes)
            .err()
            .map_or_else(String::new, |fault| fault.to_string())
    }

    #[test]
    fn files_that_are_not_utf8_text_are_named() {
        for (bytes, expected) in [
            (&b""[..], "is empty"),
            (b"\xef\xbb\xbf", "is empty"),
            (b"\xff\xfeu\0s\0", "UTF-16"),
            (b"\xfe\xff\0u\0s", "UTF-16"),
            (b"u\0s\0e\0r\0", "UTF-16"),
            (b"\x1f\x8b\x08\0rest", "gzip"),
            (b"PK\x03\x04rest", "Excel"),
        ] {
            assert!(fault(bytes).contains(expected), "{bytes:?}");
        }
        for text in ["a", "user\n", "\u{feff}user\n", "é,b\n"] {
            assert_eq!(fault(text.as_bytes()), "", "{text}");
            let mut all = String::new();
            let mut reader = checked(text.as_bytes()).unwrap();
            reader.read_to_string(&mut all).unwrap();
            assert_eq!(all, text);
        }
    }

    /// The line of the quote that is open at the end, with a reader of one byte at a time and of all at once.
    fn open_quote(text: &str) -> Option<u64> {
        let line = |size: usize| {
            let mut watch = QuoteWatch::new(text.as_bytes(), b',');
            let mut buffer = vec![0; size];
            while watch.read(&mut buffer).unwrap() > 0 {}
            match watch.check_end() {
                Err(FileFault::UnclosedQuote { line, .. }) => Some(line),
                _ => None,
            }
        };
        assert_eq!(line(1), line(4096));
        line(1)
    }

    #[test]
    fn an_open_quote_is_found_with_its_line() {
        for (text, expected) in [
            ("a,b\n1,\"x\n2,y\n", Some(2)),
            ("\u{feff}\"a\n", Some(1)),
            ("\"a\",\"b\"\n\"x\ny\",z\n,\"", Some(4)),
            ("a,b\n1,\"x\"\"\n", Some(2)),
        ] {
            assert_eq!(open_quote(text), expected, "{text}");
        }
        for text in [
            "a,b\n1,5\" screen\n",
            "a,b\n\"x \"\"y\"\"\",\"\"\n",
            "\"a\"b\",c\n",
            "a\n\"x\r\ny\"\r\n",
            "\u{feff}\"a\",b",
        ] {
            assert_eq!(open_quote(text), None, "{text}");
        }
    }

    #[test]
    fn a_quote_that_is_closed_by_the_next_quote_in_a_later_line_is_found() {
        let read = |text: &str| {
            let mut all = Vec::new();
            let mut watch = QuoteWatch::new(text.as_bytes(), b',');
            watch
                .read_to_end(&mut all)
                .map_err(|error| error.to_string())
        };
        let error = read("a,b\n1,\"x\n2,\"y\"\n").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        assert!(read("a,b\n1,\"5\" screen\"\n2,\"y\nz\"\n").is_ok());
    }

    #[test]
    fn a_cell_of_more_than_a_mebibyte_is_an_open_quote() {
        let text = format!("a\n\"{}", "x".repeat(MAX_BODY_BYTES + 70_000));
        let mut all = Vec::new();
        let error = QuoteWatch::new(text.as_bytes(), b',')
            .read_to_end(&mut all)
            .unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
