"""The emulator of AWS: one process on a free port, with its state in a temporary folder."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
from botocore.config import Config

from checks import Failure

REGION = "eu-west-1"
ACCOUNT = "000000000000"
CODE_BUCKET = "assay-code"
# The emulator knows this key as the one of the account's owner, whom no policy limits.
OWNER = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
START_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Decision:
    """A decision of IAM about a call of a function."""

    role: str
    action: str
    resource: str
    allowed: bool


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Emulator:
    """A running emulator."""

    def __init__(self, folder, port):
        self.folder = pathlib.Path(folder)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def _decisions_file(self):
        return self.folder / "decisions.jsonl"

    @property
    def _log_file(self):
        return self.folder / "emulator.log"

    def environment(self):
        """Variables with which an AWS client calls the emulator as the owner of the account."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ASSAY_"))}
        region = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        # Functions inherit the variables of the emulator, and the code reads the last two.
        endpoints = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_EVENTBRIDGE")
        return own | OWNER | region | dict.fromkeys(endpoints, self.url)

    def client(self, service):
        keys = {"aws_access_key_id": OWNER["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": OWNER["AWS_SECRET_ACCESS_KEY"]}
        config = Config(retries={"total_max_attempts": 2}, read_timeout=120, max_pool_connections=32)
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=config, **keys)

    def api_url(self, api, stage):
        """The URL of an API's stage. The emulator has no host names for APIs."""
        return f"{self.url}/_aws/execute-api/{api}/{stage}"

    def warnings(self, lines=20):
        """The last warnings and errors of the emulator and of the functions."""
        log = self._log_file.read_text(errors="replace").splitlines()
        found = [line[:250] for line in log if re.search(r"\b(WARN|WARNING|ERROR|Traceback)\b", line)]
        return found[-lines:]

    def decisions(self):
        """Every different decision so far."""
        return {Decision(*json.loads(line)) for line in self._decisions_file.read_text().splitlines()}

    def _start(self):
        settings = {
            "AUTH": "true",  # policies of roles are enforced
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "LAMBDA_EXECUTOR": "local",  # functions are processes of this machine
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder / "tmp"),
            # Servers that no resource of the template needs.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        (self.folder / "tmp").mkdir()
        self._decisions_file.touch()
        recorder = pathlib.Path(__file__).parent / "recorder.py"
        with self._log_file.open("w") as log:
            return subprocess.Popen(
                [sys.executable, recorder, self._decisions_file],
                env=self.environment() | settings,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, process):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/_ministack/ready", timeout=5):
                return
            time.sleep(0.2)
        raise Failure(f"the emulator does not start: {self._log_file.read_text()[-2000:]}")


@contextlib.contextmanager
def running():
    """An emulator that ends with the block, with every function that it has started."""
    with tempfile.TemporaryDirectory(prefix="assay-emulator-", ignore_cleanup_errors=True) as folder:
        emulator = Emulator(folder, free_port())
        process = emulator._start()
        try:
            emulator._wait(process)
            emulator.client("s3").create_bucket(
                Bucket=CODE_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            yield emulator
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
