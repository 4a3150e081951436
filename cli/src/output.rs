//! Output of the commands: results go to stdout, everything else to stderr.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

pub(crate) use domain::prose::{counted, grouped};

/// Prints a line of the result. A closed pipe (`assay results | head`) is not an error.
pub(crate) fn print(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints text that already contains its line ends.
pub(crate) fn print_raw(text: &str) {
    let _ = write!(std::io::stdout(), "{text}");
}

/// Prints a line to stderr that is not part of the result.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether stdout is a terminal and the variable `NO_COLOR` (no-color.org) is not set.
pub(crate) fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !unwanted
}
