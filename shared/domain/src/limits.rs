//! Every limit of the API, in one place, each with its reason. The API guide lists the same numbers.

/// Variants of one experiment. Enough for any real test; keeps a report readable and a definition small.
pub const MAX_VARIANTS: usize = 20;
/// Metrics declared by one experiment. A definition stays far below DynamoDB's 400 KB for an item.
pub const MAX_METRICS: usize = 100;
/// Dimensions declared by one experiment. Each is a table of results of its own, and each more makes it likelier
/// that one of them shows a difference by chance.
pub const MAX_DIMENSIONS: usize = 5;
/// The name of a dimension, in characters: it stands in URLs and in the head of every table.
pub const MAX_DIMENSION_KEY_CHARS: usize = 32;
/// What a user is in a dimension, in characters. A breakdown is by countries or platforms and not by sentences,
/// and an assignment should stay within its one write unit, a kilobyte.
pub const MAX_DIMENSION_VALUE_CHARS: usize = 64;
/// Events in one `POST /events`: with their writes they fit well into the gateway's 29 seconds.
pub const MAX_EVENTS_PER_REQUEST: usize = 500;
/// Rows in one `POST /experiments/{id}/assignments`, for the same reason.
pub const MAX_ASSIGNMENTS_PER_REQUEST: usize = 500;
/// Body of any request, in bytes: 500 events of two kilobytes. Lambda itself takes 6 MB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Nesting of a body. Real events are flat; deep ones are mistakes or attacks on a parser.
pub const MAX_JSON_DEPTH: usize = 32;
/// Properties of one event, in bytes of compact JSON: an event stays within a few write units.
pub const MAX_PROPERTIES_BYTES: usize = 4096;
/// A user id, in bytes of UTF-8. DynamoDB allows 2,048 for a partition key; ids are e-mail addresses at most.
pub const MAX_USER_ID_BYTES: usize = 256;
/// An event id, in bytes of UTF-8: with an experiment id it fits the 1,024 of a sort key.
pub const MAX_EVENT_ID_BYTES: usize = 256;
/// An experiment id, in characters.
pub const MAX_EXPERIMENT_ID_CHARS: usize = 64;
/// Keys of variants and metrics, and event types, in characters.
pub const MAX_KEY_CHARS: usize = 128;
/// Names, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// Descriptions, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 4000;
/// Experiments on one page of a list.
pub const MAX_PAGE: usize = 100;
/// A page token, in characters: longer ones are not ours.
pub const MAX_CURSOR_CHARS: usize = 512;
/// Index shards of one experiment. A DynamoDB partition takes 1,000 writes a second, so 256 shards
/// take more than an account's default quota.
pub const MAX_SHARDS: u16 = 256;
/// Index shards of an experiment that does not say: about 8,000 events a second.
pub const DEFAULT_SHARDS: u16 = 8;
/// How far in the future an event may lie after its clock was corrected, in minutes.
/// Machines drift by seconds; minutes are a wrong clock, and such an event would count at a wrong time.
pub const MAX_FUTURE_MINUTES: i64 = 5;
/// An event's value, in units: sums of squares of a hundred million users still fit 38 digits.
pub const MAX_VALUE_UNITS: i128 = 1_000_000_000;
/// Users of a planned experiment, all variants together: a hundred times as many as there are user data. What takes more
/// is out of data range.
pub const MAX_PLANNED_USERS: u64 = 1_000_000_000_000;
/// Events of one user in one experiment. More than that is a outlier; such a user is left out of the
/// results, and said so. The bound also limits what is read when one user is recomputed.
pub const MAX_EVENTS_PER_USER: u32 = 10_000;
/// Records that one call of results reads where running sums can't tell: in 25 seconds it gets through about so many.
pub const MAX_RECORDS_READ: usize = 2_000_000;
/// Users whose pre exposure is read in one call of results with `cuped`: each takes a query, and the call has 25 seconds.
pub const MAX_USERS_WITH_PRE_EXPOSURE: usize = 50_000;
/// Days for which an erased user stays erased: whatever was under way when the erasure came is given up by then. Streams
/// keep a record for 24 hours, and the queue of those that could not be counted keeps its messages for 14 days; thirty
/// leave time to count these as well.
pub const ERASED_DAYS: i64 = 30;
/// An answer that has no end of its own, in bytes as Lambda counts them: it takes 6 MB, the envelope included.
pub const MAX_ANSWER_BYTES: usize = 5_000_000;
