//! Templates as they are read: intrinsics worked out, and nothing unknown passed over.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deployment;
mod events;
mod intrinsics;
mod refused;
