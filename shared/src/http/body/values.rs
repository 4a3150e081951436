//! Values that many fields share: text of a bounded length, and one of a list of names.

use domain::Invalid;
use domain::prose::grouped_size;

/// Text with a bounded number of characters, not blank.
///
/// # Errors
/// If it is blank or too long.
pub fn prose(text: &str, most: usize) -> Result<String, Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::new("empty", "Must not be empty."));
    }
    if text.chars().count() > most {
        return Err(Invalid::new(
            "too_long",
            format!("Must have at most {} characters.", grouped_size(most)),
        ));
    }
    if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(Invalid::new(
            "control_character",
            "Must not contain control characters.",
        ));
    }
    Ok(text.to_owned())
}

/// Names in a sentence that lists what exists.
pub fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// One of a list of names.
///
/// # Errors
/// If it is none of them.
pub fn choice<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&str) -> Result<T, Invalid> {
    move |text| {
        choices
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let names: Vec<_> = choices
                    .iter()
                    .map(|(name, _)| format!("`{name}`"))
                    .collect();
                Invalid::new(
                    "not_a_choice",
                    format!("Must be one of {}.", names.join(", ")),
                )
            })
    }
}
