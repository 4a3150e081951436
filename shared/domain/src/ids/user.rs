//! The id of a user, or of a unit of another kind.

use super::{UnitKind, free_text};
use crate::{Invalid, limits};
use serde::{Deserialize, Serialize};

/// A user: any text of 1 to 256 bytes without control characters. Or a unit of another kind, such as an account.
///
/// Everything is stored by user. A unit of another kind is stored as a user whose id consists of the kind and the unit's
/// own id, each after a separator. No request can name such a user, because the separator is a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

/// The unit separator of ASCII.
const SEPARATOR: char = '\u{1f}';

impl UserId {
    /// Takes the text if it is a valid id of a user.
    ///
    /// # Errors
    /// What is wrong with the text and what is expected.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        free_text(text, limits::MAX_USER_ID_BYTES).map(|()| Self(text.to_owned()))
    }

    /// Takes the text if it is a valid id of a user, or of a unit of another kind, as it is stored.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn stored(text: &str) -> Result<Self, Invalid> {
        let Some((kind, id)) = split(text) else {
            return Self::parse(text);
        };
        let kind = UnitKind::parse(kind)?;
        Ok(Self::of_unit(&kind, &Self::parse(id)?))
    }

    /// A unit of this kind, as it is stored.
    #[must_use]
    pub fn of_unit(kind: &UnitKind, id: &Self) -> Self {
        if kind.is_user() {
            return id.clone();
        }
        Self(format!("{SEPARATOR}{kind}{SEPARATOR}{id}"))
    }

    /// The text as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id alone, as requests and responses have it.
    #[must_use]
    pub fn own(&self) -> Self {
        split(&self.0).map_or_else(|| self.clone(), |(_, id)| Self(id.to_owned()))
    }

    /// The kind of the unit, if it is not a user.
    pub fn other_kind(&self) -> Option<UnitKind> {
        let (kind, _) = split(&self.0)?;
        UnitKind::parse(kind).ok()
    }
}

fn split(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(SEPARATOR)?.split_once(SEPARATOR)
}

impl UnitKind {
    /// The kind of users.
    pub const USER: &'static str = "user";

    /// Whether the units are users.
    pub fn is_user(&self) -> bool {
        self.as_str() == Self::USER
    }
}

impl Default for UnitKind {
    fn default() -> Self {
        Self(Self::USER.to_owned())
    }
}

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UserId {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::stored(&text)
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_another_one_than_the_user_with_the_same_id() {
        let kind = |text| UnitKind::parse(text).unwrap();
        let id = UserId::parse("a-1").unwrap();
        let account = UserId::of_unit(&kind("account"), &id);
        assert_ne!(account, id);
        assert_ne!(account, UserId::of_unit(&kind("device"), &id));
        assert_eq!(UserId::of_unit(&UnitKind::default(), &id), id);
        assert_eq!(
            (account.own(), account.other_kind()),
            (id.clone(), Some(kind("account")))
        );
        assert_eq!((id.own(), id.other_kind()), (id.clone(), None));
        let stored = serde_json::to_string(&account).unwrap();
        assert_eq!(serde_json::from_str::<UserId>(&stored).unwrap(), account);
        assert_eq!(UserId::stored(account.as_str()).unwrap(), account);
        // A request cannot name it.
        UserId::parse(account.as_str()).unwrap_err();
        for damaged in [
            "\u{1f}",
            "\u{1f}a",
            "\u{1f}\u{1f}a",
            "\u{1f}A\u{1f}a",
            "\u{1f}a\u{1f}",
            "\u{1f}a\u{1f}\u{1f}",
        ] {
            UserId::stored(damaged).unwrap_err();
        }
    }
}
