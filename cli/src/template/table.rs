//! DynamoDB tables as the template declares them.

use super::error::TemplateError;
use super::node::Node;
use std::collections::BTreeMap;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name on the engine: the logical id, after the prefix of [`LocalNames`](super::LocalNames).
    pub name: String,
    /// Primary key.
    pub key: TableKey,
    /// Global secondary indexes.
    pub indexes: Vec<TableIndex>,
    /// What a stream record holds; none without a stream.
    pub stream: Option<String>,
    /// The attribute that says when an item may go; none when items stay.
    pub ttl_attribute: Option<String>,
}

/// The key of a table or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableKey {
    /// Partition key.
    pub hash: KeyAttribute,
    /// Sort key.
    pub range: Option<KeyAttribute>,
}

impl TableKey {
    /// Its attributes, partition key first.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.range)
    }
}

/// A key attribute and its type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// `S`, `N` or `B`.
    pub kind: String,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableIndex {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: TableKey,
    /// What is copied into it.
    pub projection: Projection,
}

/// The attributes that an index holds beside the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// All of them.
    All,
    /// None.
    KeysOnly,
    /// These, in order of their names.
    Include(Vec<String>),
}

impl Table {
    pub(super) fn read(name: String, properties: &Node) -> Result<Self, TemplateError> {
        // From `BillingMode` on they mean nothing on one machine. Any other would change how the table behaves.
        properties.only(&[
            "AttributeDefinitions",
            "KeySchema",
            "GlobalSecondaryIndexes",
            "StreamSpecification",
            "TimeToLiveSpecification",
            "BillingMode",
            "SSESpecification",
            "PointInTimeRecoverySpecification",
            "DeletionProtectionEnabled",
            "Tags",
            "TableClass",
            "WarmThroughput",
            "OnDemandThroughput",
            "ContributorInsightsSpecification",
        ])?;
        let mut kinds = BTreeMap::new();
        for definition in properties.require("AttributeDefinitions")?.list()? {
            let attribute = definition.require("AttributeName")?.text()?;
            kinds.insert(attribute, definition.require("AttributeType")?.text()?);
        }
        let key = read_key(properties, &kinds)?;
        let mut indexes = Vec::new();
        for index in list(properties.get("GlobalSecondaryIndexes"))? {
            indexes.push(TableIndex {
                name: index.require("IndexName")?.text()?,
                key: read_key(&index, &kinds)?,
                projection: read_projection(&index.require("Projection")?)?,
            });
        }
        let table = Self {
            name,
            key,
            indexes,
            stream: match properties.get("StreamSpecification") {
                Some(stream) => Some(stream.require("StreamViewType")?.text()?),
                None => None,
            },
            ttl_attribute: match properties.get("TimeToLiveSpecification") {
                Some(ttl) if ttl.require("Enabled")?.boolean()? => {
                    Some(ttl.require("AttributeName")?.text()?)
                }
                _ => None,
            },
        };
        // DynamoDB refuses a definition that no key uses; better here than at the deployment.
        if let Some(unused) = kinds.keys().find(|name| !table.uses(name)) {
            return Err(properties.conflict(format!("no key uses the attribute {unused}")));
        }
        Ok(table)
    }

    /// The index of this name.
    pub fn index(&self, name: &str) -> Option<&TableIndex> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Every key attribute of the table and its indexes, once each, by name.
    pub fn key_attributes(&self) -> Vec<&KeyAttribute> {
        let indexed = self.indexes.iter().flat_map(|index| index.key.attributes());
        let mut attributes: Vec<_> = self.key.attributes().chain(indexed).collect();
        attributes.sort();
        attributes.dedup();
        attributes
    }

    fn uses(&self, attribute: &str) -> bool {
        self.key_attributes()
            .iter()
            .any(|key| key.name == attribute)
    }
}

pub(super) fn list(node: Option<Node>) -> Result<Vec<Node>, TemplateError> {
    node.map_or(Ok(Vec::new()), |node| node.list())
}

fn read_key(owner: &Node, kinds: &BTreeMap<String, String>) -> Result<TableKey, TemplateError> {
    let schema = owner.require("KeySchema")?;
    let (mut hash, mut range) = (None, None);
    for element in schema.list()? {
        let name = element.require("AttributeName")?.text()?;
        let kind = kinds.get(&name).cloned().ok_or_else(|| {
            element.conflict(format!("{name} has no type in AttributeDefinitions"))
        })?;
        let attribute = Some(KeyAttribute { name, kind });
        match element.require("KeyType")?.text()?.as_str() {
            "HASH" => hash = attribute,
            "RANGE" => range = attribute,
            _ => return Err(element.unexpected("HASH or RANGE as KeyType")),
        }
    }
    let hash = hash.ok_or_else(|| schema.unexpected("an element with KeyType HASH"))?;
    Ok(TableKey { hash, range })
}

fn read_projection(projection: &Node) -> Result<Projection, TemplateError> {
    let kind = projection.require("ProjectionType")?;
    match kind.text()?.as_str() {
        "ALL" => Ok(Projection::All),
        "KEYS_ONLY" => Ok(Projection::KeysOnly),
        "INCLUDE" => {
            let mut attributes = projection.require("NonKeyAttributes")?.texts()?;
            attributes.sort();
            Ok(Projection::Include(attributes))
        }
        _ => Err(kind.unexpected("ALL, KEYS_ONLY or INCLUDE")),
    }
}
