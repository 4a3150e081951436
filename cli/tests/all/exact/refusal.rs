//! A user whose contributions the database refuses, and what happens when it accepts them again.

use super::check;
use super::history::{Erase, HOUR, Step, Track};
use super::network::Crash;
use super::play::{Crashes, Play};
use super::steps::{START, history};
use super::world::World;
use domain::contribution::UserContribution;
use domain::ids::EventType;
use domain::time::Timestamp;
use shared::store::aggregates::AggregateSections;

fn buy(id: usize, after: i64) -> Step {
    Step::Track(Track {
        user: 0,
        id,
        event_type: EventType::parse("buy").unwrap(),
        value: None,
        properties: None,
        at: Timestamp::from_micros(START + after),
        knows_no_assignments: false,
        knows_old_definitions: false,
    })
}

async fn quarantined_since(play: &Play<'_>) -> Vec<String> {
    let store = &play.world.store;
    let id = &play.writer.experiment(0).id;
    let current = store.generations(id).await.unwrap().current.unwrap();
    let stored = store.aggregate_items(id, current.number, AggregateSections::ALL, false);
    let quarantined = stored.await.unwrap().quarantined.into_iter();
    quarantined.map(|user| user.since).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_that_ends_a_quarantine_contains_what_was_refused_before() {
    let world = World::start().await;
    let history = history(1);
    let mut play = Play::begin(&world, &history, Crashes::Drawn).await;
    for step in &history.steps {
        play.write(step).await;
    }
    play.settle_all().await.unwrap();
    play.refuse(Some(0));
    // An event of the pre-exposure period.
    play.write(&buy(100, -HOUR)).await;
    play.settle_all().await.unwrap();
    let since = quarantined_since(&play).await;
    assert_eq!(since.len(), 1);
    play.write(&buy(101, 2 * HOUR)).await;
    play.settle_all().await.unwrap();
    assert_eq!(quarantined_since(&play).await, since, "refused once more");
    play.refuse(None);
    play.write(&buy(102, 3 * HOUR)).await;
    play.settle_all().await.unwrap();
    check::no_user_is_quarantined(&play).await.unwrap();
    check::aggregates_equal_the_records(&play).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_an_erased_user_stay_until_the_contributions_are_removed() {
    let world = World::start().await;
    let history = history(1);
    let mut play = Play::begin(&world, &history, Crashes::Drawn).await;
    for step in &history.steps {
        play.write(step).await;
    }
    play.settle_all().await.unwrap();
    play.refuse(Some(0));
    // The process that erases the user crashes after it has put the tombstone, so that the aggregator does the rest.
    let erase = Erase {
        user: 0,
        crash: Some(Crash::After(1)),
        asked_again: false,
    };
    play.write(&Step::Erase(erase)).await;
    play.settle_all().await.unwrap();
    let user = play.writer.users[0].clone();
    let user_data = world.store.user_data(&user).await.unwrap();
    assert!(user_data.tombstone.is_some());
    assert_eq!(user_data.assignments.len(), 1, "it names the experiment");
    play.refuse(None);
    play.deliver_everything_again().await.unwrap();
    let contributions = world.store.contributions_of(&user).await.unwrap();
    let nothing = UserContribution::default();
    assert!(
        contributions
            .values()
            .all(|stored| stored.contribution == nothing)
    );
    let user_data = world.store.user_data(&user).await.unwrap();
    assert_eq!(user_data.assignments.len(), 0);
    check::no_user_is_quarantined(&play).await.unwrap();
}
