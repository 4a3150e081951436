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

/// Prints rows of the same number of cells as a table.
pub(crate) fn print_table<const N: usize>(rows: &[[String; N]]) {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        print(cells.join("  ").trim_end());
    }
}

/// Removes control characters, because texts come from other users and must not control the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
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
