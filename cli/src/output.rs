//! What the commands print: results on stdout, everything else on stderr.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

pub(crate) use domain::prose::grouped;

/// Prints a line of what was asked for. Who reads it may have gone already (`assay results | head`), which is
/// no reason to fail.
pub(crate) fn print(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints exactly this, for what has its own line ends.
pub(crate) fn print_raw(text: &str) {
    let _ = write!(std::io::stdout(), "{text}");
}

/// Prints a line that is not part of the result.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether stdout shows colours: a terminal does, unless its user asked for none (no-color.org).
pub(crate) fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !unwanted
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        let written = [0, 999, 1000, 90189, 1234567].map(grouped);
        assert_eq!(written, ["0", "999", "1,000", "90,189", "1,234,567"]);
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(0, "row"), "0 rows");
    }
}
