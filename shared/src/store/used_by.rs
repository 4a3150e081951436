//! Which definitions name a segment. The records are written in the transaction of the definition.

use super::cursor::collect_pages;
use super::item::{Item, text};
use super::keys::{catalog as key, experiments as table_key};
use super::record::record_key;
use super::transaction;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain::experiment::{Experiment, Status};
use domain::ids::{ExperimentId, FlagKey, SegmentId};
use domain::limits::MAX_USED_BY_SHOWN;
use domain::segment_graph::names_in;
use futures::future::BoxFuture;
use serde::Serialize;
use std::collections::BTreeSet;

/// A definition that names a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum SegmentUser {
    /// An experiment that is not stopped.
    Experiment(ExperimentId),
    /// Another segment.
    Segment(SegmentId),
    /// A feature flag.
    Flag(FlagKey),
}

/// The definitions that name a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UsedBy {
    /// Their number.
    pub used_by_count: usize,
    /// The first of them, at most [`MAX_USED_BY_SHOWN`].
    pub used_by: Vec<SegmentUser>,
}

/// The segments that a definition named before a change, and names after it.
#[derive(Debug)]
pub(super) struct UsesChange<'c> {
    pub(super) user: SegmentUser,
    pub(super) before: BTreeSet<&'c str>,
    pub(super) after: BTreeSet<&'c str>,
}

/// The segments that an experiment uses. After a stop, its conditions are evaluated no more.
pub(super) fn used_by_experiment(experiment: &Experiment) -> BTreeSet<&str> {
    match experiment.status {
        Status::Draft | Status::Running | Status::Paused => names_in(experiment.conditions()),
        Status::Stopped | Status::Archived => BTreeSet::new(),
    }
}

impl SegmentUser {
    fn record(&self) -> String {
        match self {
            Self::Experiment(id) => key::used_by("experiment", id.as_str()),
            Self::Segment(id) => key::used_by("segment", id.as_str()),
            Self::Flag(flag) => key::used_by("flag", flag.as_str()),
        }
    }

    fn read(record: &str) -> Option<Self> {
        let (kind, id) = record.strip_prefix(key::USED_BY)?.split_once('#')?;
        match kind {
            "experiment" => ExperimentId::parse(id).ok().map(Self::Experiment),
            "segment" => SegmentId::parse(id).ok().map(Self::Segment),
            "flag" => FlagKey::parse(id).ok().map(Self::Flag),
            _ => None,
        }
    }
}

impl UsesChange<'_> {
    /// The segments that the definition names now and did not name before.
    pub(super) fn added(&self) -> impl Iterator<Item = &str> {
        self.after.difference(&self.before).copied()
    }
}

impl Store {
    /// The records of a definition's segments, as actions of a transaction.
    pub(super) fn use_actions(
        &self,
        uses: &UsesChange<'_>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut actions = Vec::new();
        for name in uses.added() {
            let item = record_key(&key::segment_named(name), &uses.user.record());
            let put = Put::builder()
                .table_name(&self.tables.experiments)
                .set_item(Some(item));
            actions.push(transaction::put(put)?);
        }
        for name in uses.before.difference(&uses.after) {
            actions.push(self.delete_action(&key::segment_named(name), &uses.user.record())?);
        }
        Ok(actions)
    }

    /// The definitions that name a segment, read consistently.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn users_of_segment<'a>(
        &'a self,
        id: &'a SegmentId,
    ) -> BoxFuture<'a, Result<UsedBy, StoreError>> {
        Box::pin(async move {
            let query = self
                .records_where(&key::of_segment(id), "begins_with(#record, :users)")
                .expression_attribute_values(":users", AttributeValue::S(key::USED_BY.to_owned()))
                .consistent_read(true);
            let items = collect_pages(self.pages(query)).await?;
            let user = |item: &Item| {
                let record = text(item, table_key::RECORD)?;
                let damaged = || StoreError::Corrupt(format!("`{record}` is no user of a segment"));
                SegmentUser::read(record).ok_or_else(damaged)
            };
            let shown = items.iter().take(MAX_USED_BY_SHOWN).map(user);
            Ok(UsedBy {
                used_by: shown.collect::<Result<_, _>>()?,
                used_by_count: items.len(),
            })
        })
    }
}
