//! A backfill on an index that shows records later than their table.

use super::network::Pressure;
use super::play::{Crashes, Play};
use super::records::{changed, items_of};
use super::steps::{self, START};
use super::world::World;
use aws_lambda_events::dynamodb::EventRecord;
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::ids::{UserId, VariantKey};
use domain::time::Timestamp;
use shared::app::App;
use shared::store::keys::experiments as key;
use std::time::{Duration, Instant};

const LAG: Duration = Duration::from_secs(2);

/// The stream record of an item whose name begins with `prefix`.
async fn record(play: &Play<'_>, prefix: &str) -> EventRecord {
    let table = &play.world.config.tables.experiments;
    let id = play.writer.experiment(0).id.as_str();
    let items = items_of(play.world, table, key::EXPERIMENT_ID, id).await;
    let found = items
        .iter()
        .find(|item| item[key::RECORD].as_s().unwrap().starts_with(prefix));
    changed(None, found, [key::EXPERIMENT_ID, key::RECORD], 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_counts_a_user_whom_the_index_shows_late() {
    let world = World::start().await;
    let history = steps::history(1);
    let mut play = Play::begin(&world, &history, Crashes::Drawn).await;
    for step in &history.steps {
        play.write(step).await;
    }
    play.settle_all().await.unwrap();
    let experiment = play.writer.experiment(0).clone();
    world.store.ask_for_sums(&experiment).await.unwrap();
    let mut process = world.process(Pressure::default(), 1);
    let store = process.app.store().clone().with_index_lag(LAG);
    process.app = App::new(store, &world.config);
    let requested = record(&play, key::GENERATIONS).await;
    process.backfill(requested).await.unwrap().unwrap();

    // The assignment is older than all others: an import.
    let user = UserId::parse("late in the index").unwrap();
    let late = Assignment {
        user_id: user.clone(),
        experiment_id: experiment.id.clone(),
        variant: VariantKey::parse("green").unwrap(),
        assigned_at: Timestamp::from_micros(START - 1),
        source: AssignmentSource::Import,
        experiment_version: 1,
        layer: None,
        attributes: Attributes::new(),
    };
    let started = Instant::now();
    let work = record(&play, key::WORK).await;
    let appears = async {
        tokio::time::sleep(LAG / 2).await;
        let stored = world.store.assign_first(&late, experiment.shards);
        stored.await.unwrap();
    };
    let (worked, ()) = futures::join!(process.backfill(work), appears);
    worked.unwrap().unwrap();

    assert!(started.elapsed() > LAG / 2, "{:?}", started.elapsed());
    let contributions = world.store.contributions_of(&user).await.unwrap();
    let generations = world.store.generations(&experiment.id).await.unwrap();
    let next = generations.next.unwrap().number;
    let contribution = &contributions[&(experiment.id.clone(), next)].contribution;
    assert!(contribution.enrolment.is_some());
}
