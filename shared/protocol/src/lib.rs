//! Only tests: `cargo test -p protocol` searches every interleaving of the model in `tests/protocol`.
//!
//! The search takes a minute and its model checker brings many dependencies, so this package is not among the default
//! members: `cargo test` leaves it out, and CI runs it as a step of its own.
