"""The scenarios, each with a stack of its own."""

import copy

import grants
import leftovers
from broken import aggregate_without_table, grant_removed, parameter_lost
from checks import expect, say
from deployment import STAGE, Deployment
from diagnosis import faults_diagnosed
from journey import Journey
from parameters import change_parameters
from restore import restore_tables
from verification import deployment_verified


def journey(world):
    """The whole journey with the template as it is, and the deletion of the stack."""
    deployment = Deployment(world, "assay-journey")
    deployment.deploy()
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in sorted(deployment.dropped.items()))
    say(f"{len(deployment.template['Resources'])} resources are deployed; the emulator lacks {counts}")
    played = Journey(deployment)
    played.play()
    played.quiet()
    deployment.no_denials()
    retained = leftovers.retained(deployment.template, deployment.stack.resources())
    status = deployment.stack.delete()
    expect("the stack is deleted", status == "DELETE_COMPLETE", status)
    leftovers.expect_only(world.emulator, deployment.stack.name, retained)


def first_failure(world):
    """The creation of a stack fails after its tables exist. Nothing stays, and the next attempt succeeds."""
    deployment = Deployment(world, "assay-first")
    # A protected table cannot be deleted, so `scripts/deploy` creates a stack without the protection.
    deployment.expand(DeletionProtection="false")
    broken = copy.deepcopy(deployment.template)
    resources = broken["Resources"]
    resources["Impossible"] = {
        "Type": "AWS::Logs::MetricFilter",
        "DependsOn": [name for name, resource in resources.items() if "DeletionPolicy" in resource],
        "Properties": {
            "LogGroupName": "/assay/no-such-log-group",
            "FilterPattern": "",
            "MetricTransformations": [{"MetricName": "none", "MetricNamespace": "none", "MetricValue": "1"}],
        },
    }
    status, _ = deployment.stack.change(broken, deployment.parameters)
    failures = deployment.stack.failures()
    expect("the creation fails", status == "ROLLBACK_COMPLETE", (status, failures))
    expect("for the wanted reason", any("Impossible" in failure for failure in failures), failures)
    leftovers.expect_only(world.emulator, deployment.stack.name, set())
    deployment.stack.delete()
    deployment.deploy()
    deployment.deploy(DeletionProtection="true")
    protected = leftovers.protected_tables(world.emulator, deployment.stack.name)
    expect("the second update protects the tables", len(protected) == 5, protected)
    say("a failed creation left nothing, and the next one succeeded")


def all_permissions_used(world):
    """Compares the permissions of the template with the calls of all scenarios."""
    template, _ = world.expanded({"Stage": STAGE})
    grants.compare(template, world.decided)


# Scenarios whose calls together use every permission.
USING_ALL_PERMISSIONS = {"journey", "restore"}
SCENARIOS = {
    "journey": journey,
    "parameters": change_parameters,
    "restore": restore_tables,
    "first-failure": first_failure,
    "verification": deployment_verified,
    "diagnosis": faults_diagnosed,
    "removed-grant": grant_removed,
    "broken-aggregate": aggregate_without_table,
    "lost-parameter": parameter_lost,
}
