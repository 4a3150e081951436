//! Whether the sums are what they should be.

use super::history::{DAY, History};
use super::play::Play;
use domain::aggregate_items::{AggregateItems, AggregateSpec};
use domain::aggregates::{day_of, start_of};
use domain::contribution::UserContribution;
use domain::coverage::DataSource;
use domain::experiment::Experiment;
use domain::filter::{RecordFilter, TimeWindow};
use domain::ids::UserId;
use domain::record_aggregator::RecordAggregator;
use shared::store::aggregates::{AggregateSections, UserContributions};
use shared::store::generations::Generation;
use shared::store::raw::RawError;
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

/// The sums are those of the users' parts as they are stored: whatever died, it has changed both or neither.
pub(crate) async fn nothing_is_half_written(play: &Play<'_>) -> Result<(), String> {
    let contributions = contributions(play).await;
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        for generation in generations(play, experiment).await {
            let mut expected = AggregateItems::default();
            for (_, contributions) in &contributions {
                let part = part(experiment, &generation, contributions);
                expected.plus(&part).unwrap();
            }
            let found = aggregate_items(play, experiment, &generation).await;
            same("the parts of the users", &expected, &found)?;
        }
    }
    play.world.figures.comparisons.fetch_add(1, Relaxed);
    Ok(())
}

/// The sums are those of the records, and each user's part is that of the user's records.
pub(crate) async fn sums_equal_the_records(play: &Play<'_>) -> Result<(), String> {
    let store = &play.world.store;
    let contributions = contributions(play).await;
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        for generation in generations(play, experiment).await {
            let experiment = as_asked(play, place, &generation);
            let stored =
                store.aggregate_items(&experiment.id, generation.number, AggregateSections::ALL);
            let stored = stored.await.unwrap();
            let aggregates = store
                .aggregates_from_records(&experiment, &WITH_PRE_EXPOSURE)
                .await
                .unwrap();
            let expected = AggregateItems::from_aggregates(&aggregates, &generation.spec);
            same("the records", &expected, &stored.aggregate_items)?;
            // How far records reached that are gone is not taken back.
            if stored.data_range != aggregates.data_range && !play.writer.erased {
                let (stored, expected) = (stored.data_range, aggregates.data_range);
                return Err(format!(
                    "the sums reach {stored:?}, the records {expected:?}"
                ));
            }
            for (user, contributions) in &contributions {
                let expected = folded(play, &experiment, &generation.spec, user).await;
                let found = part(&experiment, &generation, contributions);
                same(&format!("the records of {user}"), &expected, &found)?;
            }
        }
        both_sources_tell_the_same(play, experiment).await?;
    }
    play.world.figures.comparisons.fetch_add(1, Relaxed);
    Ok(())
}

/// The sums that are read are those of the newest definition, and none are in the making.
pub(crate) async fn what_was_asked_for_is_read(play: &Play<'_>) -> Result<(), String> {
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        let generations = play.world.store.generations(&experiment.id).await.unwrap();
        let current = generations.current.as_ref().map(|current| &current.spec);
        if generations.next.is_some() || current != Some(&AggregateSpec::of(experiment)) {
            return Err(format!("{} has the sums {generations:?}", experiment.id));
        }
    }
    Ok(())
}

/// Neither sums nor parts of users are left of generations whose time was over. What was left for those who were erased
/// has an end of its own.
pub(crate) async fn nothing_is_left_of_what_was_retired(play: &Play<'_>) -> Result<(), String> {
    let store = &play.world.store;
    let contributions = contributions(play).await;
    for (id, number) in &play.queue.retired {
        let stored = store
            .aggregate_items(id, *number, AggregateSections::ALL)
            .await
            .unwrap();
        let sums = (id.clone(), *number);
        let parts = contributions
            .iter()
            .filter_map(|(_, parts)| parts.get(&sums));
        let parts = parts.filter(|part| part.contribution != UserContribution::default());
        if !stored.aggregate_items.is_empty() || parts.count() > 0 {
            return Err(format!("something is left of {id}'s sums of {number}"));
        }
    }
    Ok(())
}

/// The answers that results are made from: of now and of the beginning of a day, with and without the users' pre exposure.
async fn both_sources_tell_the_same(
    play: &Play<'_>,
    experiment: &Experiment,
) -> Result<(), String> {
    let store = &play.world.store;
    let spec = AggregateSpec::of(experiment);
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
        Ok(sums) => AggregateItems::from_aggregates(&sums.aggregates, &spec),
        Err(RawError::CoverageGap(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let raw = store.sourced_aggregates(
        experiment,
        &filter,
        AggregateSections::ALL,
        Some(DataSource::Raw),
    );
    let raw = AggregateItems::from_aggregates(&raw.await.unwrap().aggregates, &spec);
    same(&format!("the raw answer for {filter:?}"), &raw, &aggregates)
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
    let aggregate_items =
        store.aggregate_items(&experiment.id, generation.number, AggregateSections::ALL);
    aggregate_items.await.unwrap().aggregate_items
}

/// What a user has added to the sums of a generation.
fn part(
    experiment: &Experiment,
    generation: &Generation,
    contributions: &UserContributions,
) -> AggregateItems {
    let sums = (experiment.id.clone(), generation.number);
    let none = UserContribution::default();
    let contribution = contributions
        .get(&sums)
        .map_or(&none, |stored| &stored.contribution);
    let variants = experiment.allocation.variants.as_slice().len();
    AggregateItems::of(contribution, &generation.spec, variants).unwrap()
}

/// The newest definition, with the metrics and dimensions that a generation's sums are of.
fn as_asked(play: &Play<'_>, place: usize, generation: &Generation) -> Experiment {
    let mut versions = play.writer.experiments[place].iter();
    let asked = versions.find(|version| AggregateSpec::of(version) == generation.spec);
    let asked = asked.unwrap();
    Experiment {
        analysis: asked.analysis.clone(),
        ..play.writer.experiment(place).clone()
    }
}

/// What the records of one user add up to.
async fn folded(
    play: &Play<'_>,
    experiment: &Experiment,
    spec: &AggregateSpec,
    user: &UserId,
) -> AggregateItems {
    let store = &play.world.store;
    let mut fold = RecordAggregator::new(experiment, &WITH_PRE_EXPOSURE);
    for assignment in store.user_data(user).await.unwrap().assignments {
        if assignment.experiment_id == experiment.id {
            let (variant, at) = (&assignment.variant, assignment.assigned_at);
            fold.assignment(user.clone(), variant, at, &assignment.attributes);
        }
    }
    let all = store.stored_events_of(user, None).await.unwrap();
    let pre_exposure = fold.pre_exposure_events(user, all.iter().map(|stored| &stored.event));
    pre_exposure.unwrap();
    let events = store.stored_events_of(user, Some(&experiment.id));
    for event in events.await.unwrap() {
        let (event, received) = (event.event, Some(event.received_at));
        let counted = fold.event(
            user,
            &event.event_type,
            event.value,
            event.counted_at,
            received,
        );
        counted.unwrap();
    }
    AggregateItems::from_aggregates(&fold.finish().unwrap(), spec)
}

/// Number by number.
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
    let mut text = format!("the sums differ from {what}:");
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
