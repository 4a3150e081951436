"""What users of the API do, from the first token to the erasure of a user, through the API Gateway of the emulator."""

import concurrent.futures
import json
import re
import time

from api import path_part
from calls import ACCEPTED
from checks import expect, say, wait_until
from emulator import ACCOUNT, REGION
from expansion import expand
from flag_steps import FlagSteps
from pages import Browser

USERS = 40
IMPORTED = 10
ERASED_EVENTS = 10
BACKFILL_SECONDS = 34
NOTIFIED_SECONDS = 60
METRICS = [
    {"key": "purchase", "kind": "conversion", "event_type": "purchase"},
    {"key": "revenue", "kind": "sum", "event_type": "purchase"},
]
EXPERIMENT = {
    "name": "Checkout button",
    "variants": [{"key": "control", "percent": 50}, {"key": "green", "percent": 50}],
    "metrics": METRICS,
}
# The emulator decodes a path before it looks for the route, and the function decodes it again, as API Gateway does not.
# The id therefore contains neither `/` nor `%`.
UNUSUAL_USER = "ü +&?"


class Journey(FlagSteps):
    """One journey with an experiment of its own."""

    def __init__(self, deployment, user="ada"):
        self.deployment = deployment
        self.user = user
        self.changed_at = time.monotonic()
        self.api = deployment.api
        self.manager = deployment.token("manager", "manage", "read")
        self.visitor = deployment.token("visitor", "assign", "track")
        self.reader = deployment.token("reader", "read")
        self.experiment = self.api.call(201, "POST", "/experiments", self.manager, EXPERIMENT)["id"]
        self.path = f"/experiments/{self.experiment}"
        self.queue = None
        self.messages = []

    def refusals(self):
        """Requests without a valid token or scope, and what the gateway itself refuses, for all kinds of clients."""
        for accepted in ACCEPTED:
            self.api.refused(401, "unauthorized", "GET", "/experiments", headers=accepted)
            self.api.refused(401, "unauthorized", "GET", "/experiments", "assay_no-such-token-anywhere", headers=accepted)
            self.api.refused(401, "unauthorized", "GET", "/experiments", headers={"Authorization": "Bearer x"} | accepted)
            self.api.refused(403, "forbidden", "GET", "/experiments", self.visitor, headers=accepted)
            self.api.refused(404, "route_not_found", "GET", "/nothing", self.manager, headers=accepted)
        self.api.refused(403, "forbidden", "POST", "/experiments", self.reader, {})
        self.api.refused(403, "forbidden", "POST", "/events", self.reader, {})
        self.api.refused(422, "invalid", "POST", "/experiments", self.manager, {"name": "x"})
        self.api.refused(404, "experiment_not_found", "GET", "/experiments/no-such-experiment", self.reader)

    def definitions(self):
        self.api.call(200, "GET", "/health")
        self.api.call(200, "HEAD", "/health")
        listed = self.api.call(200, "GET", "/experiments", self.reader)
        expect("the experiment is listed", self.experiment in str(listed))
        self.api.call(200, "GET", self.path, self.reader)
        copy = {"name": "A copy", "copy_of": self.experiment, "status": "draft"}
        copied = self.api.call(201, "POST", "/experiments", self.manager, copy)
        expect("a copy has the metrics", [m["key"] for m in copied["metrics"]] == [m["key"] for m in METRICS], copied)

    def layers(self):
        """Two experiments of one layer, under a holdout, and a layer that is deleted."""
        layer, unused = f"/layers/{self.experiment}", f"/layers/unused-{self.experiment}"
        self.api.call(201, "PUT", layer, self.manager, {"name": "Checkout"})
        holdout = {"name": "Holdout", "holdout": {"percent": 5}}
        holdout = self.api.call(201, "POST", "/experiments", self.manager, holdout)["id"]
        draft = EXPERIMENT | {"status": "draft", "layer": {"id": self.experiment, "percent": 50}}
        parts = [self.api.call(201, "POST", "/experiments", self.manager, draft)["id"] for _ in range(2)]
        for part in parts:
            path = f"/experiments/{part}"
            started = self.api.call(200, "PATCH", path, self.manager, {"status": "running"}, {"If-Match": "*"})
            expect("the holdout applies", started["holdouts"] == [holdout], started)
        self.api.refused(409, "layer_full", "POST", "/experiments", self.manager, draft)
        enrolled = []
        users = {"users": [{"user_id": f"{self.user}-{number}"} for number in range(20)]}
        for part in parts:
            path = f"/experiments/{part}"
            self.api.call(200, "GET", f"{path}/assignment/{self.user}", self.visitor)
            answer = self.api.call(200, "POST", f"{path}/assignments:evaluate", self.visitor, users)
            enrolled += [one["user_id"] for one in answer["assignments"] if one["enrolled"]]
        expect("users are in the experiments of the layer", enrolled)
        expect("a user is in one of them at most", len(enrolled) == len(set(enrolled)), enrolled)
        full = self.api.call(200, "GET", layer, self.reader)
        expect("the layer is full", full["free_percent"] == 0, full)
        listed = self.api.call(200, "GET", "/layers", self.reader)
        expect("the layer is listed", self.experiment in str(listed))
        self.api.call(201, "PUT", unused, self.manager, {"name": "Unused"})
        self.api.call(200, "DELETE", unused, self.manager)
        for part in (*parts, holdout):
            self.api.call(200, "PATCH", f"/experiments/{part}", self.manager, {"status": "stopped"}, {"If-Match": "*"})

    def one_user(self):
        first = self.api.call(200, "GET", f"{self.path}/assignment/{self.user}", self.visitor)
        again = self.api.call(200, "GET", f"{self.path}/assignment/{self.user}", self.visitor)
        expect("a user keeps the variant", first["variant"] == again["variant"])
        expect("the reasons say so", (first["reason"], again["reason"]) == ("new", "existing"))
        unusual = self.api.call(200, "GET", f"{self.path}/assignment/{path_part(UNUSUAL_USER)}", self.visitor)
        expect("an unusual user id arrives as it is", unusual["user_id"] == UNUSUAL_USER, unusual["user_id"])
        event = {"user_id": self.user, "type": "purchase", "value": 19.99, "event_id": "order-1"}
        stored = self.api.call(200, "POST", "/events", self.visitor, event)
        repeated = self.api.call(200, "POST", "/events", self.visitor, event)
        expect("an event counts once", (stored["duplicates"], repeated["duplicates"]) == (0, 1))

    def several(self):
        """One user in all running experiments and in a named one, and two users in one experiment."""
        everywhere = {"user_id": self.user, "enroll": False}
        answer = self.api.call(200, "POST", "/assignments", self.visitor, everywhere)
        expect("all experiments are answered", self.experiment in str(answer), answer)
        named = {"user_id": "user-0", "experiments": [self.experiment]}
        self.api.call(200, "POST", "/assignments", self.visitor, named)
        users = {"users": [{"user_id": "user-0"}, {"user_id": "user-1"}]}
        answer = self.api.call(200, "POST", f"{self.path}/assignments:evaluate", self.visitor, users)
        reasons = [assignment["reason"] for assignment in answer["assignments"]]
        expect("each request stores the users that are new", reasons == ["existing", "new"], reasons)

    def segments(self):
        """A list and a condition that names it, and an experiment that targets them."""
        beta, nested = f"beta-{self.experiment}", f"nested-{self.experiment}"
        new = {"id": beta, "name": "Beta testers", "ids": [self.user, "old"]}
        self.api.call(201, "POST", "/segments", self.manager, new)
        new = {"id": nested, "name": "Nested", "condition": {"$savedGroups": [beta]}}
        self.api.call(201, "POST", "/segments", self.manager, new)
        new = {"name": "Beta only", "copy_of": self.experiment, "targeting": {"id": {"$inGroup": beta}}}
        experiment = self.api.call(201, "POST", "/experiments", self.manager, new)["id"]
        path, any_version = f"/experiments/{experiment}", {"If-Match": "*"}
        ids = {"ids": {"add": ["new"], "remove": ["old"]}}
        changed = self.api.call(200, "PATCH", f"/segments/{beta}", self.manager, ids, any_version)
        expect("ids are added and removed", changed["id_count"] == 2, changed)
        for user, reason in ((self.user, "split"), ("old", "targeting")):
            answer = self.api.call(200, "GET", f"{path}/assignment/{user}?enroll=false", self.visitor)
            expect("the segment decides", answer["reason"] == reason, answer)
        users = {"users": [{"user_id": "new"}], "enroll": False}
        self.api.call(200, "POST", f"{path}/assignments:evaluate", self.visitor, users)
        named = {"user_id": "new", "experiments": [experiment], "enroll": False}
        self.api.call(200, "POST", "/assignments", self.visitor, named)
        listed = self.api.call(200, "GET", "/segments?limit=100", self.reader)
        expect("the segment is listed", beta in str(listed), listed)
        read = self.api.call(200, "GET", f"/segments/{beta}", self.reader)
        expect("the uses are known", read["used_by_count"] == 2, read)
        self.api.refused(409, "segment_in_use", "DELETE", f"/segments/{beta}", self.manager, headers=any_version)
        targeting = {"targeting": {"$savedGroups": [nested]}}
        self.api.call(200, "PATCH", path, self.manager, targeting, any_version)
        self.api.call(200, "PATCH", path, self.manager, {"status": "stopped"}, any_version)
        self.api.call(200, "PATCH", f"/segments/{nested}", self.manager, {"condition": {}}, any_version)
        self.api.call(200, "DELETE", f"/segments/{nested}", self.manager, None, any_version)
        history = self.api.call(200, "GET", f"/segments/{nested}/history", self.reader)
        expect("the history has the deletion", history["entries"][0]["action"] == "deleted", history)

    def crowd(self):
        """Several users at a time, a batch of events of half of them, and imported users with earlier events."""

        def assign(number):
            self.api.call(200, "GET", f"{self.path}/assignment/user-{number}", self.visitor)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(assign, range(USERS)))
        buyers = range(0, USERS, 2)
        events = [{"user_id": f"user-{n}", "type": "purchase", "value": n + 1, "event_id": f"order-{n}"} for n in buyers]
        # An event of a user without an assignment is stored, and the import below counts it.
        events.append({"user_id": "imported-0", "type": "purchase", "value": 5, "event_id": "early"})
        answer = self.api.call(200, "POST", "/events", self.visitor, {"events": events})
        expect("every event is stored", answer["rejected"] == 0, answer)
        rows = [
            {"user_id": f"imported-{n}", "variant": ("control", "green")[n % 2], "assigned_at": "2026-11-01T00:00:00Z"}
            for n in range(IMPORTED)
        ]
        self.api.call(200, "POST", f"{self.path}/assignments", self.manager, {"assignments": rows})

    def results(self):
        results = self.deployment.counted(self.experiment, self.reader)
        users = sum(results["data_quality"]["sample_ratio"]["observed"])
        # With the one user and the user of the unusual id.
        expect("every user is counted", users == USERS + IMPORTED + 2, users)
        self.deployment.same_from_raw_records(self.experiment, self.reader)
        self.api.call(200, "GET", f"{self.path}/results?source=raw&cuped=true", self.reader)
        audit = self.deployment.audited(self.experiment, self.manager)
        expect("the aggregates are exact", audit["differing_numbers"] == 0, audit)

    def plan(self):
        known = {"metric": {"kind": "conversion", "rate": 0.19}, "minimum_detectable_effect": 0.1, "users_per_day": 3000}
        self.api.call(200, "POST", "/experiments/plan", self.reader, known)
        earlier = {"metric": {"experiment_id": self.experiment, "metric": "purchase"}, "minimum_detectable_effect": 0.1}
        self.api.call(200, "POST", "/experiments/plan", self.reader, earlier)

    def change(self):
        """A further metric, which a backfill computes for all users."""
        self.api.refused(428, "if_match_required", "PATCH", self.path, self.manager, {"description": "changed"})
        before = self.deployment.audited(self.experiment, self.manager)["generation"]
        metrics = [*METRICS, {"key": "orders", "kind": "count", "event_type": "purchase"}]
        self.api.call(200, "PATCH", self.path, self.manager, {"metrics": metrics}, {"If-Match": "*"})
        audit = self.deployment.backfilled(self.experiment, self.manager, before + 1)
        expect("the aggregates with the new metric are exact", audit["differing_numbers"] == 0, audit)
        self.deployment.counted(self.experiment, self.reader)
        self.deployment.same_from_raw_records(self.experiment, self.reader)
        history = self.api.call(200, "GET", f"{self.path}/history", self.reader)
        expect("the history has the change", "metrics" in str(history), history)

    def dashboard(self):
        """Pages below the stage, and a form."""
        browser = Browser(self.api, self.manager)
        expect("the home page leads to the list", browser.home() == "dashboard/experiments")
        paths = ("/experiments", "/experiments?sort=name", f"/experiments/{self.experiment}", f"/users?id={self.user}", "/flags", "/layers")
        for page in (*paths, "/operations"):
            expect(f"{page} is a page", "</main>" in browser.get(page))
        results = self.api.call(200, "GET", f"{self.path}/results", self.reader)
        shown = browser.get(f"/experiments/{self.experiment}")
        users = str(results["variants"][0]["users"])
        expect("the page has the numbers of the API", f'<data value="{users}">' in shown)
        to = browser.submit(f"/experiments/{self.experiment}/change/traffic", {"traffic_percent": "99", "reason": "a form"})
        expect("the form leads to its page", to == f"../../../experiments/{self.experiment}?done=traffic", to)
        changed = self.api.call(200, "GET", self.path, self.reader)
        expect("the form changed the traffic", changed["traffic_percent"] == 99, changed)
        browser.submit("/new-segment", {"id": "of-forms", "name": "Of forms", "kind": "list", "ids": "ann\nbea"})
        to = browser.submit("/segments/of-forms/edit", {"name": "Of forms", "add": "eve", "remove": "ann"})
        expect("the form leads to the segment", to == "../../segments/of-forms?done=saved", to)
        found = self.api.call(200, "GET", "/segments/of-forms", self.reader)
        expect("the forms have changed the list", found["id_count"] == 2, found)
        to = browser.submit("/segments/of-forms/delete", {})
        expect("the form has deleted the segment", to == "../../segments?done=deleted", to)
        browser.sign_out()

    def erasure(self):
        """Two users are erased, one of them without an assignment, whose events are deleted in another way."""
        for user in (self.user, "guest"):
            events = [{"user_id": user, "type": "visit", "event_id": f"visit-{n}"} for n in range(ERASED_EVENTS)]
            self.api.call(200, "POST", "/events", self.visitor, {"events": events})
        self.deployment.counted(self.experiment, self.reader)
        for user in (self.user, "guest"):
            path = f"/users/{user}"
            exported = self.api.call(200, "GET", path, self.manager)
            expect("the export has the events", "visit-9" in str(exported))
            self.api.call(200, "DELETE", path, self.manager)
            again = self.api.call(200, "DELETE", path, self.manager)
            expect("an erasure is complete", (again["events"], again["assignments"]) == (0, 0), again)
            exported = self.api.call(200, "GET", path, self.manager)
            expect("an erased user has no data", "visit" not in str(exported) and "order" not in str(exported), exported)
        self.deployment.counted(self.experiment, self.reader)
        self.deployment.same_from_raw_records(self.experiment, self.reader)

    def subscribe(self):
        """A queue with the messages of the notification topic."""
        emulator, topic = self.deployment.world.emulator, self.deployment.stack.outputs()["NotificationTopicArn"]
        name = f"notified-{self.experiment}"
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        created = emulator.client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy})
        self.queue = created["QueueUrl"]
        raw = {"RawMessageDelivery": "true"}
        emulator.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)

    def notified(self):
        """The end of the experiment arrives once: from the stream through the bus, the rule and the topic."""
        sqs = self.deployment.world.emulator.client("sqs")

        def received():
            found = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            self.messages += [json.loads(message["Body"]) for message in found]
            return any(message["kind"] == "experiment_ended" for message in self.messages)

        wait_until("the end is notified", received, NOTIFIED_SECONDS)
        ended = [message for message in self.messages if message["kind"] == "experiment_ended"]
        expect("it is told once", [message["experiment_id"] for message in ended] == [self.experiment], self.messages)
        kept = self.api.call(200, "GET", f"{self.path}?notifications=true", self.reader)["notifications"]
        expect("the API has the same", ended[0] in kept, (ended, kept))
        expect("no user id is in a message", self.user not in str(self.messages), self.messages)
        sqs.delete_queue(QueueUrl=self.queue)

    def end(self):
        """Another end of the experiment, after which a backfill refreshes the users with later events."""
        change = {"ends_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))}
        self.api.call(200, "PATCH", self.path, self.manager, change, {"If-Match": "*"})
        self.changed_at = time.monotonic()
        audit = self.deployment.audited(self.experiment, self.manager)
        expect("the end leaves exact aggregates", audit["differing_numbers"] == 0, audit)
        self.deployment.same_from_raw_records(self.experiment, self.reader)

    def quiet(self):
        """Waits until no function works any more. A backfill looks again for users 30 seconds after a change."""
        time.sleep(max(0, self.changed_at + BACKFILL_SECONDS - time.monotonic()))

    def daily_audit(self):
        """The emulator has no timer, so the rule's target is invoked by hand."""
        function = self.deployment.function_name("AuditSampleFunction")
        client = self.deployment.world.emulator.client("lambda")
        answer = client.invoke(FunctionName=function, Qualifier="live", Payload=b'{"time": "2026-11-29T00:00:00Z"}')
        expect("the daily audit succeeds", "FunctionError" not in answer, answer["Payload"].read()[:500])

    def every_route_was_called(self):
        """Compares the successful calls with the routes of the template."""
        (api,) = [r for r in expand({})["Resources"].values() if r["Type"] == "AWS::ApiGateway::RestApi"]
        body = api["Properties"]["Body"]
        missing = []
        for path, methods in body["paths"].items():
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", re.sub(r"\{\w+\+\}", ".+", path)))
            # The gateway itself answers preflight requests, without a function.
            for method in methods.keys() - {"options"}:
                if not any(method == called and pattern.fullmatch(where) for called, where in self.api.called):
                    missing.append(f"{method} {path}")
        expect("every route was called", not missing, missing)

    def play(self):
        """The whole journey."""
        for step in (
            self.definitions,
            self.refusals,
            self.one_user,
            self.several,
            self.layers,
            self.segments,
            self.flags,
            self.page_events,
            self.client_keys,
            self.crowd,
            self.results,
            self.plan,
            self.change,
            self.dashboard,
            self.erasure,
            self.subscribe,
            self.end,
            self.daily_audit,
            self.notified,
            self.every_route_was_called,
        ):
            step()
            say(f"{step.__name__.replace('_', ' ')}: done")

