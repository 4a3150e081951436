"""Calls of a deployed API."""

import threading
import urllib.parse

from calls import send
from checks import Failure

CALL_SECONDS = 300
_LOCK = threading.Lock()


class Api:
    """The API at a URL. `called` has the method and path of every call that did not end with 401, 403 or 404."""

    def __init__(self, url):
        self.url = url
        self.called = set()

    def send(self, method, path, token=None, body=None, headers=None):
        """Sends a request and returns the response, whatever its status is."""
        answer = send(self.url + path, method, CALL_SECONDS, token, body, headers)
        if answer.status not in (401, 403, 404):
            self.noted(method, path)
        return answer

    def noted(self, method, path):
        """Notes a call that was not refused."""
        with _LOCK:
            self.called.add((method.lower(), path.split("?")[0]))

    def call(self, expected, method, path, token=None, body=None, headers=None):
        """Sends a request and returns the body of the response, which must have the expected status."""
        answer = self.send(method, path, token, body, headers)
        if answer.status != expected:
            raise Failure(f"{method} {path} answers {answer.status}, not {expected}: {answer.text[:500]}")
        return answer.json if "json" in answer.media_type and answer.text else None

    def refused(self, status, code, method, path, token=None, body=None, headers=None):
        """Sends a request that must be refused with this status and this code, in the format of the API's errors."""
        answer = self.send(method, path, token, body, headers)
        found = f"{answer.status} {answer.media_type} {answer.text[:300]}"
        if answer.status != status or answer.media_type != "application/problem+json":
            raise Failure(f"{method} {path} with {headers or {}} answers {found}, not {status} application/problem+json")
        problem = answer.json
        if problem.get("code") != code or not problem.get("request_id"):
            raise Failure(f"{method} {path} answers {found}, not the code {code}")


def path_part(text):
    """Text as one part of a path."""
    return urllib.parse.quote(text, safe="")
