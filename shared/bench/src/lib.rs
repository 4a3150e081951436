//! The benchmarks of the statistics engine and of targeting: `cargo bench -p bench`. `scripts/bench-stats` also compares
//! them with GrowthBook's gbstats. The examples are programs of `scripts/bench-local` and `scripts/bench-flags`.
//!
//! `cargo build` and `cargo test` do not include this package. Otherwise the features that `criterion`
//! enables in other crates make `cargo test` compile the AWS SDK a second time.
