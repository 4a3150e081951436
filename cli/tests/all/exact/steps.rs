//! A user whose refresh changes more aggregates than one transaction can contain, so that it takes several steps.

use super::check;
use super::history::{Assign, DAY, Definition, HOUR, History, Step, Track};
use super::play::{Crashes, Play};
use super::world::World;
use domain::allocation::{Variant, Variants};
use domain::assignment::Attributes;
use domain::exclusion::ExcludedUsers;
use domain::ids::{EventType, VariantKey};
use domain::time::Timestamp;

pub(crate) const START: i64 = 20_370 * DAY;

/// A user with events on this number of days.
pub(crate) fn history(days: usize) -> History {
    let variant = |key| Variant {
        key: VariantKey::parse(key).unwrap(),
        percent: 50.0,
        name: None,
    };
    let definition = Definition {
        start: Timestamp::from_micros(START),
        variants: Variants::new(vec![variant("control"), variant("green")]).unwrap(),
        metrics: Vec::new(),
        dimensions: Vec::new(),
        ends_at: None,
        excluded: ExcludedUsers::default(),
        shards: 1,
        held_out_percent: None,
    };
    let assign = Assign {
        user: 0,
        experiment: 0,
        variant: None,
        at: Timestamp::from_micros(START),
        attributes: Attributes::new(),
    };
    let mut steps = vec![Step::Assign(assign)];
    // Each event has a different day and hour.
    steps.extend((1..=days).map(|day| view(day, i64::try_from(day).unwrap() * (DAY + HOUR))));
    History {
        seed: 1,
        users: 1,
        experiments: vec![definition],
        steps,
        refused: None,
    }
}

fn view(id: usize, after: i64) -> Step {
    Step::Track(Track {
        user: 0,
        id,
        event_type: EventType::parse("view").unwrap(),
        value: None,
        properties: None,
        at: Timestamp::from_micros(START + after),
        knows_no_assignments: false,
        knows_old_definitions: false,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_does_not_continue_from_a_step_of_another_aggregator() {
    let world = World::start().await;
    let history = history(60);
    let mut play = Play::begin(&world, &history, Crashes::Drawn).await;
    for step in &history.steps {
        play.writer.write(step).await;
    }
    play.collect().await;
    let all = play.everything();
    let [first, second] = [0, 1].map(|place| play.aggregator(place));
    let (network, other) = (&first.network, &second.network);
    network.hold_transactions();
    other.hold_transactions();

    let early = view(0, HOUR);
    let mut writer = play.writer.clone();
    let in_turn = async {
        // The first aggregator has read the records. Then an event is stored, which only the second one reads.
        network.holds_one().await;
        writer.write(&early).await;
        let second_reads = async {
            other.holds_one().await;
            // The first makes one step and is held. The second finds the revision that its second step continues from.
            network.let_through(1);
            network.holds_none().await;
            network.holds_one().await;
            other.let_through(1_000);
        };
        let invoked = play.invoke(&all, second);
        let (end, ()) = futures::join!(invoked, second_reads);
        network.let_through(1_000);
        end
    };
    futures::join!(play.invoke(&all, first), in_turn);
    check::aggregates_equal_the_contributions(&play)
        .await
        .unwrap();

    play.finish().await.unwrap();
}
