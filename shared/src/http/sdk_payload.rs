//! The answers for GrowthBook's SDKs: features that they evaluate by themselves, and features that were evaluated here.

use super::flag_evaluation::EvaluatedFlag;
use super::flag_user::FlagUser;
use super::problem::Problem;
use super::response;
use super::{Request, Response};
use crate::app::App;
use crate::app::flag_sets::FlagSet;
use crate::store::StoreError;
use domain::evaluation_context::EvaluationContext;
use domain::feature::FeatureDefinition;
use domain::ids::FlagKey;
use domain::limits::MAX_ANSWER_BYTES;
use domain::time::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CACHE_CONTROL, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
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
    features: BTreeMap<&'s FlagKey, Cow<'s, Value>>,
    date_updated: Timestamp,
}

impl<'s> SdkPayload<'s> {
    /// The features of a set that SDKs can evaluate, if a caller sees flags with these tags. A feature whose prerequisites the
    /// caller does not see is left out: an SDK would evaluate it in another way than the server.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(
        app: &App,
        set: &'s FlagSet,
        sees: impl Fn(&[String]) -> bool,
    ) -> Result<Self, StoreError> {
        let payload = set.payload(app).await?;
        let mut seen: BTreeMap<&FlagKey, &FeatureDefinition> = payload
            .features
            .iter()
            .filter(|(key, _)| set.seen(key, &sees).is_some())
            .collect();
        loop {
            let needs_unseen = |feature: &FeatureDefinition| {
                let rules = feature.rules.iter();
                let mut needed = rules.flat_map(|rule| &rule.parent_conditions);
                needed.any(|parent| !seen.keys().any(|key| key.as_str() == parent.id))
            };
            let hidden: Vec<_> = seen
                .iter()
                .filter(|(_, feature)| needs_unseen(feature))
                .collect();
            let hidden: Vec<&FlagKey> = hidden.into_iter().map(|(key, _)| *key).collect();
            if hidden.is_empty() {
                break;
            }
            seen.retain(|key, _| !hidden.contains(key));
        }
        let features = seen.into_iter().map(|(key, feature)| {
            let feature = serde_json::to_value(feature).unwrap_or_default();
            (key, Cow::Owned(feature))
        });
        Ok(Self {
            status: StatusCode::OK.as_u16(),
            features: features.collect(),
            date_updated: set.updated_at(),
        })
    }

    /// Features that were evaluated for a user: values without rules. An SDK reports the experiments in them as if it had
    /// evaluated them.
    pub fn evaluated(evaluated: &'s [EvaluatedFlag], user: &FlagUser, set: &FlagSet) -> Self {
        let features = evaluated.iter().map(|flag| {
            let feature = match tracked(flag, user, set) {
                Some(track) => json!({
                    "defaultValue": flag.value,
                    "rules": [{"force": flag.value, "tracks": [track]}],
                }),
                None => json!({"defaultValue": flag.value}),
            };
            (&flag.key, Cow::Owned(feature))
        });
        Self {
            status: StatusCode::OK.as_u16(),
            features: features.collect(),
            date_updated: set.updated_at(),
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
    let unit = &experiment.allocation.unit;
    let attribute = if unit.is_user() {
        EvaluationContext::USER_ID_ATTRIBUTE
    } else {
        unit.as_str()
    };
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
