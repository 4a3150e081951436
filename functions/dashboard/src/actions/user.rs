//! Erasing a user, after the id was typed once more.

use super::Done;
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::layout::note;
use crate::pages::erase::confirm;
use maud::html;

/// Erases the user.
///
/// # Errors
/// What the API says against it. A repeat finishes what is left.
pub(crate) async fn act(desk: Desk<'_>) -> Result<Done, Failure> {
    let user = desk.visit.field("user_id");
    if user.is_empty() || desk.visit.field("typed") != user {
        let mut page = confirm(desk).with_status(422);
        let why = "The typed user id is another one, so nothing was erased.";
        page.content = html! { (note("bad", why)) (page.content) };
        return Ok(Done::Shown(page));
    }
    let call = Call::new("DELETE", "/users/{user_id}", &[user]);
    desk.api.call(erase_user::handle, call).await?;
    Ok(Done::At("users?erased=yes".to_owned()))
}
