"""Which failures that Schemathesis finds are none, because a JSON schema cannot state the rule of the API.

Schemathesis expects that a request which follows the schema is accepted. The rules below are about several values of a
request together, about stored data, or about the length in bytes. A refusal is right only if each of its faults has one
of these codes at one of these positions. Every other refusal is a failure: then openapi.yaml lacks a rule.
"""

import json
import re

import schemathesis
from hypothesis import strategies
from schemathesis.core.errors import InvalidSchema
from schemathesis.generation.jsonschema import strategy

# Schemathesis 4.32.5 looks for elements that break one rule of a list and keep all others. If there are none, it leaves the list
# out, except within a schema that refers to itself: there it gives up the operation. Here it leaves the list out, too.
elements_of = strategy._repeated


def elements_or_none(*arguments, **options):
    try:
        return elements_of(*arguments, **options)
    except InvalidSchema:
        return strategies.nothing()


strategy._repeated = elements_or_none

# Position (a JSON pointer, `?name` or `{name}`), code, and the reason that no schema can state the rule.
RULES = [
    (r".*/variants", "wrong_sum", "the percentages add up to 100"),
    (r".*/(variants|metrics)/\d+/key|/users/\d+/user_id|/experiments/\d+|/prerequisites/\d+/flag|.*/variants/\d+/variant",
     "duplicate_key", "a schema compares whole elements, not their keys"),
    (r".*/rules/\d+/id", "duplicate_id", "the same"),
    (r".*/(starts|ends)_at|.*/sent_at|.*/timestamp|\?(from|to|as_of)|.*/assigned_at", "time_out_of_range",
     "on the first and the last day of the range, the offset decides"),
    (r"/ends_at", "ends_before_start", "the end is after the start"),
    (r"(/targeting|/overrides/\d+/condition|/exclude/condition|/condition|/environments/[^/]+/rules/\d+/condition).*", r"\w+", "the language of conditions has rules of its own"),
    (r"\?format", "no_picture", "which formats exist depends on the view"),
    (r".*/ramp/\d+/at", "not_in_order", "each step is later than the one before"),
    (r".*/rules/\d+/ends_at", "not_in_order", "the end is after the start"),
    (r"/environment|/environments/[^/]+", "unknown_environment", "environments are settings of the deployment"),
    (r"/origins/\d+", "bad_origin", "a schema does not measure the parts of a host name, nor compare a port"),
    (r"/environments/[^/]+/(off_variant|default_variant|rules/\d+/variants?(/.+)?)", "unknown_variant",
     "a schema cannot compare the keys of variants"),
    (r"/variants/\d+/value.*", "wrong_type|too_deep|too_long|out_of_range|empty|schema_mismatch",
     "the values have the `value_type` of the flag, fit its schema, and can be stored"),
    (r"/schema.*", r"\w+", "only objects have a schema, which is a JSON Schema without references"),
    (r"/prerequisites/\d+/flag", "unknown_flag|archived_flag|prerequisite_circle|too_deep", "flags are stored"),
    (r"/prerequisites/\d+/variants", "unknown_variant", "flags are stored"),
    (r"/archived|/variants", "in_use", "the flags that need a flag are stored"),
    (r".*/rules/\d+/experiment", "unknown_experiment|is_holdout", "experiments are stored"),
    (r".*/rules/\d+/variants", "missing_variant", "experiments are stored"),
    (r"/version", "unknown_version", "versions are stored"),
    (r"(/plan)?/power", "out_of_range", "the power is above alpha"),
    (r"/minimum_detectable_effect", "out_of_range", "a rate stays below 1"),
    (r"/plan/metric", "unknown_metric", "the metric of a plan is a declared one"),
    (r"/metric/metric|\?metrics", "unknown_metric", "metrics are stored in the experiment"),
    (r"/metric/metric", "not_planned", "the kind of a metric is stored in the experiment"),
    (r"/metric", "no_units|too_few_units|no_conversions|all_users_converted|zero_baseline|zero_variance|zero_denominator",
     "the numbers of an earlier experiment are stored"),
    (r"/metric/experiment_id|/copy_of|/experiments/\d+", "unknown_experiment", "experiments are stored"),
    (r"/exclude/dimensions/[a-z0-9_-]+", "unknown_dimension", "an exclusion is by declared dimensions"),
    (r"/layer/id|/holdout/layer", "unknown_layer", "layers are stored"),
    (r"/ids", "too_many", "the limit is that of added and removed ids together"),
    (r"/ids(/(add|remove))?/\d+", "erased|add_and_remove",
     "erased users are stored, and a schema does not compare two lists"),
    (r"/copy_of|/experiments/\d+", "is_holdout", "experiments are stored"),
    (r"(/overrides/\d+|/conclusion|/release)/variant", "unknown_variant", "variants are stored in the experiment"),
    (r"\?baseline", "unknown_variant", "variants are stored in the experiment"),
    (r"\?dimension", "unknown_dimension", "dimensions are stored in the experiment"),
    (r"\?[a-z0-9_-]+", "unknown_parameter", "the attributes of an assignment are the dimensions of the experiment"),
    (r"\?method", "no_planned_end", "the method depends on the end of the experiment"),
    (r"\?source", "no_aggregates|backfill_running|custom_start|partial_day|dimension_filter|outlier_users_changed",
     "whether aggregates can answer depends on stored data and on other parameters"),
    (r"\?(to|as_of)", "empty_window", "the end of the time range is after its start"),
    (r"\?as_of|/timestamp", "in_the_future", "the present changes"),
    (r"\?cursor", "bad_cursor", "a cursor comes from an earlier response"),
    (r"\{user_id\}|.*/(user_id|event_id|type|event_type)", "too_long", "the limit is in bytes of UTF-8"),
    (r".*/properties", "too_large", "the limit is in bytes of JSON"),
]

# Problems without a list of faults.
PROBLEMS = {
    "stale_version": "the version in `If-Match` is stored",
    "if_match_required": "whether a layer exists, and a request changes it, is stored",
    "too_much_work": "the cost of results depends on the stored data",
    "too_deep": "`properties` of an event has any form, up to a depth",
}

# Codes of OFREP, whose errors have no list of faults.
EVALUATION_FAILURES = {
    "TARGETING_KEY_MISSING": "whether a flag needs a user is stored",
    "INVALID_CONTEXT": "limits of a context are in bytes and in levels, and `id` equals the user id",
}


def body_of(response):
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def is_beyond_a_schema(response):
    if response.status_code == 414:
        # The limit of API Gateway is in bytes of the percent-encoded path.
        return True
    problem = body_of(response)
    faults = problem.get("errors")
    if not faults:
        return problem.get("code") in PROBLEMS or problem.get("errorCode") in EVALUATION_FAILURES
    return all(
        any(re.fullmatch(code, fault["code"]) and re.fullmatch(position, fault["pointer"], re.DOTALL) for position, code, _ in RULES)
        for fault in faults
    )


def has_rejected_rows(response):
    """A list of events or assignments is accepted as a list. The response rejects its invalid elements one by one."""
    return response.status_code == 200 and body_of(response).get("rejected", 0) > 0


def is_about_all_rows(failure, response):
    """Rows are read one by one after the experiment. An experiment that takes no rows refuses them all, invalid ones too."""
    takes_none = body_of(response).get("code") in ("not_started", "in_layer", "is_holdout")
    return response.status_code == 409 and takes_none and "/assignments/items/" in failure.message


CREATED = set()


@schemathesis.hook
def after_call(context, case, response):
    """Remembers the ids of created experiments."""
    if response.status_code == 201:
        CREATED.add(body_of(response).get("id"))


@schemathesis.hook
def map_body(context, body):
    """Makes generated experiments valid as a whole: most would be refused otherwise. Invalid elements stay invalid."""
    if not isinstance(body, dict):
        return body
    body = dict(body)
    is_experiment = "variants" in body or "copy_of" in body
    if is_experiment and isinstance(body.get("id"), str) and body["id"] in CREATED:
        del body["id"]
    for name in ("variants", "metrics"):
        if isinstance(body.get(name), list):
            body[name] = with_unique_keys(body[name])
    if "environments" in body and isinstance(body.get("variants"), list):
        body = with_known_variants(body)
    if are_weighted(body.get("variants")):
        body["variants"] = with_sum_of_100(body["variants"])
    return body


def with_unique_keys(elements):
    seen, unique = set(), []
    for index, element in enumerate(elements):
        key = element.get("key") if isinstance(element, dict) else None
        if isinstance(key, str):
            if key in seen:
                element = element | {"key": f"{key[:100]}.{index}"}
            seen.add(element["key"])
        unique.append(element)
    return unique


def with_known_variants(flag):
    """A flag whose valid names of variants are those of its variants, and whose values have one type."""
    variants = [variant for variant in flag["variants"] if isinstance(variant, dict)]
    keys = [variant["key"] for variant in variants if is_key(variant.get("key"))]
    values = [variant["value"] for variant in variants if "value" in variant]
    kinds = {bool: "boolean", str: "string", int: "integer", float: "number", dict: "object"}
    if keys and isinstance(flag["environments"], dict):
        flag["environments"] = {name: renamed(environment, keys[0]) for name, environment in flag["environments"].items()}
    if values and flag.get("value_type") in kinds.values() and type(values[0]) in kinds:
        flag["value_type"] = kinds[type(values[0])]
        flag["variants"] = [
            variant | {"value": values[0]} if isinstance(variant, dict) and type(variant.get("value")) in kinds else variant
            for variant in flag["variants"]
        ]
    return flag


def renamed(environment, key):
    if not isinstance(environment, dict):
        return environment
    names = {name: key for name in ("off_variant", "default_variant") if is_key(environment.get(name))}
    return environment | names


def is_key(value):
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", value, re.ASCII) is not None


def are_weighted(variants):
    return isinstance(variants, list) and 2 <= len(variants) <= 20 and all(
        isinstance(variant, dict)
        and type(variant.get("percent")) in (int, float)
        and 0 <= variant["percent"] <= 100
        for variant in variants
    ) and any(variant["percent"] for variant in variants)


def with_sum_of_100(variants):
    weights = [variant["percent"] and max(variant["percent"], 0.001) for variant in variants]
    return [variant | {"percent": weight / sum(weights) * 100} for variant, weight in zip(variants, weights)]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps a failure if this returns true."""
    kind = type(failure).__name__
    if kind == "RejectedPositiveData":
        return not is_beyond_a_schema(response)
    if kind == "AcceptedNegativeData":
        return not has_rejected_rows(response) and not is_about_all_rows(failure, response)
    if kind == "UseAfterFree":
        # Who deleted a segment or a flag is found in its history.
        return not case.operation.path.endswith("/history")
    return True
