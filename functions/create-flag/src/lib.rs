//! `POST /flags`: creates a feature flag.

use domain::access::Scope;
use domain::flag::Flag;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::flag::{self, FlagCatalog};
use shared::http::input::flag::{located, read_new};
use shared::http::{Problem, Request, Response, body, caller::Caller, response};
use shared::store::catalog::CatalogTries;
use shared::store::experiments::Author;
use shared::store::flags::{FlagWrite, StoredFlag};

/// Creates a flag. A repeat with the same body returns it.
///
/// # Errors
/// 409 if the key is taken or there are too many flags, 422 with all faults of the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let text = body::json(&request)?;
    let new = read_new(text)?;
    let creation_digest = body::digest(text);

    let author = Author {
        by: &caller.token_id,
        reason: None,
    };
    let mut tries = CatalogTries::default();
    loop {
        let flags = FlagCatalog::read(&app).await?;
        if let Some(taken) = flags.flag(&new.key) {
            if taken.creation_digest == creation_digest {
                return Ok(answer(&taken.flag));
            }
            // A body is checked before it is compared with what is stored.
            return Err(match located(new.create(app.now()).faults()) {
                none if none.is_empty() => key_taken(&taken.flag),
                faults => Problem::invalid(faults),
            });
        }
        let mut created = new.clone().create(app.now());
        // The audit trail of a deleted flag with this key goes on.
        created.version += app.store().last_flag_version(&new.key).await?;
        flags.check(&app, &created).await?;
        let stored = StoredFlag {
            flag: created,
            creation_digest: creation_digest.clone(),
        };
        match flags.write(&app, None, &stored, author).await? {
            FlagWrite::Written => return Ok(answer(&stored.flag)),
            FlagWrite::CatalogChanged => tries.next().await?,
        }
    }
}

fn answer(flag: &Flag) -> Response {
    let response = flag::answer(StatusCode::CREATED, flag);
    response::with_location(response, &format!("/flags/{}", flag.key))
}

fn key_taken(taken: &Flag) -> Problem {
    let detail = format!(
        "The flag `{}` exists already. Choose another key, or change it with `PATCH`.",
        taken.key
    );
    Problem::conflict("key_taken", detail, Vec::new())
}
