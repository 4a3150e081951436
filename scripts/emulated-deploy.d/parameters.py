"""Updates that change only parameters. Each must reach what serves requests."""

from checks import expect, say
from deployment import STAGE, Deployment
from journey import Journey
from settings import stale

CHANGED = {
    "LogLevel": "DEBUG",
    "DefinitionCacheSeconds": "1",
    "CountingDelaySeconds": "1",
    "AuthorizerTtlSeconds": "60",
    "RequestsPerSecond": "500",
    "LogRetentionDays": "7",
}


def live_settings(deployment):
    """Settings of the version that serves requests, by function. Fails if they are not the latest ones."""
    problems, live = stale(deployment.world.emulator.client("lambda"), deployment.functions())
    expect("the alias of every function has the latest settings", not problems, "; ".join(problems))
    return live


def expect_parameters(deployment, wanted):
    """Fails unless each of these parameters has reached what it is about."""
    for logical_id, live in live_settings(deployment).items():
        found = live["Environment"]["Variables"]["DEFINITION_CACHE_SECONDS"]
        expect(f"DefinitionCacheSeconds reaches {logical_id}", found == wanted["DefinitionCacheSeconds"], found)
        found = live["LoggingConfig"]["ApplicationLogLevel"]
        expect(f"LogLevel reaches {logical_id}", found == wanted["LogLevel"], found)
    emulator, resources = deployment.world.emulator, deployment.stack.resources()
    mappings = emulator.client("lambda").list_event_source_mappings(FunctionName=f"{resources['AggregateFunction']}:live")
    windows = [mapping["MaximumBatchingWindowInSeconds"] for mapping in mappings["EventSourceMappings"]]
    wanted_windows = [int(wanted["CountingDelaySeconds"])] * 2
    expect("CountingDelaySeconds reaches both streams", windows == wanted_windows, windows)
    gateway, api = emulator.client("apigateway"), resources["Api"]
    (authorizer,) = gateway.get_authorizers(restApiId=api)["items"]
    found = authorizer["authorizerResultTtlInSeconds"]
    expect("AuthorizerTtlSeconds reaches the authorizer", found == int(wanted["AuthorizerTtlSeconds"]), found)
    stage = gateway.get_stage(restApiId=api, stageName=STAGE)
    newest = max(gateway.get_deployments(restApiId=api)["items"], key=lambda one: one["createdDate"])
    expect("the stage serves the newest deployment of the API", stage["deploymentId"] == newest["id"])
    found = stage["methodSettings"]["*/*"]["throttlingRateLimit"]
    expect("RequestsPerSecond reaches the stage", found == float(wanted["RequestsPerSecond"]), found)
    groups = emulator.client("logs").describe_log_groups(logGroupNamePrefix=f"/assay/{deployment.stack.name}/")["logGroups"]
    found = {group["retentionInDays"] for group in groups}
    expect("LogRetentionDays reaches every log group", found == {int(wanted["LogRetentionDays"])}, found)


def change_parameters(world):
    """Parameters change, and nothing else. Then something else changes, and no version is published."""
    deployment = Deployment(world, "assay-parameters")
    deployment.deploy()
    first = {name: live["Version"] for name, live in live_settings(deployment).items()}
    deployment.deploy(**CHANGED)
    expect_parameters(deployment, CHANGED)
    second = {name: live["Version"] for name, live in live_settings(deployment).items()}
    unchanged = [name for name in first if first[name] == second[name]]
    expect("every function has a new version", not unchanged, unchanged)
    say("a parameter-only update reached every function, stream, stage and log group")
    deployment.deploy(EventVolumeThreshold="1000")
    third = {name: live["Version"] for name, live in live_settings(deployment).items()}
    expect("an update that changes no function publishes no version", second == third)
    Journey(deployment).one_user()
    deployment.no_denials()
