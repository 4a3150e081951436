//! Parsing of templates: intrinsic functions are resolved, and unknown keys are refused.

mod deployment;
mod events;
mod guards;
mod intrinsics;
mod operations;
mod refused;
