//! What the functions that create and change flags share.

use super::Response;
use super::body::listed;
use super::input::flag::located;
use super::problem::{Fault, Problem};
use super::response;
use crate::app::App;
use crate::store::StoreError;
use crate::store::catalog::{Catalog, CatalogTries};
use crate::store::experiments::Author;
use crate::store::flags::{FlagWrite, StoredFlag};
use domain::Invalid;
use domain::aggregates::{Day, start_of};
use domain::flag::{Flag, FlagDraft, FlagGraph};
use domain::history::{FieldChange, flag_changes};
use domain::ids::{EnvironmentName, ExperimentId, FlagKey};
use domain::limits::{MAX_ALL_FLAGS_BYTES, MAX_FLAGS};
use domain::prose::grouped_size;
use futures::future::BoxFuture;
use lambda_http::http::StatusCode;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// All flags and segments, at one version of the catalog. What is written is refused if the catalog has changed since.
pub struct FlagCatalog {
    catalog: Catalog,
    flags: BTreeMap<FlagKey, StoredFlag>,
}

impl FlagCatalog {
    /// Reads it consistently, in one call for each megabyte.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn read(app: &App) -> BoxFuture<'_, Result<Self, StoreError>> {
        Box::pin(async move {
            // The changes are read first: what is read later is at least as new.
            let catalog = app.store().catalog().await?;
            let flags = app.store().flags().await?.into_iter();
            let by_key = flags.map(|stored| (stored.flag.key.clone(), stored));
            Ok(Self {
                catalog,
                flags: by_key.collect(),
            })
        })
    }

    /// The flag with a key.
    pub fn flag(&self, key: &FlagKey) -> Option<&StoredFlag> {
        self.flags.get(key)
    }

    /// The flags that need a flag, if there are any: it cannot be deleted.
    pub fn users_of(&self, key: &FlagKey) -> Vec<FlagKey> {
        let flags = self.flags.values().map(|stored| &stored.flag);
        let needs = |flag: &&Flag| flag.prerequisites.iter().any(|each| each.flag == *key);
        flags.filter(needs).map(|flag| flag.key.clone()).collect()
    }

    /// Checks a version of a flag: by itself, and against other flags, segments, experiments and environments. An archived flag
    /// is not evaluated, so what its conditions name can be deleted; it is checked again when the flag comes back.
    ///
    /// # Errors
    /// 422 with all faults; 409 if there are too many flags; if the database fails.
    pub fn check<'a>(&'a self, app: &'a App, flag: &'a Flag) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move {
            self.check_room(flag)?;
            let mut faults = flag.faults();
            let others: FlagGraph = self.flags.values().map(|stored| &stored.flag).collect();
            faults.extend(others.faults_of(flag));
            if !flag.archived {
                faults.extend(flag.faults_of_segments(&self.catalog.graph()));
            }
            let named: BTreeSet<ExperimentId> = flag.experiments().into_iter().cloned().collect();
            if named.len() <= domain::limits::MAX_FLAG_EXPERIMENTS {
                let experiments = app.store().experiments_by_id(&named).await?.into_iter();
                let by_id = experiments.map(|one| (one.id.clone(), one)).collect();
                faults.extend(flag.faults_of_experiments(&by_id));
            }
            let mut faults = located(faults);
            let before = self.flags.get(&flag.key).map(|stored| &stored.flag);
            faults.extend(unknown_environments(app, flag, before));
            match faults {
                none if none.is_empty() => Ok(()),
                faults => Err(Problem::invalid(faults)),
            }
        })
    }

    /// Checks that all flags together still fit into the memory of a function and into one answer.
    fn check_room(&self, flag: &Flag) -> Result<(), Problem> {
        let others = self.flags.values().map(|stored| &stored.flag);
        let others: Vec<&Flag> = others.filter(|other| other.key != flag.key).collect();
        let is_new = !self.flags.contains_key(&flag.key);
        if is_new && others.len() >= MAX_FLAGS {
            let detail = format!(
                "There are {} flags, and there may be no more. Archive and delete those that are not used.",
                grouped_size(others.len())
            );
            return Err(Problem::conflict("too_many_flags", detail, Vec::new()));
        }
        let sizes = others.into_iter().map(Flag::bytes);
        let bytes = sizes.fold(flag.bytes(), usize::saturating_add);
        if bytes > MAX_ALL_FLAGS_BYTES {
            let detail = format!(
                "All flags together may have at most {} bytes as compact JSON; with this one they have {}. Archive and delete \
                 those that are not used.",
                grouped_size(MAX_ALL_FLAGS_BYTES),
                grouped_size(bytes)
            );
            return Err(Problem::conflict("too_many_flags", detail, Vec::new()));
        }
        Ok(())
    }

    /// Stores a version that was checked.
    ///
    /// # Errors
    /// If the database fails.
    pub fn write<'a>(
        &'a self,
        app: &'a App,
        before: Option<&'a Flag>,
        after: &'a StoredFlag,
        author: Author<'a>,
    ) -> BoxFuture<'a, Result<FlagWrite, StoreError>> {
        let changes = &self.catalog.changes;
        app.store().write_flag(changes, before, after, author)
    }

    /// Deletes a flag.
    ///
    /// # Errors
    /// If the database fails.
    pub fn delete<'a>(
        &'a self,
        app: &'a App,
        flag: &'a Flag,
        author: Author<'a>,
    ) -> BoxFuture<'a, Result<FlagWrite, StoreError>> {
        let changes = &self.catalog.changes;
        app.store().delete_flag(changes, flag, author, app.now())
    }
}

/// The environments that neither the deployment nor the version before has. A flag keeps an environment that has left the
/// deployment, so that it can still be switched off, changed and archived.
fn unknown_environments(app: &App, flag: &Flag, before: Option<&Flag>) -> Vec<Fault> {
    let environments = app.environments();
    let is_kept = |name| before.is_some_and(|before| before.environments.contains_key(name));
    let unknown = flag.environments.keys();
    let unknown = unknown.filter(|name| !environments.contains(name) && !is_kept(name));
    unknown
        .map(|name| {
            let known: Vec<&str> = environments.iter().map(EnvironmentName::as_str).collect();
            let detail = format!(
                "The deployment has no environment `{name}`; it has {}. Remove it with `null`.",
                listed(known)
            );
            let pointer = format!("/environments/{name}");
            Fault::at(pointer, Invalid::new("unknown_environment", detail))
        })
        .collect()
}

/// A draft, as responses show it.
#[derive(Debug, Serialize)]
pub struct DraftResponse {
    #[serde(flatten)]
    draft: FlagDraft,
    /// What it changes.
    changes: Vec<FieldChange>,
}

impl DraftResponse {
    /// A draft of the next version of a flag.
    ///
    /// # Errors
    /// 500 if a definition cannot be written as JSON.
    pub fn of(draft: FlagDraft, flag: &Flag) -> Result<Self, Problem> {
        let changes = flag_changes(flag, &draft.definition);
        let changes = changes.map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Self { draft, changes })
    }
}

/// The days on which applications last asked for a flag by its key, by environment.
pub type LastEvaluated = BTreeMap<EnvironmentName, String>;

/// The days as dates.
pub fn last_evaluated(days: &BTreeMap<EnvironmentName, Day>) -> LastEvaluated {
    let date = |day: Day| start_of(day).to_string().chars().take(10).collect();
    days.iter()
        .map(|(name, day)| (name.clone(), date(*day)))
        .collect()
}

/// The response with a flag.
pub fn answer(status: StatusCode, flag: &Flag) -> Response {
    response::with_version(response::json(status, flag), flag.version)
}

/// Whether a change was seen by two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// It is the change of one token. A flag that requires an approval only lets it switch environments off.
    None,
    /// Another token has published it, or it brings back what was in use before.
    Given,
}

/// 409: the change needs an approval.
pub fn approval_required(key: &FlagKey, detail: &str) -> Problem {
    let detail = format!("The flag `{key}` requires an approval. {detail}");
    Problem::conflict("approval_required", detail, Vec::new())
}

/// Writes the next version of a flag. `next` makes it from the version before; if the two are equal, nothing is
/// written. It is asked again if another definition is changed at the same moment. Returns the stored version.
///
/// # Errors
/// 404 if there is no such flag, 409 if the change needs an approval, 412 if the flag is not in the expected version, 422 with
/// all faults of the next version.
pub async fn change(
    app: &App,
    key: &FlagKey,
    expected: Option<u64>,
    (author, approval): (Author<'_>, Approval),
    next: impl Fn(&Flag) -> Flag,
) -> Result<Flag, Problem> {
    let mut tries = CatalogTries::default();
    loop {
        let flags = FlagCatalog::read(app).await?;
        let found = flags.flag(key);
        let before = found.ok_or_else(|| Problem::unknown_flag(key.as_str()))?;
        if expected.is_some_and(|version| version != before.flag.version) {
            return Err(Problem::stale("flag", before.flag.version));
        }
        let after = next(&before.flag);
        if after == before.flag {
            return Ok(after);
        }
        let is_direct = approval == Approval::None && before.flag.requires_approval;
        if is_direct && !after.only_switches_off(&before.flag) {
            let detail = "Save the change with `PUT /flags/{key}/draft`, and let another token publish it. Only switching off \
                          an environment needs no approval.";
            return Err(approval_required(key, detail));
        }
        flags.check(app, &after).await?;
        let stored = StoredFlag {
            flag: after,
            creation_digest: before.creation_digest.clone(),
        };
        match flags
            .write(app, Some(&before.flag), &stored, author)
            .await?
        {
            FlagWrite::Written => return Ok(stored.flag),
            FlagWrite::CatalogChanged => tries.next().await?,
        }
    }
}
