//! The optional body of `POST /experiments/{id}/audit`.

use crate::http::Request;
use crate::http::body::{self, Faults, Node};
use crate::http::problem::Problem;
use domain::Invalid;

/// Whether the aggregates are repaired by a backfill.
///
/// # Errors
/// 413, 415, 400 for malformed JSON, 422 with all faults.
pub fn repair(request: &Request) -> Result<bool, Problem> {
    let sent: &[u8] = request.body().as_ref();
    if sent.is_empty() {
        return Ok(false);
    }
    let mut faults = Faults::default();
    let body = Node::root(body::json(request)?).object(&mut faults);
    let repair = body.map(|mut body| {
        let repair = match body.optional("repair") {
            None => false,
            Some(node) => yes_or_no(&node, &mut faults),
        };
        body.finish(&mut faults, "repair");
        repair
    });
    faults.check(repair)
}

fn yes_or_no(node: &Node<'_>, faults: &mut Faults) -> bool {
    match node.raw() {
        "true" => true,
        "false" => false,
        _ => {
            let invalid = Invalid::new("wrong_type", "Must be true or false.");
            faults.push(node.pointer(), invalid);
            false
        }
    }
}
