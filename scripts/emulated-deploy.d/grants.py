"""Compares the permissions that the template grants with the calls that the functions made."""

from checks import expect, say

AGGREGATE, BACKFILL, ERASE = "AggregateFunctionRole", "BackfillFunctionRole", "EraseUserFunctionRole"
DASHBOARD = "DashboardFunctionRole"
DELETIONS = ("DeleteItem", "BatchWriteItem")

# Permissions that the scenarios need not use: the reason, roles, DynamoDB's actions, and a resource. Every other one must
# be used.
EXPLAINED = (
    ("records of an erased user that arrive after the erasure are deleted", (AGGREGATE, BACKFILL), DELETIONS, "EventsTable"),
    ("the same", (AGGREGATE, BACKFILL), ("DeleteItem",), "AssignmentsTable"),
    ("the same", (BACKFILL,), ("GetItem",), "AssignmentsTable"),
    # A tombstone triggers the aggregator.
    ("the aggregator can delete the records of an erased user first", (ERASE,), DELETIONS, "EventsTable"),
    ("the same", (ERASE,), ("DeleteItem",), "AssignmentsTable"),
    # The second of the two reads nothing, if the list has no other user in the same part.
    (
        "the function or the aggregator removes an erased user from lists: the first of the two",
        (AGGREGATE, ERASE),
        ("BatchGetItem", "PutItem"),
        "ExperimentsTable",
    ),
    (
        "an event is stored again only if it and the assignment are stored at the same moment",
        (AGGREGATE, BACKFILL),
        ("GetItem", "PutItem"),
        "EventsTable",
    ),
    # A backfill also deletes old aggregates, after an hour.
    ("a user is quarantined only if DynamoDB refuses it", (AGGREGATE, BACKFILL, ERASE), ("DeleteItem",), "AggregatesTable"),
    ("the same", (ERASE,), ("GetItem",), "AssignmentsTable"),
    ("work items are read only if numbers seem to differ", ("AuditFunctionRole",), ("Query",), "ExperimentsTable"),
    (
        "the daily audit repairs only an experiment with differing numbers or overdue records",
        ("AuditSampleFunctionRole",),
        ("Query", "ConditionCheckItem", "UpdateItem"),
        "ExperimentsTable",
    ),
    (
        "the aggregator has noted what is said about the experiment, unless the daily audit looks first",
        ("AuditSampleFunctionRole",),
        ("PutItem",),
        "ExperimentsTable",
    ),
    # The test `roles` of cli/tests uses all of them.
    ("the functions of the handlers that the dashboard calls use them", (DASHBOARD,), ("BatchGetItem", "PutItem", "DeleteItem", "ConditionCheckItem"), "ExperimentsTable"),
    ("the same", (DASHBOARD,), ("GetItem", "BatchGetItem", "PutItem", "DeleteItem"), "AssignmentsTable"),
    ("the same", (DASHBOARD,), ("Query", *DELETIONS), "EventsTable"),
    ("the same", (DASHBOARD,), ("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"), "AggregatesTable"),
    ("the same", (DASHBOARD,), ("Query",), "AssignmentsTable/index/by-experiment"),
    ("the same", (DASHBOARD,), ("Query",), "EventsTable/index/by-experiment"),
    ("a plan reads the registry only for raw records", ("PlanExperimentFunctionRole",), ("GetItem",), "AggregatesTable"),
)
# Lambda itself sends dead letters, with the role of the function, and the emulator sends none.
DEAD_LETTERS = {(role, "sqs:SendMessage", "UncountedQueue") for role in (AGGREGATE, BACKFILL)}
# The journey ends an experiment, which the backfill function notices. No verdict changes in it, and the other two notice an
# end only if they look before.
NOTIFICATIONS = {(role, "events:PutEvents", "NotificationBus") for role in (AGGREGATE, "AuditSampleFunctionRole")}


def explained():
    """The permissions that need not be used."""
    return DEAD_LETTERS | NOTIFICATIONS | {
        (role, f"dynamodb:{action}", resource)
        for _, roles, actions, resource in EXPLAINED
        for role in roles
        for action in actions
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
    unexplained = sorted(" ".join(permission) for permission in unused - explained())
    expect("every permission was used, or is explained in grants.py", not unexplained, "\n    ".join(["", *unexplained]))
    outdated = sorted(" ".join(permission) for permission in explained() - permissions)
    expect("every explanation in grants.py is about a permission of the template", not outdated, outdated)
    say(f"{len(permissions)} permissions, {len(permissions) - len(unused)} used, {len(unused)} explained")
