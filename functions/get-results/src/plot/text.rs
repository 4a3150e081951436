//! Text that users gave: made harmless, measured, shortened, wrapped.
//!
//! No font is at hand where this runs, and nobody knows which one the reader has. Widths are estimates from a wide
//! sans-serif face, so that text rather stays short of its room than runs over.

use std::mem;

/// What XML cannot hold, and what would turn the reading order of its surroundings around, taken out.
/// White space becomes single spaces. Escaping is left to who writes the XML.
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

/// About how wide the text is, in pixels at this font size.
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
    // A joiner at the end would tie the ellipsis to the last letter or emoji.
    format!(
        "{}…",
        beginning.trim_end_matches(|c| c == ' ' || em(c) == 0.0)
    )
}

/// Clean text in at most `most` lines. The last one holds all the rest and may be too long.
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
        // Combining marks, joiners, variation selectors and skin tones lie over the character before them.
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
