//! Results name declared dimensions that almost no user has a value of.

use super::super::support::{Caller, ago};
use super::world;
use serde_json::{Value, json};
use std::ops::Range;

/// Imports users who all have a platform, and perhaps a country.
async fn import(admin: &Caller, numbers: Range<usize>, country: Option<&str>) {
    let rows = numbers.map(|number| {
        let mut attributes = json!({"platform": "web"});
        if let Some(country) = country {
            attributes["country"] = json!(country);
        }
        let variant = ["control", "green"][number % 2];
        json!({
            "user_id": format!("u{number}"), "variant": variant, "assigned_at": ago(600).to_string(), "attributes": attributes,
        })
    });
    let rows: Vec<Value> = rows.collect();
    admin.import("e", &rows).await;
}

#[tokio::test]
async fn results_name_a_dimension_that_almost_no_user_has_a_value_of() {
    let world = world().await;
    let admin = world.admin();
    let country = |users: u64, with_value: u64| json!([{"dimension": "country", "users": users, "users_with_value": with_value}]);
    for (numbers, sent, found) in [
        (0..99, None, Value::Null),
        (99..100, None, country(100, 0)),
        (100..101, Some("DE"), country(101, 1)),
        (101..102, Some("FR"), Value::Null),
    ] {
        let name = format!("{numbers:?}");
        import(&admin, numbers, sent).await;
        world.platform.settle().await;
        for source in ["aggregates", "raw"] {
            let results = admin.results("e", &format!("source={source}")).await;
            let quality = &results["data_quality"]["dimensions_without_values"];
            assert_eq!(*quality, found, "{name} from {source}");
            let notes = results["decision"]["notes"].to_string();
            let says = notes.contains("The dimension `country` has a value for");
            assert_eq!(says, found != Value::Null, "{name}: {notes}");
        }
    }
    // Without a breakdown, the aggregates of the dimensions are not read.
    let bare = admin.results("e", "dimension=none").await;
    assert!(
        bare["data_quality"]
            .get("dimensions_without_values")
            .is_none()
    );
    // Users who are chosen by having no value are no reason to warn.
    let without = admin.results("e", "dimension=country:(none)").await;
    assert_eq!(without["variants"][0]["users"], 50);
    assert!(
        without["data_quality"]
            .get("dimensions_without_values")
            .is_none()
    );
}
