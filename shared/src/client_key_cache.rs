//! Client keys that a process has looked up a moment ago.
//!
//! Pages send a key with each request, so a look-up must cost nothing most of the time. Everybody can send texts that are
//! no key as well: those without the form of a key cost nothing, and a key that is unknown or revoked is remembered for
//! some seconds.

use crate::store::{Store, StoreError};
use domain::client_key::{ClientKey, ClientKeyText};
use moka::Expiry;
use moka::future::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Memory of the keys, as [`weight`] estimates it. All keys fit, unless most of them have the largest lists.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The longest time for which a key is kept, and until which a revoked key may still be used.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest time for which a key is kept as unknown, and until which a new key may be refused.
const LONGEST_UNKNOWN: Duration = Duration::from_secs(5);
/// The memory of an entry without lists.
const BYTES_PER_ENTRY: usize = 512;

/// What a look-up found; none for a key that is unknown or revoked.
type Found = Option<Arc<ClientKey>>;

/// Client keys by their texts. A clone shares them.
#[derive(Clone)]
pub(crate) struct ClientKeyCache {
    store: Store,
    found: Cache<ClientKeyText, Found>,
}

impl ClientKeyCache {
    /// A cache that keeps entries as long as definitions are kept, and at most for [`LONGEST`].
    pub(crate) fn new(store: Store, definition_cache: Duration) -> Self {
        Self {
            store,
            found: Cache::builder()
                .max_capacity(MAX_BYTES)
                .weigher(weight)
                .expire_after(KeepFor(definition_cache))
                .build(),
        }
    }

    /// The key with this text, if there is one and it is not revoked. Concurrent calls cause one read.
    pub(crate) async fn find(&self, text: &str) -> Result<Found, StoreError> {
        let Ok(key) = ClientKeyText::parse(text) else {
            return Ok(None);
        };
        // In a box, so that the futures of the callers do not contain all of the database client.
        let load = Box::pin(async {
            let found = self.store.client_key(&key).await?;
            let valid = found.filter(|found| found.revoked_at.is_none());
            Ok(valid.map(Arc::new))
        });
        let found = self.found.try_get_with_by_ref(&key, load).await;
        // The error is shared by all callers of the read, so it is copied.
        found.map_err(|error: Arc<StoreError>| error.copy())
    }
}

/// How long an entry is kept: at most for this time.
struct KeepFor(Duration);

impl Expiry<ClientKeyText, Found> for KeepFor {
    fn expire_after_create(
        &self,
        _: &ClientKeyText,
        found: &Found,
        _: Instant,
    ) -> Option<Duration> {
        let longest = match found {
            Some(_) => LONGEST,
            None => LONGEST_UNKNOWN,
        };
        Some(self.0.min(longest))
    }
}

/// The memory of an entry, estimated from the size of its JSON.
fn weight(_: &ClientKeyText, found: &Found) -> u32 {
    let json = found.as_ref().map(serde_json::to_string);
    let json = json.map_or(0, |json| json.map_or(usize::MAX, |text| text.len()));
    // Texts of a list have a pointer, a length and a capacity each.
    let bytes = json.saturating_mul(2).saturating_add(BYTES_PER_ENTRY);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::client_key::NewClientKey;
    use domain::ids::EnvironmentName;
    use domain::time::Timestamp;

    fn found() -> Found {
        let new = NewClientKey {
            name: "Shop".to_owned(),
            environment: EnvironmentName::parse("production").unwrap(),
            origins: Vec::new(),
            flag_tags: Vec::new(),
            event_types: Vec::new(),
            events_per_second: 100,
            secure_attributes: None,
            decryption_key: None,
        };
        let text = ClientKeyText::from_bits([1; 16]);
        let key = ClientKey::new(text, new, Timestamp::from_micros(0));
        Some(Arc::new(key))
    }

    #[test]
    fn an_unknown_key_is_remembered_for_seconds_and_a_known_one_for_a_minute_at_most() {
        let kept = |configured: u64, found: &Found| {
            let key = ClientKeyText::from_bits([1; 16]);
            let keep = KeepFor(Duration::from_secs(configured));
            let time = keep.expire_after_create(&key, found, Instant::now());
            time.unwrap().as_secs()
        };
        assert_eq!([0, 10, 300].map(|time| kept(time, &found())), [0, 10, 60]);
        assert_eq!([0, 3, 300].map(|time| kept(time, &None)), [0, 3, 5]);
    }

    #[test]
    fn the_cache_has_room_for_all_usual_keys() {
        let keys = u64::from(domain::limits::MAX_CLIENT_KEYS);
        let text = ClientKeyText::from_bits([1; 16]);
        assert!(u64::from(weight(&text, &found())) * keys * 4 < MAX_BYTES);
        assert!(weight(&text, &None) < weight(&text, &found()));
    }
}
