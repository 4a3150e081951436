"""The dashboard of a deployed stack, as a browser without script uses it."""

import re
import urllib.error
import urllib.parse
import urllib.request

from api import CALL_SECONDS
from checks import Failure


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    """A browser that is signed in with a token. It follows no redirect, and notes its calls as those of the API."""

    def __init__(self, api, token):
        self.api = api
        self.opener = urllib.request.build_opener(_NoRedirects)
        self.cookie = ""
        _, headers = self._send(303, "POST", "/sign-in", {"token": token})
        self.cookie = headers["Set-Cookie"].split(";")[0]

    def home(self):
        """Where the home page leads."""
        return self._send(303, "GET", "")[1]["Location"]

    def get(self, page):
        """The HTML of a page."""
        return self._send(200, "GET", page)[0]

    def sign_out(self):
        """Ends the session."""
        token = re.search(r'name="form_token" value="(\w+)"', self.get("/experiments"))[1]
        self._send(303, "POST", "/sign-out", {"form_token": token})

    def submit(self, page, fields):
        """Sends the form of a page with its hidden fields and these, and returns where it leads."""
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.get(page)))
        return self._send(303, "POST", page, hidden | fields)[1]["Location"]

    def _send(self, expected, method, page, fields=None):
        headers = {"Cookie": self.cookie, "Sec-Fetch-Site": "same-origin"}
        data = urllib.parse.urlencode(fields).encode() if fields is not None else None
        path = f"/dashboard{page}"
        request = urllib.request.Request(self.api.url + path, data, headers, method=method)
        try:
            answer = self.opener.open(request, timeout=CALL_SECONDS)
        except urllib.error.HTTPError as other:
            answer = other
        with answer:
            text = answer.read().decode()
            if answer.status != expected:
                raise Failure(f"{method} {path} answers {answer.status}, not {expected}: {text[:500]}")
        self.api.noted(method, path)
        return text, answer.headers
