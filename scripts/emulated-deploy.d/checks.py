"""What a scenario says and demands."""

import threading
import time

_OUTPUT = threading.Lock()
_STARTED = time.monotonic()
_CURRENT = threading.local()


class Failure(Exception):
    """Something does not hold. The text says what."""


def scenario(name):
    """Names the scenario that this thread plays."""
    _CURRENT.name = name


def say(text):
    """Prints a line with the elapsed seconds and the name of the scenario."""
    with _OUTPUT:
        print(f"{time.monotonic() - _STARTED:6.1f} s  {getattr(_CURRENT, 'name', 'all'):<17} {text}", flush=True)


def expect(statement, holds, found=""):
    """Fails unless the statement holds."""
    if not holds:
        raise Failure(f"not true: {statement}{f' (found {found})' if found != '' else ''}")


def wait_until(statement, attempt, seconds):
    """Calls `attempt` until it returns a true value, and returns that value."""
    deadline = time.monotonic() + seconds
    while True:
        found = attempt()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"not true within {seconds} s: {statement}")
        time.sleep(0.5)
