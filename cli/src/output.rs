//! Output of the commands: results go to stdout, everything else to stderr.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

pub(crate) use domain::prose::grouped;

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

/// Formats a count with its noun: `1 row`, `2 rows`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thousands_separators() {
        let written = [0, 999, 1000, 90189, 1234567].map(grouped);
        assert_eq!(written, ["0", "999", "1,000", "90,189", "1,234,567"]);
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(0, "row"), "0 rows");
    }
}
