//! What may change about an experiment, and when.

use super::Invalid;
use super::allocation::Variants;
use super::experiment::{Experiment, Status};
use super::ids::DimensionKey;
use super::metric::Metric;
use super::plan::Plan;
use super::time::Timestamp;

/// A change to an experiment: what is `None` stays. `Some(None)` takes an optional value away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<Option<String>>,
    /// A new status.
    pub status: Option<Status>,
    /// New variants or shares.
    pub variants: Option<Variants>,
    /// A new share of the traffic, in percent.
    pub traffic_percent: Option<f64>,
    /// New dimensions.
    pub dimensions: Option<Vec<DimensionKey>>,
    /// New metrics.
    pub metrics: Option<Vec<Metric>>,
    /// Another plan.
    pub plan: Option<Option<Plan>>,
    /// A new planned start.
    pub starts_at: Option<Option<Timestamp>>,
    /// A new planned end.
    pub ends_at: Option<Option<Timestamp>>,
}

/// Why a change does not fit the experiment as it stands. The field is the JSON name of what was to change.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// The field of the change.
    pub field: &'static str,
    /// What is wrong.
    pub why: Invalid,
}

impl Change {
    /// The experiment after the change.
    ///
    /// # Errors
    /// Every part of the change that the experiment's status does not allow.
    pub fn apply(self, before: &Experiment, now: Timestamp) -> Result<Experiment, Vec<Misfit>> {
        let misfits = self.misfits(before);
        if !misfits.is_empty() {
            return Err(misfits);
        }
        let mut after = before.clone();
        after.version += 1;
        after.updated_at = now;
        replace(&mut after.name, self.name);
        replace(&mut after.description, self.description);
        replace(&mut after.variants, self.variants);
        replace(&mut after.traffic_percent, self.traffic_percent);
        replace(&mut after.dimensions, self.dimensions);
        replace(&mut after.metrics, self.metrics);
        replace(&mut after.plan, self.plan);
        replace(&mut after.starts_at, self.starts_at);
        replace(&mut after.ends_at, self.ends_at);
        if let Some(status) = self.status {
            after.status = status;
            match status {
                Status::Running if after.started_at.is_none() => {
                    after.started_at = Some(now);
                    after.planned_end = after.ends_at;
                }
                Status::Stopped => after.stopped_at = after.stopped_at.or(Some(now)),
                _ => {}
            }
        }
        if after.status == Status::Running {
            after.begin_phase(now);
        }
        Ok(after)
    }

    fn misfits(&self, before: &Experiment) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let status = before.status;
        let started = status != Status::Draft;
        let over = matches!(status, Status::Stopped | Status::Archived);
        let mut misfit = |field, code, detail: String| {
            misfits.push(Misfit {
                field,
                why: Invalid::new(code, detail),
            });
        };
        if let Some(next) = self.status
            && next != status
            && !status.next().contains(&next)
        {
            let options: Vec<_> = status.next().iter().map(|status| status.name()).collect();
            let options = if options.is_empty() {
                "nothing".to_owned()
            } else {
                options.join(" or ")
            };
            let detail = format!(
                "A {} experiment can become {options}, not {}.",
                status.name(),
                next.name()
            );
            misfit("status", "illegal_transition", detail);
        }
        if status == Status::Archived {
            misfit(
                "status",
                "archived",
                "An archived experiment cannot be changed.".to_owned(),
            );
            return misfits;
        }
        let over_detail = |what: &str| format!("The {what} of a stopped experiment cannot change.");
        if over && self.traffic_percent.is_some() {
            misfit("traffic_percent", "experiment_over", over_detail("traffic"));
        }
        if over && self.ends_at.is_some() {
            misfit("ends_at", "experiment_over", over_detail("end"));
        }
        if started && self.starts_at.is_some() {
            misfit(
                "starts_at",
                "already_started",
                "Only a draft can get another start.".to_owned(),
            );
        }
        if let Some(variants) = &self.variants {
            let keys = |set: &Variants| -> Vec<_> {
                set.as_slice().iter().map(|v| v.key.clone()).collect()
            };
            if over {
                misfit("variants", "experiment_over", over_detail("variants"));
            } else if started && keys(variants) != keys(&before.variants) {
                let detail = "Only the percentages may change once an experiment has started; keys and their order stay, \
                              because users are assigned to them.";
                misfit("variants", "variants_in_use", detail.to_owned());
            }
        }
        if let Some(dimensions) = &self.dimensions {
            let gone = before
                .dimensions
                .iter()
                .filter(|key| !dimensions.contains(key));
            let gone: Vec<_> = gone.map(|key| format!("`{key}`")).collect();
            if over {
                misfit("dimensions", "experiment_over", over_detail("dimensions"));
            } else if started && !gone.is_empty() {
                let detail = format!(
                    "Dimensions may only be added once an experiment has started, because assignments carry them; {} \
                     must stay.",
                    gone.join(", ")
                );
                misfit("dimensions", "dimensions_in_use", detail);
            }
        }
        if started && self.plan.is_some() {
            let detail = "Only a draft can get another plan: the planned size tunes the intervals, and must not change \
                          during a run.";
            misfit("plan", "already_started", detail.to_owned());
        } else if let Some((field, why)) = self.unplanned(before) {
            misfit(field, why.code, why.detail);
        }
        let start = self.starts_at.unwrap_or(before.starts_at);
        let end = self.ends_at.unwrap_or(before.ends_at);
        if (self.starts_at.is_some() || self.ends_at.is_some())
            && let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            misfit(
                "ends_at",
                "ends_before_start",
                format!("The end must lie after the start, {start}."),
            );
        }
        misfits
    }

    /// Whether the plan would be about a metric that is not declared, by which of the two fields.
    fn unplanned(&self, before: &Experiment) -> Option<(&'static str, Invalid)> {
        let metrics = self.metrics.as_ref().unwrap_or(&before.metrics);
        let (field, plan) = match &self.plan {
            Some(plan) => ("plan/metric", plan),
            None if self.metrics.is_some() => ("metrics", &before.plan),
            None => return None,
        };
        let why = plan.as_ref()?.fits(metrics).err()?;
        Some((field, why))
    }
}

fn replace<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::Variant;
    use crate::experiment::NewExperiment;
    use crate::ids::{ExperimentId, VariantKey};

    fn experiment(status: Status) -> Experiment {
        let variant = |key, percent| Variant {
            key: VariantKey::parse(key).unwrap(),
            percent,
            name: None,
        };
        let variants =
            Variants::new(vec![variant("control", 50.0), variant("green", 50.0)]).unwrap();
        let new = NewExperiment {
            id: ExperimentId::parse("e").unwrap(),
            name: "E".to_owned(),
            description: None,
            status: Status::Draft,
            variants,
            traffic_percent: 100.0,
            dimensions: Vec::new(),
            metrics: Vec::new(),
            plan: None,
            starts_at: None,
            ends_at: None,
            hash_seed: "seed".to_owned(),
            shards: 1,
        };
        Experiment {
            status,
            ..new.create(Timestamp::MIN)
        }
    }

    #[test]
    fn only_legal_transitions_are_made() {
        for (_, from) in Status::ALL {
            for (_, to) in Status::ALL {
                let change = Change {
                    status: Some(to),
                    ..Change::default()
                };
                let made = change.apply(&experiment(from), Timestamp::from_micros(5));
                let legal = from != Status::Archived && (from == to || from.next().contains(&to));
                assert_eq!(made.is_ok(), legal, "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn a_change_of_shares_begins_a_phase_and_keeps_the_old_ones() {
        let start = Change {
            status: Some(Status::Running),
            ..Change::default()
        };
        let running = start
            .apply(&experiment(Status::Draft), Timestamp::from_micros(1))
            .unwrap();
        let less = Change {
            traffic_percent: Some(10.0),
            ..Change::default()
        };
        let changed = less.apply(&running, Timestamp::from_micros(2)).unwrap();
        let traffic: Vec<_> = changed
            .phases
            .iter()
            .map(|phase| (phase.since.micros(), phase.traffic_percent))
            .collect();
        assert_eq!(traffic, [(1, 100.0), (2, 10.0)]);
        let renamed = Change {
            name: Some("F".to_owned()),
            ..Change::default()
        };
        assert_eq!(
            renamed
                .apply(&changed, Timestamp::from_micros(3))
                .unwrap()
                .phases,
            changed.phases
        );
    }
}
