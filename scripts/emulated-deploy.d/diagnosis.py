"""What scripts/doctor says of a good stage, and of one with faults."""

import datetime
import subprocess
import sys

from checks import expect, say
from deployment import Deployment
from expansion import TEMPLATE

DOCTOR = TEMPLATE.parent / "scripts/doctor"
TABLES = ("ExperimentsTable", "AssignmentsTable", "EventsTable", "AggregatesTable", "TokensTable")
STAGE_SCRIPT = TEMPLATE.parent / "scripts/deploy.d/stage.py"


def _diagnosed(deployment, script=DOCTOR, *arguments):
    command = [sys.executable, script, *arguments, deployment.stack.name]
    environment = deployment.world.emulator.environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def faults_diagnosed(world):
    """A good stage has no problem. Each fault is named."""
    emulator = world.emulator
    topic = emulator.client("sns").create_topic(Name="alarms-of-assay")["TopicArn"]
    subscription = emulator.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=topic.replace(":sns:", ":sqs:"), ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    deployment = Deployment(world, "assay-diagnosed")
    deployment.deploy(AlarmTopicArn=topic)
    resources = deployment.stack.resources()
    dynamodb = emulator.client("dynamodb")
    # CloudFormation does this, and the emulator does not.
    recovery = {"PointInTimeRecoveryEnabled": True}
    for table in TABLES:
        dynamodb.update_continuous_backups(TableName=resources[table], PointInTimeRecoverySpecification=recovery)
    status, output = _diagnosed(deployment)
    expect("a missing stack policy is named", (status, output.count("\n  ")) == (1, 1) and "stack policy" in output, output)
    _diagnosed(deployment, STAGE_SCRIPT, "protect")
    status, output = _diagnosed(deployment)
    expect("a good stage has no problem", status == 0, output)

    emulator.client("sns").unsubscribe(SubscriptionArn=subscription)
    emulator.client("sqs").send_message(QueueUrl=resources["UncountedQueue"], MessageBody="{}")
    functions, alarms = emulator.client("lambda"), emulator.client("cloudwatch")
    functions.update_function_configuration(FunctionName=resources["AssignFunction"], MemorySize=128)
    mappings = functions.list_event_source_mappings(FunctionName=f"{resources['BackfillFunction']}:live")
    functions.update_event_source_mapping(UUID=mappings["EventSourceMappings"][0]["UUID"], Enabled=False)
    dynamodb.update_table(TableName=resources["EventsTable"], DeletionProtectionEnabled=False)
    alarms.set_alarm_state(AlarmName=resources["ApiLatencyAlarm"], StateValue="ALARM", StateReason="a test")
    alarms.delete_alarms(AlarmNames=[resources["CountingLagAlarm"]])
    now = datetime.datetime.now(datetime.timezone.utc)
    for metric in ("SumsDrift", "QuarantinedUsers"):
        data = [{"MetricName": metric, "Timestamp": now, "Value": 3}]
        alarms.put_metric_data(Namespace=f"Assay/{deployment.stack.name}", MetricData=data)
    status, output = _diagnosed(deployment)
    wanted = (
        "no confirmed subscription",
        "1 dead letters",
        "alias of AssignFunction has another MemorySize",
        "stream of ExperimentsTable is not read",
        "EventsTable",
        "docs/operations.md#apilatencyalarm",
        "was deleted by hand",
        "SumsDrift was 3",
        "QuarantinedUsers was 3",
    )
    missing = [words for words in wanted if words not in output]
    expect("each fault is named", status == 1 and not missing, (missing, output))
    # The emulator raises the alarms of the two metrics sooner or later.
    expected = (*wanted, "#sumsdriftalarm", "#quarantinedusersalarm")
    others = [line for line in output.splitlines() if line.startswith("  ") and not any(words in line for words in expected)]
    expect("and nothing else", not others, others)
    say(f"scripts/doctor named {len(wanted)} faults")
