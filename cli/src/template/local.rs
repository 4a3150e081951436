//! The account, region and stack names of a local deployment.

use std::collections::BTreeMap;

/// Values of the pseudo parameters, and parameters with other values than their defaults.
#[derive(Debug, Clone)]
pub struct LocalNames {
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account: String,
    /// `AWS::StackName`.
    pub stack: String,
    /// Prefix of every table name. Platforms that share an engine need different prefixes.
    pub table_prefix: String,
    /// Access key of calls to the engine, letters and digits. Engines do not check it, but DynamoDB Local keeps a database for each
    /// key, unless it is started with `-sharedDb`.
    pub access_key: String,
    /// Parameters with other values than their defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Default for LocalNames {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            stack: "assay-local".to_owned(),
            table_prefix: String::new(),
            access_key: "local".to_owned(),
            parameters: BTreeMap::new(),
        }
    }
}

impl LocalNames {
    /// The defaults with a new table prefix and access key, for one of several platforms on an engine.
    pub fn of_another_platform() -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self {
            table_prefix: format!("{id}-"),
            access_key: id,
            ..Self::default()
        }
    }

    /// The defaults with values for some parameters.
    pub fn with_parameters<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            parameters: parameters.into_iter().map(own).collect(),
            ..Self::default()
        }
    }

    /// Returns `arn:aws:lambda:…:function:NAME`.
    pub fn function_arn(&self, logical_id: &str) -> String {
        self.arn("lambda", &format!("function:{logical_id}"))
    }

    /// The name of a table on the engine.
    pub fn table_name(&self, logical_id: &str) -> String {
        format!("{}{logical_id}", self.table_prefix)
    }

    /// Returns `arn:aws:dynamodb:…:table/NAME`.
    pub fn table_arn(&self, logical_id: &str) -> String {
        self.arn(
            "dynamodb",
            &format!("table/{}", self.table_name(logical_id)),
        )
    }

    fn arn(&self, service: &str, rest: &str) -> String {
        let Self {
            region, account, ..
        } = self;
        format!("arn:aws:{service}:{region}:{account}:{rest}")
    }

    pub(super) fn pseudo_parameter(&self, name: &str) -> Option<String> {
        Some(match name {
            "AWS::Region" => self.region.clone(),
            "AWS::AccountId" => self.account.clone(),
            "AWS::StackName" => self.stack.clone(),
            "AWS::StackId" => self.arn("cloudformation", &format!("stack/{}/local", self.stack)),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => return None,
        })
    }

    /// `Ref` of a resource returns its name. The local name of a resource is its logical id, except for tables.
    pub(super) fn reference(&self, id: &str, kind: &str) -> String {
        match kind {
            "AWS::DynamoDB::Table" => self.table_name(id),
            _ => id.to_owned(),
        }
    }

    pub(super) fn attribute(&self, id: &str, kind: &str, attribute: &str) -> Option<String> {
        Some(match (kind, attribute) {
            ("AWS::DynamoDB::Table", "Arn") => self.table_arn(id),
            ("AWS::DynamoDB::Table", "StreamArn") => {
                format!("{}/stream/local", self.table_arn(id))
            }
            ("AWS::Serverless::Function", "Arn") => self.function_arn(id),
            ("AWS::SQS::Queue", "Arn") => self.arn("sqs", id),
            ("AWS::Events::EventBus", "Arn") => self.arn("events", &format!("event-bus/{id}")),
            ("AWS::SQS::Queue", "QueueName") => id.to_owned(),
            _ => return None,
        })
    }
}
