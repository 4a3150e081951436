//! The platform as a whole: started, stopped, started again on the same data, and killed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod restart;
mod start;
mod streams;
mod support;
mod tables;
