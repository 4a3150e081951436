//! `POST /segments`: creates a segment.

use domain::access::Scope;
use domain::id_list::IdListIndex;
use domain::limits::MAX_SEGMENTS;
use domain::segment::{IdsChange, Segment, SegmentRule};
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::clock;
use shared::http::input::segment::{self, NewRule, NewSegment};
use shared::http::segment::{check_names, check_not_erased};
use shared::http::{Problem, Request, Response, body, caller::Caller, response};
use shared::store::catalog::{Catalog, CatalogTries};
use shared::store::experiments::Author;
use shared::store::segments::SegmentWrite;
use shared::store::stored_segment::{SegmentVersion, StoredSegment};

/// Creates a segment. A repeat with the same body returns it.
///
/// # Errors
/// 409 if the id is taken or there are too many segments, 422 with all faults of the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let text = body::json(&request)?;
    let new = segment::read_new(text)?;
    let creation_digest = body::digest(text);

    let mut tries = CatalogTries::default();
    loop {
        let catalog = app.store().catalog().await?;
        if let Some(taken) = catalog.segment(&new.id) {
            return repeated(taken, &creation_digest);
        }
        let version = version(&app, &catalog, &new, creation_digest.clone()).await?;
        let created = version.stored.segment.clone();
        let author = Author {
            by: &caller.token_id,
            reason: None,
        };
        let written = app.store().write_segment(&catalog, None, version, author);
        match written.await? {
            SegmentWrite::Written => return Ok(answer(&created)),
            SegmentWrite::CatalogChanged => tries.next().await?,
        }
    }
}

/// The first version of the segment, checked against the catalog.
async fn version(
    app: &App,
    catalog: &Catalog,
    new: &NewSegment,
    creation_digest: String,
) -> Result<SegmentVersion, Problem> {
    if catalog.segments.len() >= MAX_SEGMENTS {
        return Err(too_many());
    }
    let none = IdsChange::default();
    let (rule, index, ids) = match &new.rule {
        NewRule::Condition(condition) => {
            check_names(catalog, &new.id, Some(condition))?;
            let condition = condition.clone();
            (SegmentRule::Condition { condition }, None, none)
        }
        NewRule::List { attribute, ids } => {
            check_not_erased(app, attribute, ids, "/ids").await?;
            let rule = SegmentRule::List {
                attribute: attribute.clone(),
                id_count: 0,
            };
            let add = ids.clone();
            let ids = IdsChange { add, ..none };
            (rule, Some(IdListIndex::new(clock::random_bits()?)), ids)
        }
    };
    let now = app.now();
    let stored = StoredSegment {
        segment: Segment {
            id: new.id.clone(),
            // The audit trail of a deleted segment with this id goes on.
            version: app.store().last_segment_version(&new.id).await?,
            name: new.name.clone(),
            description: new.description.clone(),
            rule,
            created_at: now,
            updated_at: now,
        },
        creation_digest,
        index,
    };
    let with_ids = app.store().change_ids(&stored, &ids, now).await?;
    Ok(with_ids.unwrap_or_else(|| SegmentVersion::without_ids(stored, now)))
}

fn answer(segment: &Segment) -> Response {
    let response = response::json(StatusCode::CREATED, segment);
    let response = response::with_version(response, segment.version);
    response::with_location(response, &format!("/segments/{}", segment.id))
}

fn repeated(taken: &StoredSegment, creation_digest: &str) -> Result<Response, Problem> {
    let segment = &taken.segment;
    if taken.creation_digest == creation_digest {
        return Ok(answer(segment));
    }
    let detail = format!(
        "The segment `{}` exists already. Choose another id, or change it with `PATCH`.",
        segment.id
    );
    Err(Problem::conflict("id_taken", detail, Vec::new()))
}

fn too_many() -> Problem {
    let detail = format!(
        "There are {MAX_SEGMENTS} segments, and there may be no more. Delete those that are not used."
    );
    Problem::conflict("too_many_segments", detail, Vec::new())
}
