"""Requests at a fixed rate. Every accepted record must be counted."""

import concurrent.futures
import http.client
import json
import threading
import time
import urllib.parse

from checks import expect, say
from deployment import Deployment
from journey import EXPERIMENT

WORKERS = 24
EVENTS_OF_A_USER = 3
COUNTED_SECONDS = 600
READING_SECONDS = 300


class Sender:
    """Sends requests, each worker over a connection of its own."""

    def __init__(self, url, token):
        self.url = urllib.parse.urlsplit(url)
        self.token = token
        self.own = threading.local()

    def send(self, method, path, body=None):
        """Returns the status and the body."""
        if not hasattr(self.own, "connection"):
            self.own.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=120)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        self.own.connection.request(method, self.url.path + path, data, headers)
        response = self.own.connection.getresponse()
        return response.status, response.read()


def _with_time_to_read(template):
    """The emulator reads thousands of records much more slowly than DynamoDB."""
    for function in ("GetResultsFunction", "AuditFunction"):
        template["Resources"][function]["Properties"]["Timeout"] = READING_SECONDS


def _requests(experiment, number):
    """The requests: a new user, then events of this user, then the next user."""
    for n in range(number):
        user, step = divmod(n, EVENTS_OF_A_USER + 1)
        if step == 0:
            yield user, "GET", f"/experiments/{experiment}/assignment/user-{user}", None
        else:
            event = {"user_id": f"user-{user}", "type": "purchase", "value": step, "event_id": f"order-{user}-{step}"}
            yield user, "POST", "/events", event


def under_load(world, rate, seconds):
    """Sends requests at a rate per second. Nothing that was accepted may be missing."""
    deployment = Deployment(world, "assay-load")
    deployment.deploy(_with_time_to_read)
    manager = deployment.token("manager", "manage", "read")
    visitor = deployment.token("visitor", "assign", "track")
    experiment = deployment.api.call(201, "POST", "/experiments", manager, EXPERIMENT)["id"]
    sender = Sender(deployment.api.url, visitor)
    accepted = {"GET": 0, "POST": 0}
    refused = {}
    lock = threading.Lock()
    assigned = {}
    started = time.monotonic()

    def one(number, request):
        user, method, path, body = request
        time.sleep(max(0, started + number / rate - time.monotonic()))
        if method == "POST":
            assigned[user].wait(120)
        status, _ = sender.send(method, path, body)
        with lock:
            if status == 200:
                accepted[method] += 1
            else:
                refused[status] = refused.get(status, 0) + 1
        if method == "GET":
            assigned[user].set()

    requests = list(_requests(experiment, rate * seconds))
    assigned.update({request[0]: threading.Event() for request in requests})
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, range(len(requests)), requests))
    elapsed = time.monotonic() - started
    say(f"{len(requests)} requests in {elapsed:.1f} s, {len(requests) / elapsed:.0f} per second; refused: {refused or 'none'}")
    expect("every request is accepted", not refused, refused)
    results = deployment.counted(experiment, manager, COUNTED_SECONDS)
    say(f"counted {time.monotonic() - started - elapsed:.1f} s after the last request")
    users = sum(results["data_quality"]["sample_ratio"]["observed"])
    expect("every accepted assignment is counted", users == accepted["GET"], (users, accepted))
    audit = deployment.audited(experiment, manager)
    expect("every accepted event is stored", audit["records"] == sum(accepted.values()), (audit, accepted))
    expect("the aggregates are exact", audit["differing_numbers"] == 0, audit)
    deployment.same_from_raw_records(experiment, manager)
    deployment.no_denials()
