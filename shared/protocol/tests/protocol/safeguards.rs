//! What the protocol does for a reason. The model can be checked without any of it.

use crate::workers::Worker;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safeguard {
    /// The contribution is read before the items that its contribution is computed from.
    ContributionFirst,
    /// The definition, too, is read after the contribution, and not once with the head.
    DefinitionAfterContribution,
    /// A commit is refused unless the contribution is the one that was read.
    Condition,
    /// The contribution and the aggregate items are written together.
    OneTransaction,
    /// What is applied is computed from all items, and not from the one that a record tells of.
    WholeState,
    /// A record stays until all is written.
    AcknowledgeLast,
    /// A change of the definition is followed by a pass.
    Pass,
    /// The pass writes even if nothing changes, which refuses whoever is still at work with the old definition.
    PassFences,
    /// A pass is for the definition that was there when it began, and not for a later one.
    PassNotesDefinition,
    /// The worker looks after the generation that is being built as well as after the current one.
    SeesBuilding(Worker),
    /// To the worker, items beside a tombstone count as none.
    HeedsTombstone(Worker),
    /// Items beside a tombstone are deleted.
    DeletesForbidden,
    /// An erasure puts the tombstone before it deletes anything.
    TombstoneFirst,
    /// An erasure writes a contribution where none is, which refuses whoever read that there is none.
    FenceAbsent,
    /// The switch is for the generation that was built, and happens once.
    SwitchOnce,
    /// An old generation is deleted when nobody is at work who read that it is in use.
    CleanLate,
}
