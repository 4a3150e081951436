//! Access: tokens and their scopes.

use super::Invalid;
use super::client_key::ClientKeyText;
use super::ids::EnvironmentName;
use super::limits::DEFAULT_EVENTS_PER_SECOND;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// A permission of a token. Every route needs exactly one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read or create the assignment of a user.
    Assign,
    /// Create and change experiments, import assignments, erase users.
    Manage,
    /// Read experiments and results.
    Read,
    /// Record events.
    Track,
}

impl Scope {
    /// All scopes with their names in the API.
    pub const ALL: [(&'static str, Self); 4] = [
        ("assign", Self::Assign),
        ("manage", Self::Manage),
        ("read", Self::Read),
        ("track", Self::Track),
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, scope)| *scope == self)
            .map_or("read", |(name, _)| name)
    }

    /// Reads names separated by spaces or commas.
    ///
    /// # Errors
    /// If a name is unknown.
    pub fn parse_set(text: &str) -> Result<BTreeSet<Self>, Invalid> {
        text.split([' ', ','])
            .filter(|name| !name.is_empty())
            .map(|name| {
                Self::ALL
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, scope)| *scope)
                    .ok_or_else(|| {
                        let known = Self::ALL.map(|(known, _)| known).join(", ");
                        Invalid::new(
                            "unknown_scope",
                            format!("`{name}` is not a scope; the scopes are {known}."),
                        )
                    })
            })
            .collect()
    }
}

/// The permissions of a token, stored under the token's hash. The token itself is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Identifies the token in lists, logs and audit records.
    pub token_id: String,
    /// A name for readers: the service that uses it.
    pub name: String,
    /// Its scopes.
    pub scopes: BTreeSet<Scope>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Timestamp>,
    /// Events that it may send per second; none for [`DEFAULT_EVENTS_PER_SECOND`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub events_per_second: Option<u32>,
    /// Whether the outcomes of its events say nothing about users: no experiments, no variants and no reasons. For tokens
    /// of callers that only send events and are trusted less, such as the service of a partner.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub hides_assignments: bool,
    /// The environment that it belongs to; none for the default of the deployment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub environment: Option<EnvironmentName>,
}

impl Grant {
    /// Events that the token may send per second.
    pub fn events_per_second(&self) -> u32 {
        self.events_per_second.unwrap_or(DEFAULT_EVENTS_PER_SECOND)
    }

    /// Whether it is valid at this instant.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A bearer token: 256 random bits, as text.
pub struct Token(String);

impl Token {
    /// A new token from random bits.
    pub fn from_bits(bits: [u8; 32]) -> Self {
        Self(format!(
            "assay_{}",
            data_encoding::BASE64URL_NOPAD.encode(&bits)
        ))
    }

    /// A token with a chosen text, for development.
    ///
    /// # Errors
    /// If it cannot be sent in a header that the gateway accepts, or begins as client keys do.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.starts_with(ClientKeyText::PREFIX) {
            let detail = "This is a client key. A token does not begin with `ck_`.";
            return Err(Invalid::new("bad_token", detail));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if (20..=128).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "bad_token",
            "A token has 20 to 128 letters, digits, `-` and `_`.",
        ))
    }

    /// The token in an `Authorization` header, if there is one.
    pub fn from_header(header: &str) -> Option<Self> {
        header
            .strip_prefix("Bearer ")
            .and_then(|text| Self::parse(text).ok())
    }

    /// The hash that is stored instead of the token. A fast hash is enough for 256 random bits, which cannot be
    /// guessed.
    pub fn sha256(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(&self.0))
    }

    /// The secret itself, shown once at its creation.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_grant_without_an_environment_is_read() {
        let stored =
            r#"{"token_id":"t","name":"n","scopes":["read"],"created_at":"2026-11-23T08:00:00Z"}"#;
        let grant: Grant = serde_json::from_str(stored).unwrap();
        assert_eq!(grant.environment, None);
        let staging = Grant {
            environment: EnvironmentName::parse("staging").ok(),
            ..grant
        };
        let text = serde_json::to_string(&staging).unwrap();
        assert_eq!(serde_json::from_str::<Grant>(&text).unwrap(), staging);
    }

    #[test]
    fn no_token_is_a_client_key() {
        let key = ClientKeyText::from_bits([1; 16]);
        assert!(Token::parse(key.as_str()).is_err());
        let token = Token::from_bits([1; 32]);
        assert!(Token::parse(token.reveal()).is_ok());
        assert!(ClientKeyText::parse(token.reveal()).is_err());
    }
}
