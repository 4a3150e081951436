//! `PATCH /segments/{id}`: changes a segment, or the ids of its list.

use domain::access::Scope;
use domain::segment::{Segment, SegmentChange, SegmentRule};
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::if_match::expected_version;
use shared::http::segment::{check_names, check_not_erased, check_size};
use shared::http::{
    Fault, Problem, Request, Response, body, caller::Caller, input, params, response,
};
use shared::store::catalog::{Catalog, CatalogTries};
use shared::store::experiments::Author;
use shared::store::segments::SegmentWrite;
use shared::store::stored_segment::{SegmentVersion, StoredSegment};

/// Changes a segment if it is still at the caller's version. A change that changes nothing makes no version, so a repeat is
/// safe.
///
/// # Errors
/// 404, 409 if the kind of the segment does not have the field, 412 if the version is outdated, 422 with all faults, 428.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let id = params::segment_id(&request)?;
    let expected = expected_version(&request)?;
    let change = input::segment::read_change(body::json(&request)?)?;

    let author = Author {
        by: &caller.token_id,
        reason: change.reason.as_deref(),
    };
    let mut tries = CatalogTries::default();
    loop {
        let catalog = app.store().catalog().await?;
        let found = catalog.segment(&id);
        let before = found.ok_or_else(|| Problem::unknown_segment(id.as_str()))?;
        if expected.is_some_and(|version| version != before.segment.version) {
            return Err(Problem::stale("segment", before.segment.version));
        }
        let Some(version) = next_version(&app, &catalog, before, &change).await? else {
            return Ok(answer(&before.segment));
        };
        let after = version.stored.segment.clone();
        let store = app.store();
        let written = store.write_segment(&catalog, Some(&before.segment), version, author);
        match written.await? {
            SegmentWrite::Written => return Ok(answer(&after)),
            SegmentWrite::CatalogChanged => tries.next().await?,
        }
    }
}

/// The next version, checked against the catalog; none if nothing changes.
async fn next_version(
    app: &App,
    catalog: &Catalog,
    before: &StoredSegment,
    change: &SegmentChange,
) -> Result<Option<SegmentVersion>, Problem> {
    if let Some((pointer, why)) = change.misfit(&before.segment) {
        let (code, detail) = (why.code, why.detail.clone());
        return Err(Problem::conflict(
            code,
            detail,
            vec![Fault::at(pointer, why)],
        ));
    }
    check_names(catalog, &before.segment.id, change.condition.as_ref())?;
    let now = app.now();
    let segment = change.apply(&before.segment, now);
    let changed = segment.version > before.segment.version;
    let texts = StoredSegment {
        segment,
        ..before.clone()
    };
    let with_ids = match &change.ids {
        Some(ids) => {
            let attribute = before.segment.rule.attribute().unwrap_or_default();
            check_not_erased(app, attribute, &ids.add, "/ids/add").await?;
            // Texts and ids that change together make one version.
            let mut base = texts.clone();
            base.segment.version = before.segment.version;
            app.store().change_ids(&base, ids, now).await?
        }
        None => None,
    };
    let Some(version) = with_ids else {
        return Ok(changed.then(|| SegmentVersion::with_same_ids(texts)));
    };
    if let SegmentRule::List { id_count, .. } = version.stored.segment.rule {
        check_size(id_count, "/ids/add")?;
    }
    Ok(Some(version))
}

fn answer(segment: &Segment) -> Response {
    response::with_version(response::json(StatusCode::OK, segment), segment.version)
}
