//! The answers for GrowthBook's SDKs: features that they evaluate by themselves, and features that were evaluated here.

use super::flag_evaluation::EvaluatedFlag;
use super::flag_user::FlagUser;
use super::problem::Problem;
use super::response;
use super::{Request, Response};
use crate::app::App;
use crate::app::flag_sets::{FlagSet, PayloadAt};
use crate::store::StoreError;
use domain::evaluation_context::EvaluationContext;
use domain::ids::FlagKey;
use domain::limits::MAX_ANSWER_BYTES;
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CACHE_CONTROL, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Pages and content delivery networks may keep the features as long as functions keep definitions, and may show them for a
/// minute more while they fetch them again.
const CACHED: HeaderValue =
    HeaderValue::from_static("public, max-age=10, stale-while-revalidate=60");

/// Features as an SDK reads them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SdkPayload<'s> {
    status: u16,
    features: BTreeMap<&'s FlagKey, Value>,
    date_updated: Timestamp,
}

impl<'s> SdkPayload<'s> {
    /// The features of a set that SDKs can evaluate, if a caller sees flags with these tags.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(
        app: &App,
        set: &'s FlagSet,
        sees: impl Fn(&[String]) -> bool,
    ) -> Result<Self, StoreError> {
        let PayloadAt {
            payload,
            changed_at,
        } = set.payload(app).await?;
        let seen = payload.seen(|key| set.seen(key, &sees).is_some());
        let features = seen.into_iter().map(|(key, feature)| {
            let feature = serde_json::to_value(feature).unwrap_or_default();
            (key, feature)
        });
        Ok(Self {
            status: StatusCode::OK.as_u16(),
            features: features.collect(),
            date_updated: *changed_at,
        })
    }

    /// Features that were evaluated for a user at an instant: values without rules. An SDK reports the experiments in them as
    /// if it had evaluated them.
    pub fn evaluated(
        evaluated: &'s [EvaluatedFlag],
        user: &FlagUser,
        set: &FlagSet,
        at: Timestamp,
    ) -> Self {
        let features = evaluated.iter().map(|flag| {
            let feature = match tracked(flag, user, set) {
                Some(track) => json!({
                    "defaultValue": flag.value,
                    "rules": [{"force": flag.value, "tracks": [track]}],
                }),
                None => json!({"defaultValue": flag.value}),
            };
            (&flag.key, feature)
        });
        Self {
            status: StatusCode::OK.as_u16(),
            features: features.collect(),
            date_updated: at,
        }
    }

    /// The response. Caches may not keep it.
    ///
    /// # Errors
    /// 422 if it is larger than Lambda allows.
    pub fn response(&self) -> Result<Response, Problem> {
        let text = serde_json::to_string(self).unwrap_or_default();
        if text.len() > MAX_ANSWER_BYTES {
            let detail = "The flags of this client key are too large for one answer. Give the key tags, so that it sees fewer.";
            return Err(Problem::too_much_work(detail));
        }
        Ok(response::text_of(StatusCode::OK, "application/json", text))
    }
}

/// The experiment of an evaluated flag, as an SDK reports it.
fn tracked(flag: &EvaluatedFlag, user: &FlagUser, set: &FlagSet) -> Option<Value> {
    let (id, variant) = flag.experiment.as_ref()?;
    let experiment = set.experiments.get(id)?;
    let variants = &experiment.allocation.variants;
    let attribute = EvaluationContext::attribute_of(&experiment.allocation.unit);
    let keys = variants
        .as_slice()
        .iter()
        .map(|each| json!({"key": each.key}));
    Some(json!({
        "experiment": {
            "key": id,
            "variations": variants.as_slice().iter().map(|each| &each.key).collect::<Vec<_>>(),
            "meta": keys.collect::<Vec<_>>(),
        },
        "result": {
            "key": variant,
            "variationId": variants.position(variant)?,
            "value": flag.value,
            "inExperiment": true,
            "hashUsed": true,
            "hashAttribute": attribute,
            "hashValue": user.attributes().get(attribute)?,
            "featureId": flag.key,
        },
    }))
}

/// A response that caches may keep, with an `ETag` of its content; 304 if the caller has this content.
pub fn cached(request: &Request, response: Response) -> Response {
    let mut response = response::if_body_changed(request, response);
    response.headers_mut().insert(CACHE_CONTROL, CACHED);
    response
}
