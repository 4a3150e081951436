//! Every limit of the API with its reason. The API guide lists the same numbers.

/// Variants of one experiment. It keeps reports readable and definitions small.
pub const MAX_VARIANTS: usize = 20;
/// Metrics declared by one experiment. A definition stays far below DynamoDB's 400 KB per item.
pub const MAX_METRICS: usize = 100;
/// Dimensions declared by one experiment. Every dimension adds a table of results, and makes a difference by chance
/// more likely.
pub const MAX_DIMENSIONS: usize = 5;
/// The name of a dimension, in characters. It is part of URLs and table headings.
pub const MAX_DIMENSION_KEY_CHARS: usize = 32;
/// A dimension value, in characters. Values are countries or platforms, not sentences, and an assignment should stay
/// within one write unit (1 KB).
pub const MAX_DIMENSION_VALUE_CHARS: usize = 64;
/// Events in one `POST /events`. With their writes they fit into the gateway's 29 seconds.
pub const MAX_EVENTS_PER_REQUEST: usize = 500;
/// Rows in one `POST /experiments/{id}/assignments`, for the same reason.
pub const MAX_ASSIGNMENTS_PER_REQUEST: usize = 500;
/// Body of any request, in bytes: 500 events of 2 KB. Lambda accepts 6 MB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Nesting of a body. Real events are flat.
pub const MAX_JSON_DEPTH: usize = 32;
/// Properties of one event, in bytes of compact JSON. An event stays within a few write units.
pub const MAX_PROPERTIES_BYTES: usize = 4096;
/// A user id, in bytes of UTF-8. DynamoDB allows 2,048 bytes for a partition key.
pub const MAX_USER_ID_BYTES: usize = 256;
/// An event id, in bytes of UTF-8. With an experiment id it fits into the 1,024 bytes of a sort key.
pub const MAX_EVENT_ID_BYTES: usize = 256;
/// An experiment id and a layer id, in characters.
pub const MAX_EXPERIMENT_ID_CHARS: usize = 64;
/// Keys of variants and metrics, and event types, in characters.
pub const MAX_KEY_CHARS: usize = 128;
/// Names, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// Descriptions, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 4000;
/// Experiments on one page of a list.
pub const MAX_PAGE: usize = 100;
/// A page cursor, in characters. Cursors of this API are shorter.
pub const MAX_CURSOR_CHARS: usize = 512;
/// Index shards of one experiment. A DynamoDB partition takes 1,000 writes a second, so 256 shards take more than an
/// account's default quota.
pub const MAX_SHARDS: u16 = 256;
/// Index shards of an experiment without a number of its own: about 8,000 events a second.
pub const DEFAULT_SHARDS: u16 = 8;
/// How far in the future an event may be after its clock was corrected, in minutes. Clocks drift by seconds. A
/// difference of minutes is a wrong clock, and such an event would be counted at a wrong time.
pub const MAX_FUTURE_MINUTES: i64 = 5;
/// An event's value, in units.
pub const MAX_VALUE_UNITS: i128 = 1_000_000_000;
/// The sum of a user's values of one event type, in millionths: one less than a billion units. Users with larger sums
/// are outlier users. The sum of squares of 100 million users, each with the largest sum, then has 38 digits, and
/// DynamoDB stores numbers of 38 digits exactly: 10^8 · (10^15 − 1)² < 10^38.
pub const MAX_USER_TOTAL_MILLIONTHS: i128 = 1_000_000_000 * 1_000_000 - 1;
/// Users of a planned experiment, all variants together: 100 times the world's population.
pub const MAX_PLANNED_USERS: u64 = 1_000_000_000_000;
/// The smallest effect, error level, margin and quantile. Smaller ones need more users than exist, and DynamoDB refuses
/// numbers other than 0 below 1e-130.
pub const MIN_FRACTION: f64 = 1e-6;
/// Events of one user in one experiment. Users with more are outlier users: results leave them out and report their
/// number. The limit also bounds what a refresh of one user reads.
pub const MAX_EVENTS_PER_USER: u32 = 10_000;
/// Combinations of an hour, an event type and a disposition in which one user has events in one experiment. Users with
/// more are outlier users. A user's contribution then has at most 250 KB, and an item of DynamoDB 400 KB.
pub const MAX_ENTRIES_PER_USER: usize = 4_000;
/// Pre-exposure events of one user that are looked at, in the order of their keys.
pub const MAX_PRE_EXPOSURE_EVENTS: usize = 10_000;
/// Phases of one experiment: how often its traffic and weights can be set. A definition stays below DynamoDB's 400 KB.
pub const MAX_PHASES: usize = 200;
/// Stored events of one user on one UTC day. An event counts once for each experiment that it is stored for. It is twice
/// the number of events that makes an outlier user, so no user in the results reaches it in one experiment.
pub const MAX_STORED_EVENTS_PER_USER_DAY: u64 = 20_000;
/// Stored events of one user in all, counted in the same way. An erasure deletes about 1,000 a second, because all of
/// them are in one partition.
pub const MAX_STORED_EVENTS_PER_USER: u64 = 200_000;
/// Events per second that a token may send, unless it has a budget of its own: 432 million a day.
pub const DEFAULT_EVENTS_PER_SECOND: u32 = 5_000;
/// Days after the end of an experiment in which late events still count. After that, its numbers no longer change.
pub const LATE_EVENT_DAYS: i64 = 30;
/// Hours after the end of an experiment whose events are stored for it, so that the event accounting shows that a product
/// still sends them. Later ones would cost a write for each experiment that has ended.
pub const HOURS_STORED_AFTER_END: i64 = 24;
/// Records that one request for results reads if the aggregates cannot answer it: about as many as are read in 25
/// seconds.
pub const MAX_RECORDS_READ: usize = 2_000_000;
/// Numbers of the aggregates that one request reads: about 300 MB of memory. An experiment with ten metrics, two variants
/// and a dimension of fifty values has 15,000 a day.
pub const MAX_NUMBERS_READ: usize = 2_000_000;
/// Users whose pre-exposure events are read in one request for results with `cuped`. Each takes a query, and the
/// request has 25 seconds.
pub const MAX_USERS_WITH_PRE_EXPOSURE: usize = 50_000;
/// Users whose event properties are read in one request for results from raw records, because they decide whether a user is
/// excluded. Each takes a query, and the request has 25 seconds.
pub const MAX_USERS_WITH_PROPERTIES: usize = 50_000;
/// Days for which a tombstone is kept. Streams keep a record for 24 hours, and the dead-letter queue keeps messages for
/// 14 days; 30 days leave time to process these too.
pub const ERASED_DAYS: i64 = 30;
/// The largest response, in bytes as Lambda counts them. Lambda allows 6 MB including the envelope.
pub const MAX_ANSWER_BYTES: usize = 5_000_000;
/// Users in one `POST /experiments/{id}/assignments:evaluate`. Each takes three calls of the
/// database, and one more for each holdout.
pub const MAX_USERS_PER_REQUEST: usize = 100;
/// Experiments that one `POST /assignments` can name.
pub const MAX_NAMED_EXPERIMENTS: usize = 100;
/// Running experiments that `POST /assignments` evaluates without names. Their definitions stay in memory.
pub const MAX_RUNNING_EXPERIMENTS: usize = 500;
/// Tags of one experiment, and flag tags of one client key.
pub const MAX_TAGS: usize = 20;
/// A tag, in characters.
pub const MAX_TAG_CHARS: usize = 50;
/// Links of one experiment.
pub const MAX_LINKS: usize = 20;
/// The address of a link, in characters.
pub const MAX_URL_CHARS: usize = 2_000;
/// The name of a kind of units, in characters.
pub const MAX_UNIT_KIND_CHARS: usize = 32;
/// Event types, and values of one dimension, whose users an experiment excludes.
pub const MAX_EXCLUDED: usize = 20;
/// Units of other kinds in one request. An event is stored for each of them.
pub const MAX_UNITS: usize = 4;
/// A criterion of a search for experiments, in characters.
pub const MAX_SEARCH_CHARS: usize = 200;
/// Steps of one ramp. Each becomes a phase.
pub const MAX_RAMP_STEPS: usize = 20;
/// Overrides of one experiment.
pub const MAX_OVERRIDES: usize = 50;
/// Users that all overrides of an experiment name by their ids.
pub const MAX_OVERRIDE_USERS: usize = 1_000;
/// All overrides of an experiment, in bytes of compact JSON. A definition stays far below DynamoDB's 400 KB per item.
pub const MAX_OVERRIDES_BYTES: usize = 40_000;
/// A targeting condition, in bytes of compact JSON. A definition stays far below DynamoDB's 400 KB per item.
pub const MAX_CONDITION_BYTES: usize = 20_000;
/// Levels of arrays and objects in a targeting condition. DynamoDB stores 32 levels, with those of the definition.
pub const MAX_CONDITION_DEPTH: usize = 16;
/// Regular expressions in one targeting condition, and in all overrides of an experiment together. A function compiles them
/// once for each version of the definition, and keeps them in memory.
pub const MAX_PATTERNS: usize = 20;
/// A regular expression of a targeting condition, in characters.
pub const MAX_PATTERN_CHARS: usize = 500;
/// A compiled regular expression, in bytes. Memory and time of a match are bounded by it.
pub const MAX_PATTERN_BYTES: usize = 256 * 1024;
/// Attributes of one user in a request, in bytes of compact JSON. URLs have at most 8 KB.
pub const MAX_ATTRIBUTES_BYTES: usize = 8_192;
/// Levels of objects in the attributes of a user.
pub const MAX_ATTRIBUTE_DEPTH: usize = 16;
/// Experiments that have ranges of one layer at a time.
pub const MAX_LAYER_EXPERIMENTS: usize = 100;
/// Ranges that one experiment has in its layer. A definition contains them, and each evaluation compares them.
pub const MAX_RANGES_PER_EXPERIMENT: usize = 10;
/// Ranges of one layer, those that were freed included. A layer stays below DynamoDB's 400 KB per item.
pub const MAX_LAYER_RANGES: usize = 2_000;
/// Holdouts that run at a time. Each one adds a write for a new user, and one for each event.
pub const MAX_HOLDOUTS: usize = 5;
/// The smallest percentage of users that a holdout keeps out. Fewer users show no effect.
pub const MIN_HOLDOUT_PERCENT: f64 = 0.1;
/// The largest percentage of users that a holdout keeps out.
pub const MAX_HOLDOUT_PERCENT: f64 = 20.0;
/// Seconds until a freed range of a layer can be given to another experiment, beside twice the time for which definitions
/// are cached: a minute of difference between clocks, and half a minute of a request that is under way.
pub const LAYER_RELEASE_SECONDS: i64 = 90;
/// Segments of a deployment. All definitions fit into memory, and an erasure looks into each id list.
pub const MAX_SEGMENTS: usize = 500;
/// A segment id, in characters.
pub const MAX_SEGMENT_ID_CHARS: usize = 64;
/// Ids of one segment. Their hashes take 800 KB.
pub const MAX_SEGMENT_IDS: usize = 100_000;
/// Ids that one request adds to a segment and removes from it, together. They are written in one transaction.
pub const MAX_IDS_PER_REQUEST: usize = 10_000;
/// An id of a segment, in bytes of UTF-8: as long as a user id.
pub const MAX_LISTED_ID_BYTES: usize = MAX_USER_ID_BYTES;
/// The attribute that the ids of a segment are values of, in characters.
pub const MAX_ATTRIBUTE_NAME_CHARS: usize = 128;
/// Parts of an id list, each an item of the database. The largest list then has parts of about 50 KB.
pub const ID_CHUNKS: usize = 16;
/// Segments that the conditions of one experiment name together, or that one segment names. Each is a record of a
/// transaction, and DynamoDB takes 100.
pub const MAX_NAMED_SEGMENTS: usize = 20;
/// Levels of segments that name segments: a segment that names none has one level.
pub const MAX_SEGMENT_LEVELS: usize = 5;
/// Users of a segment that an answer lists. The answer has the number of all of them.
pub const MAX_USED_BY_SHOWN: usize = 20;
/// Flags of a deployment, the archived ones included. Each process has all of them in memory.
pub const MAX_FLAGS: usize = 2_000;
/// All flags of a deployment, in bytes of compact JSON. They are read in four calls, and the payload for client SDKs fits
/// into an answer.
pub const MAX_ALL_FLAGS_BYTES: usize = 4_000_000;
/// The memory of a definition that is kept, in relation to its JSON.
pub const BYTES_PER_JSON_BYTE: usize = 4;
/// The memory of a usual compiled regular expression.
pub const BYTES_PER_PATTERN: usize = 16 * 1024;
/// Memory of the compiled flags of one environment, and of those of all environments that a process keeps, as it is
/// estimated. A function has 256 MB, and 96 MB of them are for definitions and id lists. [`MAX_ALL_FLAGS_BYTES`] need half of
/// it if no rule names an experiment and values are short.
pub const MAX_COMPILED_FLAGS_BYTES: usize = 64 * 1024 * 1024;
/// Memory of the experiments that the flags of one environment name, as it is estimated: as much as the cache of
/// definitions, which shares them.
pub const MAX_FLAG_EXPERIMENTS_BYTES: usize = 64 * 1024 * 1024;
/// Experiments whose ids one flag names. Each is a record of a transaction, and an evaluation reads all of them.
pub const MAX_FLAG_EXPERIMENTS: usize = 20;
/// The definition of a flag, in bytes of compact JSON. All flags of a deployment stay in the memory of a function.
pub const MAX_FLAG_BYTES: usize = 32 * 1024;
/// The value of a variant of a flag, in bytes of compact JSON. Payloads of client SDKs repeat it for each rule.
pub const MAX_FLAG_VALUE_BYTES: usize = 8 * 1024;
/// Levels of objects and arrays in the value of a variant. DynamoDB stores 32 levels, with those of the definition.
pub const MAX_FLAG_VALUE_DEPTH: usize = 16;
/// The size of a whole number as the value of a variant. JavaScript counts exactly up to here.
pub const MAX_FLAG_INTEGER: i64 = (1 << 53) - 1;
/// Rules of a flag in one environment. An evaluation goes through all of them.
pub const MAX_FLAG_RULES: usize = 50;
/// The id of a rule, in characters.
pub const MAX_RULE_ID_CHARS: usize = 64;
/// Flags that must have certain variants before another flag is evaluated.
pub const MAX_PREREQUISITES: usize = 10;
/// Levels of flags with prerequisites: a flag without prerequisites has one level.
pub const MAX_PREREQUISITE_LEVELS: usize = 5;
/// The JSON Schema of a flag's values, in bytes of compact JSON. It is compiled at each change of the flag.
pub const MAX_SCHEMA_BYTES: usize = 8 * 1024;
/// Levels of objects and arrays in a JSON Schema.
pub const MAX_SCHEMA_DEPTH: usize = 16;
/// Days without a change after which a flag is stale that gives all users of an environment one variant.
pub const STALE_FLAG_DAYS: i64 = 90;
/// Levels of features whose rules need other features. Deeper ones are treated as a circle. It bounds the recursion for any
/// payload; flags have at most [`MAX_PREREQUISITE_LEVELS`].
pub const MAX_FEATURE_LEVELS: usize = 16;
/// A condition of a feature, in bytes of compact JSON. It joins the conditions of a flag's rule and of an experiment: its
/// targeting, its exclusion, and one override with up to 1,000 user ids.
pub const MAX_JOINED_CONDITION_BYTES: usize = 512 * 1024;
/// Levels of such a condition: those of its parts, and those that join them or replace segments by their conditions.
pub const MAX_JOINED_CONDITION_DEPTH: usize = 64;
/// Regular expressions in such a condition: those of a flag, of an experiment and of its overrides.
pub const MAX_JOINED_PATTERNS: usize = 4 * MAX_PATTERNS;
/// Environments of a deployment. A flag has settings for each of them.
pub const MAX_ENVIRONMENTS: usize = 10;
/// The name of an environment, in characters.
pub const MAX_ENVIRONMENT_CHARS: usize = 32;
/// Client keys of a deployment that are not revoked: ten teams with a hundred apps and environments.
pub const MAX_CLIENT_KEYS: u32 = 1_000;
/// Origins of one client key.
pub const MAX_ORIGINS: usize = 20;
/// An origin, in characters: `https://`, a host name of 253 characters, and a port.
pub const MAX_ORIGIN_CHARS: usize = 267;
/// Event types that one client key may send. With the other fields, a key has at most 20 KB.
pub const MAX_CLIENT_EVENT_TYPES: usize = 50;
/// Events per second that a client key may send, unless it has a budget of its own. A visitor sends about one event in ten
/// seconds, so 1,000 visitors can use a page at once.
pub const DEFAULT_CLIENT_EVENTS_PER_SECOND: u32 = 100;
/// The largest budget of a client key, in events per second. Everybody can read the key, so it bounds what a flood costs.
pub const MAX_CLIENT_EVENTS_PER_SECOND: u32 = 1_000;
/// Days for which the last evaluation of a flag is kept: a year, with a month for flags that are used once a year.
pub const FLAG_EVALUATION_DAYS: i64 = 396;
/// Attributes whose values the payload of one client key hashes: personal data is in few of them.
pub const MAX_SECURE_ATTRIBUTES: usize = 20;
/// The shortest salt, in characters. A shorter one could be found by trying all of them.
pub const MIN_SALT_CHARS: usize = 8;
/// The longest salt, in characters: longer ones protect no better.
pub const MAX_SALT_CHARS: usize = 64;
/// Assignments of one sticky-bucket document. An SDK sends those of all experiments of its flags that the user is in, and few
/// users are in a hundred at once.
pub const MAX_STICKY_ASSIGNMENTS: usize = 500;
/// Days for which lists show a client key after it was revoked.
pub const REVOKED_CLIENT_KEY_DAYS: i64 = 30;
/// The conditions of segments that replace their names in one condition of a payload, in bytes of compact JSON. Segments may
/// name each other, so a short condition can become a long one.
pub const MAX_INLINED_BYTES: usize = 64 * 1024;
/// Hours after which a session of the dashboard ends: a working day, and no browser stays signed in overnight.
pub const SESSION_HOURS: i64 = 12;
/// Minutes for which a start link can be used: it is printed in a terminal, and opened a moment later.
pub const START_CODE_MINUTES: i64 = 15;
/// The body of a form of the dashboard, in bytes: the longest one has the JSON of a flag of [`MAX_FLAG_BYTES`] with indents,
/// and forms write most marks of JSON as three characters. It has also room for the ids of most lists.
pub const MAX_FORM_BYTES: usize = 256 * 1024;
/// Fields of a form of the dashboard.
pub const MAX_FORM_FIELDS: usize = 100;
/// Experiments on one page of the dashboard. Each of them reads its aggregates.
pub const DASHBOARD_PAGE: usize = 10;
/// Notifications of an experiment that are kept with what was said. With the longest texts they have 150 KB, and an item of
/// DynamoDB 400 KB.
pub const MAX_KEPT_NOTIFICATIONS: usize = 20;
/// Guardrails that one notification lists.
pub const MAX_NOTIFIED_GUARDRAILS: usize = 10;
/// The sentence of a notification, in characters. It fits into a chat message.
pub const MAX_NOTIFICATION_CHARS: usize = 1_000;
/// Experiments that the dashboard sorts by something else than their age. All of them are read for each page, because no index
/// has another order.
pub const DASHBOARD_SORTED: usize = 100;
/// Days that a preview of an audience looks back: a week has every weekday once.
pub const AUDIENCE_DAYS: i64 = 7;
/// Experiments whose users a preview of an audience looks at.
pub const AUDIENCE_EXPERIMENTS: usize = 5;
/// Assignments that a preview of an audience reads of each experiment. With 1,000 users, the share is known to within three
/// percentage points.
pub const AUDIENCE_ASSIGNMENTS: usize = 1_000;
