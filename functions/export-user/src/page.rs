//! A page with as many events as one response may have.

use crate::view::StoredEvent;
use domain::ids::UserId;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use shared::http::Problem;
use shared::store::Store;
use shared::store::cursor::Cursor;
use std::pin::pin;

/// A page of events.
#[derive(Default, Serialize)]
pub(crate) struct Page {
    /// The events as JSON text, whose size was measured.
    events: Vec<Box<RawValue>>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Page {
    /// Reads events after a cursor until the page is full; at least one.
    pub(crate) async fn read(
        store: &Store,
        user: &UserId,
        after: Option<Cursor>,
        mut room: usize,
    ) -> Result<Self, Problem> {
        let mut page = Self::default();
        let mut last = after;
        let after = last.as_ref().map(|cursor| cursor.0.as_str());
        let mut read = pin!(store.stored_events_after(user, after));
        while let Some(events) = read.try_next().await? {
            for event in events {
                let shown = text(&StoredEvent::of(&event)?)?;
                let size = size(&shown);
                if size > room && !page.events.is_empty() {
                    page.next_cursor = last.map(|cursor| cursor.encode());
                    return Ok(page);
                }
                room = room.saturating_sub(size);
                last = Some(Cursor(event.key()));
                page.events.push(shown);
            }
        }
        Ok(page)
    }
}

/// As JSON.
pub(crate) fn text(shown: &impl Serialize) -> Result<Box<RawValue>, Problem> {
    to_raw_value(shown).map_err(|error| Problem::internal(error.to_string()))
}

/// Its size in Lambda's response, where the body is a JSON string in which every quote is escaped.
pub(crate) fn size(json: &RawValue) -> usize {
    let marks = json.get().bytes().filter(|byte| b"\"\\".contains(byte));
    json.get().len() + marks.count() + 1
}
