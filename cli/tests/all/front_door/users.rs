//! Users with a history, imported as from another system.

use super::support::{Caller, ago};
use serde_json::{Value, json};

/// A user with an assignment in the past and events before and after it.
pub(crate) struct TestUser {
    pub(crate) variant: &'static str,
    pub(crate) days_ago: i64,
    pub(crate) attributes: Value,
    /// Type, hours after the assignment (negative: before), value.
    pub(crate) events: Vec<(&'static str, f64, Option<f64>)>,
}

impl TestUser {
    pub(crate) fn new(variant: &'static str, days_ago: i64) -> Self {
        Self {
            variant,
            days_ago,
            attributes: json!({}),
            events: Vec::new(),
        }
    }

    /// Adds an event an hour after the assignment.
    pub(crate) fn did(self, event_type: &'static str, value: Option<f64>) -> Self {
        self.did_at(event_type, 1.0, value)
    }

    pub(crate) fn did_at(
        mut self,
        event_type: &'static str,
        hours: f64,
        value: Option<f64>,
    ) -> Self {
        self.events.push((event_type, hours, value));
        self
    }

    pub(crate) fn with_attributes(mut self, attributes: Value) -> Self {
        self.attributes = attributes;
        self
    }
}

/// Imports the assignments of users, then their events.
pub(crate) async fn import_users(admin: &Caller, experiment: &str, users: &[TestUser]) {
    let (mut rows, mut events) = (Vec::new(), Vec::new());
    for (number, user) in users.iter().enumerate() {
        let user_id = format!("{experiment} {} {number}", user.variant);
        // Two hours earlier, so that an event an hour after the assignment is not in the future.
        let assigned_at = ago(user.days_ago * 86_400 + 7_200);
        rows.push(json!({
            "user_id": user_id, "variant": user.variant, "assigned_at": assigned_at.to_string(),
            "attributes": user.attributes,
        }));
        for (index, (event_type, hours, value)) in user.events.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "a few hours")]
            let at = assigned_at.plus_micros((hours * 3.6e9) as i64);
            let id = format!("{event_type} {index}");
            let mut event = json!({"user_id": user_id, "type": event_type, "event_id": id, "timestamp": at.to_string()});
            if let Some(value) = value {
                event["value"] = json!(value);
            }
            events.push(event);
        }
    }
    for rows in rows.chunks(500) {
        let answer = admin.import(experiment, rows).await;
        assert_eq!(answer["rejected"], 0, "{answer}");
    }
    for events in events.chunks(500) {
        let answer = admin.track(events).await;
        assert_eq!(answer["rejected"], 0, "{answer}");
    }
}

/// `users` users of a variant. The first `buyers` of them buy.
pub(crate) fn crowd(
    variant: &'static str,
    users: usize,
    buyers: usize,
    days_ago: i64,
) -> Vec<TestUser> {
    let user = |number| {
        let user = TestUser::new(variant, days_ago);
        if number < buyers {
            user.did("buy", Some(10.0))
        } else {
            user
        }
    };
    (0..users).map(user).collect()
}
