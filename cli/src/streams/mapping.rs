//! An event-source mapping of the template with its function.

use super::StreamsError;
use super::checkpoint::Position;
use super::pattern::Pattern;
use super::record::Record;
use crate::gateway::{DeployedFunction, Functions};
use crate::template::{EventSource, LambdaFunction, LocalNames, StreamSource, Template};
use aws_sdk_dynamodbstreams::types::Record as SdkRecord;
use tokio::sync::mpsc;

/// The table, the function, and the settings of the delivery.
pub(super) struct Mapping {
    /// Logical id of the function.
    pub(super) function: String,
    pub(super) function_arn: String,
    /// Name of the table on the engine.
    pub(super) table: String,
    pub(super) source: StreamSource,
    pub(super) batch_size: usize,
    /// Where to start in a shard that existed before the mapping.
    pub(super) starting_position: Position,
    pub(super) code: DeployedFunction,
    filters: Vec<Pattern>,
    region: String,
}

impl Mapping {
    /// Returns all mappings of the template, and the binaries that they name but `functions` does not contain.
    pub(super) fn all(
        template: &Template,
        local: &LocalNames,
        functions: &Functions,
    ) -> Result<(Vec<Self>, Vec<String>), StreamsError> {
        let (mut mappings, mut unwired) = (Vec::new(), Vec::new());
        for function in template.functions.values() {
            for event in &function.events {
                let EventSource::Stream(source) = event else {
                    continue;
                };
                // Checked even if the function is missing, because the error is in the template.
                let filters = read_filters(function, source)?;
                let Some(code) = functions.get(&function.binary) else {
                    unwired.push(function.binary.clone());
                    continue;
                };
                let refused = |reason: String| StreamsError::Mapping {
                    function: function.logical_id.clone(),
                    reason,
                };
                let arn = local.function_arn(&function.logical_id);
                // The receiver is dropped: the consumer itself waits for each call, so a shutdown needs no channel.
                let (running, _) = mpsc::channel(1);
                mappings.push(Self {
                    function: function.logical_id.clone(),
                    function_arn: arn.clone(),
                    table: table_of(source).ok_or_else(|| {
                        refused(format!(
                            "{} is not the stream of a table",
                            source.stream_arn
                        ))
                    })?,
                    batch_size: usize::try_from(source.batch_size.max(1))
                        .map_err(|error| refused(format!("BatchSize: {error}")))?,
                    starting_position: match source.starting_position.as_str() {
                        "TRIM_HORIZON" => Position::Start,
                        "LATEST" => Position::Latest,
                        other => {
                            return Err(refused(format!(
                                "{other} is not a supported StartingPosition"
                            )));
                        }
                    },
                    source: source.clone(),
                    code: DeployedFunction::new(
                        code.clone(),
                        &function.binary,
                        arn,
                        function.timeout,
                        function.memory_mb,
                        running,
                    ),
                    filters,
                    region: local.region.clone(),
                });
            }
        }
        Ok((mappings, unwired))
    }

    /// Key of the stored positions. Lambda allows only one mapping per function and stream.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.function, self.table)
    }

    /// Converts a record to the function's form. Returns `None` if no filter matches it.
    pub(super) fn wanted(&self, record: &SdkRecord) -> Option<Record> {
        let record = Record::read(record, &self.region, &self.source.stream_arn)?;
        let passes = |filter: &Pattern| filter.matches(&record.event);
        (self.filters.is_empty() || self.filters.iter().any(passes)).then_some(record)
    }
}

fn table_of(source: &StreamSource) -> Option<String> {
    let table = source.stream_arn.split('/').nth(1)?;
    Some(table.to_owned())
}

fn read_filters(
    function: &LambdaFunction,
    source: &StreamSource,
) -> Result<Vec<Pattern>, StreamsError> {
    let read = |text: &String| {
        Pattern::parse(text).map_err(|reason| StreamsError::Pattern {
            function: function.logical_id.clone(),
            pattern: text.clone(),
            reason,
        })
    };
    source.filters.iter().map(read).collect()
}
