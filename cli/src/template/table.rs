//! DynamoDB tables in the template.

use super::error::TemplateError;
use super::node::Node;
use std::collections::BTreeMap;

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name on the engine: the prefix of [`LocalNames`](super::LocalNames) and the logical id.
    pub name: String,
    /// Primary key.
    pub key: TableKey,
    /// Global secondary indexes.
    pub indexes: Vec<TableIndex>,
    /// View type of the stream, or `None` if the table has no stream.
    pub stream: Option<String>,
    /// The attribute with the expiry time (TTL), or `None` if items do not expire.
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
    /// The key attributes, partition key first.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.range)
    }
}

/// A key attribute and its type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyAttribute {
    /// Name of the attribute.
    pub name: String,
    /// Type: `S`, `N` or `B`.
    pub kind: String,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableIndex {
    /// Name of the index.
    pub name: String,
    /// Key of the index.
    pub key: TableKey,
    /// The attributes that the index contains.
    pub projection: Projection,
}

/// The attributes that an index contains in addition to the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// All attributes.
    All,
    /// No other attributes.
    KeysOnly,
    /// These attributes, sorted by name.
    Include(Vec<String>),
}

impl Table {
    pub(super) fn read(name: String, properties: &Node) -> Result<Self, TemplateError> {
        // The keys from `BillingMode` on have no local effect. Any other key would change how the table behaves.
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
        // DynamoDB refuses a definition that no key uses. This finds it before the deployment.
        if let Some(unused) = kinds.keys().find(|name| !table.uses(name)) {
            return Err(properties.conflict(format!("no key uses the attribute {unused}")));
        }
        Ok(table)
    }

    /// The index with this name.
    pub fn index(&self, name: &str) -> Option<&TableIndex> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Every key attribute of the table and its indexes, without duplicates, sorted by name.
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
