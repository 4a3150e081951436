//! Aggregation with a definition that changes at the same time.

use super::draw::Draw;
use super::history::{Change, DAY, Edit, Step};
use super::network::Pressure;
use super::play::{Crashes, Play};
use super::steps::{self, START};
use super::world::World;
use domain::time::Timestamp;

/// A change of the experiment's end. Both arguments are days after its start.
fn end(days: Option<i64>, changed: i64) -> Step {
    let after = |days| Timestamp::from_micros(START + days * DAY);
    Step::Change(Change {
        experiment: 0,
        at: after(changed),
        edit: Edit::End(days.map(after)),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_with_an_older_definition_is_refused_even_if_the_newer_one_is_equal() {
    let world = World::start().await;
    let history = steps::history(3);
    let mut draw = Draw::new(history.seed);
    let mut play = Play::begin(&world, &history, Crashes::Drawn).await;
    for step in &history.steps {
        play.write(step).await;
    }
    // The last of the three events is after the end and is not counted.
    play.write(&end(Some(3), 10)).await;
    play.settle(&mut draw).await.unwrap();

    // The end is removed. Before a backfill handles that change, an aggregator uses the new definition. It is held before
    // it writes.
    play.write(&end(None, 11)).await;
    let late = world.process(Pressure::default(), history.seed);
    late.network.hold_transactions();
    let counting = late.aggregate(play.records());
    let meanwhile = async {
        late.network.holds_one().await;
        play.write(&end(Some(3), 12)).await;
        play.settle(&mut draw).await.unwrap();
        late.network.let_through(1_000);
    };
    let (answer, ()) = futures::join!(counting, meanwhile);

    answer.unwrap().unwrap();
    assert_eq!(
        play.writer.experiment(0).version,
        4,
        "every change was made"
    );
    play.finish().await.unwrap();
}
