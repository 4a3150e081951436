"""The checks of scripts/deploy after a deployment, and its return to the state before."""

import subprocess
import sys
import tempfile

from broken import without
from checks import expect, say
from deployment import Deployment
from emulator import CODE_BUCKET
from expansion import TEMPLATE

SCRIPTS = TEMPLATE.parent / "scripts"


def _run(deployment, script, *arguments):
    """Runs a script as the operator. Returns its exit status and output."""
    command = [sys.executable, SCRIPTS / script, *arguments]
    environment = deployment.world.emulator.environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def _verified(deployment):
    programs = deployment.world.programs
    name, url = deployment.stack.name, deployment.api.url
    return _run(deployment, "verify-deployment", name, "--url", url, "--assay", programs / "assay")


def deployment_verified(world):
    """A good deployment is verified. A faulty one is not, and the stack returns to the state before it."""
    deployment = Deployment(world, "assay-verified")
    with tempfile.NamedTemporaryFile() as file:
        stage = ("deploy.d/stage.py",)
        status, output = _run(deployment, *stage, "before", deployment.stack.name, file.name)
        expect("a new stack is recognised", (status, output.strip()) == (0, "first"), output)
        deployment.deploy()
        status, output = _verified(deployment)
        expect("a good deployment is verified", status == 0, output)
        status, output = _verified(deployment)
        expect("and once more", status == 0, output)
        status, output = _run(deployment, *stage, "before", deployment.stack.name, file.name)
        expect("the stack is recognised", (status, output.strip()) == (0, "update"), output)
        deployment.deploy(without("AssignFunction", "AssignmentsTable", "dynamodb:PutItem"), LogLevel="WARN")
        status, output = _verified(deployment)
        expect("a faulty deployment is found", status == 1 and "/assignment/check-" in output, output)
        say(f"found as it must be: {output.strip().splitlines()[-1][:160]}")
        arguments = ("rollback", deployment.stack.name, file.name, "--bucket", CODE_BUCKET)
        status, output = _run(deployment, *stage, *arguments)
        expect("the stack returns to the state before", status == 0, output)
    status, output = _verified(deployment)
    expect("that state is good", status == 0, output)
    level = deployment.stack.parameters()["LogLevel"]
    expect("with the parameters from before", level == "INFO", level)
