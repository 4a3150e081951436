"""openfeature-sdk with openfeature-provider-ofrep: one request for each evaluation."""

from common import CLIENT_KEY, PLAIN, TOKEN, URL, WRONG_KEYS, finish, must, split
from openfeature import api as openfeature
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason


def client_with(token):
    openfeature.set_provider(OFREPProvider(URL, headers_factory=lambda: {"Authorization": f"Bearer {token}"}))
    return openfeature.get_client()


def user(targeting_key, **attributes):
    return EvaluationContext(targeting_key=targeting_key, attributes=attributes)


# A server has a token with the scope `assign`, or a client key.
for credential in (TOKEN, CLIENT_KEY):
    client = client_with(credential)
    read = {
        bool: client.get_boolean_details,
        str: client.get_string_details,
        int: client.get_integer_details,
        float: client.get_float_details,
        dict: client.get_object_details,
    }
    for key, variant, value, otherwise in PLAIN:
        details = read[type(otherwise)](key, otherwise, user("py-ann"))
        must(f"{key} has its value", details.value, value)
        must(f"{key} has its variant", details.variant, variant)
        must(f"{key} has no error", details.error_code, None)

wrong_type = client.get_string_details("sdk-boolean", "x", user("py-ann"))
must("another type is refused", (wrong_type.value, wrong_type.error_code), ("x", ErrorCode.TYPE_MISMATCH))
disabled = client.get_string_details("sdk-disabled", "x", user("py-ann"))
must("a disabled flag has the off variant", (disabled.value, disabled.reason), ("off", Reason.DISABLED))
unknown = client.get_string_details("sdk-unknown", "x", user("py-ann"))
must("an unknown flag has the default", (unknown.value, unknown.error_code), ("x", ErrorCode.FLAG_NOT_FOUND))

for plan, age, value, reason in (
    ("free", 30, "basic", Reason.DEFAULT),
    ("pro", 30, "extended", Reason.TARGETING_MATCH),
    ("pro", 17, "basic", Reason.DEFAULT),
    ("team", 18, "extended", Reason.TARGETING_MATCH),
):
    targeted = client.get_string_details("sdk-targeted", "x", user("py-ann", plan=plan, age=age))
    must(f"the rule decides for {plan} and {age}", (targeted.value, targeted.reason), (value, reason))

split(
    "python",
    lambda id: (client.get_boolean_value("sdk-rollout", False, user(id)), client.get_string_value("sdk-tested", "x", user(id))),
    stored=True,
)
for anonymous in (None, EvaluationContext(), user(None, country="DE")):
    details = client.get_string_details("sdk-tested", "x", anonymous)
    must("without a user, an experiment has the default", (details.value, details.error_code), ("x", ErrorCode.TARGETING_KEY_MISSING))
    must("and a flag that needs no user its value", client.get_boolean_value("sdk-boolean", False, anonymous), True)
invalid = client.get_string_details("sdk-tested", "x", user("py-ann", id="another"))
must("a context with two users is refused", (invalid.value, invalid.error_code), ("x", ErrorCode.INVALID_CONTEXT))

for wrong in WRONG_KEYS:
    details = client_with(wrong).get_boolean_details("sdk-boolean", False, user("py-ann"))
    must("a wrong key gets defaults", (details.value, details.reason), (False, Reason.ERROR))
    must("with 401", details.error_message, "unauthorized")
openfeature.shutdown()
finish("openfeature_python")
