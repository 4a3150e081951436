//! Independence of hashes: the variants of two experiments, and the parts of two layers, have nothing to do with each other.

use domain::bucketing::bucket;

const USERS: usize = 200_000;
const SEEDS: usize = 20;

/// The chi-squared statistic of independence of two divisions of the users, each into two groups. It has one degree of
/// freedom.
fn chi_squared(a: &[bool], b: &[bool]) -> f64 {
    let mut counts = [[0.0_f64; 2]; 2];
    for (a, b) in a.iter().zip(b) {
        counts[usize::from(*a)][usize::from(*b)] += 1.0;
    }
    let total: f64 = counts.iter().flatten().sum();
    let mut statistic = 0.0;
    for row in 0..2 {
        for column in 0..2 {
            let of_row: f64 = counts[row].iter().sum();
            let of_column: f64 = counts.iter().map(|row| row[column]).sum();
            let expected = of_row * of_column / total;
            statistic += (counts[row][column] - expected).powi(2) / expected;
        }
    }
    statistic
}

/// Whether each user's bucket value is below a bound.
fn division(seed: &str, below: u16) -> Vec<bool> {
    let users = (0..USERS).map(|number| format!("user-{number}"));
    users.map(|user| bucket(seed, &user) < below).collect()
}

/// The largest statistic of all pairs, and the number of pairs above the 95th percentile of the distribution.
fn pairs(divisions: &[Vec<bool>]) -> (f64, usize, usize) {
    let mut all = Vec::new();
    for (index, a) in divisions.iter().enumerate() {
        all.extend(divisions[..index].iter().map(|b| chi_squared(a, b)));
    }
    let largest = all.iter().copied().max_by(f64::total_cmp).unwrap();
    let above = all.iter().filter(|statistic| **statistic > 3.841).count();
    (largest, above, all.len())
}

#[test]
fn experiments_and_layers_divide_users_independently() {
    // Experiments with two equal variants, layers with a part of 20%, and both together: the users of a part of a layer are
    // divided by the experiment's own seed.
    let experiments: Vec<_> = (0..SEEDS)
        .map(|n| division(&format!("experiment-{n}"), 5_000))
        .collect();
    let layers: Vec<_> = (0..SEEDS)
        .map(|n| division(&format!("layer-{n}"), 2_000))
        .collect();
    let both = [&experiments[..SEEDS / 2], &layers[..SEEDS / 2]].concat();
    for divisions in [experiments, layers, both] {
        let (largest, above, pairs) = pairs(&divisions);
        assert_eq!(pairs, SEEDS * (SEEDS - 1) / 2);
        // The probability that one of 190 pairs exceeds it by chance is 0.001.
        assert!(largest < 20.4, "{largest}");
        // The expectation is 9.5 of 190, with a standard deviation of 3.0.
        assert!(above <= 22, "{above} of {pairs}");
    }
}

#[test]
fn equal_seeds_are_not_independent() {
    let (a, b) = (division("same", 5_000), division("same", 2_000));
    assert!(chi_squared(&a, &b) > 1_000.0);
}
