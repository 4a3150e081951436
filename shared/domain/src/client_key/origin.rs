//! Origins of web pages.

use crate::Invalid;
use crate::limits::MAX_ORIGIN_CHARS;
use serde::{Deserialize, Serialize};

/// The origin of a web page, exactly as browsers send it: `https://shop.example`, `https://shop.example:8443`, or
/// `http://localhost:5173` for development.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// Takes the text if a browser can send it as an origin.
    ///
    /// # Errors
    /// What is wrong with the text and what is expected.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > MAX_ORIGIN_CHARS {
            let detail = format!("Must have at most {MAX_ORIGIN_CHARS} characters.");
            return Err(Invalid::new("too_long", detail));
        }
        let secure = text.strip_prefix("https://");
        let rest = secure.or_else(|| text.strip_prefix("http://"));
        let (host, port) = match rest.map(|rest| rest.split_once(':')) {
            Some(Some((host, port))) => (host, Some(port)),
            Some(None) => (rest.unwrap_or_default(), None),
            None => ("", None),
        };
        let usual_port = if secure.is_some() { "443" } else { "80" };
        let is_whole = is_host(host) && port.is_none_or(|port| is_port(port, usual_port));
        if is_whole && (secure.is_some() || host == "localhost") {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "bad_origin",
            "Must be an origin as browsers send it, such as `https://shop.example` or `http://localhost:5173`: lower-case, \
             without a path, a slash at the end and the usual port. Pages without TLS are allowed on `localhost` only.",
        ))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether it is a host name, or an IPv4 address. Names with other letters are sent in their ASCII form.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(fits)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether it is a port as browsers write it: they leave the usual port of the scheme out.
fn is_port(text: &str, usual: &str) -> bool {
    let number = text.parse::<u16>();
    number.is_ok_and(|port| port > 0 && port.to_string() == text) && text != usual
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Origin {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_that_browsers_send() {
        for text in [
            "https://shop.example",
            "https://shop.example:8443",
            "https://xn--mnchen-3ya.example",
            "https://192.0.2.1",
            "http://localhost",
            "http://localhost:5173",
            "https://localhost:3000",
        ] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn texts_that_no_browser_sends_are_refused() {
        for text in [
            "",
            "*",
            "null",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example/path",
            "https://Shop.example",
            "https://*.shop.example",
            "https://shop..example",
            "https://münchen.example",
            "https://ann@shop.example",
            "https://shop.example:443",
            "https://shop.example:",
            "https://shop.example:0",
            "https://shop.example:080",
            "https://shop.example:65536",
            "https://shop.example:+80",
            "https://shop.example:80:80",
            "https://shop.example\r\nX: y",
            "http://shop.example",
            "http://localhost.example",
            "http://localhost:80",
            "ftp://shop.example",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
        let long = format!("https://{}", "a.".repeat(200));
        assert_eq!(Origin::parse(&long).unwrap_err().code, "too_long");
    }
}
