//! Converts a stream record to the form in which Lambda passes it to a function.

use aws_sdk_dynamodbstreams::primitives::DateTime;
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record as SdkRecord, StreamRecord};
use chrono::{TimeZone, Utc};
use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// A record for a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Position in the stream.
    pub(super) sequence_number: String,
    /// When the item was written, or `None` if the engine does not report it.
    pub(super) written_at: Option<chrono::DateTime<Utc>>,
    /// The record as the function receives it.
    pub(super) event: Value,
}

impl Record {
    /// Converts a record. Returns `None` if it has no sequence number, because no position could be stored for it.
    pub(super) fn read(record: &SdkRecord, region: &str, stream_arn: &str) -> Option<Self> {
        let change = record.dynamodb()?;
        let written_at = change.approximate_creation_date_time();
        let mut event = Map::new();
        let mut put = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                event.insert(name.to_owned(), Value::from(value));
            }
        };
        put("eventID", record.event_id());
        put("eventName", record.event_name().map(|name| name.as_str()));
        put("eventVersion", record.event_version());
        put("eventSource", Some("aws:dynamodb"));
        // Local engines report regions that do not exist.
        put("awsRegion", Some(region));
        put("eventSourceARN", Some(stream_arn));
        event.insert("dynamodb".to_owned(), change_json(change));
        if let Some(identity) = record.user_identity() {
            let identity =
                json!({ "type": identity.r#type(), "principalId": identity.principal_id() });
            event.insert("userIdentity".to_owned(), identity);
        }
        Some(Self {
            sequence_number: change.sequence_number()?.to_owned(),
            written_at: written_at
                .and_then(|time| Utc.timestamp_opt(time.secs(), time.subsec_nanos()).single()),
            event: Value::Object(event),
        })
    }
}

fn change_json(change: &StreamRecord) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    let written_at = change.approximate_creation_date_time();
    put("ApproximateCreationDateTime", written_at.map(seconds));
    put("Keys", change.keys().map(item_json));
    put("NewImage", change.new_image().map(item_json));
    put("OldImage", change.old_image().map(item_json));
    put("SequenceNumber", change.sequence_number().map(Value::from));
    put("SizeBytes", change.size_bytes().map(Value::from));
    let view = change.stream_view_type();
    put(
        "StreamViewType",
        view.map(|view| Value::from(view.as_str())),
    );
    Value::Object(members)
}

/// Seconds since 1970, as an integer if there is no fraction, as Lambda writes them.
fn seconds(time: &DateTime) -> Value {
    if time.subsec_nanos() == 0 {
        Value::from(time.secs())
    } else {
        Value::from(time.as_secs_f64())
    }
}

fn item_json(item: &HashMap<String, AttributeValue>) -> Value {
    let members = item
        .iter()
        .map(|(name, value)| (name.clone(), attribute_json(value)));
    Value::Object(members.collect())
}

/// DynamoDB's JSON notation, such as `{"S": "text"}`. Binary values are base64.
fn attribute_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::Null(null) => json!({ "NULL": (*null) }),
        AttributeValue::B(bytes) => json!({ "B": BASE64.encode(bytes.as_ref()) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Bs(values) => {
            let texts = values.iter().map(|bytes| BASE64.encode(bytes.as_ref()));
            json!({ "BS": texts.collect::<Vec<_>>() })
        }
        AttributeValue::M(members) => json!({ "M": item_json(members) }),
        AttributeValue::L(items) => {
            json!({ "L": items.iter().map(attribute_json).collect::<Vec<_>>() })
        }
        // DynamoDB has no other types.
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodbstreams::primitives::Blob;
    use aws_sdk_dynamodbstreams::types::{Identity, OperationType, StreamViewType};

    #[test]
    fn a_record_has_the_form_that_lambda_sends() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |number: &str| AttributeValue::N(number.to_owned());
        let bytes = || Blob::new([0, 255]);
        let values = AttributeValue::L(vec![
            AttributeValue::Bool(true),
            AttributeValue::Null(true),
            AttributeValue::B(bytes()),
            AttributeValue::Bs(vec![bytes()]),
            AttributeValue::Ss(vec!["a".to_owned()]),
            AttributeValue::Ns(vec!["1".to_owned()]),
            AttributeValue::M(HashMap::from([("n".to_owned(), number("1.50"))])),
        ]);
        let change = StreamRecord::builder()
            .approximate_creation_date_time(DateTime::from_secs(1_700_000_000))
            .keys("id", text("a"))
            .new_image("id", text("a"))
            .new_image("values", values)
            .sequence_number("100000000000000000001")
            .size_bytes(26)
            .stream_view_type(StreamViewType::NewImage);
        let expired = Identity::builder()
            .r#type("Service")
            .principal_id("dynamodb.amazonaws.com");
        let record = SdkRecord::builder()
            .event_id("e1")
            .event_name(OperationType::Insert)
            .event_version("1.1")
            .event_source("aws:dynamodb")
            .aws_region("nowhere")
            .user_identity(expired.build())
            .dynamodb(change.build())
            .build();
        let arn = "arn:aws:dynamodb:eu-west-1:1:table/T/stream/local";
        let record = Record::read(&record, "eu-west-1", arn).unwrap();
        assert_eq!(record.sequence_number, "100000000000000000001");
        assert_eq!(record.written_at.unwrap().timestamp(), 1_700_000_000);
        assert_eq!(
            record.event,
            json!({
                "eventID": "e1",
                "eventName": "INSERT",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "eu-west-1",
                "eventSourceARN": arn,
                "userIdentity": { "type": "Service", "principalId": "dynamodb.amazonaws.com" },
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_700_000_000,
                    "Keys": { "id": { "S": "a" } },
                    "NewImage": {
                        "id": { "S": "a" },
                        "values": { "L": [
                            { "BOOL": true }, { "NULL": true }, { "B": "AP8=" }, { "BS": ["AP8="] },
                            { "SS": ["a"] }, { "NS": ["1"] }, { "M": { "n": { "N": "1.50" } } },
                        ] },
                    },
                    "SequenceNumber": "100000000000000000001",
                    "SizeBytes": 26,
                    "StreamViewType": "NEW_IMAGE",
                },
            })
        );
    }
}
