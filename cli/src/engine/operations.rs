//! The operations of DynamoDB that this program and its tests use, on the engine in this process.

use dynoxide::actions::batch_write_item::BatchWriteItemRequest;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::delete_table::DeleteTableRequest;
use dynoxide::actions::put_item::PutItemRequest;
use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::actions::update_item::UpdateItemRequest;
use dynoxide::actions::update_table::UpdateTableRequest;
use dynoxide::actions::update_time_to_live::UpdateTimeToLiveRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// The status and the body of the answer to a request. The names of the tables that it wrote to are added to `written`.
pub(super) fn answer_one(
    database: &Database,
    operation: &str,
    body: &[u8],
    written: &mut BTreeSet<String>,
) -> (u16, String) {
    match execute(database, operation, body, written) {
        Some(Ok(answer)) => (200, answer),
        Some(Err(error)) => (error.status_code(), error.to_json()),
        None => {
            let error = serde_json::json!({
                "__type": "com.amazon.coral.service#UnknownOperationException",
                "message": format!("{operation} is only served on the port of the engine"),
            });
            (400, error.to_string())
        }
    }
}

/// The operations of this program and its tests; none for others.
fn execute(
    database: &Database,
    operation: &str,
    body: &[u8],
    written: &mut BTreeSet<String>,
) -> Option<Result<String, DynoxideError>> {
    let mut tables = Vec::new();
    let mut table = |name: &str| tables.push(name.to_owned());
    let answer = match operation {
        "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
        "DescribeStream" => call(body, |request| database.describe_stream(request)),
        "DescribeTable" => call(body, |request| database.describe_table(request)),
        "DescribeTimeToLive" => call(body, |request| database.describe_time_to_live(request)),
        "GetItem" => call(body, |request| database.get_item(request)),
        "GetRecords" => call(body, |request| database.get_records(request)),
        "GetShardIterator" => call(body, |request| database.get_shard_iterator(request)),
        "ListStreams" => call(body, |request| database.list_streams(request)),
        "ListTables" => call(body, |request| database.list_tables(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),

        "BatchWriteItem" => call(body, |request: BatchWriteItemRequest| {
            request.request_items.keys().for_each(|name| table(name));
            database.batch_write_item(request)
        }),
        "CreateTable" => call(body, |request: CreateTableRequest| {
            table(&request.table_name);
            database.create_table(request)
        }),
        "DeleteItem" => call(body, |request: DeleteItemRequest| {
            table(&request.table_name);
            database.delete_item(request)
        }),
        "DeleteTable" => call(body, |request: DeleteTableRequest| {
            table(&request.table_name);
            database.delete_table(request)
        }),
        "PutItem" => call(body, |request: PutItemRequest| {
            table(&request.table_name);
            database.put_item(request)
        }),
        "TransactWriteItems" => call(body, |request: TransactWriteItemsRequest| {
            request.transact_items.iter().for_each(|item| {
                let put = item.put.as_ref().map(|put| &put.table_name);
                let update = item.update.as_ref().map(|update| &update.table_name);
                let delete = item.delete.as_ref().map(|delete| &delete.table_name);
                put.into_iter()
                    .chain(update)
                    .chain(delete)
                    .for_each(|name| table(name));
            });
            database.transact_write_items(request)
        }),
        "UpdateItem" => call(body, |request: UpdateItemRequest| {
            table(&request.table_name);
            database.update_item(request)
        }),
        "UpdateTable" => call(body, |request: UpdateTableRequest| {
            table(&request.table_name);
            database.update_table(request)
        }),
        "UpdateTimeToLive" => call(body, |request: UpdateTimeToLiveRequest| {
            table(&request.table_name);
            database.update_time_to_live(request)
        }),
        _ => return None,
    };
    // A refused write has changed nothing.
    if answer.is_ok() {
        written.extend(tables);
    }
    Some(answer)
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    execute: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let invalid =
        |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let request = serde_json::from_slice(body).map_err(invalid)?;
    serde_json::to_string(&execute(request)?).map_err(invalid)
}
