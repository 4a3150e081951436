//! What may change about an experiment, and when.

mod measured;

use super::Invalid;
use super::allocation::{Release, Variants};
use super::condition::Condition;
use super::documentation::{DocumentationChange, NewConclusion};
use super::exclusion::Exclusion;
use super::experiment::{Experiment, Status};
use super::ids::{DimensionKey, LayerId, VariantKey};
use super::layer::{LayerPercent, LayerShare};
use super::limits::MAX_PHASES;
use super::metric::Metric;
use super::overrides::Override;
use super::plan::Plan;
use super::ramp::Ramp;
use super::time::Timestamp;

/// A change to an experiment. Fields that are `None` stay; `Some(None)` removes an optional value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<Option<String>>,
    /// A new status.
    pub status: Option<Status>,
    /// A new allocation.
    pub allocation: AllocationChange,
    /// Another exclusion.
    pub exclusion: Option<Option<Exclusion>>,
    /// A new schedule.
    pub schedule: ScheduleChange,
    /// Other measurements.
    pub analysis: AnalysisChange,
    /// Other documentation.
    pub documentation: DocumentationChange,
    /// Why the change is made. Only the history keeps it.
    pub reason: Option<String>,
}

/// A change of the allocation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AllocationChange {
    /// New variants or weights.
    pub variants: Option<Variants>,
    /// A new traffic percentage.
    pub traffic_percent: Option<f64>,
    /// Another ramp.
    pub ramp: Option<Ramp>,
    /// Another part of a layer.
    pub layer: Option<Option<(LayerId, LayerPercent)>>,
    /// Another targeting condition.
    pub targeting: Option<Option<Condition>>,
    /// Other overrides.
    pub overrides: Option<Vec<Override>>,
    /// A variant for all users. It stops the experiment.
    pub release: Option<Option<VariantKey>>,
}

/// A change of the schedule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleChange {
    /// A new planned start.
    pub starts_at: Option<Option<Timestamp>>,
    /// A new planned end.
    pub ends_at: Option<Option<Timestamp>>,
}

/// A change of what is measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnalysisChange {
    /// New dimensions.
    pub dimensions: Option<Vec<DimensionKey>>,
    /// New metrics.
    pub metrics: Option<Vec<Metric>>,
    /// Another plan.
    pub plan: Option<Option<Plan>>,
}

/// Why the experiment does not allow a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// The JSON name of the changed field.
    pub field: &'static str,
    /// The fault.
    pub why: Invalid,
}

/// Until when a field may change.
enum Changeable {
    /// Only in a draft; the sentence says why.
    InDraft(&'static str),
    /// Until the experiment is stopped; the words name the field.
    UntilStopped(&'static str),
}

/// Whether a change has a field.
type HasField = fn(&Change) -> bool;

/// What may change when. Fields that are not in the table may change until the experiment is archived. Further rules for
/// variants and dimensions of a started experiment follow in [`Change::misfits`].
const RULES: [(&str, HasField, Changeable); 10] = [
    (
        "traffic_percent",
        |change| change.allocation.traffic_percent.is_some(),
        Changeable::UntilStopped("traffic"),
    ),
    (
        "ramp",
        |change| change.allocation.ramp.is_some(),
        Changeable::UntilStopped("ramp"),
    ),
    (
        "layer",
        |change| change.allocation.layer.is_some(),
        Changeable::UntilStopped("layer"),
    ),
    (
        "targeting",
        |change| change.allocation.targeting.is_some(),
        Changeable::UntilStopped("targeting"),
    ),
    (
        "overrides",
        |change| change.allocation.overrides.is_some(),
        Changeable::UntilStopped("overrides"),
    ),
    (
        "ends_at",
        |change| change.schedule.ends_at.is_some(),
        Changeable::UntilStopped("end"),
    ),
    (
        "starts_at",
        |change| change.schedule.starts_at.is_some(),
        Changeable::InDraft("Only a draft can get another start."),
    ),
    (
        "variants",
        |change| change.allocation.variants.is_some(),
        Changeable::UntilStopped("variants"),
    ),
    (
        "dimensions",
        |change| change.analysis.dimensions.is_some(),
        Changeable::UntilStopped("dimensions"),
    ),
    (
        "plan",
        |change| change.analysis.plan.is_some(),
        Changeable::InDraft(
            "Only a draft can get another plan: the planned size tunes the intervals, and must not change during a run.",
        ),
    ),
];

impl Change {
    /// The experiment after the change.
    ///
    /// Versions are ordered in time, and no two have the same: a process whose clock is behind makes the change just after the
    /// version before. At an earlier time it would remove a phase that has begun, and users would be counted in another one
    /// than before. At the same time, two generations of aggregates would have one number, and the second would be added to
    /// the first.
    ///
    /// # Errors
    /// Every part of the change that the experiment does not allow.
    pub fn apply(self, before: &Experiment, now: Timestamp) -> Result<Experiment, Vec<Misfit>> {
        let now = now.max(before.updated_at.plus_micros(1));
        let misfits = self.misfits(before);
        if !misfits.is_empty() {
            return Err(misfits);
        }
        let status = self.next_status();
        let changed_allocation = match &self.allocation {
            AllocationChange {
                variants: Some(_), ..
            } => "variants",
            AllocationChange {
                traffic_percent: Some(_),
                ..
            } => "traffic_percent",
            AllocationChange { ramp: Some(_), .. } => "ramp",
            // The allocation was changed during a pause.
            _ => "status",
        };
        let mut after = before.clone();
        after.version += 1;
        after.updated_at = now;
        if matches!(before.status, Status::Running | Status::Paused) {
            after.allocation.pass_ramp_steps(now);
        }
        let AllocationChange {
            traffic_percent,
            ramp,
            ..
        } = &self.allocation;
        let stops = status == Some(Status::Stopped);
        if stops || traffic_percent.is_some() || ramp.is_some() {
            after.allocation.take_over_ramp(now);
        }
        replace(&mut after.name, self.name);
        replace(&mut after.description, self.description);
        replace(&mut after.allocation.variants, self.allocation.variants);
        let traffic_percent = self.allocation.traffic_percent;
        replace(&mut after.allocation.traffic_percent, traffic_percent);
        replace(&mut after.allocation.ramp, self.allocation.ramp);
        let layer = self.allocation.layer;
        let share = |(id, percent)| match before.allocation.layer.clone() {
            Some(share) => LayerShare { percent, ..share },
            None => LayerShare::requested(id, percent),
        };
        replace(&mut after.allocation.layer, layer.map(|new| new.map(share)));
        replace(&mut after.allocation.targeting, self.allocation.targeting);
        replace(&mut after.allocation.overrides, self.allocation.overrides);
        replace(&mut after.exclusion, self.exclusion);
        replace(&mut after.schedule.starts_at, self.schedule.starts_at);
        replace(&mut after.schedule.ends_at, self.schedule.ends_at);
        replace(&mut after.analysis.dimensions, self.analysis.dimensions);
        replace(&mut after.analysis.metrics, self.analysis.metrics);
        replace(&mut after.analysis.plan, self.analysis.plan);
        let documentation = self.documentation;
        let own = &mut after.documentation;
        replace(&mut own.hypothesis, documentation.hypothesis);
        replace(&mut own.owner, documentation.owner);
        replace(&mut own.tags, documentation.tags);
        replace(&mut own.links, documentation.links);
        let conclusion = documentation.conclusion;
        let at_this_time = |new: Option<NewConclusion>| new.map(|new| new.at(now));
        replace(&mut own.conclusion, conclusion.map(at_this_time));
        let release = self.allocation.release.map(|variant| {
            variant.map(|variant| Release {
                variant,
                released_at: now,
            })
        });
        replace(&mut after.allocation.release, release);
        replace(&mut after.status, status);
        match (status, after.status) {
            (Some(Status::Stopped), _) => {
                after.schedule.stop(now);
                after.allocation.ramp = Ramp::default();
                after.allocation.cancel_later_phases(now);
            }
            (_, Status::Running) => after.run(now),
            _ => {}
        }
        if after.allocation.phases.len() > MAX_PHASES {
            return Err(vec![too_many_phases(changed_allocation)]);
        }
        Ok(after)
    }

    /// The new status: a release stops the experiment.
    fn next_status(&self) -> Option<Status> {
        let releases = matches!(self.allocation.release, Some(Some(_)));
        self.status.or(releases.then_some(Status::Stopped))
    }

    fn misfits(&self, before: &Experiment) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        misfits.extend(self.status_misfit(before.status));
        if before.status == Status::Archived {
            let detail = "An archived experiment cannot be changed.";
            misfits.push(Misfit::new("status", "archived", detail));
            return misfits;
        }
        misfits.extend(self.holdout_misfits(before));
        let started = before.status != Status::Draft;
        for (field, has_field, changeable) in &RULES {
            if !has_field(self) {
                continue;
            }
            match changeable {
                Changeable::InDraft(detail) if started => {
                    misfits.push(Misfit::new(field, "already_started", *detail));
                }
                Changeable::UntilStopped(what) if before.status == Status::Stopped => {
                    let detail = format!("The {what} of a stopped experiment cannot change.");
                    misfits.push(Misfit::new(field, "experiment_over", detail));
                }
                Changeable::InDraft(_) | Changeable::UntilStopped(_) => {}
            }
        }
        if matches!(before.status, Status::Running | Status::Paused) {
            misfits.extend(self.variants_in_use(before));
            misfits.extend(self.dimensions_in_use(before));
        }
        if !(started && self.analysis.plan.is_some()) {
            misfits.extend(self.plan_misfit(before));
        }
        misfits.extend(self.ramp_misfit(before));
        misfits.extend(self.exclusion_misfits(before));
        misfits.extend(self.layer_misfit(before));
        misfits.extend(self.overrides_misfit(before));
        misfits.extend(self.release_misfit(before));
        misfits.extend(self.conclusion_misfit(before));
        misfits.extend(self.order_misfit(before));
        misfits
    }

    fn status_misfit(&self, current: Status) -> Option<Misfit> {
        let next = self
            .status
            .filter(|next| *next != current && !current.next().contains(next))?;
        let options: Vec<_> = current.next().iter().map(|status| status.name()).collect();
        let options = if options.is_empty() {
            "nothing".to_owned()
        } else {
            options.join(" or ")
        };
        let detail = format!(
            "A {} experiment can become {options}, not {}.",
            current.name(),
            next.name()
        );
        Some(Misfit::new("status", "illegal_transition", detail))
    }

    fn variants_in_use(&self, before: &Experiment) -> Option<Misfit> {
        let variants = self.allocation.variants.as_ref()?;
        let keys = |set: &Variants| -> Vec<_> {
            let variants = set.as_slice().iter();
            variants.map(|variant| variant.key.clone()).collect()
        };
        let detail = "Only the percentages may change once an experiment has started; keys and their order stay, because \
                      users are assigned to them.";
        (keys(variants) != keys(&before.allocation.variants))
            .then(|| Misfit::new("variants", "variants_in_use", detail))
    }

    fn dimensions_in_use(&self, before: &Experiment) -> Option<Misfit> {
        let dimensions = self.analysis.dimensions.as_ref()?;
        let current = before.analysis.dimensions.iter();
        let removed: Vec<_> = current
            .filter(|key| !dimensions.contains(key))
            .map(|key| format!("`{key}`"))
            .collect();
        let detail = format!(
            "Dimensions may only be added once an experiment has started, because assignments carry them; {} must stay.",
            removed.join(", ")
        );
        (!removed.is_empty()).then(|| Misfit::new("dimensions", "dimensions_in_use", detail))
    }

    /// Whether an override would name a variant that does not exist.
    fn overrides_misfit(&self, before: &Experiment) -> Option<Misfit> {
        let AllocationChange {
            variants,
            overrides,
            ..
        } = &self.allocation;
        let field = match (overrides, variants) {
            (Some(_), _) => "overrides",
            (None, Some(_)) => "variants",
            (None, None) => return None,
        };
        let variants = variants.as_ref().unwrap_or(&before.allocation.variants);
        let overrides = overrides.as_ref().unwrap_or(&before.allocation.overrides);
        let (index, why) = variants.unknown_in(overrides).into_iter().next()?;
        let detail = format!("Override {}: {}", index + 1, why.detail);
        Some(Misfit::new(field, why.code, detail))
    }

    fn order_misfit(&self, before: &Experiment) -> Option<Misfit> {
        let change = &self.schedule;
        if change.starts_at.is_none() && change.ends_at.is_none() {
            return None;
        }
        let start = change.starts_at.unwrap_or(before.schedule.starts_at)?;
        let end = change.ends_at.unwrap_or(before.schedule.ends_at)?;
        let detail = format!("Must be after the start, {start}.");
        (end <= start).then(|| Misfit::new("ends_at", "ends_before_start", detail))
    }
}

impl Misfit {
    pub(crate) fn new(field: &'static str, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            field,
            why: Invalid::new(code, detail),
        }
    }
}

fn replace<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

fn too_many_phases(field: &'static str) -> Misfit {
    let detail = format!(
        "An experiment keeps all its allocations, at most {MAX_PHASES}. Create another experiment for further changes."
    );
    Misfit::new(field, "too_many_phases", detail)
}

mod ending;
mod scope;
#[cfg(test)]
mod tests;
