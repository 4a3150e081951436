//! Lines, columns and colours of the output.

/// Maximum width of prose. Tables may be wider.
const WIDTH: usize = 118;
/// Longer names are shortened in the middle, because names often differ at the beginning or at the end.
const LONGEST_NAME: usize = 24;

/// Colour and weight of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Warning,
    Ship,
    Wait,
    Stop,
    Alarm,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warning => "1;33",
            Self::Ship => "1;30;42",
            Self::Wait => "1;30;46",
            Self::Stop => "1;30;43",
            Self::Alarm => "1;37;41",
        }
    }
}

/// The text to print.
pub(super) struct TerminalText {
    text: String,
    colours: bool,
}

impl TerminalText {
    pub(super) fn new(colours: bool) -> Self {
        Self {
            text: String::new(),
            colours,
        }
    }

    pub(super) fn text(self) -> String {
        self.text
    }

    /// Adds an empty line unless there already is one.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    pub(super) fn line(&mut self, style: Style, text: &str) {
        self.write(style, text);
        self.text.push('\n');
    }

    pub(super) fn write(&mut self, style: Style, text: &str) {
        // Control characters are removed, because names come from other users and must not control the terminal.
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let code = style.code();
        if self.colours && !code.is_empty() && !text.trim().is_empty() {
            self.text
                .push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m"));
        } else {
            self.text.push_str(&text);
        }
    }

    /// Adds a word on a separate line. With colours it gets a margin, because its background is coloured.
    pub(super) fn badge(&mut self, style: Style, word: &str) {
        if self.colours {
            self.line(style, &format!(" {word} "));
        } else {
            self.line(style, word);
        }
    }

    /// Adds a name and its description. A long description goes to the next line.
    pub(super) fn heading(&mut self, name: &str, text: &str) {
        if name.chars().count() + 2 + text.chars().count() <= WIDTH {
            self.write(Style::Strong, name);
            self.line(Style::Faint, &format!("  {text}"));
        } else {
            self.line(Style::Strong, name);
            self.prose(Style::Faint, "  ", text);
        }
    }

    /// Adds a label and a text. Further lines of the text are indented like the first.
    pub(super) fn prose(&mut self, style: Style, label: &str, text: &str) {
        let indent = label.chars().count();
        let mut start = label.to_owned();
        for line in broken(text, WIDTH.saturating_sub(indent).max(20)) {
            self.write(Style::Plain, &start);
            self.line(style, &line);
            start = " ".repeat(indent);
        }
    }
}

/// Wraps a text at this number of characters. A longer word gets a separate line.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Shortens a name for a column.
pub(super) fn short(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let (front, back) = (LONGEST_NAME / 2, LONGEST_NAME - LONGEST_NAME / 2 - 1);
    let beginning = characters.iter().take(front);
    let end = characters.iter().skip(characters.len() - back);
    beginning.chain(['…'].iter()).chain(end).collect()
}

/// A table. Its columns are as wide as their content, and empty columns are left out.
pub(super) struct Table<const COLUMNS: usize> {
    heads: [String; COLUMNS],
    /// Columns that are aligned to the left. The others are aligned to the right.
    left_aligned: &'static [usize],
    rows: Vec<([String; COLUMNS], Style)>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(heads: [&str; COLUMNS], left_aligned: &'static [usize]) -> Self {
        Self {
            heads: heads.map(str::to_owned),
            left_aligned,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: [String; COLUMNS], style: Style) {
        self.rows.push((cells, style));
    }

    /// Adds the table to the text.
    pub(super) fn print(&self, terminal: &mut TerminalText) {
        if self.rows.is_empty() {
            return;
        }
        let width = |column: usize| {
            let of = |cells: &[String; COLUMNS]| {
                cells.get(column).map_or(0, |cell| cell.chars().count())
            };
            let widest = self.rows.iter().map(|(cells, _)| of(cells)).max();
            match widest {
                Some(widest) if widest > 0 => Some(widest.max(of(&self.heads))),
                _ => None,
            }
        };
        let widths: Vec<(usize, usize)> = (0..COLUMNS)
            .filter_map(|column| Some((column, width(column)?)))
            .collect();
        let heads = std::iter::once((&self.heads, Style::Faint));
        for (cells, style) in heads.chain(self.rows.iter().map(|(cells, style)| (cells, *style))) {
            let mut line = String::new();
            for (column, width) in &widths {
                let cell = cells.get(*column).map_or("", String::as_str);
                line.push_str("  ");
                if self.left_aligned.contains(column) {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    line.push_str(&format!("{cell:>width$}"));
                }
            }
            terminal.line(style, line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_is_wrapped_and_indented() {
        let mut terminal = TerminalText::new(false);
        terminal.prose(Style::Plain, "- ", &"word ".repeat(40));
        let text = terminal.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(lines[0].starts_with("- word") && lines[1].starts_with("  word"));
    }

    #[test]
    fn shortened_names_still_differ_at_the_end() {
        let (one, other) = (
            "checkout-button-with-a-very-long-name-1",
            "checkout-button-with-a-very-long-name-2",
        );
        assert_ne!(short(one), short(other));
        assert_eq!(short(one).chars().count(), LONGEST_NAME);
        assert_eq!(short("green"), "green");
    }

    #[test]
    fn an_empty_column_is_left_out() {
        let mut table = Table::new(["variant", "lift", "users"], &[0]);
        table.row(["a", "", "1,000"].map(str::to_owned), Style::Plain);
        let mut terminal = TerminalText::new(false);
        table.print(&mut terminal);
        assert_eq!(terminal.text(), "  variant  users\n  a        1,000\n");
    }

    #[test]
    fn a_name_cannot_control_the_terminal() {
        let mut terminal = TerminalText::new(true);
        terminal.line(Style::Plain, "a\u{1b}[2Jb");
        assert_eq!(terminal.text(), "a[2Jb\n");
    }
}
