"""growthbook for Python: it evaluates flags by itself, or asks the server (remote evaluation)."""

from common import CLIENT_KEY, PLAIN, URL, WRONG_KEYS, assignment, finish, must, split
from growthbook import GrowthBook


def started(attributes, client_key=CLIENT_KEY, remote_eval=False):
    seen = []
    growthbook = GrowthBook(
        api_host=URL,
        client_key=client_key,
        attributes=dict(attributes),  # destroy() clears the dictionary
        remote_eval=remote_eval,
        on_experiment_viewed=lambda experiment, result, **_: seen.append((experiment.key, result.key)),
    )
    growthbook.load_features(force_refresh=True)
    return growthbook, seen


for remote_eval in (False, True):
    prefix = "py-remote" if remote_eval else "py-local"

    def values(attributes, *keys, client_key=CLIENT_KEY):
        growthbook, _ = started(attributes, client_key, remote_eval)
        found = [growthbook.get_feature_value(key, otherwise) for key, otherwise in keys]
        growthbook.destroy()
        return found

    ann = {"id": f"{prefix}-ann", "age": 30}
    found = values(ann, *((key, otherwise) for key, _, _, otherwise in PLAIN))
    for (key, _, value, _), got in zip(PLAIN, found, strict=True):
        must(f"{key} has its value", got, value)
    others = [("sdk-disabled", "x"), ("sdk-unknown", "x"), ("sdk-targeted", "x")]
    must("other flags", values({**ann, "plan": "free"}, *others), ["off", "x", "basic"])
    must("the targeting rule matches", values({**ann, "plan": "pro"}, *others), ["off", "x", "extended"])
    must("both parts must match", values({**ann, "plan": "pro", "age": 17}, *others), ["off", "x", "basic"])
    must("without a user", values({}, ("sdk-tested", "x")), ["not enrolled"])

    def evaluate(id):
        growthbook, seen = started({"id": id}, remote_eval=remote_eval)
        rollout, tested = growthbook.get_feature_value("sdk-rollout", None), growthbook.get_feature_value("sdk-tested", None)
        must(f"the experiment of {id} is reported once", seen, [("sdk-test", assignment("sdk-test", id)["variant"])])
        growthbook.destroy()
        return rollout, tested

    # Only remote evaluation stores assignments: a client that evaluates by itself sends its exposures as events.
    split(prefix, evaluate, stored=remote_eval)

    for wrong in WRONG_KEYS:
        must("a wrong key gets defaults", values(ann, ("sdk-boolean", "x"), client_key=wrong), ["x"])
finish("growthbook_python")
