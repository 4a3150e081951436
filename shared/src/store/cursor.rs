//! Going through more than one page: inside a query, and across requests.

use crate::domain::{Invalid, limits};
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;

type Key = HashMap<String, AttributeValue>;

/// Where a query stands. DynamoDB ends a page after one megabyte, with the key to go on from.
pub(super) enum Pages {
    First,
    From(Key),
    Done,
}

impl Pages {
    /// What to begin the next page with; `None` once there is no next page.
    pub(super) fn start(self) -> Option<Option<Key>> {
        match self {
            Self::First => Some(None),
            Self::From(key) => Some(Some(key)),
            Self::Done => None,
        }
    }

    /// The place after a page that ended with this key.
    pub(super) fn after(last: Option<Key>) -> Self {
        last.map_or(Self::Done, Self::From)
    }
}

/// A page token for callers: opaque, versioned, bounded. It holds a sort key only, never a partition key,
/// so a forged one cannot lead anywhere that its bearer could not go anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// Written first, so that a later form can be told apart.
const VERSION: &str = "1:";

impl Cursor {
    /// As it is handed out.
    pub fn encode(&self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(format!("{VERSION}{}", self.0).as_bytes())
    }

    /// Reads what a caller handed back. `is_key` says whether a text is a sort key of the list at all.
    ///
    /// # Errors
    /// If it is not one of ours; there is one text for all the ways in which it may be wrong.
    pub fn decode(text: &str, is_key: impl Fn(&str) -> bool) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::new(
                "bad_cursor",
                "Must be a `next_cursor` from an earlier answer.",
            )
        };
        if text.len() > limits::MAX_CURSOR_CHARS {
            return Err(wrong());
        }
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        text.strip_prefix(VERSION)
            .filter(|key| is_key(key))
            .map(|key| Self(key.to_owned()))
            .ok_or_else(wrong)
    }
}
