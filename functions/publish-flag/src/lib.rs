//! `POST /flags/{key}/publish`: makes the draft of a feature flag its next version.

use domain::access::Scope;
use domain::flag::{Flag, FlagDraft};
use domain::ids::FlagKey;
use lambda_http::http::StatusCode;
use shared::app::App;
use shared::http::flag::{self, Approval, approval_required};
use shared::http::if_match::expected_version;
use shared::http::{Problem, Request, Response, caller::Caller, params};
use shared::store::experiments::Author;

/// Publishes the draft with the number in `If-Match`. If the flag requires an approval, the caller must be another token than
/// the author of the draft, and must name the draft that it has read.
///
/// # Errors
/// 404, 409 without a draft of the current version or if another token must publish it, 412 if the draft was replaced, 422 if
/// it is not valid any more, 428.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Manage)?;
    let key = params::flag_key(&request)?;
    let expected = expected_version(&request)?;

    let store = app.store();
    let found = store.flag(&key).await?;
    let current = found
        .ok_or_else(|| Problem::unknown_flag(key.as_str()))?
        .flag;
    let draft = store.flag_draft(&key).await?;
    let draft = draft.filter(|draft| draft.is_open(&current));
    let draft = draft.ok_or_else(|| no_draft(&key))?;
    check(&draft, &current, expected, &caller)?;

    let reason = reason(&draft);
    let author = Author {
        by: &caller.token_id,
        reason: Some(&reason),
    };
    let next = |_: &Flag| draft.published(app.now());
    let base = Some(draft.base_version);
    let changed = flag::change(&app, &key, base, (author, Approval::Given), next).await?;
    Ok(flag::answer(StatusCode::OK, &changed))
}

/// Checks that the caller may publish the draft, and that it is the one that the caller has read.
fn check(
    draft: &FlagDraft,
    current: &Flag,
    expected: Option<u64>,
    caller: &Caller,
) -> Result<(), Problem> {
    if expected.is_some_and(|number| number != draft.number) {
        return Err(Problem::stale("draft", draft.number));
    }
    if !draft.can_be_published_by(&caller.token_id, current) {
        let detail = "Another token than that of the author must publish this draft.";
        return Err(approval_required(&current.key, detail));
    }
    if current.requires_approval && expected.is_none() {
        return Err(Problem::precondition_required());
    }
    Ok(())
}

/// Why, with the author: the history names the publisher.
fn reason(draft: &FlagDraft) -> String {
    match &draft.reason {
        Some(reason) => format!("draft of {}: {reason}", draft.by),
        None => format!("draft of {}", draft.by),
    }
}

/// 409: there is nothing to publish.
fn no_draft(key: &FlagKey) -> Problem {
    let detail = format!(
        "There is no draft of the current version of this flag. Save the change again with `PUT /flags/{key}/draft`."
    );
    Problem::conflict("no_draft", detail, Vec::new())
}
