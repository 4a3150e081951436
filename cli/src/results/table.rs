//! The table: first the sentence that decides, then the numbers, then whether they can be trusted.

use super::answer::{Answer, Comparison, Metric, SampleRatio, Value};
use super::number::{minute, p_value, percent, plain, signed};
use crate::output::{counted, grouped};

#[derive(Debug, Clone, Copy)]
enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Warning,
}

struct Paper {
    text: String,
    colours: bool,
}

impl Paper {
    fn line(&mut self, ink: Ink, text: &str) {
        self.write(ink, text);
        self.text.push('\n');
    }

    fn write(&mut self, ink: Ink, text: &str) {
        // What others have named must not steer the terminal.
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let code = match ink {
            Ink::Plain => "",
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Bad => "31",
            Ink::Warning => "1;33",
        };
        if self.colours && !code.is_empty() && !text.trim().is_empty() {
            self.text
                .push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m"));
        } else {
            self.text.push_str(&text);
        }
    }
}

/// The whole text.
pub(super) fn render(answer: &Answer, colours: bool) -> String {
    let mut paper = Paper {
        text: String::new(),
        colours,
    };
    let mismatch = answer.health.sample_ratio.verdict == "mismatch";
    title(&mut paper, answer);
    let ink = if mismatch { Ink::Warning } else { Ink::Strong };
    paper.line(ink, &answer.headline);
    // The metric that decides comes first.
    let mut metrics: Vec<&Metric> = answer.metrics.iter().collect();
    metrics.sort_by_key(|metric| metric.role != "primary");
    for metric in metrics {
        paper.line(Ink::Plain, "");
        metric_table(&mut paper, metric, answer.method.alpha, mismatch);
    }
    paper.line(Ink::Plain, "");
    sample_ratio(&mut paper, answer);
    footer(&mut paper, answer);
    paper.text
}

fn title(paper: &mut Paper, answer: &Answer) {
    let about = &answer.experiment;
    let users: u64 = answer.variants.iter().map(|variant| variant.users).sum();
    paper.write(Ink::Strong, &about.name);
    let mut facts = format!(" ({}), {}", about.id, about.status);
    match (&about.started_at, &about.end) {
        (_, Some(end)) => facts += &format!(", ends {}", minute(end)),
        (Some(started), None) => facts += &format!(" since {}", minute(started)),
        _ => {}
    }
    paper.line(Ink::Plain, &format!("{facts}, {}", counted(users, "user")));
    let window = match (&answer.from, &answer.to) {
        (None, None) => String::new(),
        (Some(from), None) => format!(", events from {}", minute(from)),
        (None, Some(to)) => format!(", users and events before {}", minute(to)),
        (Some(from), Some(to)) => format!(
            ", events from {}, users and events before {}",
            minute(from),
            minute(to)
        ),
    };
    paper.line(
        Ink::Faint,
        &format!("as of {}{window}", minute(&answer.as_of)),
    );
    paper.line(Ink::Plain, "");
}

fn metric_table(paper: &mut Paper, metric: &Metric, alpha: f64, mismatch: bool) {
    let rate = metric.kind == "conversion";
    paper.write(Ink::Strong, metric.name.as_ref().unwrap_or(&metric.key));
    let what = match metric.kind.as_str() {
        "conversion" => "users with at least one",
        "count" => "events of a user of type",
        _ => "summed value of a user's",
    };
    let better = if metric.direction == "decrease" {
        "less"
    } else {
        "more"
    };
    paper.line(
        Ink::Faint,
        &format!(
            "  {}: {what} `{}`, {better} is better",
            metric.role, metric.event_type
        ),
    );
    let confidence = (1.0 - alpha) * 100.0;
    let heads = [
        "variant",
        "users",
        if rate { "converted" } else { "with any" },
        if rate { "rate" } else { "mean" },
        "difference",
        "lift",
        &format!("{confidence} % interval of the lift"),
        "p",
        "",
    ];
    let mut rows = vec![(heads.map(str::to_owned), Ink::Faint)];
    for value in &metric.variants {
        let comparison = metric.comparisons.iter().find(|c| c.variant == value.key);
        rows.push(row(metric, value, comparison, alpha, mismatch));
    }
    grid(paper, &rows);
    for comparison in &metric.comparisons {
        let mut reasons: Vec<&str> = comparison
            .undefined
            .iter()
            .map(|reason| reason.message.as_str())
            .collect();
        reasons.dedup();
        if !reasons.is_empty() {
            let what = if comparison.absolute.is_some() {
                "lift"
            } else {
                "comparison"
            };
            let text = format!("  {}: no {what}. {}", comparison.variant, reasons.join(" "));
            paper.line(Ink::Faint, &text);
        }
    }
}

const COLUMNS: usize = 9;

fn row(
    metric: &Metric,
    value: &Value,
    comparison: Option<&Comparison>,
    alpha: f64,
    mismatch: bool,
) -> ([String; COLUMNS], Ink) {
    let rate = metric.kind == "conversion";
    let written = |mean| if rate { percent(mean) } else { plain(mean) };
    let mut cells = <[String; COLUMNS]>::default();
    cells[0].clone_from(&value.key);
    cells[1] = grouped(value.users);
    cells[2] = grouped(value.converted);
    cells[3] = value.mean.map(written).unwrap_or_default();
    let mut ink = Ink::Plain;
    if let Some(lift) = comparison.and_then(|comparison| comparison.relative) {
        (cells[5], cells[6]) = signed(lift, 100.0, " %");
    }
    if let Some(absolute) = comparison.and_then(|comparison| comparison.absolute.as_ref()) {
        let (scale, unit) = if rate { (100.0, " pp") } else { (1.0, "") };
        cells[4] = signed(absolute.interval, scale, unit).0;
        cells[7] = p_value(absolute.p_value, absolute.log10_p_value);
        let up = absolute.interval.estimate > 0.0;
        // A split that is wrong makes every verdict worthless, so none is given.
        (cells[8], ink) = if mismatch {
            (String::new(), Ink::Plain)
        } else if absolute.p_value >= alpha {
            ("no clear difference".to_owned(), Ink::Plain)
        } else if up == (metric.direction != "decrease") {
            ("better".to_owned(), Ink::Good)
        } else {
            ("worse".to_owned(), Ink::Bad)
        };
    }
    (cells, ink)
}

/// Columns as wide as they must be: the first and the last to the left, numbers to the right.
fn grid(paper: &mut Paper, rows: &[([String; COLUMNS], Ink)]) {
    let mut widths = [0; COLUMNS];
    for (cells, _) in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (cells, ink) in rows {
        let mut line = String::from(" ");
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            line.push_str(if index == 0 { " " } else { "  " });
            if index == 0 || index == COLUMNS - 1 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("{cell:>width$}"));
            }
        }
        paper.line(*ink, line.trim_end());
    }
}

fn sample_ratio(paper: &mut Paper, answer: &Answer) {
    let check = &answer.health.sample_ratio;
    let p = check
        .p_value
        .map(|p| format!("p = {}", p_value(p, p.log10())))
        .unwrap_or_default();
    match check.verdict.as_str() {
        "ok" => {
            let text = format!("Sample ratio: {} users, as expected ({p}).", split(check));
            paper.line(Ink::Plain, &text);
        }
        "mismatch" => {
            let text = format!(
                "Sample ratio: {} users where {} were expected ({p}, threshold {}). Something loses or adds users on one side; find it before reading anything into the numbers.",
                split(check),
                expected(check),
                check.threshold
            );
            paper.line(Ink::Warning, &text);
        }
        _ => {
            let text = format!("Sample ratio: {} users, too few to tell.", split(check));
            paper.line(Ink::Plain, &text);
        }
    }
    let robots: u64 = answer.variants.iter().map(|variant| variant.robots).sum();
    if robots > 0 {
        let text = format!(
            "{} left out as robots, for the number of their events.",
            counted(robots, "user")
        );
        paper.line(Ink::Warning, &text);
    }
}

fn split(check: &SampleRatio) -> String {
    let users: Vec<String> = check.observed.iter().map(|users| grouped(*users)).collect();
    users.join(" : ")
}

fn expected(check: &SampleRatio) -> String {
    let users: Vec<String> = check
        .expected
        .iter()
        .map(|users| format!("{users:.1}"))
        .collect();
    users.join(" : ")
}

fn footer(paper: &mut Paper, answer: &Answer) {
    let method = &answer.method;
    let kinds = [("conversion", &method.conversion), ("", &method.mean)];
    let used = kinds.iter().filter(|(kind, _)| {
        let is_rate = |metric: &&Metric| metric.kind == "conversion";
        match *kind {
            "conversion" => answer.metrics.iter().any(|metric| is_rate(&metric)),
            _ => answer.metrics.iter().any(|metric| !is_rate(&metric)),
        }
    });
    let mut tests: Vec<&str> = used.map(|(_, test)| test.as_str()).collect();
    if tests.is_empty() {
        return;
    }
    let relative = format!("lift: {}", method.relative);
    tests.push(&relative);
    paper.line(Ink::Faint, &format!("Tests: {}.", tests.join("; ")));
}
