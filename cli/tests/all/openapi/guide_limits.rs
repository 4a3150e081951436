//! The table of limits in docs/api.md has the limits of the code.

use super::document::Document;
use domain::{limits, registry};

#[test]
fn the_guide_lists_every_limit() {
    let guide = Document::guide();
    let (_, listed) = guide.split_once("\n## Limits\n").unwrap();
    for expected in [
        format!(
            "| days of the last evaluation of a flag | {} |",
            limits::FLAG_EVALUATION_DAYS
        ),
        format!(
            "| secure attributes of a client key | {}, each",
            limits::MAX_SECURE_ATTRIBUTES
        ),
        format!(
            "| salt of secure attributes | {} to {} characters |",
            limits::MIN_SALT_CHARS,
            limits::MAX_SALT_CHARS
        ),
        format!(
            "| assignments of a sticky-bucket document | {} |",
            limits::MAX_STICKY_ASSIGNMENTS
        ),
        format!(
            "| variants of an experiment | 2 to {} |",
            limits::MAX_VARIANTS
        ),
        format!("| metrics of an experiment | {} |", limits::MAX_METRICS),
        format!(
            "| dimensions of an experiment | {} |",
            limits::MAX_DIMENSIONS
        ),
        format!(
            "| key of a dimension | {} characters |",
            limits::MAX_DIMENSION_KEY_CHARS
        ),
        format!(
            "| value of an attribute | {} characters |",
            limits::MAX_DIMENSION_VALUE_CHARS
        ),
        format!(
            "| attributes of a user in a request | {} bytes as compact JSON, {} levels |",
            grouped(limits::MAX_ATTRIBUTES_BYTES),
            limits::MAX_ATTRIBUTE_DEPTH
        ),
        format!(
            "| targeting condition | {} bytes as compact JSON, {} levels |",
            grouped(limits::MAX_CONDITION_BYTES),
            limits::MAX_CONDITION_DEPTH
        ),
        format!(
            "| experiments of a layer at a time | {} |",
            limits::MAX_LAYER_EXPERIMENTS
        ),
        format!(
            "| ranges of an experiment in its layer | {} |",
            limits::MAX_RANGES_PER_EXPERIMENT
        ),
        format!(
            "| ranges of a layer | {}, with those that were freed |",
            grouped(limits::MAX_LAYER_RANGES)
        ),
        format!(
            "| time until freed ranges are given away | {} seconds, and twice",
            limits::LAYER_RELEASE_SECONDS
        ),
        format!("| running holdouts | {} |", limits::MAX_HOLDOUTS),
        format!(
            "| users of a holdout | {}% to {}% |",
            limits::MIN_HOLDOUT_PERCENT,
            limits::MAX_HOLDOUT_PERCENT
        ),
        format!(
            "| regular expressions of a condition | {} of {} characters |",
            limits::MAX_PATTERNS,
            limits::MAX_PATTERN_CHARS
        ),
        format!(
            "| tags of an experiment | {} of {} characters |",
            limits::MAX_TAGS,
            limits::MAX_TAG_CHARS
        ),
        format!(
            "| links of an experiment | {} of {} characters |",
            limits::MAX_LINKS,
            grouped(limits::MAX_URL_CHARS)
        ),
        format!("| steps of a ramp | {} |", limits::MAX_RAMP_STEPS),
        format!("of a search | {} characters |", limits::MAX_SEARCH_CHARS),
        format!(
            "| event types, and values of one dimension, of an exclusion | {} |",
            limits::MAX_EXCLUDED
        ),
        format!(
            "| users of results with an [exclusion](#bots-and-internal-traffic) by `events` | {} |",
            grouped(limits::MAX_USERS_WITH_PROPERTIES)
        ),
        format!(
            "| events of an exclusion | {}, with {} regular expressions and {} bytes as compact JSON together |",
            limits::MAX_EXCLUDED,
            limits::MAX_PATTERNS,
            grouped(limits::MAX_CONDITION_BYTES)
        ),
        format!(
            "| kind of units | {} characters |",
            limits::MAX_UNIT_KIND_CHARS
        ),
        format!(
            "| other units of an event or user in a request | {} |",
            limits::MAX_UNITS
        ),
        format!(
            "| overrides of an experiment | {}, with {} users, {} regular expressions and {} bytes as compact JSON together |",
            limits::MAX_OVERRIDES,
            grouped(limits::MAX_OVERRIDE_USERS),
            limits::MAX_PATTERNS,
            grouped(limits::MAX_OVERRIDES_BYTES)
        ),
        format!(
            "| compiled regular expression | {} bytes |",
            grouped(limits::MAX_PATTERN_BYTES)
        ),
        format!("| events in a call | {} |", limits::MAX_EVENTS_PER_REQUEST),
        format!(
            "| assignments in a call | {} |",
            limits::MAX_ASSIGNMENTS_PER_REQUEST
        ),
        format!(
            "| users in a call of `:evaluate` | {} |",
            limits::MAX_USERS_PER_REQUEST
        ),
        format!(
            "| named experiments in a call | {} |",
            limits::MAX_NAMED_EXPERIMENTS
        ),
        format!(
            "| running experiments in a call without names | {} |",
            limits::MAX_RUNNING_EXPERIMENTS
        ),
        format!("| body | {} bytes |", grouped(limits::MAX_BODY_BYTES)),
        format!("| depth of a body | {} |", limits::MAX_JSON_DEPTH),
        format!(
            "| stored events of a user | {} on a UTC day, {} in all |",
            grouped(usize::try_from(limits::MAX_STORED_EVENTS_PER_USER_DAY).unwrap()),
            grouped(usize::try_from(limits::MAX_STORED_EVENTS_PER_USER).unwrap())
        ),
        format!(
            "| events after the end of an experiment | {} days |",
            limits::LATE_EVENT_DAYS
        ),
        format!(
            "| events that are stored for an experiment after its end | {} hours |",
            limits::HOURS_STORED_AFTER_END
        ),
        format!(
            "| events per second of a token | {} by default",
            grouped(usize::try_from(limits::DEFAULT_EVENTS_PER_SECOND).unwrap())
        ),
        format!(
            "| properties of an event | {} bytes",
            grouped(limits::MAX_PROPERTIES_BYTES)
        ),
        format!(
            "| user id, event id | {} bytes |",
            limits::MAX_USER_ID_BYTES
        ),
        format!(
            "| user id, event id | {} bytes |",
            limits::MAX_EVENT_ID_BYTES
        ),
        format!(
            "| experiment id | {} characters |",
            limits::MAX_EXPERIMENT_ID_CHARS
        ),
        format!(
            "| keys of variants and metrics, event types | {} bytes |",
            limits::MAX_KEY_CHARS
        ),
        format!(
            "| names, hash seeds | {} characters |",
            limits::MAX_NAME_CHARS
        ),
        format!(
            "| descriptions | {} characters |",
            grouped(limits::MAX_DESCRIPTION_CHARS)
        ),
        format!("| page of a list | {} |", limits::MAX_PAGE),
        format!("| cursor | {} characters |", limits::MAX_CURSOR_CHARS),
        format!(
            "| shards of an experiment | 1 to {}, {} by default |",
            limits::MAX_SHARDS,
            limits::DEFAULT_SHARDS
        ),
        format!(
            "| an event in the future | {} minutes |",
            limits::MAX_FUTURE_MINUTES
        ),
        format!("| an erased user | {} days |", limits::ERASED_DAYS),
        format!(
            "| answer of an export | {} bytes |",
            grouped(limits::MAX_ANSWER_BYTES)
        ),
        format!(
            "| features of a client key in one answer | {} bytes |",
            grouped(limits::MAX_ANSWER_BYTES)
        ),
        format!(
            "| value of an event | ±{} |",
            grouped(usize::try_from(limits::MAX_VALUE_UNITS).unwrap())
        ),
        format!(
            "| users of a planned experiment | {} |",
            grouped(usize::try_from(limits::MAX_PLANNED_USERS).unwrap())
        ),
        format!(
            "| users of results with `cuped` | {} |",
            grouped(limits::MAX_USERS_WITH_PRE_EXPOSURE)
        ),
        format!(
            "| events of a user in an experiment | {} |",
            grouped(usize::try_from(limits::MAX_EVENTS_PER_USER).unwrap())
        ),
        format!(
            "| combinations of hour and event type of a user in an experiment | {} |",
            grouped(limits::MAX_ENTRIES_PER_USER)
        ),
        format!(
            "| sum of a user's values of one event type that a metric sums | ±{}.{} |",
            grouped(usize::try_from(limits::MAX_USER_TOTAL_MILLIONTHS / 1_000_000).unwrap()),
            limits::MAX_USER_TOTAL_MILLIONTHS % 1_000_000
        ),
        format!(
            "| event types without a metric, with counts of their own | {} of {} bytes together |",
            registry::MAX_REGISTERED_TYPES,
            grouped(registry::MAX_REGISTERED_BYTES)
        ),
        format!(
            "| values of a dimension with results of their own | {} of {} bytes together |",
            registry::MAX_REGISTERED_VALUES,
            grouped(registry::MAX_REGISTERED_BYTES)
        ),
        format!(
            "| pre-exposure events of a user | {} |",
            grouped(limits::MAX_PRE_EXPOSURE_EVENTS)
        ),
        format!("| phases of an experiment | {} |", limits::MAX_PHASES),
        format!(
            "| environments | {} of {} characters |",
            limits::MAX_ENVIRONMENTS,
            limits::MAX_ENVIRONMENT_CHARS
        ),
        format!(
            "| client keys that are not revoked | {} |",
            domain::prose::grouped(limits::MAX_CLIENT_KEYS.into())
        ),
        format!(
            "| origins of a client key | {} of {} characters |",
            limits::MAX_ORIGINS,
            limits::MAX_ORIGIN_CHARS
        ),
        format!(
            "| flag tags of a client key | {} of {} characters |",
            limits::MAX_TAGS,
            limits::MAX_TAG_CHARS
        ),
        format!(
            "| event types of a client key | {} |",
            limits::MAX_CLIENT_EVENT_TYPES
        ),
        format!(
            "| events of a client key | {} per second, {} at most |",
            limits::DEFAULT_CLIENT_EVENTS_PER_SECOND,
            domain::prose::grouped(limits::MAX_CLIENT_EVENTS_PER_SECOND.into())
        ),
        format!(
            "| a revoked client key in lists | {} days |",
            limits::REVOKED_CLIENT_KEY_DAYS
        ),
        format!("| segments | {} |", limits::MAX_SEGMENTS),
        format!(
            "| segment id | {} characters |",
            limits::MAX_SEGMENT_ID_CHARS
        ),
        format!(
            "| ids of a segment | {} |",
            grouped(limits::MAX_SEGMENT_IDS)
        ),
        format!(
            "| ids in a call | {}, added and removed together |",
            grouped(limits::MAX_IDS_PER_REQUEST)
        ),
        format!("| id in a list | {} bytes |", limits::MAX_LISTED_ID_BYTES),
        format!("| parts of an id list | {} |", limits::ID_CHUNKS),
        format!(
            "| attribute of a list | {} characters |",
            limits::MAX_ATTRIBUTE_NAME_CHARS
        ),
        format!(
            "| segments that an experiment, a flag or a segment names | {} |",
            limits::MAX_NAMED_SEGMENTS
        ),
        format!(
            "| levels of segments that name segments | {} |",
            limits::MAX_SEGMENT_LEVELS
        ),
        format!(
            "| definitions in `used_by` | {} |",
            limits::MAX_USED_BY_SHOWN
        ),
        format!(
            "| flags | {}, the archived ones included, and {} bytes as compact JSON together |",
            grouped(limits::MAX_FLAGS),
            grouped(limits::MAX_ALL_FLAGS_BYTES)
        ),
        format!(
            "| compiled flags of an environment | {} bytes of memory",
            grouped(limits::MAX_COMPILED_FLAGS_BYTES)
        ),
        format!(
            "| experiments that the flags of an environment name | {} bytes of memory",
            grouped(limits::MAX_FLAG_EXPERIMENTS_BYTES)
        ),
        format!(
            "| definition of a flag | {} bytes as compact JSON |",
            grouped(limits::MAX_FLAG_BYTES)
        ),
        format!(
            "| variants of a flag, and of a rollout | 1 to {} |",
            limits::MAX_VARIANTS
        ),
        format!(
            "| value of a variant of a flag | {} bytes as compact JSON, {} levels |",
            grouped(limits::MAX_FLAG_VALUE_BYTES),
            limits::MAX_FLAG_VALUE_DEPTH
        ),
        format!(
            "| whole number as the value of a variant | ±{} |",
            grouped(usize::try_from(limits::MAX_FLAG_INTEGER).unwrap())
        ),
        format!(
            "| schema of the values of a flag | {} bytes as compact JSON, {} levels, {} patterns |",
            grouped(limits::MAX_SCHEMA_BYTES),
            limits::MAX_SCHEMA_DEPTH,
            limits::MAX_PATTERNS
        ),
        format!(
            "| rules of a flag in an environment | {} |",
            limits::MAX_FLAG_RULES
        ),
        format!(
            "| id of a rule | {} characters |",
            limits::MAX_RULE_ID_CHARS
        ),
        format!(
            "| experiments of a flag | {} |",
            limits::MAX_FLAG_EXPERIMENTS
        ),
        format!(
            "| prerequisites of a flag | {} in {} levels |",
            limits::MAX_PREREQUISITES,
            limits::MAX_PREREQUISITE_LEVELS
        ),
        format!(
            "| days until a flag is stale | {} |",
            limits::STALE_FLAG_DAYS
        ),
    ] {
        assert!(listed.contains(&expected), "docs/api.md lacks: {expected}");
    }
}

/// 1048576 as 1,048,576.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let places = digits.len();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (places - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
