"""What a journey does with flags, and what pages do with client keys."""

import time

from checks import expect

# A function that has other flags in memory reads new ones after `DefinitionCacheSeconds`.
FLAG_SECONDS = 30


class FlagSteps:
    """Steps of a journey, which has the API, the tokens, a user and an experiment."""

    def flags(self):
        """A flag that uses an experiment and a segment, off and on again, and its deletion."""
        key, beta, any_version = f"flag-{self.experiment}", f"beta-{self.experiment}", {"If-Match": "*"}
        path = f"/flags/{key}"

        def production(enabled, *rules):
            return {"production": {"enabled": enabled, "off_variant": "off", "default_variant": "off", "rules": list(rules)}}

        test = {"id": "test", "type": "experiment", "experiment": self.experiment}
        test |= {"variants": {"control": "off", "green": "on"}}
        testers = {"id": "testers", "type": "serve", "condition": {"id": {"$inGroup": beta}}, "variant": "on"}
        new = {"key": key, "name": "New checkout", "value_type": "boolean", "environments": production(True, testers, test)}
        new |= {"variants": [{"key": "on", "value": True}, {"key": "off", "value": False}]}
        self.api.call(201, "POST", "/flags", self.manager, new)
        read = self.api.call(200, "GET", f"/segments/{beta}", self.reader)
        expect("the flag uses the segment", {"kind": "flag", "id": key} in read["used_by"], read)
        off = {"environments": production(False, test), "reason": "errors"}
        changed = self.api.call(200, "PATCH", path, self.manager, off, any_version)
        expect("the flag is off", not changed["environments"]["production"]["enabled"], changed)
        self.api.call(200, "PATCH", path, self.manager, {"environments": production(True, testers, test)}, any_version)
        for version in (2, 1):
            reverted = self.api.call(200, "POST", f"{path}/revert", self.manager, {"version": version}, any_version)
        expect("the flag has its first content", len(reverted["environments"]["production"]["rules"]) == 2, reverted)
        self.api.call(200, "GET", path, self.reader)
        history = self.api.call(200, "GET", f"{path}/history", self.reader)
        expect("the history has all versions", len(history["entries"]) == 5, history)
        listed = self.api.call(200, "GET", "/flags?limit=100", self.reader)
        expect("the flag is listed", key in str(listed), listed)
        # Without the rule for testers, and with it again.
        for rules in ((test,), (testers, test)):
            draft = {"environments": production(True, *rules)}
            self.api.call(200, "PUT", f"{path}/draft", self.manager, {"name": "Of no use"}, any_version)
            self.api.call(200, "PUT", f"{path}/draft", self.manager, {"name": new["name"]}, any_version)
            saved = self.api.call(200, "PUT", f"{path}/draft", self.manager, draft, any_version)
            expect("the draft has the changes", saved["changes"], saved)
            published = self.api.call(200, "POST", f"{path}/publish", self.manager, None, any_version)
            expect("the draft is in use", len(published["environments"]["production"]["rules"]) == len(rules), published)
        self.evaluations(key)
        self.api.refused(409, "not_archived", "DELETE", path, self.manager, headers=any_version)
        self.api.call(200, "PATCH", path, self.manager, {"archived": True}, any_version)
        self.api.call(200, "DELETE", path, self.manager, None, any_version)
        read = self.api.call(200, "GET", f"/segments/{beta}", self.reader)
        expect("a deleted flag uses no segment", {"kind": "flag", "id": key} not in read["used_by"], read)

    def evaluations(self, key):
        """The flag, evaluated on each route for a user of its list, and for users about whom the experiment decides."""
        client_key = self.api.call(201, "POST", "/client-keys", self.manager, {"name": "SDK"})

        def evaluated(method, path, bearer, body=None):
            # A function that has other flags in memory reads the new one after `DefinitionCacheSeconds`.
            for _ in range(FLAG_SECONDS):
                answer = self.api.send(method, path, bearer, body, None)
                if answer.status == 200 and key in answer.text:
                    return answer.json
                time.sleep(1)
            expect(f"{method} {path} evaluates the flag", False, answer.text)

        # A user of the list needs its ids.
        context, attributes = {"context": {"targetingKey": self.user}}, {"attributes": {"id": self.user}}
        evaluated("POST", f"/ofrep/v1/evaluate/flags/{key}", client_key["key"], context)
        evaluated("POST", "/ofrep/v1/evaluate/flags", client_key["key"], context)
        evaluated("POST", f"/api/eval/{client_key['key']}", None, attributes)
        evaluated("POST", f"/flags/{key}/evaluate", self.reader, attributes)
        # These users are in the crowd of the experiment.
        context = {"context": {"targetingKey": "user-2"}}
        one = evaluated("POST", f"/ofrep/v1/evaluate/flags/{key}", client_key["key"], context)
        expect("the experiment decides", one["metadata"]["experiment"] == self.experiment, one)
        again = evaluated("POST", f"/ofrep/v1/evaluate/flags/{key}", self.visitor, context)
        expect("a user keeps the variant", again["variant"] == one["variant"], again)
        context = {"context": {"targetingKey": "user-3"}}
        evaluated("POST", "/ofrep/v1/evaluate/flags", client_key["key"], context)
        attributes = {"attributes": {"id": "user-4"}}
        evaluated("POST", f"/api/eval/{client_key['key']}", None, attributes)
        for user in ("user-2", "user-3", "user-4"):
            stored = self.api.call(200, "GET", f"{self.path}/assignment/{user}", self.visitor)
            expect("an evaluation stores the assignment", stored["reason"] == "existing", stored)
        explained = evaluated("POST", f"/flags/{key}/evaluate", self.reader, {"attributes": {"id": "user-5"}})
        expect("a trace has both rules", [step["rule"] for step in explained["trace"]] == ["testers", "test"], explained)
        # A flag with an id list is not among the features that SDKs evaluate.
        features = self.api.call(200, "GET", f"/api/features/{client_key['key']}")
        expect("features name no list", key not in features["features"], features)
        self.api.call(200, "DELETE", f"/client-keys/{client_key['id']}", self.manager)

    def page_events(self):
        """What the plugin of GrowthBook's SDK sends: exposures of an experiment that targets a list, and an event."""
        key, beta, any_version = f"page-{self.experiment}", f"beta-{self.experiment}", {"If-Match": "*"}
        targeting = {"id": {"$notInGroup": beta}}
        new = {"name": "Page", "copy_of": self.experiment, "targeting": targeting}
        experiment = self.api.call(201, "POST", "/experiments", self.manager, new)["id"]
        rule = {"id": "test", "type": "experiment", "experiment": experiment}
        rule |= {"variants": {"control": "off", "green": "on"}}
        production = {"enabled": True, "off_variant": "off", "default_variant": "off", "rules": [rule]}
        new = {"key": key, "name": "Page", "value_type": "boolean", "environments": {"production": production}}
        new |= {"variants": [{"key": "on", "value": True}, {"key": "off", "value": False}]}
        self.api.call(201, "POST", "/flags", self.manager, new)
        page = {"name": "Page", "event_types": ["purchase"]}
        page = self.api.call(201, "POST", "/client-keys", self.manager, page)

        def viewed(user):
            properties = {"experimentId": experiment, "variationId": "green", "hashAttribute": "id", "hashValue": user}
            return {"event_name": "Experiment Viewed", "properties_json": properties}

        # The second user is in a part of the list that has no ids.
        events = [viewed(self.user), viewed("page-user"), {"event_name": "purchase", "device_id": "page-user"}]
        path, where = f"/track?client_key={page['key']}", f"/experiments/{experiment}"
        for _ in range(FLAG_SECONDS):
            tracked = self.api.call(200, "POST", path, None, events)
            expect("all events are accepted", tracked["accepted"] == len(events), tracked)
            dry_run = f"{where}/assignment/page-user?enroll=false"
            if self.api.call(200, "GET", dry_run, self.visitor)["reason"] == "existing":
                break
            # The function has other flags in memory.
            time.sleep(1)
        stored = self.api.call(200, "GET", f"{where}/assignment/page-user", self.visitor)
        expect("the exposure is an assignment", stored["reason"] == "existing", stored)
        evaluated = {"event_name": "Feature Evaluated", "properties_json": {"feature": key}, "device_id": "page-user"}
        self.api.call(200, "POST", path, None, [evaluated])
        self.sticky_buckets(page["key"], experiment)
        self.api.call(200, "PATCH", where, self.manager, {"status": "stopped"}, any_version)
        self.api.call(200, "PATCH", f"/flags/{key}", self.manager, {"archived": True}, any_version)
        self.api.call(200, "DELETE", f"/client-keys/{page['id']}", self.manager)

    def sticky_buckets(self, client_key, experiment):
        """An SDK reads the variant of a user who is assigned, and claims those of one who is not."""
        path, bucket = f"/sticky/{client_key}", f"{experiment}__0"
        documents = self.api.call(200, "GET", f"{path}?attributes.id=page-user")["documents"]
        found = [document["assignments"].get(bucket) for document in documents.values()]
        expect("the document has the variant", found in (["green"], ["control"]), documents)

        def claim(user, variant):
            claims = {"attributeName": "id", "attributeValue": user, "assignments": {bucket: variant}}
            return self.api.call(200, "POST", path, None, claims)["assignments"][bucket]

        outcomes = {claim("sticky-user", variant) for variant in ("control", "green")}
        expect("the rules accept one of both variants", outcomes == {"stored", "contradicting"}, outcomes)
        # The experiment leaves out the users of a list, which is read for a user who is on it.
        outcome = claim(self.user, "green")
        expect("the list decides", outcome == "not_enrolled", outcome)

    def client_keys(self):
        """A public key is created, listed and revoked. It opens no route of tokens."""
        new = {"name": "Shop", "origins": ["https://shop.example"]}
        created = self.api.call(201, "POST", "/client-keys", self.manager, new)
        self.api.refused(403, "forbidden", "GET", "/experiments", created["key"])
        listed = self.api.call(200, "GET", "/client-keys?limit=100", self.manager)
        expect("the client key is listed", created in listed["client_keys"], listed)
        page = {"Origin": "https://shop.example"}
        track = f"/track?client_key={created['key']}"
        tracked = self.api.call(200, "POST", track, None, [{"event_name": "purchase", "device_id": "ada"}], page)
        expect("the key allows no event type", tracked["rejected"] == 1, tracked)
        self.api.refused(403, "forbidden", "POST", track, None, [])
        sticky = f"/sticky/{created['key']}"
        documents = self.api.call(200, "GET", f"{sticky}?attributes.id=ada", None, None, page)
        expect("the key shows no assignment without a flag", documents == {"documents": {}}, documents)
        claim = {"attributeName": "id", "attributeValue": "ada", "assignments": {f"{self.experiment}__0": "green"}}
        claimed = self.api.call(200, "POST", sticky, None, claim, page)
        expect("a page assigns in no experiment without a flag", set(claimed["assignments"].values()) == {"unknown"}, claimed)
        revoked = self.api.call(200, "DELETE", f"/client-keys/{created['id']}", self.manager)
        expect("the client key is revoked", "revoked_at" in revoked, revoked)
