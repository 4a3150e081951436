use super::*;
use proptest::prelude::*;

fn variants(percents: &[f64]) -> Variants {
    let variant = |(index, percent): (usize, &f64)| Variant {
        key: VariantKey::parse(&format!("v{index}")).unwrap(),
        percent: *percent,
        name: None,
    };
    Variants::new(percents.iter().enumerate().map(variant).collect()).unwrap()
}

#[test]
fn a_wrong_sum_is_written_as_decimals() {
    for (percents, expected) in [
        (&[33.1, 33.1, 33.1][..], "add up to 99.3;"),
        (&[0.1, 0.2], "add up to 0.3;"),
        (&[50.0, 60.0], "add up to 110;"),
        (&[33.333333, 33.333333, 33.3], "add up to 99.966666;"),
        (&[0.0, 0.0], "add up to 0;"),
        (&[100.0, 0.010_000_01], "add up to 100.01000001;"),
    ] {
        let variant = |(index, percent): (usize, &f64)| Variant {
            key: VariantKey::parse(&format!("v{index}")).unwrap(),
            percent: *percent,
            name: None,
        };
        let faults = Variants::new(percents.iter().enumerate().map(variant).collect()).unwrap_err();
        let detail = &faults[0].1.detail;
        assert!(detail.contains(expected), "{detail}");
    }
}

#[test]
fn a_hundred_thousand_users_split_within_four_standard_errors() {
    for (percents, traffic) in [
        (vec![50.0, 50.0], 100.0),
        (vec![10.0, 20.0, 70.0], 100.0),
        (vec![33.33, 33.33, 33.34], 30.0),
        (vec![99.0, 1.0], 50.0),
    ] {
        let set = variants(&percents);
        let n = 100_000_u32;
        let mut seen = vec![0_u32; percents.len()];
        for user in 0..n {
            let user = UserId::parse(&format!("user-{user}")).unwrap();
            if let Some(variant) =
                set.choose("0f6b5c1e-3f3f-4d0e-9a49-5d1f6ae0b7b5", &user, traffic)
            {
                seen[set.position(&variant.key).unwrap()] += 1;
            }
        }
        for (count, percent) in seen.iter().zip(&percents) {
            let p = percent / 100.0 * traffic / 100.0;
            let standard_error = (p * (1.0 - p) * f64::from(n)).sqrt();
            let distance = (f64::from(*count) - p * f64::from(n)).abs() / standard_error;
            assert!(
                distance < 4.0,
                "{percent} % of {traffic} %: {count}, {distance} standard errors off"
            );
        }
    }
}

#[test]
fn the_last_variant_with_a_share_takes_the_rest_of_the_bucket_values() {
    for percents in [
        vec![33.33, 33.33, 33.33],
        vec![33.33, 33.33, 33.33, 0.0],
        vec![49.995, 49.995, 0.0],
        vec![50.005, 50.005],
        vec![33.33, 33.33, 33.34],
        vec![99.99, 0.0],
        vec![10.0; 10],
    ] {
        let set = variants(&percents);
        let ranges = bucketing::ranges(percents.len(), 1.0, &set.weights());
        for value in 0..10_000 {
            let value = f64::from(value) / 10_000.0;
            let chosen = bucketing::choose(value, &ranges);
            assert!(
                chosen.is_some_and(|index| percents[index] > 0.0),
                "{percents:?} {value}"
            );
        }
    }
    assert_eq!(variants(&[10.0, 20.0, 70.0]).weights(), [0.1, 0.2, 0.7]);
}

proptest! {
    #[test]
    fn raising_the_traffic_moves_nobody(user in "\\PC{1,40}", low in 0.0..=100.0, more in 0.0..=100.0) {
        let set = variants(&[20.0, 30.0, 50.0]);
        let user = UserId::parse(&user).unwrap();
        let high = low + (100.0 - low) * more / 100.0;
        let before = set.choose("seed", &user, low);
        if before.is_some() {
            prop_assert_eq!(set.choose("seed", &user, high), before);
        }
    }
}
