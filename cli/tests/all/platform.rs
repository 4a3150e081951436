//! The platform as a whole: started, stopped, started again on the same data, and killed.

mod crash;
mod restart;
mod start;
mod streams;
mod support;
mod tables;
