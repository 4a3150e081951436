//! Lines, columns and colours.

/// Prose is broken before this column; tables take what they need.
const WIDTH: usize = 118;
/// Names longer than this lose their middle: the beginning and the end tell them apart.
const LONGEST_NAME: usize = 24;

/// How something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
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

impl Ink {
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

/// What is printed, line by line.
pub(super) struct Paper {
    text: String,
    colours: bool,
}

impl Paper {
    pub(super) fn new(colours: bool) -> Self {
        Self {
            text: String::new(),
            colours,
        }
    }

    pub(super) fn text(self) -> String {
        self.text
    }

    /// An empty line, but never two of them.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    pub(super) fn line(&mut self, ink: Ink, text: &str) {
        self.write(ink, text);
        self.text.push('\n');
    }

    pub(super) fn write(&mut self, ink: Ink, text: &str) {
        // What others have named must not steer the terminal.
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let code = ink.code();
        if self.colours && !code.is_empty() && !text.trim().is_empty() {
            self.text
                .push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m"));
        } else {
            self.text.push_str(&text);
        }
    }

    /// A word on a line of its own, with a margin where it stands on a ground of its own colour.
    pub(super) fn badge(&mut self, ink: Ink, word: &str) {
        if self.colours {
            self.line(ink, &format!(" {word} "));
        } else {
            self.line(ink, word);
        }
    }

    /// A name and what is said of it: on one line, or below it where that is too long.
    pub(super) fn heading(&mut self, name: &str, text: &str) {
        if name.chars().count() + 2 + text.chars().count() <= WIDTH {
            self.write(Ink::Strong, name);
            self.line(Ink::Faint, &format!("  {text}"));
        } else {
            self.line(Ink::Strong, name);
            self.prose(Ink::Faint, "  ", text);
        }
    }

    /// A label and a sentence that is broken into lines, each below the beginning of the first.
    pub(super) fn prose(&mut self, ink: Ink, label: &str, text: &str) {
        let indent = label.chars().count();
        let mut start = label.to_owned();
        for line in broken(text, WIDTH.saturating_sub(indent).max(20)) {
            self.write(Ink::Plain, &start);
            self.line(ink, &line);
            start = " ".repeat(indent);
        }
    }
}

/// The words of a text in lines of at most this many characters, a word that is longer on a line of its own.
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

/// A name short enough for a column.
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

/// Rows of columns: as wide as they must be, and without those that are empty.
pub(super) struct Table<const COLUMNS: usize> {
    heads: [String; COLUMNS],
    /// Columns of words begin at the left; all others end at the right.
    words: &'static [usize],
    rows: Vec<([String; COLUMNS], Ink)>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(heads: [&str; COLUMNS], words: &'static [usize]) -> Self {
        Self {
            heads: heads.map(str::to_owned),
            words,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: [String; COLUMNS], ink: Ink) {
        self.rows.push((cells, ink));
    }

    /// Puts it on the paper.
    pub(super) fn print(&self, paper: &mut Paper) {
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
        let heads = std::iter::once((&self.heads, Ink::Faint));
        for (cells, ink) in heads.chain(self.rows.iter().map(|(cells, ink)| (cells, *ink))) {
            let mut line = String::new();
            for (column, width) in &widths {
                let cell = cells.get(*column).map_or("", String::as_str);
                line.push_str("  ");
                if self.words.contains(column) {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    line.push_str(&format!("{cell:>width$}"));
                }
            }
            paper.line(ink, line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_goes_on_below_its_beginning() {
        let mut paper = Paper::new(false);
        paper.prose(Ink::Plain, "- ", &"word ".repeat(40));
        let text = paper.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(lines[0].starts_with("- word") && lines[1].starts_with("  word"));
    }

    #[test]
    fn names_that_differ_at_the_end_still_differ_when_they_are_short() {
        let (one, other) = (
            "checkout-button-with-a-very-long-name-1",
            "checkout-button-with-a-very-long-name-2",
        );
        assert_ne!(short(one), short(other));
        assert_eq!(short(one).chars().count(), LONGEST_NAME);
        assert_eq!(short("green"), "green");
    }

    #[test]
    fn a_column_without_anything_in_it_is_left_out() {
        let mut table = Table::new(["variant", "lift", "users"], &[0]);
        table.row(["a", "", "1,000"].map(str::to_owned), Ink::Plain);
        let mut paper = Paper::new(false);
        table.print(&mut paper);
        assert_eq!(paper.text(), "  variant  users\n  a        1,000\n");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let mut paper = Paper::new(true);
        paper.line(Ink::Plain, "a\u{1b}[2Jb");
        assert_eq!(paper.text(), "a[2Jb\n");
    }
}
