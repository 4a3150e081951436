//! `GET /users/{user_id}`: exports the stored data of a user, or of a unit of another kind.

mod page;
mod view;

use domain::access::Scope;
use domain::assignment::Assignment;
use domain::ids::{SegmentId, UnitKind, UserId};
use domain::limits::MAX_ANSWER_BYTES;
use lambda_http::http::StatusCode;
use page::Page;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, caller::Caller, input, response};
use view::{Erased, EventCountShown, Part, parts};

/// The data without events.
#[derive(Serialize)]
struct Head {
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<UnitKind>,
    user_id: UserId,
    assignments: Vec<Assignment>,
    sums: Vec<Part>,
    /// The segments whose id list has the user.
    segments: Vec<SegmentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_count: Option<EventCountShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<Erased>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    page: Page,
}

/// Exports the data, in several pages if it is large. An unknown user id returns an empty export.
///
/// # Errors
/// 400 with all faults of path and query.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Manage)?;
    let (user, cursor) = input::user::page(&request)?;

    let user_data = app.store().user_data(&user).await?;
    let mut head = Head {
        unit: user.other_kind(),
        user_id: user.own(),
        assignments: Vec::new(),
        sums: Vec::new(),
        segments: Vec::new(),
        event_count: None,
        erased: user_data.tombstone.map(Erased::from),
    };
    if cursor.is_none() {
        let assignments = user_data.assignments.into_iter();
        let shown = assignments.map(|assignment| Assignment {
            user_id: assignment.user_id.own(),
            ..assignment
        });
        head.assignments = shown.collect();
        head.event_count = user_data.event_count.map(EventCountShown::from);
        head.segments = segments(&app, &user).await?;
        head.sums = parts(app.store().contributions_of(&user).await?);
    }
    let room = MAX_ANSWER_BYTES.saturating_sub(page::size(&page::text(&head)?));
    let page = Page::read(app.store(), &user, cursor, room).await?;
    Ok(response::json(StatusCode::OK, &Answer { head, page }))
}

/// The segments whose id list has the user.
async fn segments(app: &App, user: &UserId) -> Result<Vec<SegmentId>, Problem> {
    let catalog = app.store().catalog().await?;
    let lists = app.store().lists_with_user(&catalog.segments, user).await?;
    Ok(lists
        .into_iter()
        .map(|list| list.segment.id.clone())
        .collect())
}
