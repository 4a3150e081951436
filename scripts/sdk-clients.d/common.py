"""What the tests of the clients in Python share: the API, and statements that must hold."""

import json
import os
import pathlib
import urllib.error
import urllib.parse
import urllib.request

URL = os.environ["ASSAY_URL"]
TOKEN = os.environ["ASSAY_TOKEN"]
CLIENT_KEY = os.environ["ASSAY_CLIENT_KEY"]
WRONG_KEYS = ("ck_AAAAAAAAAAAAAAAAAAAAAA", "nonsense")

# The definitions that the script has created.
FLAGS = {flag["key"]: flag for flag in json.loads(pathlib.Path(__file__).with_name("definitions.json").read_text())["flags"]}


def value_of(key, variant):
    return next(each["value"] for each in FLAGS[key]["variants"] if each["key"] == variant)


# The flags whose value is the same for all users, with a default of the application that is another value.
PLAIN = [
    (key, variant, value_of(key, variant), otherwise)
    for key, variant, otherwise in [
        ("sdk-boolean", "on", False),
        ("sdk-string", "text", "default"),
        ("sdk-integer", "answer", -1),
        ("sdk-large", "largest", -1),
        ("sdk-number", "part", -1.5),
        ("sdk-whole", "one", -1.5),
        ("sdk-object", "full", {"default": True}),
    ]
]


def users(client):
    """Users for the rollout and for the experiment: some are in each part."""
    return [f"{client}-{('ann', 'zoé', '日本', '😀')[n % 4]}-{n}" for n in range(40)]


def send(method, path, body=None, token=TOKEN, headers=()):
    """A response: its status, its headers and its text."""
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **dict(headers)}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(URL + path, data=data, method=method, headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def api(method, path, body=None):
    status, _, text = send(method, path, body)
    assert status < 300, f"{method} {path}: {status} {text}"
    return json.loads(text)


def assignment(experiment, user):
    """The assignment that the API has stored, or would store."""
    return api("GET", f"/experiments/{experiment}/assignment/{urllib.parse.quote(user, safe='')}?enroll=false")


def explained(key, attributes):
    """The value of a flag by the API's own explanation, which stores nothing."""
    return value_of(key, api("POST", f"/flags/{key}/evaluate", {"attributes": attributes})["variant"])


checks = 0


def must(statement, found, expected):
    global checks
    # 1 == 1.0 == True in Python, and these are different types for applications.
    assert (found, type(found)) == (expected, type(expected)), f"{statement}: {found!r} instead of {expected!r}"
    checks += 1


def split(client, evaluate, *, stored):
    """A rollout and an experiment for many users: `evaluate` gives the values that the client has for a user."""
    on = green = 0
    for user in users(client):
        rollout, tested = evaluate(user)
        must(f"{user} has the rollout of the API", rollout, explained("sdk-rollout", {"id": user}))
        assigned = assignment("sdk-test", user)
        must(f"what the experiment has stored of {user}", assigned["reason"], "existing" if stored else "split")
        must(f"{user} has the variant of the API", tested, value_of("sdk-tested", assigned["variant"]))
        on += rollout
        green += tested == "green"
    for count in (on, green):
        must("some users have it and others do not", 0 < count < len(users(client)), True)


def finish(name):
    print(f"ok {name}: {checks} checks")
