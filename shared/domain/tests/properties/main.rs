//! Properties of definitions, assignment and analysis over random inputs and at the edges of their ranges, in one binary.
//!
//! | module | tests |
//! | --- | --- |
//! | `differences` | a change of a user's contribution is the difference of both states |
//! | `edges` | reports of metrics that end or appear, and of few users who convert |
//! | `guarded_ramps` | which traffic holds at every second |
//! | `independence` | experiments and layers divide users independently |
//! | `largest_report` | the largest report fits a response |
//! | `largest_totals` | the largest totals fit an item |
//! | `layers` | no user is in two experiments of a layer |
//! | `rule_order` | a second and a third implementation of the rules |
//!
//! `raw_memory` has a binary of its own, because its allocator counts, and `growthbook`, because its cases come from a file.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking; values that it generates are valid"
)]

mod differences;
mod edges;
mod guarded_ramps;
mod independence;
mod largest_report;
mod largest_totals;
mod layers;
mod rule_order;
