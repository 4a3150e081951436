//! Checks of the aggregates.

use super::history::{DAY, History};
use super::play::Play;
use domain::aggregate_items::{AggregateItems, AggregateLayout, AggregateSpec};
use domain::aggregates::{ExperimentAggregates, day_of, start_of};
use domain::contribution::UserContribution;
use domain::coverage::DataSource;
use domain::experiment::Experiment;
use domain::filter::{RecordFilter, TimeWindow};
use domain::ids::{EventId, UserId};
use domain::record_aggregator::RecordAggregator;
use domain::registry::Labels;
use futures::TryStreamExt;
use shared::store::aggregates::{AggregateSections, UserContributions};
use shared::store::generations::Generation;
use shared::store::raw::RawError;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

const WITH_PRE_EXPOSURE: RecordFilter = RecordFilter {
    window: TimeWindow {
        from: None,
        to: None,
    },
    only: None,
    pre_exposure: true,
};

/// The aggregates equal the sum of the stored user contributions. A crashed process has changed both or neither.
pub(crate) async fn aggregates_equal_the_contributions(play: &Play<'_>) -> Result<(), String> {
    let contributions = contributions(play).await;
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        for generation in generations(play, experiment).await {
            let layout = layout(play, experiment, &generation).await;
            let mut expected = AggregateItems::default();
            for (_, contributions) in &contributions {
                let items = contribution_items(experiment, &generation, &layout, contributions);
                expected.plus(&items).unwrap();
            }
            let found = aggregate_items(play, experiment, &generation).await;
            same("the user contributions", &expected, &found)?;
        }
    }
    play.world.figures.comparisons.fetch_add(1, Relaxed);
    Ok(())
}

/// The aggregates equal the aggregation of the records, and each user contribution equals that of the user's records.
pub(crate) async fn aggregates_equal_the_records(play: &Play<'_>) -> Result<(), String> {
    let store = &play.world.store;
    let contributions = contributions(play).await;
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        for generation in generations(play, experiment).await {
            let experiment = definition_of(play, place, &generation);
            let stored = store.aggregate_items(
                &experiment.id,
                generation.number,
                AggregateSections::ALL,
                false,
            );
            let stored = stored.await.unwrap();
            let layout = AggregateLayout::new(&generation.spec, &stored.registry);
            let aggregates = store
                .aggregates_from_records(&experiment, &WITH_PRE_EXPOSURE)
                .await
                .unwrap();
            let expected = AggregateItems::from_aggregates(&aggregates, &layout);
            same("the records", &expected, &stored.aggregate_items)?;
            // An erasure does not reduce the data range.
            if stored.data_range != aggregates.data_range && !play.writer.erased {
                let (stored, expected) = (stored.data_range, aggregates.data_range);
                return Err(format!(
                    "the data range of the aggregates is {stored:?}, that of the records is {expected:?}"
                ));
            }
            for (user, contributions) in &contributions {
                let expected = aggregated(play, &experiment, &layout, user).await;
                let found = contribution_items(&experiment, &generation, &layout, contributions);
                same(&format!("the records of {user}"), &expected, &found)?;
            }
        }
        events_that_count_are_stored_for_it(play, experiment).await?;
        both_sources_are_equal(play, experiment).await?;
    }
    records_of_an_event_are_equal(play).await?;
    play.world.figures.comparisons.fetch_add(1, Relaxed);
    Ok(())
}

/// The records of an event, one for each of its experiments, have the same content: that of the first one.
async fn records_of_an_event_are_equal(play: &Play<'_>) -> Result<(), String> {
    for user in &play.writer.users {
        let events = play.world.store.all_event_summaries_of(user).try_concat();
        let mut first = HashMap::new();
        for record in events.await.unwrap() {
            let content = (record.event, record.received_at);
            let known = first
                .entry(content.0.id.clone())
                .or_insert_with(|| content.clone());
            if *known != content {
                return Err(format!("{user} has an event as {known:?} and {content:?}"));
            }
        }
    }
    Ok(())
}

/// Each event of an assigned user that counts for the experiment is stored for it, wherever it was stored first.
async fn events_that_count_are_stored_for_it(
    play: &Play<'_>,
    experiment: &Experiment,
) -> Result<(), String> {
    let store = &play.world.store;
    for user in &play.writer.users {
        let user_data = store.user_data(user).await.unwrap();
        let mut assignments = user_data.assignments.iter();
        let assignment = assignments.find(|one| one.experiment_id == experiment.id);
        let Some(assignment) = assignment.filter(|_| user_data.tombstone.is_none()) else {
            continue;
        };
        let events: Vec<_> = store
            .all_event_summaries_of(user)
            .try_concat()
            .await
            .unwrap();
        let stored = events
            .iter()
            .filter(|event| event.experiment.as_ref() == Some(&experiment.id));
        let stored: BTreeSet<&EventId> = stored.map(|event| &event.event.id).collect();
        let missing = events.iter().find(|event| {
            experiment.counts(assignment.assigned_at, event.event.counted_at)
                && experiment.accepts(event.received_at)
                && !stored.contains(&event.event.id)
        });
        if let Some(event) = missing {
            return Err(format!(
                "{} does not have {event:?} of {user}",
                experiment.id
            ));
        }
    }
    Ok(())
}

/// The contributions of all users but one equal those of their records, and no backfill is held up by that one.
pub(crate) async fn the_other_users_are_counted(
    play: &Play<'_>,
    refused: usize,
) -> Result<(), String> {
    let contributions = contributions(play).await;
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        for generation in generations(play, experiment).await {
            let experiment = definition_of(play, place, &generation);
            let layout = layout(play, &experiment, &generation).await;
            for (user, contributions) in &contributions {
                if **user != play.writer.users[refused] {
                    let expected = aggregated(play, &experiment, &layout, user).await;
                    let found =
                        contribution_items(&experiment, &generation, &layout, contributions);
                    same(&format!("the records of {user}"), &expected, &found)?;
                }
            }
        }
    }
    the_newest_generation_is_read(play).await
}

/// Every user is counted.
pub(crate) async fn no_user_is_quarantined(play: &Play<'_>) -> Result<(), String> {
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        for generation in generations(play, experiment).await {
            let id = &experiment.id;
            let store = &play.world.store;
            let stored =
                store.aggregate_items(id, generation.number, AggregateSections::ALL, false);
            let quarantined = stored.await.unwrap().quarantined;
            if !quarantined.is_empty() {
                return Err(format!("{quarantined:?} in {id}"));
            }
        }
    }
    Ok(())
}

/// The current generation belongs to the newest definition, and no backfill is running.
pub(crate) async fn the_newest_generation_is_read(play: &Play<'_>) -> Result<(), String> {
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        let generations = play.world.store.generations(&experiment.id).await.unwrap();
        let current = generations.current.as_ref().map(|current| &current.spec);
        if generations.next.is_some() || current != Some(&AggregateSpec::of(experiment)) {
            return Err(format!(
                "{} has the generations {generations:?}",
                experiment.id
            ));
        }
    }
    Ok(())
}

/// Retired generations have no aggregates and no user contributions. Erasures leave empty contributions, which expire
/// separately.
pub(crate) async fn retired_generations_are_deleted(play: &Play<'_>) -> Result<(), String> {
    let store = &play.world.store;
    let contributions = contributions(play).await;
    for (id, number) in &play.queue.retired {
        let stored = store
            .aggregate_items(id, *number, AggregateSections::ALL, false)
            .await
            .unwrap();
        let key = (id.clone(), *number);
        let of_users = contributions
            .iter()
            .filter_map(|(_, by_generation)| by_generation.get(&key));
        let of_users = of_users.filter(|stored| stored.contribution != UserContribution::default());
        if !stored.aggregate_items.is_empty() || of_users.count() > 0 {
            return Err(format!(
                "generation {number} of {id} has not been deleted completely"
            ));
        }
    }
    Ok(())
}

/// Both data sources of results are equal: for the current time or the start of a day, with and without pre-exposure data.
async fn both_sources_are_equal(play: &Play<'_>, experiment: &Experiment) -> Result<(), String> {
    let store = &play.world.store;
    let generations = store.generations(&experiment.id).await.unwrap();
    let Some(current) = &generations.current else {
        return Ok(());
    };
    let registry = store
        .registry(&experiment.id, current.number)
        .await
        .unwrap();
    let layout = AggregateLayout::new(&AggregateSpec::of(experiment), &registry.registry);
    let History { seed, .. } = play.history;
    let day = i64::try_from(seed % 9).unwrap();
    let midnight = start_of(day_of(experiment.created_at)).plus_micros(day * DAY);
    let filter = RecordFilter {
        window: TimeWindow {
            from: None,
            to: (seed % 2 == 0).then_some(midnight),
        },
        only: None,
        pre_exposure: seed % 3 == 0,
    };
    let aggregates = store.sourced_aggregates(
        experiment,
        &filter,
        AggregateSections::ALL,
        Some(DataSource::Aggregates),
    );
    let aggregates = match aggregates.await {
        Ok(sourced) => {
            let pending = sourced.provenance.pending.unwrap();
            if pending.pending != 0 || pending.since.is_some() || pending.still_counting() {
                return Err(format!("{} has {pending:?}", experiment.id));
            }
            items_of(sourced.aggregates, &layout)
        }
        Err(RawError::CoverageGap(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let raw = store.sourced_aggregates(
        experiment,
        &filter,
        AggregateSections::ALL,
        Some(DataSource::Raw),
    );
    let raw = items_of(raw.await.unwrap().aggregates, &layout);
    same(
        &format!("the raw records for {filter:?}"),
        &raw,
        &aggregates,
    )
}

/// The numbers of aggregates, without the number of records: aggregates of a past day are those of all records.
fn items_of(mut aggregates: ExperimentAggregates, layout: &AggregateLayout) -> AggregateItems {
    aggregates.records = 0;
    AggregateItems::from_aggregates(&aggregates, layout)
}

async fn contributions<'p>(play: &'p Play<'_>) -> Vec<(&'p UserId, UserContributions)> {
    let mut all = Vec::new();
    for user in &play.writer.users {
        all.push((user, play.world.store.contributions_of(user).await.unwrap()));
    }
    all
}

async fn generations(play: &Play<'_>, experiment: &Experiment) -> Vec<Generation> {
    let generations = play.world.store.generations(&experiment.id).await.unwrap();
    let all: Vec<Generation> = generations.all().cloned().collect();
    assert!(!all.is_empty());
    all
}

async fn aggregate_items(
    play: &Play<'_>,
    experiment: &Experiment,
    generation: &Generation,
) -> AggregateItems {
    let store = &play.world.store;
    let aggregate_items = store.aggregate_items(
        &experiment.id,
        generation.number,
        AggregateSections::ALL,
        false,
    );
    aggregate_items.await.unwrap().aggregate_items
}

async fn layout(
    play: &Play<'_>,
    experiment: &Experiment,
    generation: &Generation,
) -> AggregateLayout {
    let registry = play.world.store.registry(&experiment.id, generation.number);
    AggregateLayout::new(&generation.spec, &registry.await.unwrap().registry)
}

/// What a user has added to the aggregates of a generation.
fn contribution_items(
    experiment: &Experiment,
    generation: &Generation,
    layout: &AggregateLayout,
    contributions: &UserContributions,
) -> AggregateItems {
    let key = (experiment.id.clone(), generation.number);
    let none = UserContribution::default();
    let contribution = contributions
        .get(&key)
        .map_or(&none, |stored| &stored.contribution);
    let variants = experiment.allocation.variants.as_slice().len();
    AggregateItems::of(contribution, layout, variants).unwrap()
}

/// The newest definition with the metrics and dimensions of a generation.
fn definition_of(play: &Play<'_>, place: usize, generation: &Generation) -> Experiment {
    let mut versions = play.writer.experiments[place].iter();
    let asked = versions.find(|version| AggregateSpec::of(version) == generation.spec);
    let asked = asked.unwrap();
    Experiment {
        analysis: asked.analysis.clone(),
        ..play.writer.experiment(place).clone()
    }
}

/// The aggregates of one user's records.
async fn aggregated(
    play: &Play<'_>,
    experiment: &Experiment,
    layout: &AggregateLayout,
    user: &UserId,
) -> AggregateItems {
    let store = &play.world.store;
    let generations = store.generations(&experiment.id).await.unwrap();
    let current = generations.current.unwrap().number;
    let registry = store.registry(&experiment.id, current).await.unwrap();
    let spec = layout.spec();
    let labels = Labels::new(&spec.metrics, registry.registry).excluding(spec.excluded.clone());
    let mut aggregator = RecordAggregator::new(experiment, &WITH_PRE_EXPOSURE, &labels);
    for assignment in store.user_data(user).await.unwrap().assignments {
        if assignment.experiment_id == experiment.id {
            let (variant, at) = (&assignment.variant, assignment.assigned_at);
            aggregator.assignment(user.clone(), variant, at, &assignment.attributes);
        }
    }
    let all = store.all_event_summaries_of(user).try_concat().await;
    let all = all.unwrap();
    aggregator.pre_exposure_events(user, all.iter().map(|stored| &stored.event));
    let events = store.stored_events_after(user, None).try_concat().await;
    for event in events.unwrap() {
        if event.experiment.as_ref() != Some(&experiment.id) {
            continue;
        }
        let (event, received) = (event.event, Some(event.received_at));
        aggregator.exclude_by_event(user, &event.event_type, event.counted_at);
        let properties = event.properties.as_deref();
        let is_undecided = aggregator.undecided().any(|(_, at)| at < event.counted_at);
        if is_undecided && spec.excluded.has_properties(&event.event_type, properties) {
            aggregator.exclude(user);
        }
        let counted = aggregator.event(
            user,
            &event.event_type,
            event.value,
            event.counted_at,
            received,
        );
        counted.unwrap();
    }
    AggregateItems::from_aggregates(&aggregator.finish().unwrap(), layout)
}

/// Compares two sets of aggregates number by number.
pub(crate) fn same(
    what: &str,
    expected: &AggregateItems,
    found: &AggregateItems,
) -> Result<(), String> {
    let mut difference = found.clone();
    difference.minus(expected).unwrap();
    if difference.is_empty() {
        return Ok(());
    }
    let mut text = format!("the aggregates differ from {what}:");
    for (item, numbers) in difference.0.iter().take(8) {
        for (name, number) in numbers.iter().take(8) {
            let of = |aggregate_items: &AggregateItems| {
                let numbers = aggregate_items.numbers(item);
                numbers.and_then(|numbers| numbers.get(name)).copied()
            };
            let (found, expected) = (of(found), of(expected));
            write!(
                text,
                "\n  {item:?} {name}: {found:?} instead of {expected:?}, {number:+}"
            )
            .unwrap();
        }
    }
    Err(text)
}
