//! Every partition and sort key, on one screen. A test compares them with `template.yaml`.

use domain::ids::{EventId, ExperimentId, UserId};
use domain::time::Timestamp;
use sha2::{Digest, Sha256};

/// Key attributes and index names of the experiments table.
pub mod experiments {
    /// Partition key.
    pub const EXPERIMENT_ID: &str = "experiment_id";
    /// Sort key: [`DEFINITION`], [`GENERATIONS`], `audit#` and a version, or one of the records of [`super::super::backfill`].
    pub const RECORD: &str = "record";
    /// The record that holds the definition.
    pub const DEFINITION: &str = "definition";
    /// The record that says which running sums there are.
    pub const GENERATIONS: &str = "generations";
    /// Index to list experiments of a status, newest first.
    pub const BY_STATUS: &str = "by-status";
    /// Its partition key; only definitions have it.
    pub const STATUS: &str = "status";
    /// Its sort key.
    pub const CREATED_AT_ID: &str = "created_at_id";
    /// Time to live, in epoch seconds; only what belongs to sums that are made again has one.
    pub const EXPIRES_AT: &str = "expires_at";
    /// How the record of a piece of work begins.
    pub const WORK: &str = "work#";
    /// How [`build`] begins.
    pub const BUILD: &str = "build#";
    /// How [`retired`] begins.
    pub const RETIRED: &str = "retired#";

    /// The record of a piece of work: what is done, for which generation or version, and in which index shard.
    pub fn work(task: &str, number: u64, shard: u16) -> String {
        format!("{WORK}{task}#{number}#{shard}")
    }

    /// The record that holds the index shards of a generation that are still to be built.
    pub fn build(generation: u64) -> String {
        format!("{BUILD}{generation}")
    }

    /// The record of a generation that nobody asks for any more.
    pub fn retired(generation: u64) -> String {
        format!("{RETIRED}{generation}")
    }
}

/// Key attributes and index names of the assignments table.
pub mod assignments {
    /// Partition key.
    pub const USER_ID: &str = "user_id";
    /// Sort key: an experiment's id, or [`ERASED`].
    pub const EXPERIMENT_ID: &str = "experiment_id";
    /// Sort key of the tombstone of an erased user. No experiment has such an id, and it is in no index.
    pub const ERASED: &str = "#erased";
    /// When the user of a tombstone was erased.
    pub const ERASED_AT: &str = "erased_at";
    /// Time to live, in epoch seconds; only a tombstone has one.
    pub const EXPIRES_AT: &str = "expires_at";
    /// Index to read an experiment's assignments.
    pub const BY_EXPERIMENT: &str = "by-experiment";
    /// Its partition key.
    pub const EXPERIMENT_SHARD: &str = "experiment_shard";
    /// Its sort key.
    pub const ASSIGNED_AT: &str = "assigned_at";
}

/// Key attributes and index names of the events table.
pub mod events {
    /// Partition key.
    pub const USER_ID: &str = "user_id";
    /// Sort key: the experiment that the event counts for, `#`, the event's id.
    pub const EXPERIMENT_EVENT: &str = "experiment_event";
    /// Stands in for the experiment where an event counts for none.
    pub const NO_EXPERIMENT: &str = "-";
    /// Index to read an experiment's events; those that count for none are not in it.
    pub const BY_EXPERIMENT: &str = "by-experiment";
    /// Its partition key.
    pub const EXPERIMENT_SHARD: &str = "experiment_shard";
    /// Its sort key: the time that counts, `#`, the event's id.
    pub const COUNTED_AT_EVENT: &str = "counted_at_event";
}

/// Key attribute of the tokens table.
pub mod tokens {
    /// Partition key: the hash of a token, or [`REGISTRY`].
    pub const TOKEN_SHA256: &str = "token_sha256";
    /// The item that lists all tokens, so that listing needs no scan. No hash looks like it.
    pub const REGISTRY: &str = "registry";
    /// Time to live, in epoch seconds.
    pub const EXPIRES_AT: &str = "expires_at";
}

/// Key attributes of the statistics table.
pub mod aggregates {
    use domain::ids::{ExperimentId, UserId};

    /// Partition key: [`of_user`] or [`of_generation`].
    pub const PARTITION: &str = "partition";
    /// Sort key: [`generation`] of a user's part, or a write shard, `#`, and the name of an item of numbers.
    pub const ITEM: &str = "item";
    /// Counts the changes of a user's part.
    pub const REVISION: &str = "revision";
    /// A user's part.
    pub const CONTRIBUTION: &str = "contribution";
    /// How far the records data range that are in the sums: name of the item and of its attribute.
    pub const DATA_RANGE: &str = "data_range";
    /// Time to live, in epoch seconds; only what is left of an erased user has one.
    pub const EXPIRES_AT: &str = "expires_at";
    /// Every attribute that is not a number of a sum.
    pub const ALL: [&str; 6] = [
        PARTITION,
        ITEM,
        REVISION,
        CONTRIBUTION,
        DATA_RANGE,
        EXPIRES_AT,
    ];

    /// Partitions with sums of days.
    pub const AGGREGATE_ITEMS: &str = "aggregate_items";
    /// Partitions with counts of hours.
    pub const HOURS: &str = "hours";
    /// Partitions with sums of days by dimension.
    pub const DIMENSIONS: &str = "dimensions";

    /// Partition of a user's parts. What follows is the user's id, whatever is in it.
    pub fn of_user(user: &UserId) -> String {
        format!("user#{user}")
    }

    /// Partition of the sums of one kind.
    pub fn of_generation(kind: &str, experiment: &ExperimentId, generation: u64) -> String {
        format!("{kind}#{}", self::generation(experiment, generation))
    }

    /// Sort key of a user's part.
    pub fn generation(experiment: &ExperimentId, generation: u64) -> String {
        format!("{experiment}#{generation}")
    }

    /// Reads the sort key of a user's part.
    pub fn read_generation(name: &str) -> Option<(ExperimentId, u64)> {
        let (experiment, generation) = name.split_once('#')?;
        let experiment = ExperimentId::parse(experiment).ok()?;
        Some((experiment, generation.parse().ok()?))
    }
}

/// The audit record of a version of an experiment; zero-padded so that versions sort.
pub fn audit_record(version: u64) -> String {
    format!("audit#{version:010}")
}

/// Sort key of the listing: creation time first, the id to tell equal times apart.
pub fn created_at_id(created_at: Timestamp, id: &ExperimentId) -> String {
    format!("{created_at}#{id}")
}

/// Whether a text could be a [`created_at_id`]. The database refuses some others, an empty one among them.
pub fn is_created_at_id(text: &str) -> bool {
    text.split_once('#').is_some_and(|(created_at, id)| {
        let time = Timestamp::parse(created_at).map(|time| time.to_string());
        time.is_ok_and(|time| time == created_at) && ExperimentId::parse(id).is_ok()
    })
}

/// Which of the `shards` index partitions holds everything of this user in this experiment.
///
/// A function of the user alone, so that one reader sees all of a user's records together.
pub fn shard_of(user: &UserId, shards: u16) -> u16 {
    let digest = Sha256::digest(user.as_str());
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    u16::try_from(number % u32::from(shards.max(1))).unwrap_or_default()
}

/// Partition key of both `by-experiment` indexes. An experiment id holds no `#`.
pub fn experiment_shard(experiment: &ExperimentId, shard: u16) -> String {
    format!("{experiment}#{shard}")
}

/// Sort key of an event. What precedes the first `#` is the experiment; an event id may hold more of them.
pub fn experiment_event(experiment: Option<&ExperimentId>, event: &EventId) -> String {
    let experiment = experiment.map_or(events::NO_EXPERIMENT, ExperimentId::as_str);
    format!("{experiment}#{event}")
}

/// Whether a text could be an [`experiment_event`].
pub fn is_experiment_event(text: &str) -> bool {
    let id = text.split_once('#').map(|(_, id)| EventId::parse(id));
    experiment_of(text).is_some() && id.is_some_and(|id| id.is_ok())
}

/// The experiment in the sort key of an event; the inner none: it counts for none. None if it is no such key.
pub fn experiment_of(experiment_event: &str) -> Option<Option<ExperimentId>> {
    match experiment_event.split_once('#')?.0 {
        events::NO_EXPERIMENT => Some(None),
        experiment => ExperimentId::parse(experiment).ok().map(Some),
    }
}

/// Sort key of an event in its experiment's index: equal times are ordered by id.
pub fn counted_at_event(counted_at: Timestamp, event: &EventId) -> String {
    format!("{counted_at}#{event}")
}
