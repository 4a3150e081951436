//! Regular expressions: JavaScript's syntax, matched in linear time.
//!
//! The pattern is translated, because some escapes have another meaning in the `regex` crate: `\d` and `\w` are ASCII in
//! JavaScript, `.` does not match four kinds of line ends, and `[` or `&&` in a class are characters. What takes more than
//! linear time, such as a back reference, is refused.
//!
//! Most patterns of conditions are a text at the beginning, at the end or anywhere. They are compared as texts, which needs
//! no compiled expression.

use crate::{Invalid, limits};
use regex::{Regex, RegexBuilder};
use std::iter::Peekable;
use std::str::Chars;

/// `\s` of JavaScript, as the inside of a class.
const SPACE: &str = r"\t\n\x0B\x0C\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
/// `.`: no line end.
const ANY: &str = r"[^\n\r\x{2028}\x{2029}]";

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// A text, with its place.
    Text(Place, Box<str>),
    /// Anything else.
    Expression(Regex),
}

/// Where a text must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Anywhere,
    Beginning,
    End,
    Whole,
}

impl Pattern {
    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Text(Place::Anywhere, part) => text.contains(&**part),
            Self::Text(Place::Beginning, part) => text.starts_with(&**part),
            Self::Text(Place::End, part) => text.ends_with(&**part),
            Self::Text(Place::Whole, whole) => *text == **whole,
            Self::Expression(expression) => expression.is_match(text),
        }
    }
}

/// The text that a pattern is, if it has nothing but characters that stand for themselves.
fn plain_text(pattern: &str) -> Option<Pattern> {
    let (begins, mut rest) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest.chars()),
        None => (false, pattern.chars()),
    };
    let (mut text, mut ends) = (String::new(), false);
    while let Some(c) = rest.next() {
        match c {
            '$' if rest.as_str().is_empty() => ends = true,
            '\\' => text.push(rest.next().filter(char::is_ascii_punctuation)?),
            '^' | '$' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => {
                return None;
            }
            c => text.push(c),
        }
    }
    let place = match (begins, ends) {
        (false, false) => Place::Anywhere,
        (true, false) => Place::Beginning,
        (false, true) => Place::End,
        (true, true) => Place::Whole,
    };
    Some(Pattern::Text(place, text.into()))
}

/// Compiles a pattern.
///
/// # Errors
/// If it is too long, malformed, too large when compiled, or needs more than linear time.
pub(super) fn compile(pattern: &str, ignores_case: bool) -> Result<Pattern, Invalid> {
    let length = pattern.chars().count();
    if length > limits::MAX_PATTERN_CHARS {
        let detail = format!(
            "A pattern may have at most {} characters; this has {length}.",
            limits::MAX_PATTERN_CHARS
        );
        return Err(Invalid::new("too_long", detail));
    }
    if let Some(plain) = plain_text(pattern).filter(|_| !ignores_case) {
        return Ok(plain);
    }
    expression(pattern, ignores_case).map(Pattern::Expression)
}

fn expression(pattern: &str, ignores_case: bool) -> Result<Regex, Invalid> {
    let translated = translate(pattern).map_err(|detail| Invalid::new("bad_pattern", detail))?;
    let built = RegexBuilder::new(&translated)
        .case_insensitive(ignores_case)
        .size_limit(limits::MAX_PATTERN_BYTES)
        .dfa_size_limit(limits::MAX_PATTERN_BYTES)
        .nest_limit(50)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => Invalid::new(
            "too_large",
            "The compiled pattern is too large. Use smaller repetitions.",
        ),
        error => {
            // The last line of the message is the cause; the lines before it draw the translated pattern.
            let message = error.to_string();
            let cause = message.lines().last().unwrap_or_default();
            let cause = cause.trim_start_matches("error: ");
            Invalid::new("bad_pattern", format!("The pattern is malformed: {cause}."))
        }
    })
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut rest = pattern.chars().peekable();
    let mut output = String::with_capacity(pattern.len() * 2);
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(&mut rest, &mut output)?,
            '[' => class(&mut rest, &mut output)?,
            '.' => output.push_str(ANY),
            '(' if rest.peek() == Some(&'?') => group(&mut rest, &mut output)?,
            c => output.push(c),
        }
    }
    Ok(output)
}

/// `(?:` and `(?<name>`.
fn group(rest: &mut Peekable<Chars<'_>>, output: &mut String) -> Result<(), String> {
    rest.next();
    match (rest.next(), rest.peek()) {
        (Some(':'), _) => output.push_str("(?:"),
        (Some('<'), Some(next)) if *next != '=' && *next != '!' => output.push_str("(?<"),
        (Some('=' | '!'), _) | (Some('<'), _) => {
            return Err("Look-around needs more than linear time. Use several patterns with `$and` and `$not`.".to_owned());
        }
        _ => return Err("A group begins with `(`, `(?:` or `(?<name>`.".to_owned()),
    }
    Ok(())
}

/// An escape outside a class.
fn escape(rest: &mut Peekable<Chars<'_>>, output: &mut String) -> Result<(), String> {
    match rest.peek() {
        Some('b') => output.push_str(r"(?-u:\b)"),
        Some('B') => {
            return Err("`\\B` is not supported. Use `\\w` and `\\W` instead.".to_owned());
        }
        Some('1'..='9' | 'k') => {
            return Err(
                "A back reference needs more than linear time. Write the text out instead."
                    .to_owned(),
            );
        }
        _ => return escaped(rest, output, false),
    }
    rest.next();
    Ok(())
}

/// An escape that may also be in a class.
fn escaped(
    rest: &mut Peekable<Chars<'_>>,
    output: &mut String,
    in_class: bool,
) -> Result<(), String> {
    let Some(c) = rest.next() else {
        return Err("The pattern ends within an escape.".to_owned());
    };
    match c {
        'd' if in_class => output.push_str(DIGIT),
        'w' if in_class => output.push_str(WORD),
        's' if in_class => output.push_str(SPACE),
        'd' => output.push_str(&format!("[{DIGIT}]")),
        'w' => output.push_str(&format!("[{WORD}]")),
        's' => output.push_str(&format!("[{SPACE}]")),
        'D' => output.push_str(&format!("[^{DIGIT}]")),
        'W' => output.push_str(&format!("[^{WORD}]")),
        'S' => output.push_str(&format!("[^{SPACE}]")),
        'b' if in_class => output.push_str(r"\x08"),
        'n' | 'r' | 't' | 'f' | 'v' => output.extend(['\\', c]),
        '0' if !rest.peek().is_some_and(char::is_ascii_digit) => output.push_str(r"\x00"),
        'x' => code(rest, output, 2)?,
        'u' => code(rest, output, 4)?,
        c if c.is_ascii_alphanumeric() => {
            return Err(format!("There is no escape `\\{c}`."));
        }
        c => literal(c, output),
    }
    Ok(())
}

/// `\xHH` and `\uHHHH`.
fn code(rest: &mut Peekable<Chars<'_>>, output: &mut String, digits: usize) -> Result<(), String> {
    let digits: String = rest.by_ref().take(digits).collect();
    let scalar = u32::from_str_radix(&digits, 16)
        .ok()
        .and_then(char::from_u32);
    let scalar = scalar.ok_or_else(|| {
        format!("`{digits}` is not the code of a character. Write the character itself.")
    })?;
    literal(scalar, output);
    Ok(())
}

/// A class, up to its `]`.
fn class(rest: &mut Peekable<Chars<'_>>, output: &mut String) -> Result<(), String> {
    output.push('[');
    let negated = rest.next_if_eq(&'^').is_some();
    if negated {
        output.push('^');
    }
    if rest.peek() == Some(&']') {
        return Err("A class needs a character between `[` and `]`.".to_owned());
    }
    loop {
        match rest.next() {
            None => return Err("A class has no `]` at its end.".to_owned()),
            Some(']') => break,
            Some('\\') => escaped(rest, output, true)?,
            // A range, or a character where the regex crate also reads it as one: at the end.
            Some('-') => output.push('-'),
            Some(c) => literal(c, output),
        }
    }
    output.push(']');
    Ok(())
}

/// A character that stands for itself, in and outside a class.
fn literal(c: char, output: &mut String) {
    if c.is_ascii_punctuation() && c != '<' && c != '>' {
        output.push('\\');
    }
    output.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern, false).unwrap().is_match(text)
    }

    /// Expected values are those that Node.js prints for `new RegExp(pattern).test(text)`.
    #[test]
    fn patterns_mean_what_they_mean_in_javascript() {
        for (pattern, text, expected) in [
            (r"^\d+$", "12", true),
            (r"^\d+$", "१२", false),
            (r"^\w$", "é", false),
            (r"^\W$", "é", true),
            (r"^.$", "\r", false),
            (r"^\s$", "\u{feff}", true),
            (r"^\s$", "\u{85}", false),
            (r"^[\d.-]+$", "1.2-3", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[[]$", "[", true),
            (r"^[^\s]$", " ", false),
            (r"^[\S]$", "a", true),
            (r"a\/b", "a/b", true),
            (r"a/b", "a/b", true),
            (r"\<a\>", "<a>", true),
            (r"\bcat\b", "a cat", true),
            (r"\bcat\b", "écat", true),
            (r"^\u0041\x42$", "AB", true),
            (r"^(?:a|b){2,3}$", "aba", true),
            (r"^(?<first>a)b$", "ab", true),
            (r"a$", "a\n", false),
            (r"-12-25$", "1980-12-25", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text:?}");
        }
        // JavaScript sees two UTF-16 units here; a character is one everywhere in this service.
        assert!(matches("^.$", "😀"));
        assert!(compile("STRASSE", true).unwrap().is_match("strasse"));
    }

    #[test]
    fn texts_match_as_their_expressions() {
        let patterns = "[ab.^$/\\\\*é-]{0,6}";
        let plain = std::cell::Cell::new(0);
        proptest::proptest!(|(pattern in patterns, texts in proptest::collection::vec("[ab.^$/\\\\é-]{0,6}", 8))| {
            let compiled = compile(&pattern, false);
            let Ok(expression) = expression(&pattern, false) else {
                proptest::prop_assert!(compiled.is_err(), "{}", pattern);
                return Ok(());
            };
            let compiled = compiled.unwrap();
            plain.set(plain.get() + u32::from(matches!(compiled, Pattern::Text(..))));
            for text in texts.iter().chain([&pattern]) {
                proptest::prop_assert_eq!(compiled.is_match(text), expression.is_match(text), "{} {}", pattern, text);
            }
        });
        assert!(plain.get() > 20);
    }

    #[test]
    fn what_is_malformed_or_not_linear_is_refused_with_its_reason() {
        for (pattern, code, word) in [
            (r"(a)\1", "bad_pattern", "back reference"),
            (r"(?<n>a)\k<n>", "bad_pattern", "back reference"),
            (r"(?=a)", "bad_pattern", "Look-around"),
            (r"(?!a)", "bad_pattern", "Look-around"),
            (r"(?<=a)b", "bad_pattern", "Look-around"),
            (r"(?<!a)b", "bad_pattern", "Look-around"),
            (r"(?i)a", "bad_pattern", "group"),
            (r"a\", "bad_pattern", "escape"),
            (r"\p{L}", "bad_pattern", r"\p"),
            (r"[a", "bad_pattern", "class"),
            (r"[]a]", "bad_pattern", "class"),
            (r"[b-a]", "bad_pattern", "range"),
            ("/???***[)", "bad_pattern", "class"),
            ("a**", "bad_pattern", ""),
            ("(a", "bad_pattern", "unclosed"),
            (r"\ud83d", "bad_pattern", "character"),
            (r"(((a{100}){100}){100})", "too_large", "repetitions"),
        ] {
            let Err(fault) = compile(pattern, false) else {
                // The regex crate accepts a repetition of a repetition, which matches the same texts.
                assert_eq!(pattern, "a**");
                continue;
            };
            assert_eq!(fault.code, code, "{pattern}");
            assert!(fault.detail.contains(word), "{pattern}: {}", fault.detail);
        }
        let long = "a".repeat(limits::MAX_PATTERN_CHARS);
        assert!(compile(&long, false).is_ok());
        assert_eq!(
            compile(&format!("{long}a"), false).unwrap_err().code,
            "too_long"
        );
    }
}
