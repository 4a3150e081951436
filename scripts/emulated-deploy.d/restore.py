"""A restore of tables under other names, as docs/operations.md tells it."""

import subprocess
import sys

from checks import expect, say
from deployment import Deployment
from emulator import CODE_BUCKET
from expansion import TEMPLATE
from journey import Journey
from parameters import live_settings

RESTORED = {"AssignmentsTable": "ASSIGNMENTS_TABLE", "EventsTable": "EVENTS_TABLE"}
REPLACE = TEMPLATE.parent / "scripts/replace-table"


def restore_tables(world):
    """Two tables are restored. The stack adopts them, and the aggregates of every experiment are repaired."""
    deployment = Deployment(world, "assay-restore")
    deployment.deploy()
    before = Journey(deployment)
    before.one_user()
    before.crowd()
    deployment.counted(before.experiment, before.reader)
    old = deployment.stack.resources()
    versions = {name: live["Version"] for name, live in live_settings(deployment).items()}

    dynamodb = world.emulator.client("dynamodb")
    restored = {table: f"assay-restore-{table}-RESTORED1" for table in RESTORED}
    for table, name in restored.items():
        dynamodb.restore_table_to_point_in_time(
            SourceTableName=old[table], TargetTableName=name, UseLatestRestorableTime=True
        )
    # Written after the restored second, so it is in no result after the restore.
    deployment.api.call(200, "GET", f"{before.path}/assignment/too-late", before.visitor)
    # A function that still counts when its role changes may no longer read the old table.
    deployment.counted(before.experiment, before.reader)
    for table, name in restored.items():
        done = subprocess.run(
            [sys.executable, REPLACE, deployment.stack.name, table, name, "--bucket", CODE_BUCKET],
            env=world.emulator.environment(),
            capture_output=True,
            text=True,
        )
        expect(f"scripts/replace-table replaces {table}", done.returncode == 0, done.stdout + done.stderr)
    say("the stack uses the restored tables")
    _expect_restored(deployment, restored, old, versions)
    variant = deployment.api.call(200, "GET", f"{before.path}/assignment/ada", before.visitor)
    expect("a restored user keeps the assignment", variant["reason"] == "existing", variant)
    _repair(deployment, before)
    after = Journey(deployment, "grace")
    after.one_user()
    deployment.counted(after.experiment, after.reader)
    deployment.same_from_raw_records(after.experiment, after.reader)
    deployment.no_denials()


def _expect_restored(deployment, restored, old, versions):
    resources = deployment.stack.resources()
    client = deployment.world.emulator.client("dynamodb")
    for table, name in restored.items():
        expect(f"{table} is the restored one", resources[table] == name, resources[table])
        client.describe_table(TableName=old[table])  # the old one still exists
        described = client.describe_table(TableName=name)["Table"]
        expect(f"{name} is protected", described["DeletionProtectionEnabled"])
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        expect(f"{name} can be restored itself", status == "ENABLED", status)
    for logical_id, live in live_settings(deployment).items():
        for table, variable in RESTORED.items():
            found = live["Environment"]["Variables"][variable]
            expect(f"the alias of {logical_id} uses the restored {table}", found == restored[table], found)
        expect(f"{logical_id} has a new version", live["Version"] != versions[logical_id])


def _repair(deployment, before):
    operator = deployment.token("operator", "manage", "read")
    status, output = deployment.assay("repair", "--all", ASSAY_URL=deployment.api.url, ASSAY_TOKEN=operator)
    expect("assay repair --all succeeds", status == 0, output)
    deployment.counted(before.experiment, before.reader)
    audit = deployment.audited(before.experiment, before.manager)
    expect("the repaired aggregates are exact", audit["differing_numbers"] == 0, audit)
    deployment.same_from_raw_records(before.experiment, before.reader)
