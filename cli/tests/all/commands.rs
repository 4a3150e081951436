//! The commands of `assay` as they are typed, against a platform of their own each.

mod audit;
mod example;
mod import;
mod questions;
mod replay;
mod results;
mod retries;
mod simulate;
mod support;
mod token;
