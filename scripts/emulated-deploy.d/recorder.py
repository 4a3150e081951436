"""Starts the emulator, and writes each different IAM decision about a function's role to a file.

Runs in the process of the emulator. Usage: recorder.py FILE
"""

import json
import sys
import threading

from ministack.core import iam_evaluator

LOG = open(sys.argv.pop(1), "a", buffering=1)  # noqa: SIM115: open as long as the process
LOCK = threading.Lock()
SEEN = set()
decide = iam_evaluator.enforce


def enforce(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    refusal = decide(access_key_id, iam_action, service, region, resource_arn, service_context)
    identity = iam_evaluator.resolve_caller_identity(access_key_id or "") or {}
    arn = identity.get("userArn", "")
    if ":assumed-role/" in arn:
        decision = (arn.split("/")[1], iam_action, resource_arn, refusal is None)
        with LOCK:
            if decision not in SEEN:
                SEEN.add(decision)
                LOG.write(json.dumps(decision) + "\n")
    return refusal


# Before the rest of the emulator is imported, because its modules import the function by name.
iam_evaluator.enforce = enforce

from ministack.app import main  # noqa: E402

main()
