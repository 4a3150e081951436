//! The options of `assay import`.

use super::cells::CellFormats;
use super::mapping::{Condition, DimensionMapping, EventMapping, ImportMapping};
use super::numbers::DecimalMark;
use super::rows::RowRules;
use super::survey::SameInstant;
use crate::client::Connection;
use crate::time::TimeFormat;
use std::path::PathBuf;

const EXAMPLES: &str = "\
How rows are converted:
  A row is an assignment if --variant is given and every --assignments-when is true. A row with an empty variant or an
  empty time is not an assignment.
  A row is an event for each --event whose conditions are true. The form of --event is TYPE, followed by any of these:
    ,value=COLUMN     the value. If the cell is empty, the row is not an event. Zero is a value; to exclude zeros,
                      add when=COLUMN!=0
    ,time=TIME        the time of the event, instead of --event-at. If the cell is empty, the row is not an event
    ,when=CONDITION   only rows with this condition. If there are several, all must be true
    ,id=COLUMN        the event id. Without it an event is identified by its content; rows with equal content are
                      numbered, so that each of them is an event
    ,property=COLUMN  a property, unless the cell is empty. It can be repeated
  TYPE can be {COLUMN}; then each row contains its type.
  A CONDITION is COLUMN=VALUE or COLUMN!=VALUE and compares text. A TIME is a column, or one instant for all rows:
  2026-01-31T09:30:00Z, 2026-01-31 09:30:00.123456 (UTC, because it has no offset), 2026-01-31 09:30:00 +0200 or
  2026-01-31. For numbers since 1970, add --time-format.
  If a value has a comma, the import asks for --decimal-mark and sends nothing. From standard input without assignments,
  such rows are listed and not sent.

Several rows of a user:
  Each user's earliest assignment is imported, whatever the order of the rows. The file is therefore read twice. Standard
  input with assignments is copied to a temporary file first; standard input without assignments is sent as it arrives.
  Users with rows of more than one variant are reported. --exclude-multiple-variants leaves them out.

Events at the instant of the assignment:
  An event counts only if it is later than the assignment of its user. Some files have one time for both. Such events are
  not sent until --same-instant says whether they happened after the assignment (counts) or before it (before).

Examples:
  One row per user, with outcomes in columns and without times (user,variant,amount,retained):
    assay import players.csv --experiment gate --user user --variant variant --assigned-at 2026-01-01 \\
      --event-at 2026-01-15 --event retained,when=retained=TRUE --event spent,value=amount

  One row per action (time,user,group,action):
    assay import actions.csv --experiment homepage --user user --variant group --assigned-at time \\
      --assignments-when action=view --event click,time=time,when=action=click

  The same file with attributes of the users (home,os), for an experiment with the dimensions country and platform:
    assay import actions.csv --experiment homepage --user user --variant group --assigned-at time \\
      --assignments-when action=view --dimension country=home --dimension platform=os

  Only events, with their types in a column, from another program:
    zcat events.csv.gz | assay import - --user user --event '{name},time=at,value=amount,property=country'

To resume an interrupted import, run the same command again. Stored records do not change.
The exit code is 1 if a row was not imported.";

/// Import assignments and events from a CSV file.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ImportArgs {
    /// CSV file with a header, or - for standard input.
    pub file: PathBuf,
    #[command(flatten)]
    pub(super) connection: Connection,
    /// Id of the experiment of the assignments.
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "event",
        requires = "variant"
    )]
    pub(super) experiment: Option<String>,
    /// Column with the user id.
    #[arg(long, value_name = "COLUMN")]
    pub(super) user: String,
    /// Column with the user's variant.
    #[arg(long, value_name = "COLUMN", requires_all = ["experiment", "assigned_at"])]
    pub(super) variant: Option<String>,
    /// Time of the assignment.
    #[arg(long, value_name = "TIME", requires = "variant")]
    pub(super) assigned_at: Option<String>,
    /// Condition of assignment rows. If there are several, all must be true.
    #[arg(long, value_name = "CONDITION", requires = "variant")]
    pub(super) assignments_when: Vec<Condition>,
    /// Attribute of an assigned user for a dimension of the experiment, such as `country=COLUMN`. An empty cell means that
    /// the user has no such attribute.
    #[arg(long, value_name = "DIMENSION=COLUMN", requires = "variant")]
    pub(super) dimension: Vec<DimensionMapping>,
    /// How rows are converted to events, such as `click,time=at,when=action=click`; see below.
    #[arg(long, value_name = "EVENT")]
    pub(super) event: Vec<EventMapping>,
    /// Time of events whose --event has no `time`.
    #[arg(long, value_name = "TIME", requires = "event")]
    pub(super) event_at: Option<String>,
    /// How the times in the columns are written.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) time_format: TimeFormat,
    /// The decimal mark of values. Without it, a value with a comma stops the import before anything is sent.
    #[arg(long, value_name = "MARK", requires = "event")]
    pub(super) decimal_mark: Option<DecimalMark>,
    /// Whether events at the very instant of their user's assignment happened after it.
    #[arg(long, value_name = "RULE", requires_all = ["event", "variant"])]
    pub(super) same_instant: Option<SameInstant>,
    /// Leave out the assignments of users whose rows have more than one variant.
    #[arg(long, requires = "variant")]
    pub(super) exclude_multiple_variants: bool,
    /// Separator of cells; `\t` means a tab.
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    pub(super) delimiter: u8,
    /// Number of concurrent requests.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) parallel: u16,
    /// Maximum number of listed rows that were not imported.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) list: usize,
    /// Print the outcome as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Do not wait until everything that was sent is counted in the results.
    #[arg(long)]
    pub(super) no_wait: bool,
}

impl ImportArgs {
    /// The mapping in the options.
    pub(super) fn mapping(&self) -> ImportMapping {
        ImportMapping {
            user: self.user.clone(),
            variant: self.variant.clone(),
            assigned_at: self.assigned_at.clone(),
            assignments_when: self.assignments_when.clone(),
            dimensions: self.dimension.clone(),
            events: self.event.clone(),
            event_at: self.event_at.clone(),
        }
    }

    /// How the cells of the file are written.
    pub(super) fn formats(&self) -> CellFormats {
        CellFormats {
            time: self.time_format,
            decimal_mark: self.decimal_mark,
        }
    }

    /// What to do with several rows of a user.
    pub(super) fn rules(&self) -> RowRules {
        RowRules {
            same_instant: self.same_instant,
            exclude_multiple_variants: self.exclude_multiple_variants,
        }
    }

    /// The size of the file in bytes, if it is known.
    pub(super) fn length(&self) -> Option<u64> {
        let metadata = std::fs::metadata(&self.file).ok()?;
        metadata.is_file().then_some(metadata.len())
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => Err("must be one ASCII character, or \\t for a tab".to_owned()),
    }
}
