//! The model search: `cargo test -p protocol` checks every interleaving of the model in `tests/protocol`.
//!
//! The search takes a minute, and the model checker has many dependencies. Therefore this package is not a
//! default member of the workspace: `cargo test` does not run it, and CI runs it in a separate step.
