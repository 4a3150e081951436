//! Whether the sums are what they should be.

use super::history::{DAY, History};
use super::play::Play;
use domain::experiment::Experiment;
use domain::fold::{Fold, Lens, Window};
use domain::ids::UserId;
use domain::report::Source;
use domain::subject::Subject;
use domain::tally::{day_of, start_of};
use domain::totals::{Spec, Totals};
use shared::store::generations::Generation;
use shared::store::raw::RawError;
use shared::store::statistics::{Parts, Subjects};
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

const WITH_PAST: Lens = Lens {
    window: Window {
        from: None,
        to: None,
    },
    only: None,
    past: true,
};

/// The sums are those of the users' parts as they are stored: whatever died, it has changed both or neither.
pub(crate) async fn nothing_is_half_written(play: &Play<'_>) -> Result<(), String> {
    let subjects = subjects(play).await;
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        for generation in generations(play, experiment).await {
            let mut expected = Totals::default();
            for (_, subjects) in &subjects {
                let part = part(experiment, &generation, subjects);
                expected.plus(&part).unwrap();
            }
            let found = totals(play, experiment, &generation).await;
            same("the parts of the users", &expected, &found)?;
        }
    }
    play.world.figures.comparisons.fetch_add(1, Relaxed);
    Ok(())
}

/// The sums are those of the records, and each user's part is that of the user's records.
pub(crate) async fn sums_equal_the_records(play: &Play<'_>) -> Result<(), String> {
    let store = &play.world.store;
    let subjects = subjects(play).await;
    for place in 0..play.writer.experiments.len() {
        let experiment = play.writer.experiment(place);
        for generation in generations(play, experiment).await {
            let experiment = as_asked(play, place, &generation);
            let stored = store.totals(&experiment.id, generation.number, Parts::ALL);
            let stored = stored.await.unwrap();
            let tally = store.tally(&experiment, &WITH_PAST).await.unwrap();
            let expected = Totals::of_tally(&tally, &generation.spec);
            same("the records", &expected, &stored.totals)?;
            // How far records reached that are gone is not taken back.
            if stored.reach != tally.reach && !play.writer.erased {
                let (stored, expected) = (stored.reach, tally.reach);
                return Err(format!(
                    "the sums reach {stored:?}, the records {expected:?}"
                ));
            }
            for (user, subjects) in &subjects {
                let expected = folded(play, &experiment, &generation.spec, user).await;
                let found = part(&experiment, &generation, subjects);
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
        if generations.next.is_some() || current != Some(&Spec::of(experiment)) {
            return Err(format!("{} has the sums {generations:?}", experiment.id));
        }
    }
    Ok(())
}

/// Neither sums nor parts of users are left of generations whose time was over. What was left for those who were erased
/// has an end of its own.
pub(crate) async fn nothing_is_left_of_what_was_retired(play: &Play<'_>) -> Result<(), String> {
    let store = &play.world.store;
    let subjects = subjects(play).await;
    for (id, number) in &play.queue.retired {
        let stored = store.totals(id, *number, Parts::ALL).await.unwrap();
        let sums = (id.clone(), *number);
        let parts = subjects.iter().filter_map(|(_, parts)| parts.get(&sums));
        let parts = parts.filter(|part| part.subject != Subject::default());
        if !stored.totals.is_empty() || parts.count() > 0 {
            return Err(format!("something is left of {id}'s sums of {number}"));
        }
    }
    Ok(())
}

/// The answers that results are made from: of now and of the beginning of a day, with and without the users' past.
async fn both_sources_tell_the_same(
    play: &Play<'_>,
    experiment: &Experiment,
) -> Result<(), String> {
    let store = &play.world.store;
    let spec = Spec::of(experiment);
    let History { seed, .. } = play.history;
    let day = i64::try_from(seed % 9).unwrap();
    let midnight = start_of(day_of(experiment.created_at)).plus_micros(day * DAY);
    let lens = Lens {
        window: Window {
            from: None,
            to: (seed % 2 == 0).then_some(midnight),
        },
        only: None,
        past: seed % 3 == 0,
    };
    let aggregates = store.sums(experiment, &lens, Parts::ALL, Some(Source::Aggregates));
    let aggregates = match aggregates.await {
        Ok(sums) => Totals::of_tally(&sums.tally, &spec),
        Err(RawError::NotInSums(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let raw = store.sums(experiment, &lens, Parts::ALL, Some(Source::Raw));
    let raw = Totals::of_tally(&raw.await.unwrap().tally, &spec);
    same(&format!("the raw answer for {lens:?}"), &raw, &aggregates)
}

async fn subjects<'p>(play: &'p Play<'_>) -> Vec<(&'p UserId, Subjects)> {
    let mut all = Vec::new();
    for user in &play.writer.users {
        all.push((user, play.world.store.subjects_of(user).await.unwrap()));
    }
    all
}

async fn generations(play: &Play<'_>, experiment: &Experiment) -> Vec<Generation> {
    let generations = play.world.store.generations(&experiment.id).await.unwrap();
    let all: Vec<Generation> = generations.all().cloned().collect();
    assert!(!all.is_empty());
    all
}

async fn totals(play: &Play<'_>, experiment: &Experiment, generation: &Generation) -> Totals {
    let store = &play.world.store;
    let totals = store.totals(&experiment.id, generation.number, Parts::ALL);
    totals.await.unwrap().totals
}

/// What a user has added to the sums of a generation.
fn part(experiment: &Experiment, generation: &Generation, subjects: &Subjects) -> Totals {
    let sums = (experiment.id.clone(), generation.number);
    let none = Subject::default();
    let subject = subjects.get(&sums).map_or(&none, |stored| &stored.subject);
    let variants = experiment.variants.as_slice().len();
    Totals::of(subject, &generation.spec, variants).unwrap()
}

/// The newest definition, with the metrics and segments that a generation's sums are of.
fn as_asked(play: &Play<'_>, place: usize, generation: &Generation) -> Experiment {
    let mut versions = play.writer.experiments[place].iter();
    let asked = versions.find(|version| Spec::of(version) == generation.spec);
    let asked = asked.unwrap();
    Experiment {
        metrics: asked.metrics.clone(),
        segments: asked.segments.clone(),
        ..play.writer.experiment(place).clone()
    }
}

/// What the records of one user add up to.
async fn folded(play: &Play<'_>, experiment: &Experiment, spec: &Spec, user: &UserId) -> Totals {
    let store = &play.world.store;
    let mut fold = Fold::new(experiment, &WITH_PAST);
    for assignment in store.person(user).await.unwrap().assignments {
        if assignment.experiment_id == experiment.id {
            let (variant, at) = (&assignment.variant, assignment.assigned_at);
            fold.assignment(user.clone(), variant, at, &assignment.attributes);
        }
    }
    let all = store.stored_events_of(user, None).await.unwrap();
    let past = fold.past_events(user, all.iter().map(|stored| &stored.event));
    past.unwrap();
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
    Totals::of_tally(&fold.finish().unwrap(), spec)
}

/// Number by number.
pub(crate) fn same(what: &str, expected: &Totals, found: &Totals) -> Result<(), String> {
    let mut difference = found.clone();
    difference.minus(expected).unwrap();
    if difference.is_empty() {
        return Ok(());
    }
    let mut text = format!("the sums differ from {what}:");
    for (item, numbers) in difference.0.iter().take(8) {
        for (name, number) in numbers.iter().take(8) {
            let of = |totals: &Totals| {
                let numbers = totals.numbers(item);
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
