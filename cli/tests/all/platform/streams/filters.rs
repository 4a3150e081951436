//! Filters of records, and mappings that are refused.

use super::{Seen, mapped, put_all, start};
use crate::platform::support::table;
use assay::serve::{Platform, PlatformError, PlatformOptions};
use aws_sdk_dynamodb::types::AttributeValue;

fn filtered(patterns: &[&str]) -> PlatformOptions {
    let filters = patterns
        .iter()
        .map(|pattern| format!("{{ Pattern: '{pattern}' }}"));
    let filters: Vec<String> = filters.collect();
    mapped(&format!(
        "FilterCriteria: {{ Filters: [{}] }}",
        filters.join(", ")
    ))
}

#[tokio::test]
async fn a_function_receives_the_records_that_match_one_of_its_filters() {
    let seen = Seen::default();
    let options = filtered(&[
        r#"{"eventName":["INSERT"],"dynamodb":{"Keys":{"id":{"S":[{"prefix":"event-"}]}}}}"#,
        r#"{"dynamodb":{"Keys":{"id":{"S":["both"]}}}}"#,
    ]);
    let platform = start(options, seen.handler()).await;
    put_all(&platform, &["event-1", "other", "both", "event-2"]).await;
    for id in ["event-1", "both"] {
        let delete = platform.dynamodb.delete_item().table_name(table(&platform));
        let key = AttributeValue::S(id.to_owned());
        delete.key("id", key).send().await.unwrap();
    }
    platform.settle().await;
    assert_eq!(seen.all(), ["event-1", "both", "event-2", "both"]);
}

#[tokio::test]
async fn an_unsupported_pattern_is_refused_even_if_the_function_is_missing() {
    let pattern = r#"{"dynamodb":{"SizeBytes":[{"numeric":[">",5]}]}}"#;
    let error = Platform::start(filtered(&[pattern])).await.err().unwrap();
    assert!(matches!(error, PlatformError::Streams(_)));
    let error = error.to_string();
    assert!(error.contains("of SlowFunction cannot be used"), "{error}");
    assert!(error.contains(pattern), "{error}");
    assert!(error.contains("dynamodb.SizeBytes"), "{error}");
}

#[tokio::test]
async fn an_unsupported_starting_position_is_refused() {
    let mut options = mapped("");
    let text = options.template.unwrap();
    options.template = Some(text.replace("TRIM_HORIZON", "AT_TIMESTAMP"));
    let options = options.with_function("slow", Seen::default().handler());
    let error = Platform::start(options).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "the stream of SlowFunction cannot be used: AT_TIMESTAMP is not a supported StartingPosition"
    );
}
