//! The Markdown table of results, and whether all bounds hold.

use std::io::{self, Write};
use std::ops::RangeInclusive;

pub(crate) struct Table<W> {
    out: W,
    all_hold: bool,
}

impl<W: Write> Table<W> {
    pub(crate) fn new(mut out: W) -> io::Result<Self> {
        writeln!(out, "| promise | experiment | measured | bound | holds |")?;
        writeln!(out, "| --- | --- | ---: | ---: | --- |")?;
        Ok(Self {
            out,
            all_hold: true,
        })
    }

    /// Writes one line: a value in per cent, which must be within the bound.
    pub(crate) fn line(
        &mut self,
        promise: &str,
        experiment: &str,
        percent: f64,
        bound: RangeInclusive<f64>,
    ) -> io::Result<()> {
        let holds = bound.contains(&percent);
        self.all_hold &= holds;
        let text = match (*bound.start(), *bound.end()) {
            (low, high) if low <= 0.0 => format!("at most {high:.1}%"),
            (low, high) if high >= 100.0 => format!("at least {low:.1}%"),
            (low, high) => format!("{low:.1} to {high:.1}%"),
        };
        let mark = if holds { "yes" } else { "**no**" };
        writeln!(
            self.out,
            "| {promise} | {experiment} | {percent:.2}% | {text} | {mark} |"
        )
    }

    /// Writes one line without a bound, for comparison.
    pub(crate) fn remark(
        &mut self,
        promise: &str,
        experiment: &str,
        percent: f64,
    ) -> io::Result<()> {
        writeln!(
            self.out,
            "| {promise} | {experiment} | {percent:.2}% | - | |"
        )
    }

    /// Writes one line with a number of users, for comparison. None if it is above the largest one that is simulated.
    pub(crate) fn users(
        &mut self,
        promise: &str,
        experiment: &str,
        users: Option<u64>,
    ) -> io::Result<()> {
        let text = users.map_or_else(|| "more than 4,000".to_owned(), |users| users.to_string());
        writeln!(self.out, "| {promise} | {experiment} | {text} | - | |")
    }

    pub(crate) fn all_hold(&self) -> bool {
        self.all_hold
    }
}
