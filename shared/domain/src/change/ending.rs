//! What may change about the release of a variant and about the conclusion.

use super::{Change, Misfit};
use crate::experiment::{Experiment, Status};
use crate::ids::VariantKey;

impl Change {
    pub(super) fn release_misfit(&self, before: &Experiment) -> Option<Misfit> {
        let release = self.allocation.release.as_ref()?;
        if before.status == Status::Draft {
            let detail = "A draft has no users. Start the experiment before a variant is released.";
            return Some(Misfit::new("release", "not_started", detail));
        }
        let variant = release.as_ref()?;
        if self.status.is_some_and(|status| status != Status::Stopped) {
            let detail = "A release stops the experiment. Leave `status` out, or send `stopped`.";
            return Some(Misfit::new("release", "illegal_transition", detail));
        }
        Self::unknown_variant("release", variant, before)
    }

    pub(super) fn conclusion_misfit(&self, before: &Experiment) -> Option<Misfit> {
        let conclusion = self.documentation.conclusion.as_ref()?.as_ref()?;
        let status = self.next_status().unwrap_or(before.status);
        if status != Status::Stopped {
            let detail = "Only a stopped experiment has a conclusion. Send it with `\"status\": \"stopped\"`.";
            return Some(Misfit::new("conclusion", "not_stopped", detail));
        }
        let variant = conclusion.variant.as_ref()?;
        Self::unknown_variant("conclusion/variant", variant, before)
    }

    fn unknown_variant(
        field: &'static str,
        variant: &VariantKey,
        before: &Experiment,
    ) -> Option<Misfit> {
        let variants = &before.allocation.variants;
        let detail = format!(
            "There is no variant `{variant}`; the variants are {}.",
            variants.listed()
        );
        let is_unknown = variants.position(variant).is_none();
        is_unknown.then(|| Misfit::new(field, "unknown_variant", detail))
    }
}
