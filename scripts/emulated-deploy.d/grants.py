"""Compares the permissions that the template grants with the calls that the functions made."""

from checks import expect, say

AGGREGATE, BACKFILL, ERASE = "AggregateFunctionRole", "BackfillFunctionRole", "EraseUserFunctionRole"
QUARANTINE = "a user is quarantined only if DynamoDB refuses the user's items"
LATE = "records of an erased user that arrive after the erasure are deleted"
FASTER = "the tombstone of a user triggers the aggregator, which can delete the records before this function does"
TOGETHER = "an event is stored again only if it and the assignment are stored at the same moment"
DEAD_LETTER = "Lambda sends dead letters with this role, and the emulator sends none"
RARE_REPAIR = "the daily audit repairs only an experiment whose numbers differ or whose records are overdue"

# Permissions that the journey need not use, with the reason. Every other permission must be used.
UNUSED = {
    **{(AGGREGATE, f"dynamodb:{action}", "EventsTable"): LATE for action in ("DeleteItem", "BatchWriteItem")},
    **{(BACKFILL, f"dynamodb:{action}", "EventsTable"): LATE for action in ("DeleteItem", "BatchWriteItem")},
    **{(ERASE, f"dynamodb:{action}", "EventsTable"): FASTER for action in ("DeleteItem", "BatchWriteItem")},
    (ERASE, "dynamodb:DeleteItem", "AssignmentsTable"): FASTER,
    **{(role, "dynamodb:DeleteItem", "AssignmentsTable"): LATE for role in (AGGREGATE, BACKFILL)},
    (BACKFILL, "dynamodb:GetItem", "AssignmentsTable"): LATE,
    **{(role, f"dynamodb:{action}", "EventsTable"): TOGETHER for role in (AGGREGATE, BACKFILL) for action in ("GetItem", "PutItem")},
    (AGGREGATE, "dynamodb:DeleteItem", "AggregatesTable"): QUARANTINE,
    (BACKFILL, "dynamodb:DeleteItem", "AggregatesTable"): f"{QUARANTINE}, and old aggregates are deleted after an hour",
    (ERASE, "dynamodb:DeleteItem", "AggregatesTable"): QUARANTINE,
    (ERASE, "dynamodb:GetItem", "AssignmentsTable"): QUARANTINE,
    **{(role, "sqs:SendMessage", "UncountedQueue"): DEAD_LETTER for role in (AGGREGATE, BACKFILL)},
    ("AuditFunctionRole", "dynamodb:Query", "ExperimentsTable"): "work items are read only if numbers seem to differ",
    **{
        ("AuditSampleFunctionRole", f"dynamodb:{action}", "ExperimentsTable"): RARE_REPAIR
        for action in ("Query", "ConditionCheckItem", "UpdateItem")
    },
    ("PlanExperimentFunctionRole", "dynamodb:GetItem", "AggregatesTable"): "a plan reads the registry of event types only for raw records",
}


def granted(template):
    """Permissions of the functions' roles: role, action and resource, with logical ids."""
    found = set()
    for name, role in template["Resources"].items():
        if role["Type"] != "AWS::IAM::Role":
            continue
        for policy in role["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                resource = _logical(statement["Resource"])
                found |= {(name, action, resource) for action in ([actions] if isinstance(actions, str) else actions)}
    return found


def _logical(resource):
    match resource:
        case {"Fn::GetAtt": [name, "Arn"]}:
            return name
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "").replace(".Arn}", "")
    raise ValueError(f"unknown form of a resource: {resource}")


def compare(template, decisions):
    """Fails if a permission was not used and nothing explains it."""
    permissions = granted(template)
    used = {(role, action, resource) for role, action, resource, allowed in decisions if allowed}
    unused = permissions - used
    unexplained = sorted(" ".join(permission) for permission in unused - UNUSED.keys())
    expect("every permission was used, or is explained in grants.py", not unexplained, "\n    ".join(["", *unexplained]))
    outdated = sorted(" ".join(permission) for permission in UNUSED.keys() - permissions)
    expect("every explanation in grants.py is about a permission of the template", not outdated, outdated)
    say(f"{len(permissions)} permissions, {len(permissions) - len(unused)} used, {len(unused)} explained")
