//! Publishing and discarding drafts of a flag, reverting, archiving and deleting it.

use super::{Done, set, version};
use crate::api::{Call, Failure};
use crate::desk::{Desk, unknown};
use crate::pages::flag_act::{Act, confirm};
use crate::visit::segment;
use serde_json::{Value, json};

/// Acts on a flag.
///
/// # Errors
/// 404 if there is no such flag.
pub(crate) async fn act(desk: Desk<'_>, key: &str, act: &str) -> Result<Done, Failure> {
    let Some(known) = Act::read(act) else {
        return Ok(Done::Shown(unknown()));
    };
    match sent(desk, key, known).await {
        Ok(_) if known == Act::Delete => Ok(Done::At("flags?done=delete".to_owned())),
        Ok(_) => Ok(Done::At(format!("flags/{}?done={act}", segment(key)))),
        Err(failure) => {
            let page = confirm(desk, key, act, Some(&failure)).await?;
            Ok(Done::again(page, &failure))
        }
    }
}

async fn sent(desk: Desk<'_>, key: &str, act: Act) -> Result<Value, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let to = |method, route| Call::new(method, route, &[key]).of_version(version(desk));
    let with_reason = |mut body: Value| {
        set(&mut body, "reason", field("reason"));
        body
    };
    match act {
        Act::Publish => {
            let call = to("POST", "/flags/{key}/publish");
            desk.api.call(publish_flag::handle, call).await
        }
        Act::Discard => {
            // A draft that changes nothing takes the other one away.
            let call = to("PUT", "/flags/{key}/draft").body(json!({"name": field("name")}));
            desk.api.call(put_flag_draft::handle, call).await
        }
        Act::Archive | Act::Restore => {
            let body = with_reason(json!({"archived": act == Act::Archive}));
            let call = to("PATCH", "/flags/{key}").body(body);
            desk.api.call(change_flag::handle, call).await
        }
        Act::Revert(version) => {
            let body = with_reason(json!({"version": version}));
            let call = to("POST", "/flags/{key}/revert").body(body);
            desk.api.call(revert_flag::handle, call).await
        }
        Act::Delete => {
            let call = to("DELETE", "/flags/{key}");
            desk.api.call(delete_flag::handle, call).await
        }
    }
}
