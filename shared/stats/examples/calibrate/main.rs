//! Does the engine keep its promises? Simulated experiments, with known truth, against each bound.
//!
//! Prints a markdown table and fails when a bound is broken. Seeds are fixed: the same numbers come
//! out every time. Sums are drawn between looks, never single users where the distribution of the sum is
//! known, so that it takes minutes on one core.

mod coverage;
mod draw;
mod fixed;
mod power;
mod rare;
mod sequential;
mod split;
mod table;

use std::io;
use std::process::ExitCode;

use table::Table;

/// Experiments behind every line of the table.
const EXPERIMENTS: u32 = 20_000;

fn main() -> io::Result<ExitCode> {
    let mut table = Table::new(io::stdout())?;
    fixed::false_positives(&mut table)?;
    sequential::false_positives(&mut table)?;
    rare::false_positives(&mut table)?;
    rare::time_to_alarm(&mut table)?;
    split::false_alarms(&mut table)?;
    coverage::of_intervals(&mut table)?;
    power::of_plans(&mut table)?;
    Ok(if table.all_hold() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
