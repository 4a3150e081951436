//! Sessions of the dashboard: what a browser has instead of a token.

use super::access::Grant;
use super::limits::{SESSION_HOURS, START_CODE_MINUTES};
use super::time::Timestamp;
use sha2::{Digest, Sha256};

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// A secret of 256 random bits, as text: the value of a session cookie, or the code of a start link. It is shown once, and
/// stored as a hash only.
pub struct Secret(String);

impl Secret {
    /// The length of the text: 32 bytes in base64url.
    const CHARS: usize = 43;

    /// A new secret from random bits.
    pub fn from_bits(bits: [u8; 32]) -> Self {
        Self(data_encoding::BASE64URL_NOPAD.encode(&bits))
    }

    /// The secret in a text; none if the text is no secret.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_secret = text.len() == Self::CHARS && text.bytes().all(fits);
        is_secret.then(|| Self(text.to_owned()))
    }

    /// The hash that is stored. A fast hash is enough for 256 random bits, which cannot be guessed.
    pub fn sha256(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(&self.0))
    }

    /// The token of the forms of a session, in hexadecimal digits. Pages of other origins cannot read it, and it says nothing
    /// about the secret.
    pub fn form_token(&self) -> String {
        let text = format!("form token of {}", self.0);
        data_encoding::HEXLOWER.encode(&Sha256::digest(text))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// What a session or a start code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The hash of the token that was pasted. The token is looked up at each request, so that revoking it ends its sessions.
    pub of_token: String,
    /// When the session ends.
    pub expires_at: Timestamp,
}

impl Session {
    /// The session of a token, which ends with the token, and at most [`SESSION_HOURS`] later.
    pub fn of(grant: &Grant, of_token: String, now: Timestamp) -> Self {
        let longest = now.plus_micros(SESSION_HOURS * 60 * MICROS_PER_MINUTE);
        let expires_at = grant.expires_at.map_or(longest, |end| end.min(longest));
        Self {
            of_token,
            expires_at,
        }
    }

    /// A start code for a token.
    pub fn start_code(of_token: String, now: Timestamp) -> Self {
        Self {
            of_token,
            expires_at: now.plus_micros(START_CODE_MINUTES * MICROS_PER_MINUTE),
        }
    }

    /// Whether it is valid at this instant.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    fn grant(expires_at: Option<Timestamp>) -> Grant {
        Grant {
            token_id: "t".to_owned(),
            name: "a test".to_owned(),
            scopes: [Scope::Read].into(),
            created_at: Timestamp::from_micros(0),
            expires_at,
            events_per_second: None,
            hides_assignments: false,
            environment: None,
        }
    }

    #[test]
    fn a_session_ends_after_half_a_day_and_never_after_its_token() {
        let now = Timestamp::from_micros(1_000_000);
        let half_a_day = now.plus_micros(12 * 3_600_000_000);
        let session = Session::of(&grant(None), "hash".to_owned(), now);
        assert_eq!(session.expires_at, half_a_day);
        assert!(session.is_valid_at(half_a_day.plus_micros(-1)));
        assert!(!session.is_valid_at(half_a_day));
        let soon = now.plus_micros(5);
        let session = Session::of(&grant(Some(soon)), "hash".to_owned(), now);
        assert_eq!(session.expires_at, soon);
        let late = half_a_day.plus_micros(1);
        let session = Session::of(&grant(Some(late)), "hash".to_owned(), now);
        assert_eq!(session.expires_at, half_a_day);
    }

    #[test]
    fn only_texts_of_its_form_are_secrets_and_the_form_token_says_nothing_about_the_secret() {
        let secret = Secret::from_bits([7; 32]);
        let read = Secret::parse(secret.reveal()).unwrap();
        assert_eq!(read.sha256(), secret.sha256());
        assert_ne!(secret.form_token(), secret.sha256());
        for text in ["", "short", &"a".repeat(44), &"#".repeat(43)] {
            assert!(Secret::parse(text).is_none(), "{text}");
        }
    }
}
