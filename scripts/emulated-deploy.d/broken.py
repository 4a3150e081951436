"""Templates with a fault, which the other checks must find."""

from checks import Failure, expect, say, wait_until
from deployment import COUNTED_SECONDS, Deployment
from expansion import functions_of
from journey import Journey
from parameters import CHANGED, expect_parameters


def _must_fail(statement, check, *words):
    """Runs a check that has to fail, with these words in the reason."""
    try:
        check()
    except Failure as failure:
        expect(f"the reason is about {words}", all(word in str(failure) for word in words), failure)
        say(f"found as it must be: {str(failure)[:160]}")
        return
    raise Failure(f"not found: {statement}")


def without(function, table, action):
    """A change of the template that removes an action from the statements of a function."""

    def change(template):
        removed = 0
        for policy in template["Resources"][function]["Properties"]["Policies"]:
            for statement in policy["Statement"]:
                if statement["Resource"] == {"Fn::GetAtt": [table, "Arn"]} and action in statement["Action"]:
                    statement["Action"].remove(action)
                    removed += 1
        expect(f"{function} has {action} on {table} once", removed == 1, removed)

    return change


def grant_removed(world):
    """A function may no longer write: callers see errors, and the denial is reported."""
    deployment = Deployment(world, "assay-grant")
    deployment.deploy(without("AssignFunction", "AssignmentsTable", "dynamodb:PutItem"))
    journey = Journey(deployment)
    _must_fail("the assignment fails", journey.one_user, "/assignment/ada")
    _must_fail("IAM refuses the call", deployment.no_denials, "AssignFunctionRole dynamodb:PutItem AssignmentsTable")


def _from_the_newest_record(template):
    """Loses the records that the aggregator could not process. Lambda does so after ten retries, the emulator never."""
    for source in template["Resources"]["AggregateFunction"]["Properties"]["Events"].values():
        source["Properties"]["StartingPosition"] = "LATEST"


def aggregate_without_table(world):
    """The aggregator may not write aggregates, and the stream records are lost. An audit finds that, and repairs it."""
    no_update = without("AggregateFunction", "AggregatesTable", "dynamodb:UpdateItem")
    deployment = Deployment(world, "assay-aggregate")
    deployment.deploy(no_update)
    journey = Journey(deployment)
    journey.one_user()
    journey.crowd()

    def denied():
        return any(role == "AggregateFunctionRole" and not allowed for role, _, _, allowed in deployment.decisions())

    wait_until("IAM refuses calls of the aggregator", denied, COUNTED_SECONDS)
    _must_fail("IAM refuses the call", deployment.no_denials, "AggregateFunctionRole dynamodb:UpdateItem AggregatesTable")
    # The records are lost before the role is mended.
    deployment.deploy(lambda template: (no_update(template), _from_the_newest_record(template)))
    deployment.deploy(_from_the_newest_record)
    audit = deployment.audited(journey.experiment, journey.manager)
    expect("the audit finds the lost records", audit["differing_numbers"] > 0, audit)
    results = deployment.api.call(200, "GET", f"{journey.path}/results", journey.reader)
    expect("results say that records are pending", results["freshness"]["pending_records"] > 0, results["freshness"])
    expect("results decide nothing", results["decision"]["verdict"] == "keep_running", results["decision"]["verdict"])
    audit = deployment.repaired(journey.experiment, journey.manager)
    expect("the repaired aggregates are exact", audit["differing_numbers"] == 0, audit)
    journey.results()
    say("the audit found the lost records and repaired the aggregates")


def parameter_lost(world):
    """Without the description of versions, a changed parameter does not reach the alias."""

    def without_description(template):
        for function in functions_of(template).values():
            del function["Properties"]["VersionDescription"]

    deployment = Deployment(world, "assay-lost")
    deployment.deploy(without_description)
    deployment.deploy(without_description, **CHANGED)
    words = ("the alias of", "another Environment", "another LoggingConfig")
    _must_fail("the alias has other settings", lambda: expect_parameters(deployment, CHANGED), *words)
    # An existing stack gets the descriptions together with a changed parameter: CloudFormation asks for a new version of
    # each function, and Lambda publishes none of an unchanged function.
    deployment.deploy(LogLevel="WARN")
    expect_parameters(deployment, CHANGED | {"LogLevel": "WARN"})
