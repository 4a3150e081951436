//! The answers for GrowthBook's SDKs: features that they evaluate by themselves, and features that were evaluated here.

use super::flag_evaluation::EvaluatedFlag;
use super::flag_user::FlagUser;
use super::problem::Problem;
use super::response;
use super::{Request, Response};
use crate::app::App;
use crate::app::flag_sets::{FlagSet, PayloadAt};
use crate::store::StoreError;
use domain::client_key::{ClientKey, DecryptionKey};
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
    /// The features as encrypted text. The others are empty then.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted_features: Option<String>,
    /// The flags that only the server can evaluate, and why. SDKs ignore it; it is for developers who miss a flag.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    server_only: BTreeMap<&'s FlagKey, &'static str>,
    date_updated: Timestamp,
}

impl<'s> SdkPayload<'s> {
    /// The features of a set that SDKs can evaluate, for a client key: with hashes of secure attributes, and encrypted if the key
    /// says so.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(app: &App, set: &'s FlagSet, key: &ClientKey) -> Result<Self, StoreError> {
        let PayloadAt {
            payload,
            changed_at,
        } = set.payload(app).await?;
        let sees = |flag: &FlagKey| set.seen(flag, |tags| key.sees_flag(tags)).is_some();
        let client = payload.for_client(sees, key.secure_attributes.as_ref());
        let features = client.features.into_iter().map(|(key, feature)| {
            let feature = serde_json::to_value(feature).unwrap_or_default();
            (key, feature)
        });
        let server_only = client.remote_only.into_iter();
        let plain = Self {
            status: StatusCode::OK.as_u16(),
            features: features.collect(),
            encrypted_features: None,
            server_only: server_only.map(|(key, why)| (key, why.code())).collect(),
            date_updated: *changed_at,
        };
        Ok(match &key.decryption_key {
            Some(decryption_key) => plain.encrypted(decryption_key),
            None => plain,
        })
    }

    /// The same without readable features and keys of flags.
    fn encrypted(self, key: &DecryptionKey) -> Self {
        let features = serde_json::to_string(&self.features).unwrap_or_default();
        Self {
            features: BTreeMap::new(),
            encrypted_features: Some(key.encrypt(&features)),
            server_only: BTreeMap::new(),
            ..self
        }
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
            encrypted_features: None,
            server_only: BTreeMap::new(),
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
