//! The body of `POST /api/eval/{client_key}`: what GrowthBook's SDKs send for remote evaluation.

use super::attributes;
use crate::http::body::{Faults, Node};
use crate::http::flag_user::FlagUser;
use crate::http::problem::Problem;

/// Reads the user. Variations and values that a developer has chosen by hand are left to the SDK, which applies them to the
/// answer; the server does not let a page choose the variant that is stored.
///
/// # Errors
/// 422 with all faults.
pub fn read(text: &str) -> Result<FlagUser, Problem> {
    let mut faults = Faults::default();
    let user = fields(&Node::root(text), &mut faults);
    faults.check(user)
}

fn fields(body: &Node<'_>, faults: &mut Faults) -> Option<FlagUser> {
    let mut body = body.object(faults)?;
    // Other fields are the SDK's own. A newer one may send more of them.
    let sent = body.optional("attributes");
    attributes::read(sent, "/attributes", None, faults).map(FlagUser::new)
}
