//! Reads the rows of a file, and sends them to the queues.

use super::args::ImportArgs;
use super::columns::Columns;
use super::counts::ImportCounts;
use super::progress::Progress;
use super::queues::{Closed, Queues};
use super::rejections::{RowParts, SentRow};
use super::rows::Rows;
use super::source::{FileFault, QuoteWatch, Source};
use super::survey::Survey;
use super::{ImportError, mapping::MappingError};
use std::io::Read;

/// Reads the file: first to find each user's earliest assignment, and then to send the rows.
pub(super) fn all(
    args: &ImportArgs,
    progress: &Progress,
    mut queues: Queues,
) -> Result<ImportCounts, ImportError> {
    let failed = |fault: FileFault| ImportError::file(args, fault);
    let with_assignments = args.variant.is_some();
    let mut source =
        Source::open(&args.file, with_assignments).map_err(|error| failed(FileFault::Io(error)))?;
    let survey = match source {
        Source::File(_) => Some(survey(args, &mut source)?),
        Source::Stream(_) => None,
    };

    let text = progress.watch(source.read().map_err(failed)?);
    let mut file = CsvFile::new(args, text)?;
    let columns = file.columns(args)?;
    let mut rows = Rows::new(&columns, args.formats(), args.rules(), survey.as_ref());
    let mut counts = ImportCounts::default();
    if let Some(survey) = &survey {
        counts.assignments.users_with_multiple_variants = survey.users_with_several_variants();
    }
    while let Some(read) = file.next().map_err(failed)? {
        counts.rows += 1;
        let line = file.line;
        if let Err(reason) = read {
            let sent = RowParts::default();
            counts.unreadable(SentRow { line, sent }, &[reason]);
            continue;
        }
        let outcome = rows.read(&file.row, line);
        counts.left_out(outcome.left_out);
        let sent = RowParts {
            assignments: u64::from(outcome.assignment.is_some()),
            events: outcome.events.len() as u64,
        };
        let row = SentRow { line, sent };
        if !outcome.errors.is_empty() {
            counts.unreadable(row, &outcome.errors);
        }
        let user_id = columns.user_id(&file.row);
        let pushed = queues.push(user_id, row, outcome.assignment.as_ref(), &outcome.events);
        if let Err(Closed) = pushed {
            // The failed queue returns the error.
            return Ok(counts);
        }
    }
    let _ = queues.finish();
    Ok(counts)
}

/// The first pass over a file, before anything is sent.
fn survey(args: &ImportArgs, source: &mut Source) -> Result<Survey, ImportError> {
    let failed = |fault: FileFault| ImportError::file(args, fault);
    let mut file = CsvFile::new(args, source.read().map_err(failed)?)?;
    let columns = file.columns(args)?;
    let mut survey = Survey::default();
    while let Some(read) = file.next().map_err(failed)? {
        if read.is_ok() {
            let added = survey.add(&columns, args.formats(), &file.row, file.line);
            added.map_err(|fault| ImportError::Unclear {
                line: file.line,
                fault: fault.to_string(),
            })?;
        }
    }
    Ok(survey)
}

/// A CSV file whose rows are read one by one.
struct CsvFile<R> {
    reader: csv::Reader<QuoteWatch<R>>,
    header: csv::StringRecord,
    row: csv::StringRecord,
    /// The line in which the row starts.
    line: u64,
}

impl<R: Read> CsvFile<R> {
    /// Reads the header.
    fn new(args: &ImportArgs, text: R) -> Result<Self, ImportError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(args.delimiter)
            .from_reader(QuoteWatch::new(text, args.delimiter));
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(ImportError::file(args, fault(error))),
        };
        let file = Self {
            reader,
            header,
            row: csv::StringRecord::new(),
            line: 1,
        };
        // With an open quote in the header, the whole file is one cell of the header.
        let quotes = file.reader.get_ref().check_end();
        quotes.map_err(|fault| ImportError::file(args, fault))?;
        if file.header.iter().all(str::is_empty) {
            return Err(ImportError::file(args, FileFault::Empty));
        }
        Ok(file)
    }

    fn columns(&self, args: &ImportArgs) -> Result<Columns, MappingError> {
        Columns::resolve(&args.mapping(), &self.header, args.delimiter)
    }

    /// Reads the next row into `row`. Returns `None` at the end of the file, and a description of a malformed row.
    fn next(&mut self) -> Result<Option<Result<(), String>>, FileFault> {
        self.line = self.reader.position().line();
        match self.reader.read_record(&mut self.row) {
            Ok(false) => {
                self.reader.get_ref().check_end()?;
                Ok(None)
            }
            Ok(true) => {
                self.line = self.row.position().map_or(self.line, csv::Position::line);
                Ok(Some(Ok(())))
            }
            Err(error) if error.is_io_error() => Err(fault(error)),
            Err(error) => {
                let start = error.position().map_or(self.line, csv::Position::line);
                self.line = start;
                let end = self.reader.position().line();
                Ok(Some(Err(malformed(&error, start, end))))
            }
        }
    }
}

fn fault(error: csv::Error) -> FileFault {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.downcast::<FileFault>().unwrap_or_else(FileFault::Io),
        csv::ErrorKind::Utf8 { .. } => FileFault::HeaderNotUtf8,
        _ => FileFault::Io(std::io::Error::other(text)),
    }
}

/// Describes why a row cannot be parsed, without the reader's own positions.
fn malformed(error: &csv::Error, start: u64, end: u64) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            let lines = match end.saturating_sub(1) {
                last if last > start => {
                    format!(
                        "; the row has the lines {start} to {last}, so a quote may be missing in it"
                    )
                }
                _ => String::new(),
            };
            format!("{len} cells, but the header has {expected_len}{lines}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}
