//! The size of the searches of `scripts/check soak`.

/// The part of a size that is searched: `ASSAY_SOAK_PERCENT` percent of it, at least one. CI has less time than a whole soak
/// takes.
pub(crate) fn part_of(whole: usize) -> usize {
    let percent = std::env::var("ASSAY_SOAK_PERCENT");
    let percent: usize = percent.map_or(100, |percent| percent.parse().unwrap());
    (whole * percent / 100).max(1)
}
