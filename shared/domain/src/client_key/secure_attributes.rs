//! Secure attributes: the payload of a client key has hashes instead of their values.

use crate::Invalid;
use crate::evaluation_context::EvaluationContext;
use crate::limits::{MAX_SALT_CHARS, MIN_SALT_CHARS};
use crate::segment::attribute_name;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Attributes whose values the payload hashes, as GrowthBook's SDKs expect them: the application gives its SDK the same
/// hashes of the user's values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecureAttributes {
    /// The attributes, or paths of attributes; at least one.
    pub names: Vec<String>,
    /// Is hashed before each value. It is in the application, so it is no secret; but it takes the salt to compare values with a
    /// payload.
    pub salt: String,
}

impl SecureAttributes {
    /// Takes the name of an attribute, or a path, if its values can be hashed.
    ///
    /// # Errors
    /// What is wrong with the name. `id` cannot be hashed, because SDKs choose the variants of users by it.
    pub fn name(text: &str) -> Result<String, Invalid> {
        let name = attribute_name(text)?;
        if is_inside(&name, EvaluationContext::USER_ID_ATTRIBUTE) {
            let detail = "SDKs choose variants by `id`, so it cannot be hashed: users would get other variants than on the \
                          server. Send another attribute for conditions that must not show ids.";
            return Err(Invalid::new("hashed_for_variants", detail));
        }
        Ok(name)
    }

    /// Takes the text if it can be a salt.
    ///
    /// # Errors
    /// What is expected.
    pub fn salt(text: &str) -> Result<String, Invalid> {
        let length = text.chars().count();
        let fits = (MIN_SALT_CHARS..=MAX_SALT_CHARS).contains(&length);
        if fits && !text.chars().any(char::is_control) {
            return Ok(text.to_owned());
        }
        let detail = format!(
            "A salt has {MIN_SALT_CHARS} to {MAX_SALT_CHARS} characters and no control characters."
        );
        Err(Invalid::new("bad_salt", detail))
    }

    /// The hash of a value: the SHA-256 of the salt and the value, as 64 hexadecimal digits.
    pub fn hash(&self, value: &str) -> String {
        let digest = Sha256::new().chain_update(&self.salt).chain_update(value);
        data_encoding::HEXLOWER.encode(&digest.finalize())
    }

    /// Whether a condition on this path is one on the whole value of a secure attribute.
    pub fn contains(&self, path: &str) -> bool {
        self.names.iter().any(|name| name == path)
    }

    /// Whether the value at this path is one of a secure attribute, contains one, or is a part of one.
    pub fn overlaps(&self, path: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|name| is_inside(name, path) || is_inside(path, name))
    }
}

/// Whether a path is another one, or leads into it.
fn is_inside(path: &str, outer: &str) -> bool {
    let rest = path.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hashed_with_the_salt_before_them() {
        let secure = SecureAttributes {
            names: vec!["email".to_owned(), "address.street".to_owned()],
            salt: "a salt of the shop".to_owned(),
        };
        // printf %s 'a salt of the shopann@example.com' | sha256sum
        let expected = "2642630c8e63a56f2447cc7bea334b5fb49f9ae1c75c94cdf476b17e0834f1dc";
        assert_eq!(secure.hash("ann@example.com"), expected);
        assert!(secure.contains("email") && !secure.contains("address"));
        for path in [
            "email",
            "email.host",
            "email.0",
            "address",
            "address.street",
        ] {
            assert!(secure.overlaps(path), "{path}");
        }
        for path in ["emails", "mail", "address.city", "e", ""] {
            assert!(!secure.overlaps(path), "{path}");
        }
    }

    #[test]
    fn names_and_salts_are_checked() {
        for (name, code) in [
            ("", "empty"),
            ("$email", "bad_characters"),
            ("id", "hashed_for_variants"),
            ("id.part", "hashed_for_variants"),
        ] {
            assert_eq!(SecureAttributes::name(name).unwrap_err().code, code);
        }
        assert_eq!(SecureAttributes::name("ids"), Ok("ids".to_owned()));
        assert!(SecureAttributes::salt(&"x".repeat(MIN_SALT_CHARS)).is_ok());
        for salt in [
            "x".repeat(MIN_SALT_CHARS - 1),
            "x".repeat(MAX_SALT_CHARS + 1),
            format!("{}\n", "x".repeat(MIN_SALT_CHARS)),
        ] {
            assert_eq!(SecureAttributes::salt(&salt).unwrap_err().code, "bad_salt");
        }
    }
}
