//! Every partition and sort key. A test compares them with `template.yaml`.

use domain::ids::{EventId, ExperimentId, UserId};
use domain::time::Timestamp;
use sha2::{Digest, Sha256};

/// Key attributes and index names of the experiments table.
pub mod experiments {
    use domain::ids::LayerId;
    use domain::time::Timestamp;

    /// Partition key: an experiment's id, [`layer`], or [`HOLDOUTS`].
    pub const EXPERIMENT_ID: &str = "experiment_id";
    /// Sort key: [`DEFINITION`], [`GENERATIONS`], [`NOTIFICATIONS`], [`LOOK`], `audit#` and a version, or one of the records of [`super::super::backfill`].
    pub const RECORD: &str = "record";
    /// The record of the definition.
    pub const DEFINITION: &str = "definition";
    /// The record of the generations of aggregates.
    pub const GENERATIONS: &str = "generations";
    /// Index that lists experiments of a status, newest first.
    pub const BY_STATUS: &str = "by-status";
    /// Index with the same keys that has only [`TEXTS`], so that a search reads a small part of each definition.
    pub const SEARCH_BY_STATUS: &str = "search-by-status";
    /// What searches look at.
    pub const TEXTS: &str = "texts";
    /// Its partition key: the status of a definition, or [`LAYER`] of a layer.
    pub const STATUS: &str = "status";
    /// The record of what was said about an experiment, with its last notifications.
    pub const NOTIFICATIONS: &str = "notifications";
    /// The record of the last look for notifications.
    pub const LOOK: &str = "notification-look";
    /// The record of a layer, and the status of all layers.
    pub const LAYER: &str = "layer";
    /// Partition of the running holdouts. No experiment has such an id.
    pub const HOLDOUTS: &str = "#holdouts";
    /// The record of the running holdouts.
    pub const HOLDOUTS_RECORD: &str = "holdouts";
    /// Its sort key.
    pub const CREATED_AT_ID: &str = "created_at_id";
    /// Time to live, in epoch seconds; only records of backfills and revoked client keys have one.
    pub const EXPIRES_AT: &str = "expires_at";
    /// The prefix of the records of work.
    pub const WORK: &str = "work#";
    /// The prefix of [`build`].
    pub const BUILD: &str = "build#";
    /// The prefix of [`retired`].
    pub const RETIRED: &str = "retired#";

    /// Partition of a layer. No experiment has such an id.
    pub fn layer(id: &LayerId) -> String {
        format!("{LAYER}#{id}")
    }

    /// The audit record of a layer's change.
    pub fn layer_audit(at: Timestamp) -> String {
        format!("audit#{at}")
    }

    /// The record of a piece of work: its task, the generation or version, and the index shard.
    pub fn work(task: &str, number: u64, shard: u16) -> String {
        format!("{WORK}{task}#{number}#{shard}")
    }

    /// The record of the index shards of a generation that are still to be built.
    pub fn build(generation: u64) -> String {
        format!("{BUILD}{generation}")
    }

    /// The record of a retired generation.
    pub fn retired(generation: u64) -> String {
        format!("{RETIRED}{generation}")
    }
}

/// The catalog and the segments, in the experiments table. Experiment ids begin with a letter or digit and contain no `#`,
/// so no experiment has one of these partitions.
pub mod catalog {
    use domain::ids::SegmentId;

    /// Partition of the changes and of all segments.
    pub const PARTITION: &str = "#catalog";
    /// The record of the changes. It is the first of its partition, so a query reads it before the segments.
    pub const CHANGES: &str = "changes";
    /// The number of changes.
    pub const NUMBER: &str = "number";
    /// The prefix of the records of users of a segment.
    pub const USED_BY: &str = "used-by#";
    /// The hashes of a chunk.
    pub const HASHES: &str = "hashes";
    /// The version of a chunk.
    pub const VERSION: &str = "version";
    /// The prefix of the records of segments, and of their own partitions. Roles name it.
    pub const SEGMENT: &str = "segment#";

    /// The record of a segment.
    pub fn segment(id: &SegmentId) -> String {
        segment_named(id.as_str())
    }

    /// The same for a text.
    pub fn segment_named(name: &str) -> String {
        format!("{SEGMENT}{name}")
    }

    /// The partition of a segment's audit records, users and ids.
    pub fn of_segment(id: &SegmentId) -> String {
        segment_named(id.as_str())
    }

    /// The record of a definition that uses a segment.
    pub fn used_by(kind: &str, id: &str) -> String {
        format!("{USED_BY}{kind}#{id}")
    }

    /// The record of a chunk of ids.
    pub fn ids(chunk: u8) -> String {
        format!("ids#{chunk:02}")
    }
}

/// Partitions and records of flags in the experiments table.
pub mod flags {
    use domain::ids::FlagKey;

    /// Partition of all flags.
    pub const PARTITION: &str = "#flags";
    /// Partition of the drafts of flags. Roles name it.
    pub const DRAFTS: &str = "#flag-drafts";
    /// The prefix of the records of flags and of their drafts, and of their own partitions. Roles name it.
    pub const FLAG: &str = "flag#";

    /// The record of a flag.
    pub fn flag(key: &FlagKey) -> String {
        flag_named(key.as_str())
    }

    /// The same for a text.
    pub fn flag_named(name: &str) -> String {
        format!("{FLAG}{name}")
    }

    /// The partition of a flag's audit records.
    pub fn of_flag(key: &FlagKey) -> String {
        flag_named(key.as_str())
    }
}

/// The days on which flags were evaluated by their keys, in the experiments table.
pub mod flag_evaluations {
    use domain::ids::{EnvironmentName, FlagKey};

    /// Partition of all of them. Roles name it.
    pub const PARTITION: &str = "#flag-evaluations";
    /// The prefix of the records.
    pub const FLAG: &str = "flag#";
    /// The UTC day, in days since 1970.
    pub const DAY: &str = "day";

    /// The record of a flag in an environment.
    pub fn record(flag: &FlagKey, environment: &EnvironmentName) -> String {
        format!("{}{environment}", of_flag(flag))
    }

    /// The prefix of the records of a flag. No key of a flag contains `#`.
    pub fn of_flag(flag: &FlagKey) -> String {
        format!("{FLAG}{flag}#")
    }
}

/// Client keys, in the experiments table. Functions that look up client keys then need no access to tokens, and a query
/// lists the keys.
pub mod client_keys {
    use domain::ids::ClientKeyId;

    /// Partition of all client keys. No experiment has such an id. Roles name it.
    pub const PARTITION: &str = "#client-keys";
    /// The record that counts the keys that are not revoked.
    pub const COUNT: &str = "count";
    /// The number of keys in [`COUNT`].
    pub const ACTIVE: &str = "active";
    /// The prefix of the records of keys.
    pub const KEY: &str = "key#";
    /// The attribute with the key itself.
    pub const CLIENT_KEY: &str = "client_key";
    /// The digest of the body that created a key.
    pub const CREATION_DIGEST: &str = "creation_digest";
    /// The key that encrypts the payload. It is beside the key itself, because no response but one may show it.
    pub const DECRYPTION_KEY: &str = "decryption_key";

    /// The record of a key.
    pub fn key(id: &ClientKeyId) -> String {
        key_named(id.as_str())
    }

    /// The same for a text.
    pub fn key_named(text: &str) -> String {
        format!("{KEY}{text}")
    }
}

/// Key attributes and index names of the assignments table.
pub mod assignments {
    /// Partition key.
    pub const USER_ID: &str = "user_id";
    /// Sort key: an experiment's id, [`ERASED`], or [`EVENT_COUNT`].
    pub const EXPERIMENT_ID: &str = "experiment_id";
    /// Sort key of a user's tombstone. No experiment has such an id, and no index contains it.
    pub const ERASED: &str = "#erased";
    /// Sort key of the number of a user's stored events. No experiment has such an id, and no index contains it.
    pub const EVENT_COUNT: &str = "#events";
    /// The number of events that were ever stored.
    pub const TOTAL: &str = "total";
    /// The UTC day of the last stored event, in days since 1970.
    pub const DAY: &str = "day";
    /// The number of events that were stored on this day.
    pub const ON_DAY: &str = "on_day";
    /// When the user of a tombstone was erased.
    pub const ERASED_AT: &str = "erased_at";
    /// Time to live, in epoch seconds; only a tombstone has one.
    pub const EXPIRES_AT: &str = "expires_at";
    /// Index of an experiment's assignments.
    pub const BY_EXPERIMENT: &str = "by-experiment";
    /// Its partition key.
    pub const EXPERIMENT_SHARD: &str = "experiment_shard";
    /// Its sort key: the time of storing, `#`, a hash of the user id: checkpoints keep it after the user is erased.
    pub const STORED_AT_HASH: &str = "stored_at_hash";
}

/// Key attributes and index names of the events table.
pub mod events {
    /// Partition key.
    pub const USER_ID: &str = "user_id";
    /// Sort key: the experiment that the event counts for, `#`, the event's id.
    pub const EXPERIMENT_EVENT: &str = "experiment_event";
    /// Replaces the experiment for an event that counts for none.
    pub const NO_EXPERIMENT: &str = "-";
    /// Index of an experiment's events. Events that count for none are not in it.
    pub const BY_EXPERIMENT: &str = "by-experiment";
    /// Its partition key.
    pub const EXPERIMENT_SHARD: &str = "experiment_shard";
    /// Its sort key: the time of storing, `#`, the event id.
    pub const STORED_AT_EVENT: &str = "stored_at_event";
}

/// Key attribute of the tokens table.
pub mod tokens {
    /// Partition key: the hash of a token, [`REGISTRY`], [`budget`], [`session`], or [`start_code`].
    pub const TOKEN_SHA256: &str = "token_sha256";
    /// The item that lists all tokens, so that listing needs no scan. No hash has its name.
    pub const REGISTRY: &str = "registry";
    /// Time to live, in epoch seconds.
    pub const EXPIRES_AT: &str = "expires_at";
    /// The prefix of [`budget`]. The role of the function that counts budgets names it.
    pub const BUDGET: &str = "budget#";
    /// The number of events that are taken from a budget.
    pub const TAKEN: &str = "taken";

    /// The prefix of [`session`]. The role of the dashboard names it.
    pub const SESSION: &str = "session#";
    /// The prefix of [`start_code`]. The role of the dashboard names it.
    pub const START_CODE: &str = "start#";
    /// The hash of the token that a session or a start code stands for.
    pub const OF_TOKEN: &str = "of_token";

    /// The item of a session of the dashboard, by the hash of the secret in its cookie.
    pub fn session(secret_sha256: &str) -> String {
        format!("{SESSION}{secret_sha256}")
    }

    /// The item of a start code, by its hash.
    pub fn start_code(code_sha256: &str) -> String {
        format!("{START_CODE}{code_sha256}")
    }

    /// The item of a token's budget of events in one window of time.
    pub fn budget(token_id: &str, window: i64) -> String {
        format!("{BUDGET}{token_id}#{window}")
    }
}

/// Key attributes of the aggregates table.
pub mod aggregates {
    use domain::ids::{ExperimentId, UserId};

    /// Partition key: [`of_user`] or [`of_generation`].
    pub const PARTITION: &str = "partition";
    /// Sort key: [`generation`] of a user's contribution, or a write shard, `#`, and the name of an aggregate item.
    pub const ITEM: &str = "item";
    /// The number of changes of a contribution.
    pub const REVISION: &str = "revision";
    /// A user's contribution.
    pub const CONTRIBUTION: &str = "contribution";
    /// The range of the records in the aggregates: name of the item and of its attribute.
    pub const DATA_RANGE: &str = "data_range";
    /// The names with aggregates of their own: name of the item and of its attribute.
    pub const REGISTRY: &str = "registry";
    /// The number of write shards, beside the registry.
    pub const WRITE_SHARDS: &str = "write_shards";
    /// Why a user cannot be counted: attribute of the user's contribution, and of the item that lists the user beside
    /// the aggregates.
    pub const QUARANTINED: &str = "quarantined";
    /// Since when a user is quarantined.
    pub const SINCE: &str = "since";
    /// The last sort key of an index that a checkpoint contains.
    pub const THROUGH: &str = "through";
    /// The number of records in a checkpoint.
    pub const RECORDS: &str = "records";
    /// When a record of a checkpoint's index shard was last erased.
    pub const ERASED_AT: &str = "erased_at";
    /// Records of a quarantined user that are not in the aggregates.
    pub const NOT_COUNTED: &str = "not_counted";
    /// Time to live, in epoch seconds; only contributions of erased users have one.
    pub const EXPIRES_AT: &str = "expires_at";
    /// Every attribute that is not a number of an aggregate.
    pub const ALL: [&str; 7] = [
        PARTITION,
        ITEM,
        REVISION,
        CONTRIBUTION,
        DATA_RANGE,
        REGISTRY,
        EXPIRES_AT,
    ];

    /// Sort key of the item that lists a quarantined user.
    pub fn quarantined(user: &UserId) -> String {
        format!("{QUARANTINED}#{user}")
    }

    /// The user in the sort key of such an item; none for other items.
    pub fn read_quarantined(name: &str) -> Option<&str> {
        name.strip_prefix(QUARANTINED)?.strip_prefix('#')
    }

    /// Partitions with sums of days.
    pub const AGGREGATE_ITEMS: &str = "aggregate_items";
    /// Partitions with counts of hours.
    pub const HOURS: &str = "hours";
    /// Partitions with sums of days by dimension.
    pub const DIMENSIONS: &str = "dimensions";

    /// Partition of the checkpoints of an experiment's stored records.
    pub fn stored_records(experiment: &ExperimentId) -> String {
        format!("stored#{experiment}")
    }

    /// Partition of a user's contributions. After the prefix follows the user id with any characters.
    pub fn of_user(user: &UserId) -> String {
        format!("user#{user}")
    }

    /// The partition with this number among those of the aggregates of one kind.
    pub fn of_generation(
        kind: &str,
        experiment: &ExperimentId,
        generation: u64,
        partition: u8,
    ) -> String {
        let generation = self::generation(experiment, generation);
        match partition {
            0 => format!("{kind}#{generation}"),
            _ => format!("{kind}#{generation}#{partition}"),
        }
    }

    /// Sort key of a user's contribution.
    pub fn generation(experiment: &ExperimentId, generation: u64) -> String {
        format!("{experiment}#{generation}")
    }

    /// Parses the sort key of a user's contribution.
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

/// Sort key of the listings of experiments and of layers: creation time first, the id to order equal times.
pub fn created_at_id(created_at: Timestamp, id: &str) -> String {
    format!("{created_at}#{id}")
}

/// Whether a text can be a [`created_at_id`]. DynamoDB refuses some other texts, such as an empty one.
pub fn is_created_at_id(text: &str) -> bool {
    text.split_once('#').is_some_and(|(created_at, id)| {
        let time = Timestamp::parse(created_at).map(|time| time.to_string());
        time.is_ok_and(|time| time == created_at) && ExperimentId::parse(id).is_ok()
    })
}

/// The index partition, of `shards`, with all records of this user in this experiment.
///
/// It depends on the user alone, so that one reader gets all records of a user.
pub fn shard_of(user: &UserId, shards: u16) -> u16 {
    let digest = Sha256::digest(user.as_str());
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    u16::try_from(number % u32::from(shards.max(1))).unwrap_or_default()
}

/// Partition key of both `by-experiment` indexes. An experiment id contains no `#`.
pub fn experiment_shard(experiment: &ExperimentId, shard: u16) -> String {
    format!("{experiment}#{shard}")
}

/// Sort key of an event. The experiment is the part before the first `#`; an event id may contain more of them.
pub fn experiment_event(experiment: Option<&ExperimentId>, event: &EventId) -> String {
    let experiment = experiment.map_or(events::NO_EXPERIMENT, ExperimentId::as_str);
    format!("{experiment}#{event}")
}

/// Whether a text can be an [`experiment_event`].
pub fn is_experiment_event(text: &str) -> bool {
    let id = text.split_once('#').map(|(_, id)| EventId::parse(id));
    experiment_of(text).is_some() && id.is_some_and(|id| id.is_ok())
}

/// The experiment in the sort key of an event. The inner none: it counts for none. The outer none: the key is invalid.
pub fn experiment_of(experiment_event: &str) -> Option<Option<ExperimentId>> {
    match experiment_event.split_once('#')?.0 {
        events::NO_EXPERIMENT => Some(None),
        experiment => ExperimentId::parse(experiment).ok().map(Some),
    }
}

/// A short hash of a user id.
pub fn hash_of(user: &UserId) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(user.as_str())[..8])
}

/// Sort key of a record in the index of its experiment: when the record was stored, and what tells records of one moment
/// apart.
pub fn stored_at(stored_at: Timestamp, id: &str) -> String {
    format!("{stored_at}#{id}")
}
