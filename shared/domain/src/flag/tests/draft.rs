//! Drafts, and what needs no approval.

use super::*;
use crate::time::Timestamp;

#[test]
fn only_the_kill_switch_needs_no_approval() {
    let before = flag(checkout());
    let changed = |change: &dyn Fn(&mut Flag)| {
        let mut after = before.clone();
        change(&mut after);
        after.version += 1;
        after.updated_at = Timestamp::from_micros(7);
        after.only_switches_off(&before)
    };
    fn production(flag: &mut Flag) -> &mut FlagEnvironment {
        flag.environments.values_mut().next().unwrap()
    }
    assert!(changed(&|flag| production(flag).enabled = false));
    assert!(changed(&|flag| {
        production(flag).enabled = false;
        production(flag).rules.clear();
    }));
    type Change = dyn Fn(&mut Flag);
    let others: [(&str, &Change); 7] = [
        ("the name", &|flag| flag.name = "Other".to_owned()),
        ("rules", &|flag| {
            production(flag).rules.pop();
        }),
        ("no rules", &|flag| production(flag).rules.clear()),
        ("off with fewer rules", &|flag| {
            production(flag).enabled = false;
            production(flag).rules.pop();
        }),
        ("off with another variant", &|flag| {
            production(flag).enabled = false;
            production(flag).off_variant = flag.variants[1].key.clone();
        }),
        ("the archive", &|flag| flag.archived = true),
        ("without the environment", &|flag| flag.environments.clear()),
    ];
    for (what, change) in others {
        assert!(!changed(change), "{what}");
    }
    let mut off = before.clone();
    production(&mut off).enabled = false;
    assert!(!before.only_switches_off(&off), "on again");
}

#[test]
fn a_draft_is_for_one_version_and_another_token_publishes_it() {
    let before = flag(checkout());
    let change = FlagChange {
        name: Some("Other".to_owned()),
        requires_approval: Some(true),
        ..FlagChange::default()
    };
    let at = Timestamp::from_micros(1_000);
    let after = change.apply(&before, at);
    let draft = FlagDraft::new(&before, after.clone(), ("author", None), at);
    assert!(draft.is_open(&before) && !draft.is_open(&after));
    let later = Timestamp::from_micros(2_000);
    let published = draft.published(later);
    assert_eq!((published.version, published.updated_at), (2, later));
    assert_eq!(published.name, "Other");
    // The version before decides whether it needs an approval.
    assert!(draft.can_be_published_by("author", &before));
    assert!(!draft.can_be_published_by("author", &after));
    assert!(draft.can_be_published_by("other", &after));
    let nothing = FlagDraft::new(&before, before.clone(), ("author", None), at);
    assert!(!nothing.is_open(&before));
    // A revert does not take the protection away.
    let reverted = after.reverted_to(&before, later);
    assert!(reverted.requires_approval && reverted.name == before.name);
    assert_eq!(reverted.version, 3);
}
