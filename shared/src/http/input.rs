//! From requests to domain values, all faults at once.

mod allocation;
pub mod assignment;
pub mod assignments;
mod attributes;
pub mod audit;
pub mod batch;
pub mod change;
pub mod client_key;
mod documentation;
pub mod events;
mod exclusion;
pub mod experiment;
pub mod layer;
mod metric;
pub mod plan;
pub mod segment;
mod targeting;
mod text;
pub mod units;
pub mod user;
