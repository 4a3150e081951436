//! The whole platform: start, stop, restart with the same data, and crashes.

mod crash;
mod restart;
mod start;
mod streams;
mod support;
mod tables;
