//! The running aggregate items of an experiment are exact, whoever crashes, comes late or comes twice.
//!
//! A user's *items* are an assignment and events, and a tombstone once the user is erased. An item is put if it
//! is absent, and each put leaves a record in a stream that delivers at least once, in any order. The *aggregate items*
//! are sums over all users, one for each *generation*, a number that is never used again. For each user and
//! generation a *contribution* says what the aggregate items hold of the user, and has a revision. The *head* names the current
//! generation, whose aggregate items are shown, and the one that is being built, if any.
//!
//! To bring a user up to date, read the head and then, for each generation that it names: read the contribution; after
//! that all items and the definition, which says what counts; compute what the user contributes; and write, in
//! one transaction, that to the contribution and the difference to the aggregate items. The transaction is refused if the
//! revision is no longer the one that was read, or if there is a contribution where none was: then the contribution is read
//! again. Beside a tombstone items count as none and are deleted. Nothing is written if nothing changes.
//!
//! - An *aggregator* does so for the user of a record, and acknowledges the record at the end.
//! - A *pass*, after each change of the definition, does so for every user who has items or a contribution, and
//!   writes even if nothing changes.
//! - A *backfill* names the next generation in the head, does so there for every user, switches, and deletes the
//!   old generation when nobody can be at work any more who read of it.
//! - An *erasure* puts the tombstone, lists and deletes the items, and then, in each generation that the head
//!   names, writes an erased contribution, even where none is, and takes what was applied from the aggregate items.
//!
//! The model checker tries every order of these steps, with a crash before and after each: what a crash forgets is
//! the worker's memory, and the work is taken up again from its beginning. One user is enough, because users
//! share nothing but the head and sums.
//!
//! A test for each [`Safeguard`] takes it away and expects a counterexample, which `--nocapture` shows.

#![expect(
    clippy::print_stdout,
    reason = "how much was searched, and a counterexample, are worth a look"
)]

#[path = "protocol/configurations.rs"]
mod configurations;
#[path = "protocol/model.rs"]
mod model;
#[path = "protocol/safeguards.rs"]
mod safeguards;
#[path = "protocol/steps.rs"]
mod steps;
#[path = "protocol/stores.rs"]
mod stores;
#[path = "protocol/workers.rs"]
mod workers;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use configurations::{
    BACKFILL, BACKFILL_AND_CHANGE, BACKFILL_AND_ERASURE, BACKFILL_ERASURE_AND_CHANGE, BACKFILLS,
    CHANGE, CHANGE_READ_IN_PARTS, CHANGES, ERASURE, ERASURE_AND_CHANGE, ERASURE_READ_IN_PARTS,
    ERASURES, RECORDS, RECORDS_READ_IN_PARTS,
};
use model::{ADDS_UP, CLEAN, EXACT, FORGOTTEN, Protocol};
use safeguards::Safeguard;
use workers::Worker;

/// Searches all states: every property holds, and everything that must be possible is.
fn holds(protocol: Protocol) {
    let cast = protocol.workers;
    let checker = protocol.checker().spawn_dfs().join();
    println!("{} states of {cast:?}", checker.unique_state_count());
    assert!(checker.is_done());
    checker.assert_properties();
}

/// Finds a shortest way to break the property without the safeguards.
fn fails(protocol: Protocol, without: &'static [Safeguard], property: &'static str) {
    let wanted = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let protocol = Protocol {
        without,
        ..protocol
    };
    let checker = protocol.checker().finish_when(wanted).spawn_bfs().join();
    println!(
        "{} states until not \"{property}\"",
        checker.unique_state_count()
    );
    let path = checker.assert_any_discovery(property);
    for (before, action) in path.into_vec() {
        if let Some(action) = action {
            println!("    {}", checker.model().tell(&before, &action));
        }
    }
}

#[test]
fn aggregate_items_are_exact_with_two_aggregators() {
    holds(RECORDS);
    holds(RECORDS_READ_IN_PARTS);
}

#[test]
fn aggregate_items_are_exact_during_a_backfill() {
    holds(BACKFILL);
    holds(BACKFILLS);
}

#[test]
fn aggregate_items_are_exact_and_nothing_is_left_after_an_erasure() {
    holds(ERASURE);
    holds(ERASURES);
    holds(ERASURE_READ_IN_PARTS);
}

#[test]
fn aggregate_items_are_exact_after_a_change_of_the_definition() {
    holds(CHANGE);
    holds(CHANGES);
    holds(CHANGE_READ_IN_PARTS);
}

#[test]
fn aggregate_items_are_exact_when_a_backfill_and_an_erasure_meet() {
    holds(BACKFILL_AND_ERASURE);
}

#[test]
fn aggregate_items_are_exact_when_a_backfill_and_a_change_of_the_definition_meet() {
    holds(BACKFILL_AND_CHANGE);
}

#[test]
fn aggregate_items_are_exact_when_an_erasure_and_a_change_of_the_definition_meet() {
    holds(ERASURE_AND_CHANGE);
    holds(BACKFILL_ERASURE_AND_CHANGE);
}

#[test]
fn items_read_before_the_contribution_can_be_older_than_what_is_applied() {
    fails(RECORDS, &[Safeguard::ContributionFirst], EXACT);
}

#[test]
fn commits_without_a_condition_add_a_difference_twice() {
    fails(RECORDS, &[Safeguard::Condition], ADDS_UP);
}

#[test]
fn contribution_and_aggregate_items_written_apart_are_torn_by_a_crash() {
    fails(RECORDS, &[Safeguard::OneTransaction], ADDS_UP);
}

#[test]
fn adding_what_a_record_tells_of_counts_repeated_records_again() {
    fails(RECORDS, &[Safeguard::WholeState], EXACT);
}

#[test]
fn a_record_acknowledged_before_the_commit_is_lost_in_a_crash() {
    fails(RECORDS, &[Safeguard::AcknowledgeLast], EXACT);
}

#[test]
fn a_definition_read_before_the_contribution_outlives_the_pass() {
    fails(CHANGE, &[Safeguard::DefinitionAfterContribution], EXACT);
}

#[test]
fn a_pass_that_writes_only_changes_does_not_stop_who_holds_the_old_definition() {
    fails(CHANGE, &[Safeguard::PassFences], EXACT);
}

#[test]
fn looking_again_at_the_head_after_the_commit_is_no_substitute() {
    let rereads = Protocol {
        rereads: true,
        ..CHANGE
    };
    // The record may be acknowledged by another who took it too; then a crash before the second look is final.
    fails(rereads, &[Safeguard::DefinitionAfterContribution], EXACT);
    fails(rereads, &[Safeguard::PassFences], EXACT);
    fails(rereads, &[Safeguard::Pass], EXACT);
}

#[test]
fn without_a_pass_the_old_definition_stays_applied() {
    fails(CHANGE, &[Safeguard::Pass], EXACT);
    let early = &[Safeguard::Pass, Safeguard::DefinitionAfterContribution];
    fails(CHANGE, early, EXACT);
}

#[test]
fn a_pass_does_not_count_for_a_change_that_came_while_it_ran() {
    fails(CHANGES, &[Safeguard::PassNotesDefinition], EXACT);
}

#[test]
fn everybody_has_to_write_to_the_generation_that_is_being_built() {
    let aggregator = &[Safeguard::SeesBuilding(Worker::Aggregator)];
    fails(BACKFILL, aggregator, EXACT);
    let pass = &[Safeguard::SeesBuilding(Worker::Pass)];
    fails(BACKFILL_ERASURE_AND_CHANGE, pass, EXACT);
    let erasure = &[Safeguard::SeesBuilding(Worker::Erasure)];
    fails(BACKFILL_ERASURE_AND_CHANGE, erasure, FORGOTTEN);
}

#[test]
fn a_second_switch_would_delete_the_current_generation() {
    fails(BACKFILLS, &[Safeguard::SwitchOnce], EXACT);
}

#[test]
fn everybody_has_to_heed_the_tombstone() {
    let aggregator = &[Safeguard::HeedsTombstone(Worker::Aggregator)];
    fails(ERASURE, aggregator, FORGOTTEN);
    let pass = &[Safeguard::HeedsTombstone(Worker::Pass)];
    fails(ERASURE_AND_CHANGE, pass, FORGOTTEN);
    let backfill = &[Safeguard::HeedsTombstone(Worker::Backfill)];
    fails(BACKFILL_AND_ERASURE, backfill, FORGOTTEN);
}

#[test]
fn items_put_after_the_erasure_stay_unless_somebody_deletes_them() {
    fails(ERASURE, &[Safeguard::DeletesForbidden], FORGOTTEN);
}

#[test]
fn a_tombstone_after_the_deletion_misses_what_was_put_between() {
    fails(ERASURE, &[Safeguard::TombstoneFirst], FORGOTTEN);
}

#[test]
fn an_erasure_that_leaves_no_contribution_does_not_stop_who_read_the_items_before() {
    fails(ERASURE, &[Safeguard::FenceAbsent], FORGOTTEN);
}

#[test]
fn a_generation_deleted_too_early_comes_back_in_part_but_is_never_shown() {
    let without: &[Safeguard] = &[Safeguard::CleanLate];
    let protocol = Protocol {
        without,
        ..BACKFILLS
    };
    let checker = protocol.checker().spawn_dfs().join();
    assert!(checker.is_done());
    checker.assert_any_discovery(CLEAN);
    for shown in [ADDS_UP, EXACT, FORGOTTEN] {
        checker.assert_no_discovery(shown);
    }
}
