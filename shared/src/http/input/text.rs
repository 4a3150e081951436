//! Names and descriptions.

use crate::http::body::{Faults, Node, prose};
use domain::limits;

pub(super) fn name(node: &Node<'_>, faults: &mut Faults) -> Option<String> {
    node.text(faults, |text| prose(text, limits::MAX_NAME_CHARS))
}

pub(super) fn description(node: &Node<'_>, faults: &mut Faults) -> Option<String> {
    node.text(faults, |text| prose(text, limits::MAX_DESCRIPTION_CHARS))
}
