//! Creates the template's tables on a local engine, and compares existing tables with the template.

use crate::template::{KeyAttribute, Projection, Table, TableIndex, TableKey};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexDescription, GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType,
    Projection as SdkProjection, ProjectionType, ScalarAttributeType, StreamSpecification,
    StreamViewType, TableDescription, TimeToLiveSpecification,
};
use std::collections::{BTreeMap, BTreeSet};

/// Why the tables do not match the template.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// A stored table has another key or index, which cannot be changed.
    #[error(
        "the stored table {table} differs from the template: {difference}. \
         Start with another --data file, or delete this one if you do not need its data"
    )]
    Differs {
        /// Name of the table.
        table: String,
        /// What differs.
        difference: String,
    },
    /// The engine refused a request or could not be reached.
    #[error("{operation} of {table} failed: {reason}")]
    Engine {
        /// The operation of the DynamoDB API.
        operation: &'static str,
        /// Name of the table.
        table: String,
        /// Error message of the SDK.
        reason: String,
    },
}

/// Creates missing tables and adds missing indexes, streams and expiry to existing ones. Returns the names of the tables
/// that it created.
///
/// # Errors
/// If an existing table differs in a way that cannot be changed, or the engine fails.
pub async fn ensure_tables(
    client: &Client,
    tables: &BTreeMap<String, Table>,
) -> Result<Vec<String>, TablesError> {
    let existing = table_names(client).await?;
    let mut created = Vec::new();
    for table in tables.values() {
        if existing.contains(&table.name) {
            adapt(client, table).await?;
        } else {
            create(client, table).await?;
            created.push(table.name.clone());
        }
    }
    Ok(created)
}

async fn table_names(client: &Client) -> Result<BTreeSet<String>, TablesError> {
    let mut pages = client.list_tables().into_paginator().items().send();
    let mut names = BTreeSet::new();
    while let Some(name) = pages.next().await {
        names.insert(name.map_err(|error| failed("ListTables", "all tables", error))?);
    }
    Ok(names)
}

async fn create(client: &Client, table: &Table) -> Result<(), TablesError> {
    let refused = |error| failed("CreateTable", &table.name, error);
    let mut request = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(&table.key)?))
        .set_attribute_definitions(Some(definitions(table.key_attributes())?));
    for index in &table.indexes {
        let index = GlobalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(&index.key)?))
            .projection(projection(&index.projection))
            .build()
            .map_err(refused_shape(&table.name))?;
        request = request.global_secondary_indexes(index);
    }
    if let Some(view) = &table.stream {
        request = request.stream_specification(stream(view)?);
    }
    request.send().await.map_err(refused)?;
    enable_expiry(client, table).await
}

async fn adapt(client: &Client, table: &Table) -> Result<(), TablesError> {
    let described = client.describe_table().table_name(&table.name).send().await;
    let described = described.map_err(|error| failed("DescribeTable", &table.name, error))?;
    let Some(stored) = described.table else {
        return create(client, table).await;
    };
    let differs = |difference: String| TablesError::Differs {
        table: table.name.clone(),
        difference,
    };
    let key = stored_key(stored.key_schema(), &stored);
    if key != described_key(&table.key) {
        let wanted = described_key(&table.key);
        return Err(differs(format!("its key is {key}, not {wanted}")));
    }
    for index in &table.indexes {
        let name = Some(index.name.as_str());
        let stored_index = stored
            .global_secondary_indexes()
            .iter()
            .find(|stored_index| stored_index.index_name() == name);
        match stored_index {
            None => add_index(client, table, index).await?,
            Some(stored_index) => {
                let key = stored_key(stored_index.key_schema(), &stored);
                let projected = stored_projection(stored_index);
                if key != described_key(&index.key) || projected != index.projection {
                    let (wanted, projection) = (described_key(&index.key), &index.projection);
                    return Err(differs(format!(
                        "its index {} has the key {key} and {projected:?}, not {wanted} and {projection:?}",
                        index.name
                    )));
                }
            }
        }
    }
    let specification = stored.stream_specification();
    let streamed = specification.is_some_and(|stream| stream.stream_enabled());
    let wanted = match &table.stream {
        Some(view) if !streamed => Some(stream(view)?),
        None if streamed => Some(no_stream(&table.name)?),
        _ => None,
    };
    if let Some(wanted) = wanted {
        let request = client.update_table().table_name(&table.name);
        let outcome = request.stream_specification(wanted).send().await;
        outcome.map_err(|error| failed("UpdateTable", &table.name, error))?;
    }
    enable_expiry(client, table).await
}

async fn add_index(client: &Client, table: &Table, index: &TableIndex) -> Result<(), TablesError> {
    let action = CreateGlobalSecondaryIndexAction::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.key)?))
        .projection(projection(&index.projection))
        .build()
        .map_err(refused_shape(&table.name))?;
    let update = GlobalSecondaryIndexUpdate::builder().create(action).build();
    client
        .update_table()
        .table_name(&table.name)
        .set_attribute_definitions(Some(definitions(index.key.attributes().collect())?))
        .global_secondary_index_updates(update)
        .send()
        .await
        .map_err(|error| failed("UpdateTable", &table.name, error))?;
    Ok(())
}

/// Enables expiry (TTL) if the template declares it and the table does not have it.
async fn enable_expiry(client: &Client, table: &Table) -> Result<(), TablesError> {
    let Some(attribute) = &table.ttl_attribute else {
        return Ok(());
    };
    let described = client
        .describe_time_to_live()
        .table_name(&table.name)
        .send()
        .await;
    let described = described.map_err(|error| failed("DescribeTimeToLive", &table.name, error))?;
    let current = described
        .time_to_live_description
        .and_then(|ttl| ttl.attribute_name);
    if current.as_ref() == Some(attribute) {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(attribute)
        .build()
        .map_err(refused_shape(&table.name))?;
    let request = client.update_time_to_live().table_name(&table.name);
    let outcome = request
        .time_to_live_specification(specification)
        .send()
        .await;
    outcome.map_err(|error| failed("UpdateTimeToLive", &table.name, error))?;
    Ok(())
}

fn key_schema(key: &TableKey) -> Result<Vec<KeySchemaElement>, TablesError> {
    let element = |attribute: &KeyAttribute, kind| {
        KeySchemaElement::builder()
            .attribute_name(&attribute.name)
            .key_type(kind)
            .build()
            .map_err(refused_shape(&attribute.name))
    };
    let hash = std::iter::once(element(&key.hash, KeyType::Hash));
    let range = key.range.iter().map(|range| element(range, KeyType::Range));
    hash.chain(range).collect()
}

fn definitions(attributes: Vec<&KeyAttribute>) -> Result<Vec<AttributeDefinition>, TablesError> {
    let definition = |attribute: &KeyAttribute| {
        AttributeDefinition::builder()
            .attribute_name(&attribute.name)
            .attribute_type(ScalarAttributeType::from(attribute.kind.as_str()))
            .build()
            .map_err(refused_shape(&attribute.name))
    };
    attributes.into_iter().map(definition).collect()
}

fn projection(projection: &Projection) -> SdkProjection {
    let builder = SdkProjection::builder();
    match projection {
        Projection::All => builder.projection_type(ProjectionType::All),
        Projection::KeysOnly => builder.projection_type(ProjectionType::KeysOnly),
        Projection::Include(attributes) => builder
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(attributes.clone())),
    }
    .build()
}

fn stream(view: &str) -> Result<StreamSpecification, TablesError> {
    StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::from(view))
        .build()
        .map_err(refused_shape(view))
}

fn no_stream(table: &str) -> Result<StreamSpecification, TablesError> {
    StreamSpecification::builder()
        .stream_enabled(false)
        .build()
        .map_err(refused_shape(table))
}

/// Formats a key as `user_id S, experiment_id S`.
fn described_key(key: &TableKey) -> String {
    let attributes = key.attributes().map(|a| format!("{} {}", a.name, a.kind));
    attributes.collect::<Vec<_>>().join(", ")
}

fn stored_key(schema: &[KeySchemaElement], table: &TableDescription) -> String {
    let mut elements: Vec<_> = schema.iter().collect();
    elements.sort_by_key(|element| element.key_type() != &KeyType::Hash);
    let described = elements.into_iter().map(|element| {
        let name = element.attribute_name();
        let definitions = table.attribute_definitions();
        let kind = definitions.iter().find(|d| d.attribute_name() == name);
        format!(
            "{name} {}",
            kind.map_or("?", |d| d.attribute_type().as_str())
        )
    });
    described.collect::<Vec<_>>().join(", ")
}

fn stored_projection(index: &GlobalSecondaryIndexDescription) -> Projection {
    let projection = index.projection();
    match projection.and_then(|projection| projection.projection_type()) {
        Some(ProjectionType::KeysOnly) => Projection::KeysOnly,
        Some(ProjectionType::Include) => {
            let attributes = projection
                .map(|p| p.non_key_attributes())
                .unwrap_or_default();
            let mut attributes = attributes.to_vec();
            attributes.sort();
            Projection::Include(attributes)
        }
        _ => Projection::All,
    }
}

fn failed<E, R>(operation: &'static str, table: &str, error: SdkError<E, R>) -> TablesError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    let said = error
        .as_service_error()
        .and_then(|service| service.message());
    TablesError::Engine {
        operation,
        table: table.to_owned(),
        reason: said.map_or_else(|| causes(&error), str::to_owned),
    }
}

/// An error and its causes in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = chain.map(ToString::to_string).collect();
    texts.join(": ")
}

/// Converts the error of an SDK builder. Builders fail only if a required member is missing, which does not happen here.
fn refused_shape<E: std::error::Error>(table: &str) -> impl Fn(E) -> TablesError + '_ {
    move |error| TablesError::Engine {
        operation: "the request",
        table: table.to_owned(),
        reason: error.to_string(),
    }
}
