//! Only benchmarks: `cargo bench -p bench`, or `scripts/bench-stats` beside another engine.
//!
//! A package of its own, which `cargo build` and `cargo test` leave out: the features that `criterion` turns on in other
//! crates would otherwise make `cargo test` compile the AWS SDK a second time.
