use super::*;
use domain::ids::{DimensionKey, DimensionLabel, VariantKey};

fn assignment(user: &str, values: &[(&str, &str)]) -> IndexedAssignment {
    let values = values.iter().map(|(key, label)| {
        (
            DimensionKey::parse(key).unwrap(),
            DimensionLabel::parse(label).unwrap(),
        )
    });
    IndexedAssignment {
        user_id: UserId::parse(user).unwrap(),
        variant: VariantKey::parse("a").unwrap(),
        assigned_at: Timestamp::from_micros(7),
        attributes: values.collect(),
    }
}

#[test]
fn a_user_of_two_experiments_counts_once_with_all_values() {
    let condition = json!({"country": "DE", "age": {"$gte": 18}});
    let condition = Condition::compile(condition).unwrap();
    let read = [
        assignment("ann", &[("country", "DE")]),
        assignment("ann", &[("age", "30")]),
        assignment("bea", &[("country", "DE"), ("age", "17")]),
    ];
    let found = counted(&condition, Vec::new(), read.into_iter());
    let Audience::Sample {
        users, matching, ..
    } = found
    else {
        panic!("{found:?}");
    };
    assert_eq!((users, matching), (2, 1));
    let none = counted(&condition, vec!["e".to_owned()], std::iter::empty());
    assert_eq!(none, Audience::NoRecentUser(vec!["e".to_owned()]));
}

#[test]
fn a_stored_value_is_the_attribute_that_it_was() {
    assert_eq!(value_of("18"), json!(18.0));
    assert_eq!(value_of("007"), json!("007"));
    assert_eq!(value_of("true"), json!(true));
    assert_eq!(value_of("DE"), json!("DE"));
}
