//! The safeguards of the protocol. The model can be searched without each of them.

use crate::workers::Worker;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safeguard {
    /// A worker reads the stored contribution before the items from which it computes the new one.
    ContributionFirst,
    /// A worker also reads the definition after the contribution, and not together with the head.
    DefinitionAfterContribution,
    /// A commit fails unless the stored contribution still has the revision that the worker read.
    ConditionalCommit,
    /// One transaction writes the contribution and the aggregates.
    OneTransaction,
    /// A worker computes the contribution from all items, and not from the item of the record.
    AllItems,
    /// An aggregator acknowledges a record after the last write.
    AcknowledgeLast,
    /// A definition pass follows each change of the definition.
    DefinitionPass,
    /// A definition pass writes the contribution even if nothing changes. This refuses the commits of
    /// workers that use the old definition.
    DefinitionPassFences,
    /// A definition pass counts for the definition that it read at its start, and not for a later one.
    DefinitionPassKeepsDefinition,
    /// The worker refreshes the generation that is being built as well as the current generation.
    RefreshesBuilding(Worker),
    /// The worker ignores the items of a user with a tombstone.
    ChecksTombstone(Worker),
    /// A worker that finds items of a user with a tombstone deletes them.
    DeletesErasedItems,
    /// An erasure puts the tombstone before it deletes items.
    TombstoneFirst,
    /// An erasure writes a contribution even if there is none. This refuses the commits of workers that
    /// found none.
    ErasureFences,
    /// A backfill switches only to the generation that it built, and only once.
    SwitchOnce,
    /// A backfill deletes the old generation only when no worker may still write to it.
    DeletesGenerationLate,
}
