//! User-given text: cleaned, measured, shortened and wrapped.
//!
//! Fonts are neither available here nor known for the reader. Widths are estimates for a wide sans-serif face, so text
//! is rather too short than too long for its room.

use std::mem;

/// Removes characters that XML does not allow or that change the direction of the text around them. White space becomes
/// single spaces. The caller escapes the text for XML.
pub(super) fn clean(text: &str) -> String {
    let harmless: String = text
        .chars()
        .filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .map(|c| match c {
            c if c.is_whitespace() => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect();
    harmless
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Clean text as XML content.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The approximate width of a text, in pixels at this font size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// The text if it fits into `room` pixels, or its beginning with an ellipsis.
pub(super) fn shortened(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut left = room - em('…') * size;
    let beginning: String = text
        .chars()
        .take_while(|c| {
            left -= em(*c) * size;
            left >= 0.0
        })
        .collect();
    // A joiner at the end would connect the ellipsis with the last letter or emoji.
    format!(
        "{}…",
        beginning.trim_end_matches(|c| c == ' ' || em(c) == 0.0)
    )
}

/// Clean text in at most `most` lines. The last line has the rest and may be too long.
pub(super) fn wrapped(text: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in clean(text).split(' ') {
        let full = width(&line, size) + em(' ') * size + width(word, size) > room;
        if full && !line.is_empty() && lines.len() + 1 < most {
            lines.push(mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The width of a character as a share of the font size.
fn em(c: char) -> f64 {
    match c {
        // Combining marks, joiners, variation selectors and skin tones are drawn over the previous character.
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' => 0.0,
        '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => 0.0,
        ' ' | '!' | '\'' | '(' | ')' | ',' | '-' | '.' | '/' | ':' | ';' | '[' | ']' | '|' => 0.38,
        'I' | 'J' | 'f' | 'i' | 'j' | 'l' | 'r' | 't' => 0.38,
        '%' | '@' | 'M' | 'W' | 'm' | 'w' => 0.98,
        'A'..='Z' => 0.72,
        '\u{1100}'.. => 1.1,
        _ => 0.63,
    }
}
