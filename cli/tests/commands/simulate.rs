//! `assay simulate`.

use super::support::World;

#[tokio::test]
async fn the_same_seed_is_the_same_experiment() {
    let world = World::start().await;
    let simulate = ["simulate", "--users", "120", "--rate", "40", "--seed", "7"];
    let first = world.done(&simulate).await;
    assert!(
        first.contains("40.00 % in the control, 50.00 % in the treatment: +25.0 %"),
        "{first}"
    );
    assert!(first.contains("assay simulate --seed 7 --users 120 --rate 40 --lift 25"));
    let before = world.done(&["results", "simulation-7", "--csv"]).await;
    let again = world.run(&simulate).await;
    assert!(
        again.ok && again.stderr.contains("\n0 events recorded"),
        "{}",
        again.stderr
    );
    assert_eq!(
        world.done(&["results", "simulation-7", "--csv"]).await,
        before
    );

    let other = world
        .run(&["simulate", "--users", "121", "--rate", "40", "--seed", "7"])
        .await;
    assert!(
        !other.ok && other.stderr.contains("choose another --seed"),
        "{}",
        other.stderr
    );
    let wrong = world.run(&["simulate", "--rate", "90"]).await;
    assert!(
        !wrong.ok && wrong.stderr.contains("between 0 and 100"),
        "{}",
        wrong.stderr
    );
}
