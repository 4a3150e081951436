"""A stage of the project, deployed to the emulator."""

import dataclasses
import pathlib
import platform
import re
import subprocess

from adapted import adapt
from api import Api
from checks import Failure, expect, wait_until
from emulator import Emulator
from expansion import binary_of, expand, functions_of, written
from stack import Stack

STAGE = "test"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
# The backfill of a repair begins 30 seconds after the request.
REPAIR_SECONDS = 150
COUNTED_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class World:
    """What all scenarios share: the emulator, the folder of programs, and the S3 URI of each function's package."""

    emulator: Emulator
    programs: pathlib.Path
    code: dict
    # Decisions of IAM in the stacks whose roles are those of the template.
    decided: set

    def expanded(self, parameters, change=None):
        """The expanded template for the emulator. `change` changes the template as it is written."""
        template = written()
        if change:
            change(template)
        return adapt(expand(parameters, self.code.__getitem__, template))


class Deployment:
    """A stack of the template, with its API and its tokens."""

    def __init__(self, world, name):
        self.world = world
        self.stack = Stack(world.emulator, name)
        self.parameters = {"Stage": STAGE, "Architecture": ARCHITECTURE}
        self.template = {}
        self.dropped = {}
        self.api = None

    def expand(self, change=None, **parameters):
        """Expands the template, as CloudFormation does for each change. Parameters keep their values in later ones."""
        self.parameters |= parameters
        self.template, self.dropped = self.world.expanded(self.parameters, change)

    def deploy(self, change=None, **parameters):
        """Creates or updates the stack. Returns the changes."""
        self.expand(change, **parameters)
        changes = self.stack.deploy(self.template, self.parameters)
        outputs = self.stack.outputs()
        api = re.match(r"https://(\w+)\.", outputs["ApiUrl"])[1]
        url = self.world.emulator.api_url(api, STAGE)
        if self.api is None or self.api.url != url:
            self.api = Api(url)
        return changes

    def assay(self, *arguments, **variables):
        """Runs the program `assay` as the owner of the account. Returns its exit status and output."""
        environment = self.world.emulator.environment() | variables
        command = [self.world.programs / "assay", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout.strip() or done.stderr.strip()

    def token(self, name, *scopes):
        """A new token, created as docs/operations.md says."""
        table = self.stack.outputs()["TokensTableName"]
        status, output = self.assay("token", "create", "--table", table, "--name", name, "--scopes", ",".join(scopes))
        expect(f"a token {name} is created", status == 0, output)
        return output

    def function_name(self, logical_id):
        return self.stack.resources()[logical_id]

    def functions(self):
        """Names of the functions by logical id."""
        resources = self.stack.resources()
        return {logical_id: resources[logical_id] for logical_id in functions_of(written())}

    def counted(self, experiment, token, seconds=COUNTED_SECONDS):
        """Waits until the aggregates have every stored record, and returns the results."""

        def attempt():
            results = self.api.call(200, "GET", f"/experiments/{experiment}/results", token)
            fresh = results["source"] == "aggregates" and results["freshness"]["pending_records"] == 0
            return results if fresh else None

        return wait_until(f"the aggregates of {experiment} have every record", attempt, seconds)

    def audited(self, experiment, token, seconds=COUNTED_SECONDS):
        """Waits until an audit has compared the aggregates, and returns its response."""

        def attempt():
            audit = self.api.call(200, "POST", f"/experiments/{experiment}/audit", token, {})
            return None if "not_compared" in audit else audit

        return wait_until(f"an audit of {experiment} is complete", attempt, seconds)

    def repaired(self, experiment, token):
        """Repairs the aggregates, waits for the new generation, and returns the audit of it."""
        started = self.api.call(200, "POST", f"/experiments/{experiment}/audit", token, {"repair": True})
        return self.backfilled(experiment, token, started["backfill_started"])

    def backfilled(self, experiment, token, generation):
        """Waits until a generation is in use, and returns its audit."""

        def attempt():
            audit = self.audited(experiment, token)
            return audit if audit["generation"] >= generation else None

        return wait_until(f"the backfill of {experiment} is complete", attempt, REPAIR_SECONDS)

    def same_from_raw_records(self, experiment, token):
        """Compares the results from aggregates with those from raw records."""
        path = f"/experiments/{experiment}/results"
        aggregates = self.api.call(200, "GET", path, token)
        raw = self.api.call(200, "GET", f"{path}?source=raw", token)
        expect("results come from aggregates", aggregates["source"] == "aggregates", aggregates.get("source_reason"))
        for results in (aggregates, raw):
            # When and from what they were computed.
            for name in ("as_of", "source", "source_reason", "freshness"):
                results.pop(name, None)
        different = [name for name in aggregates.keys() | raw.keys() if aggregates.get(name) != raw.get(name)]
        if different:
            shown = {name: (aggregates.get(name), raw.get(name)) for name in different}
            raise Failure(f"results of {experiment} differ between aggregates and raw records: {str(shown)[:2000]}")

    def decisions(self):
        """Decisions of IAM about the functions of this stack, with logical ids instead of names."""
        resources = self.stack.resources()
        names = {physical: logical for logical, physical in resources.items()}
        found = set()
        for decision in self.world.emulator.decisions():
            if decision.role in names:
                table = re.match(r"arn:aws:\w+:[\w-]*:\d*:(?:table/|event-bus/)?([^/]+)(/index/[^/]+)?", decision.resource)
                resource = names.get(table[1], table[1]) + (table[2] or "") if table else decision.resource
                found.add((names[decision.role], decision.action, resource, decision.allowed))
        return found

    def no_denials(self):
        """Fails if IAM has refused a call of a function of this stack. Keeps the decisions for a comparison of grants."""
        self.world.decided.update(self.decisions())
        denied = sorted(f"{role} {action} {resource}" for role, action, resource, allowed in self.decisions() if not allowed)
        expect("IAM allows every call of the functions", not denied, ", ".join(denied))


def binaries():
    """The binary of each function of the template."""
    return [binary_of(function) for function in functions_of(written()).values()]
