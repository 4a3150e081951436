//! Identifiers. Each type has one validation, so a value of the type is always valid.

mod user;

pub use user::UserId;

use super::prose::grouped_size;
use super::{Invalid, limits};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Declares a text type whose only constructor is `parse`.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it is a valid identifier of this kind.
            ///
            /// # Errors
            /// What is wrong with the text and what is expected.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> Result<(), Invalid> = $check;
                check(text).map(|()| Self(text.to_owned()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

text_id!(
    /// An experiment: 1 to 64 letters, digits, `-` and `_`, starting with a letter or digit.
    ///
    /// It contains no `#`, so keys are joined by `#` without ambiguity.
    ExperimentId,
    |text| slug(text, limits::MAX_EXPERIMENT_ID_CHARS, "-_", "letters, digits, `-` and `_`")
);
text_id!(
    /// A layer, with the form of an experiment's id.
    LayerId,
    |text| slug(text, limits::MAX_EXPERIMENT_ID_CHARS, "-_", "letters, digits, `-` and `_`")
);
text_id!(
    /// A variant of an experiment, e.g. `control`.
    VariantKey,
    |text| slug(text, limits::MAX_KEY_CHARS, "-_.", "letters, digits, `-`, `_` and `.`")
);
text_id!(
    /// A metric of an experiment, e.g. `purchase`.
    MetricKey,
    |text| slug(text, limits::MAX_KEY_CHARS, "-_.", "letters, digits, `-`, `_` and `.`")
);
text_id!(
    /// An attribute of users by which results may be broken down, e.g. `country`: 1 to 32 lower-case letters,
    /// digits, `-` and `_`, starting with a letter or digit.
    ///
    /// `phase` is not allowed: it is the name of the breakdown by phases, which every experiment has.
    DimensionKey,
    dimension_key
);
text_id!(
    /// A dimension value of a user, e.g. `DE`: 1 to 64 characters without control characters.
    ///
    /// It is never `(none)` or `(other values)`, which results use for users without a value and for rare values.
    DimensionLabel,
    dimension_value
);
text_id!(
    /// A segment, e.g. `beta-testers`: 1 to 64 letters, digits, `-` and `_`, starting with a letter or digit.
    ///
    /// It contains no `#`, so keys are joined by `#` without ambiguity.
    SegmentId,
    |text| slug(text, limits::MAX_SEGMENT_ID_CHARS, "-_", "letters, digits, `-` and `_`")
);
text_id!(
    /// A feature flag, e.g. `checkout.new-button`: 1 to 128 letters, digits, `-`, `_` and `.`, starting with a letter or
    /// digit. Some OpenFeature clients do not encode a key in a URL, so no other characters are allowed.
    FlagKey,
    |text| slug(text, limits::MAX_KEY_CHARS, "-_.", "letters, digits, `-`, `_` and `.`")
);
text_id!(
    /// A rule of a feature flag, unique in its environment: 1 to 64 letters, digits, `-`, `_` and `.`, starting with a
    /// letter or digit.
    RuleId,
    |text| slug(text, limits::MAX_RULE_ID_CHARS, "-_.", "letters, digits, `-`, `_` and `.`")
);
text_id!(
    /// A kind of units, such as `account`: 1 to 32 lower-case letters, digits, `-` and `_`, starting with a letter or
    /// digit.
    UnitKind,
    |text| lower_case_slug(text, limits::MAX_UNIT_KIND_CHARS)
);
text_id!(
    /// An environment of a deployment, such as `production`: 1 to 32 lower-case letters, digits and `-`, starting with a
    /// letter or digit.
    EnvironmentName,
    environment_name
);
text_id!(
    /// A client key in lists, logs and paths: 16 lower-case base32 characters. It follows from the key.
    ClientKeyId,
    client_key_id
);
text_id!(
    /// An event type, e.g. `purchase`: 1 to 128 characters without control characters.
    EventType,
    |text| free_text(text, limits::MAX_KEY_CHARS)
);
text_id!(
    /// An event id, equal for repeats of an event: 1 to 256 bytes without control characters.
    EventId,
    |text| free_text(text, limits::MAX_EVENT_ID_BYTES)
);

fn slug(text: &str, max: usize, marks: &str, allowed: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("empty", "Must not be empty."));
    }
    if text.len() > max {
        return Err(Invalid::new(
            "too_long",
            format!("Must have at most {max} characters."),
        ));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(fits) {
        return Err(Invalid::new(
            "bad_characters",
            format!("Must start with a letter or digit and consist of {allowed}."),
        ));
    }
    Ok(())
}

fn lower_case_slug(text: &str, max: usize) -> Result<(), Invalid> {
    let allowed = "lower-case letters, digits, `-` and `_`";
    slug(text, max, "-_", allowed)?;
    if text.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(Invalid::new(
            "bad_characters",
            format!("Must consist of {allowed}."),
        ));
    }
    Ok(())
}

fn environment_name(text: &str) -> Result<(), Invalid> {
    let allowed = "lower-case letters, digits and `-`";
    slug(text, limits::MAX_ENVIRONMENT_CHARS, "-", allowed)?;
    if text.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(Invalid::new(
            "bad_characters",
            format!("Must consist of {allowed}."),
        ));
    }
    Ok(())
}

fn client_key_id(text: &str) -> Result<(), Invalid> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
    if text.len() == ClientKeyId::CHARS && text.bytes().all(fits) {
        return Ok(());
    }
    let detail = format!(
        "Must have {} lower-case letters and digits from 2 to 7.",
        ClientKeyId::CHARS
    );
    Err(Invalid::new("bad_id", detail))
}

impl ClientKeyId {
    /// The number of characters.
    const CHARS: usize = 16;

    /// The id of a client key, from the first 80 bits of the digest of its text.
    pub(super) fn of_key(text: &str) -> Self {
        let digest = Sha256::digest(text);
        Self(base32(&digest[..10]))
    }
}

fn dimension_key(text: &str) -> Result<(), Invalid> {
    lower_case_slug(text, limits::MAX_DIMENSION_KEY_CHARS)?;
    if text == DimensionKey::PHASE {
        let detail =
            "`phase` is the breakdown by phases, which needs no declaration. Choose another name.";
        return Err(Invalid::new("reserved", detail));
    }
    Ok(())
}

fn dimension_value(text: &str) -> Result<(), Invalid> {
    let most = limits::MAX_DIMENSION_VALUE_CHARS;
    let length = text.chars().count();
    if length > most {
        let detail = format!(
            "Must have at most {most} characters; this has {}.",
            grouped_size(length)
        );
        return Err(Invalid::new("too_long", detail));
    }
    if text == DimensionLabel::NONE {
        let detail =
            "`(none)` means users without this attribute. Leave the attribute out instead.";
        return Err(Invalid::new("reserved", detail));
    }
    if text == DimensionLabel::OTHERS {
        let detail = "`(other values)` is the name that results use for all rare values together. Send another value.";
        return Err(Invalid::new("reserved", detail));
    }
    // This number of characters never has more bytes.
    free_text(text, most * 4)
}

impl DimensionKey {
    /// The breakdown by phases; no dimension has this name.
    pub const PHASE: &'static str = "phase";
}

impl DimensionLabel {
    /// The value in results for users without the attribute; no user has this value.
    pub const NONE: &'static str = "(none)";
    /// The value in results for all values without aggregates of their own; no user has this value.
    pub const OTHERS: &'static str = "(other values)";
}

impl EventType {
    /// The type in results for all types without aggregates of their own; no event has this type.
    pub const OTHERS: &'static str = "(other types)";

    /// Parses the type of a new event or metric.
    ///
    /// # Errors
    /// If it is no valid type, or [`EventType::OTHERS`].
    pub fn parse_new(text: &str) -> Result<Self, Invalid> {
        if text == Self::OTHERS {
            let detail = "`(other types)` is the name that results use for all rare types together. Send another type.";
            return Err(Invalid::new("reserved", detail));
        }
        Self::parse(text)
    }

    /// [`EventType::OTHERS`] as a type.
    pub(super) fn others() -> Self {
        Self(Self::OTHERS.to_owned())
    }
}

fn free_text(text: &str, max_bytes: usize) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("empty", "Must not be empty."));
    }
    if text.len() > max_bytes {
        return Err(Invalid::new(
            "too_long",
            format!(
                "Must have at most {max_bytes} bytes of UTF-8; this has {}.",
                grouped_size(text.len())
            ),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(
            "control_character",
            "Must not contain control characters such as line breaks.",
        ));
    }
    Ok(())
}

/// Words after `/experiments/` that are paths of the API: an experiment with such an id could not be read.
const RESERVED: [&str; 1] = ["plan"];

impl ExperimentId {
    /// Parses the id of a new experiment.
    ///
    /// # Errors
    /// If it is no valid id, or a path of the API.
    pub fn parse_new(text: &str) -> Result<Self, Invalid> {
        let id = Self::parse(text)?;
        if RESERVED.contains(&text) {
            let detail =
                format!("`/experiments/{text}` is another path of the API; choose another id.");
            return Err(Invalid::new("reserved", detail));
        }
        Ok(id)
    }

    /// An id from 128 random bits, or from a digest where creation must be repeatable:
    /// 26 lower-case base32 characters.
    pub fn from_bits(bits: [u8; 16]) -> Self {
        Self(base32(&bits))
    }
}

impl std::borrow::Borrow<str> for FlagKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for SegmentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl EventId {
    /// The id of an event without one; see [`super::event::derived_id`].
    pub(super) fn from_digest(bits: &[u8]) -> Self {
        Self(format!("auto-{}", base32(bits)))
    }
}

impl MetricKey {
    /// The key of a metric that is not declared, such as `purchase.count`.
    ///
    /// An event type may have any characters and a key may not. Other characters become `_`, and such a key ends in a
    /// digest of the type, so that two types never have the same key.
    pub fn of_seen_type(event_type: &EventType, suffix: &str) -> Self {
        let plain = format!("{event_type}.{suffix}");
        if let Ok(key) = Self::parse(&plain) {
            return key;
        }
        let fitting = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let slug: String = event_type.as_str().chars().map(fitting).take(64).collect();
        let digest = Sha256::digest(event_type.as_str());
        Self(format!("x{slug}-{}.{suffix}", base32(&digest[..5])))
    }
}

fn base32(bits: &[u8]) -> String {
    data_encoding::BASE32_NOPAD
        .encode(bits)
        .to_ascii_lowercase()
}
