//! The texts about an experiment.

use super::text;
use crate::http::body::{Faults, Node, prose};
use domain::Invalid;
use domain::documentation::{Link, NewConclusion, Outcome};
use domain::ids::VariantKey;
use domain::limits;

pub(super) fn tags(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let parse = |text: &str| prose(text, limits::MAX_TAG_CHARS);
    let repeated = |tag: &String| format!("The tag `{tag}` is listed more than once.");
    node.unique_texts(faults, limits::MAX_TAGS, parse, repeated)
}

pub(super) fn links(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<Link>> {
    let elements = node.array(faults, limits::MAX_LINKS)?;
    let read: Vec<_> = elements
        .iter()
        .map(|element| link(element, faults))
        .collect();
    read.into_iter().collect()
}

fn link(node: &Node<'_>, faults: &mut Faults) -> Option<Link> {
    let mut fields = node.object(faults)?;
    let url = fields
        .required("url", faults)
        .and_then(|node| node.text(faults, url));
    let title = fields
        .optional("title")
        .map(|node| text::name(&node, faults));
    fields.finish(faults, "url, title");
    Some(Link {
        url: url?,
        title: title.map_or(Some(None), |title| title.map(Some))?,
    })
}

/// Only web pages: a client may show the address as a link, and `javascript:` would be code.
fn url(text: &str) -> Result<String, Invalid> {
    let url = prose(text, limits::MAX_URL_CHARS)?;
    let is_page = url.starts_with("https://") || url.starts_with("http://");
    if is_page && !url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Ok(url)
    } else {
        let detail = "Must begin with `https://` or `http://` and have no spaces.";
        Err(Invalid::new("not_a_url", detail))
    }
}

pub(super) fn conclusion(node: &Node<'_>, faults: &mut Faults) -> Option<NewConclusion> {
    let mut fields = node.object(faults)?;
    let outcome = fields
        .required("outcome", faults)
        .and_then(|node| node.choice(faults, &Outcome::ALL));
    let variant = if outcome == Some(Outcome::Won) {
        fields.required("variant", faults)
    } else {
        fields.optional("variant")
    };
    let variant = variant.map(|node| node.text(faults, VariantKey::parse));
    let notes = fields
        .optional("notes")
        .map(|node| text::description(&node, faults));
    fields.finish(faults, "outcome, variant, notes");
    Some(NewConclusion {
        outcome: outcome?,
        variant: variant.map_or(Some(None), |variant| variant.map(Some))?,
        notes: notes.map_or(Some(None), |notes| notes.map(Some))?,
    })
}
