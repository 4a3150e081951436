//! Client keys: public, revocable keys of browsers and apps.
//!
//! Everybody who uses the app can read its key. A key therefore opens only routes that are meant for the public, and what
//! it may do there is narrow: one environment, some flags, some event types, and a small budget of events.

mod decryption_key;
mod origin;
mod secure_attributes;

pub use decryption_key::DecryptionKey;
pub use origin::Origin;
pub use secure_attributes::SecureAttributes;

use super::Invalid;
use super::ids::{ClientKeyId, EnvironmentName, EventType};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A client key with what it allows, as it is stored and as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientKey {
    /// Names the key in lists, logs and paths.
    pub id: ClientKeyId,
    /// The key itself. It is no secret, so a list shows it.
    pub key: ClientKeyText,
    /// A name for readers: the app that uses it.
    pub name: String,
    /// The environment whose flags it sees.
    pub environment: EnvironmentName,
    /// Origins of the pages that may use it; empty for all pages, and for callers without an origin.
    pub origins: Vec<Origin>,
    /// Tags of the flags that it sees; empty for all flags.
    pub flag_tags: Vec<String>,
    /// Event types that it may send; empty for none.
    pub event_types: Vec<EventType>,
    /// Events that it may send per second.
    pub events_per_second: u32,
    /// Attributes whose values its payload hashes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secure_attributes: Option<SecureAttributes>,
    /// Whether its payload is encrypted.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub encrypted: bool,
    /// The key that encrypts the payload. It is stored beside the others, and only the response to the creation shows it.
    #[serde(skip)]
    pub decryption_key: Option<DecryptionKey>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was revoked. A revoked key opens nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked_at: Option<Timestamp>,
}

/// What the creator of a client key decides.
#[derive(Debug, Clone, PartialEq)]
pub struct NewClientKey {
    /// A name for readers.
    pub name: String,
    /// The environment whose flags it sees.
    pub environment: EnvironmentName,
    /// Origins of the pages that may use it; empty for all.
    pub origins: Vec<Origin>,
    /// Tags of the flags that it sees; empty for all flags.
    pub flag_tags: Vec<String>,
    /// Event types that it may send; empty for none.
    pub event_types: Vec<EventType>,
    /// Events that it may send per second.
    pub events_per_second: u32,
    /// Attributes whose values its payload hashes.
    pub secure_attributes: Option<SecureAttributes>,
    /// Encrypts its payload; none for a payload that is not encrypted.
    pub decryption_key: Option<DecryptionKey>,
}

impl ClientKey {
    /// A new key.
    pub fn new(key: ClientKeyText, new: NewClientKey, created_at: Timestamp) -> Self {
        Self {
            id: key.id(),
            key,
            name: new.name,
            environment: new.environment,
            origins: new.origins,
            flag_tags: new.flag_tags,
            event_types: new.event_types,
            events_per_second: new.events_per_second,
            secure_attributes: new.secure_attributes,
            encrypted: new.decryption_key.is_some(),
            decryption_key: new.decryption_key,
            created_at,
            revoked_at: None,
        }
    }

    /// Whether a page of this origin may use the key. `None` is a request without an `Origin` header, such as that of an
    /// app or a server: it may use only a key without origins. Programs can send any `Origin`, so this
    /// only keeps other pages from using a copied key.
    pub fn allows_origin(&self, origin: Option<&str>) -> bool {
        self.origins.is_empty()
            || origin.is_some_and(|origin| self.origins.iter().any(|own| own.as_str() == origin))
    }

    /// Whether it may send events of this type.
    pub fn allows_event_type(&self, event_type: &EventType) -> bool {
        self.event_types.contains(event_type)
    }

    /// Whether it sees a flag with these tags.
    pub fn sees_flag(&self, tags: &[String]) -> bool {
        self.flag_tags.is_empty() || tags.iter().any(|tag| self.flag_tags.contains(tag))
    }
}

/// The text of a client key: `ck_` and 128 random bits as 22 base64url characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientKeyText(String);

impl ClientKeyText {
    /// How every client key begins. No token begins in this way.
    pub const PREFIX: &'static str = "ck_";

    /// A new key from random bits.
    pub fn from_bits(bits: [u8; 16]) -> Self {
        let text = data_encoding::BASE64URL_NOPAD.encode(&bits);
        Self(format!("{}{text}", Self::PREFIX))
    }

    /// Takes the text if it has the form of a key. Other texts then cost no look-up.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // The encoding has one text for each value, so that a key has one text.
        let bits = text
            .strip_prefix(Self::PREFIX)
            .and_then(|text| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        if bits.is_some_and(|bits| bits.len() == 16) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "bad_client_key",
            "A client key is `ck_` and 22 letters, digits, `-` and `_`.",
        ))
    }

    /// The key in an `Authorization` header, if there is one.
    pub fn from_header(header: &str) -> Option<Self> {
        header
            .strip_prefix("Bearer ")
            .and_then(|text| Self::parse(text).ok())
    }

    /// The id of the key. It follows from the text, so that one item is found by either of them.
    pub fn id(&self) -> ClientKeyId {
        ClientKeyId::of_key(&self.0)
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ClientKeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ClientKeyText {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<ClientKeyText> for String {
    fn from(key: ClientKeyText) -> String {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ClientKey {
        let new = NewClientKey {
            name: "Shop".to_owned(),
            environment: EnvironmentName::parse("production").unwrap(),
            origins: Vec::new(),
            flag_tags: Vec::new(),
            event_types: Vec::new(),
            events_per_second: 100,
            secure_attributes: None,
            decryption_key: None,
        };
        let text = ClientKeyText::from_bits([7; 16]);
        ClientKey::new(text, new, Timestamp::from_micros(0))
    }

    #[test]
    fn a_key_has_one_text_and_one_id() {
        let text = ClientKeyText::from_bits([255; 16]);
        assert_eq!(text.as_str(), "ck______________________w");
        assert_eq!(ClientKeyText::parse(text.as_str()), Ok(text.clone()));
        assert_eq!(ClientKeyId::parse(text.id().as_str()), Ok(text.id()));
        assert_ne!(text.id(), ClientKeyText::from_bits([254; 16]).id());
        for wrong in [
            "",
            "ck_",
            "ck______________________",
            "ck______________________x", // the same bits, and unused ones
            "ck_______________________w",
            "ck_+/____________________w",
            "CK______________________w",
            "assay_________________________________________________",
        ] {
            assert!(ClientKeyText::parse(wrong).is_err(), "{wrong}");
        }
        let header = format!("Bearer {text}");
        assert_eq!(ClientKeyText::from_header(&header), Some(text.clone()));
        assert_eq!(ClientKeyText::from_header(text.as_str()), None);
    }

    #[test]
    fn a_key_without_origins_is_for_every_caller() {
        let key = key();
        assert!(key.allows_origin(None));
        assert!(key.allows_origin(Some("null")));
        assert!(key.allows_origin(Some("https://example.com")));
    }

    #[test]
    fn a_key_with_origins_is_for_exactly_these_pages() {
        let origins = ["https://shop.example", "http://localhost:5173"];
        let key = ClientKey {
            origins: origins.map(|text| Origin::parse(text).unwrap()).to_vec(),
            ..key()
        };
        for origin in origins {
            assert!(key.allows_origin(Some(origin)), "{origin}");
        }
        for other in [
            "",
            "null",
            "*",
            "http://shop.example",
            "https://shop.example:8443",
            "https://www.shop.example",
            "https://shop.example.evil.example",
            "https://shop.example/",
            "http://localhost",
        ] {
            assert!(!key.allows_origin(Some(other)), "{other}");
        }
        assert!(!key.allows_origin(None));
    }

    #[test]
    fn a_key_sends_only_its_event_types_and_sees_only_flags_with_its_tags() {
        let event_type = |text| EventType::parse(text).unwrap();
        let tags = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(!key().allows_event_type(&event_type("purchase")));
        assert!(key().sees_flag(&[]) && key().sees_flag(&tags(&["internal"])));
        let key = ClientKey {
            event_types: vec![event_type("page_view")],
            flag_tags: tags(&["web", "shared"]),
            ..key()
        };
        assert!(key.allows_event_type(&event_type("page_view")));
        assert!(!key.allows_event_type(&event_type("purchase")));
        assert!(key.sees_flag(&tags(&["internal", "web"])));
        assert!(!key.sees_flag(&tags(&["internal"])) && !key.sees_flag(&[]));
    }
}
