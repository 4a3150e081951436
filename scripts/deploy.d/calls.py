"""Requests to a deployed API."""

import json
import urllib.error
import urllib.request

PROBLEM = "application/problem+json"
# Kinds of clients, by the responses that they accept.
ACCEPTED = ({"Accept": "application/json"}, {"Accept": PROBLEM}, {"Accept": "*/*"}, {})


class Answer:
    """A response: status, headers and body."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.text = body.decode()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def media_type(self):
        return (self.headers.get("Content-Type") or "").split(";")[0]


def send(url, method, seconds, token=None, body=None, headers=None):
    """Sends a request and returns the response, whatever its status is. A header `Authorization` replaces the token."""
    headers = dict(headers or {})
    if token:
        headers.setdefault("Authorization", f"Bearer {token}")
    data = None
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
        data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as refused:
        return Answer(refused.code, refused.headers, refused.read())
