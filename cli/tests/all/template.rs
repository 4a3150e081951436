//! Templates as they are read: intrinsics worked out, and nothing unknown passed over.

mod deployment;
mod events;
mod intrinsics;
mod refused;
