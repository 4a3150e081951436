//! The aggregates of an experiment are exact although workers crash and records arrive late or repeatedly.
//!
//! # Stored data
//!
//! - The *items* of a user are an assignment and events, and a tombstone after the user is erased. A request
//!   puts an item if it is absent. Each put adds a record to a stream, which delivers records at least once and
//!   in any order.
//! - The *aggregates* are sums over all users. Each *generation* has its own aggregates, and its number is never
//!   used again.
//! - The *contribution* of a user says what the aggregates of a generation contain of this user. It has a
//!   revision.
//! - The *head* names the current generation, whose aggregates are shown, and the generation that is being
//!   built, if any.
//!
//! # Refresh
//!
//! To refresh a user, a worker reads the head and executes these steps for each generation that it names:
//!
//! 1. Read the contribution.
//! 2. Read all items and the definition, which determines the items that count.
//! 3. Compute the new contribution. It is empty for a user with a tombstone, whose items are also deleted.
//! 4. In one transaction, write the new contribution and add the difference to the aggregates. If the
//!    contribution has not changed, write nothing.
//!
//! The transaction fails if the stored contribution no longer has the revision that was read, or if there is a
//! contribution where none was read. The worker then starts again with step 1.
//!
//! # Workers
//!
//! - An *aggregator* refreshes the user of a record and then acknowledges the record.
//! - A *definition pass* follows each change of the definition. It refreshes every user who has items or a
//!   contribution, and writes even if nothing changes.
//! - A *backfill* names a new generation in the head, refreshes every user in it, and makes it the current
//!   generation. It deletes the old generation when no worker may still write to it.
//! - An *erasure* puts the tombstone, lists the items and deletes them. In each generation that the head names, it
//!   then writes an erased contribution, even if there is none, and subtracts the old one from the aggregates.
//!
//! # Features of experiments
//!
//! The model has what each feature does to stored data:
//!
//! - A step of a ramp, its hold and other weights are changes of the definition.
//! - A release ends the enrolment, and an override stores nothing: the user has no assignment, and perhaps events.
//! - The group of a user in a holdout is an assignment in another experiment. Experiments share nothing but the user's
//!   tombstone, so the search of one experiment is that of each.
//! - A unit of another kind is another user.
//!
//! # Search
//!
//! The model checker tries every order of these steps, with a crash before and after each step. A crash deletes
//! the memory of a worker, and the work starts again from its first step. The model has one user, because users
//! share only the head and the aggregates.
//!
//! The test of each [`Safeguard`] removes it and expects a counterexample, which `--nocapture` shows.

#![expect(
    clippy::print_stdout,
    reason = "the tests print the number of states and the counterexamples"
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
use model::{CONSISTENT, DELETED, ERASED, EXACT, Protocol};
use safeguards::Safeguard;
use workers::Worker;

/// Searches all states, and asserts that every property holds and that every required state is reachable.
fn holds(protocol: Protocol) {
    let workers = protocol.workers;
    let checker = protocol.checker().spawn_dfs().join();
    println!("{} states of {workers:?}", checker.unique_state_count());
    assert!(checker.is_done());
    checker.assert_properties();
}

/// Asserts that the property fails without these safeguards, and prints a shortest counterexample.
fn fails(protocol: Protocol, without: &'static [Safeguard], property: &'static str) {
    let violated = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let protocol = Protocol {
        without,
        ..protocol
    };
    let checker = protocol.checker().finish_when(violated).spawn_bfs().join();
    println!(
        "{} states until \"{property}\" is violated",
        checker.unique_state_count()
    );
    let path = checker.assert_any_discovery(property);
    for (before, action) in path.into_vec() {
        if let Some(action) = action {
            println!("    {}", checker.model().describe(&before, &action));
        }
    }
}

#[test]
fn aggregates_are_exact_with_two_aggregators() {
    holds(RECORDS);
    holds(RECORDS_READ_IN_PARTS);
}

#[test]
fn aggregates_are_exact_during_a_backfill() {
    holds(BACKFILL);
    holds(BACKFILLS);
}

#[test]
fn aggregates_are_exact_and_no_user_data_remain_after_an_erasure() {
    holds(ERASURE);
    holds(ERASURES);
    holds(ERASURE_READ_IN_PARTS);
}

#[test]
fn aggregates_are_exact_after_a_change_of_the_definition() {
    holds(CHANGE);
    holds(CHANGES);
    holds(CHANGE_READ_IN_PARTS);
}

#[test]
fn aggregates_are_exact_when_a_backfill_and_an_erasure_overlap() {
    holds(BACKFILL_AND_ERASURE);
}

#[test]
fn aggregates_are_exact_when_a_backfill_and_a_change_of_the_definition_overlap() {
    holds(BACKFILL_AND_CHANGE);
}

#[test]
fn aggregates_are_exact_when_an_erasure_and_a_change_of_the_definition_overlap() {
    holds(ERASURE_AND_CHANGE);
    holds(BACKFILL_ERASURE_AND_CHANGE);
}

#[test]
fn items_read_before_the_contribution_can_be_older_than_the_contribution() {
    fails(RECORDS, &[Safeguard::ContributionFirst], EXACT);
}

#[test]
fn commits_without_a_condition_add_a_difference_twice() {
    fails(RECORDS, &[Safeguard::ConditionalCommit], CONSISTENT);
}

#[test]
fn a_crash_between_separate_writes_makes_contribution_and_aggregates_differ() {
    fails(RECORDS, &[Safeguard::OneTransaction], CONSISTENT);
}

#[test]
fn adding_the_item_of_a_record_counts_repeated_records_twice() {
    fails(RECORDS, &[Safeguard::AllItems], EXACT);
}

#[test]
fn a_record_acknowledged_before_the_commit_is_lost_by_a_crash() {
    fails(RECORDS, &[Safeguard::AcknowledgeLast], EXACT);
}

#[test]
fn a_definition_read_before_the_contribution_is_applied_after_the_definition_pass() {
    fails(CHANGE, &[Safeguard::DefinitionAfterContribution], EXACT);
}

#[test]
fn a_definition_pass_that_writes_only_changes_does_not_refuse_commits_with_the_old_definition() {
    fails(CHANGE, &[Safeguard::DefinitionPassFences], EXACT);
}

#[test]
fn reading_the_head_again_after_the_commit_does_not_replace_the_safeguards() {
    let rereads_head = Protocol {
        rereads_head: true,
        ..CHANGE
    };
    // Another aggregator can acknowledge the same record. After a crash before the second read of the head,
    // no worker then repeats the work.
    fails(
        rereads_head,
        &[Safeguard::DefinitionAfterContribution],
        EXACT,
    );
    fails(rereads_head, &[Safeguard::DefinitionPassFences], EXACT);
    fails(rereads_head, &[Safeguard::DefinitionPass], EXACT);
}

#[test]
fn without_a_definition_pass_the_old_definition_remains_applied() {
    fails(CHANGE, &[Safeguard::DefinitionPass], EXACT);
    let without = &[
        Safeguard::DefinitionPass,
        Safeguard::DefinitionAfterContribution,
    ];
    fails(CHANGE, without, EXACT);
}

#[test]
fn a_definition_pass_does_not_count_for_a_later_change() {
    fails(CHANGES, &[Safeguard::DefinitionPassKeepsDefinition], EXACT);
}

#[test]
fn every_worker_must_refresh_the_generation_that_is_being_built() {
    let aggregator = &[Safeguard::RefreshesBuilding(Worker::Aggregator)];
    fails(BACKFILL, aggregator, EXACT);
    let definition_pass = &[Safeguard::RefreshesBuilding(Worker::DefinitionPass)];
    fails(BACKFILL_ERASURE_AND_CHANGE, definition_pass, EXACT);
    let erasure = &[Safeguard::RefreshesBuilding(Worker::Erasure)];
    fails(BACKFILL_ERASURE_AND_CHANGE, erasure, ERASED);
}

#[test]
fn a_second_switch_deletes_the_current_generation() {
    fails(BACKFILLS, &[Safeguard::SwitchOnce], EXACT);
}

#[test]
fn every_worker_must_check_the_tombstone() {
    let aggregator = &[Safeguard::ChecksTombstone(Worker::Aggregator)];
    fails(ERASURE, aggregator, ERASED);
    let definition_pass = &[Safeguard::ChecksTombstone(Worker::DefinitionPass)];
    fails(ERASURE_AND_CHANGE, definition_pass, ERASED);
    let backfill = &[Safeguard::ChecksTombstone(Worker::Backfill)];
    fails(BACKFILL_AND_ERASURE, backfill, ERASED);
}

#[test]
fn items_put_after_the_erasure_remain_unless_a_worker_deletes_them() {
    fails(ERASURE, &[Safeguard::DeletesErasedItems], ERASED);
}

#[test]
fn without_the_tombstone_first_items_put_during_the_deletion_remain() {
    fails(ERASURE, &[Safeguard::TombstoneFirst], ERASED);
}

#[test]
fn an_erasure_without_an_erased_contribution_does_not_refuse_commits_with_old_items() {
    fails(ERASURE, &[Safeguard::ErasureFences], ERASED);
}

#[test]
fn a_generation_deleted_too_early_can_be_written_again_but_is_never_shown() {
    let without: &[Safeguard] = &[Safeguard::DeletesGenerationLate];
    let protocol = Protocol {
        without,
        ..BACKFILLS
    };
    let checker = protocol.checker().spawn_dfs().join();
    assert!(checker.is_done());
    checker.assert_any_discovery(DELETED);
    for property in [CONSISTENT, EXACT, ERASED] {
        checker.assert_no_discovery(property);
    }
}
