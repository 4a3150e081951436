"""Compares the responses of the OFREP routes, with each status code, with the document of the protocol.

The document is data/ofrep/openapi-0.3.0.yaml in the folder that ASSAY_REFERENCE_DATA names. Not produced here: 429, because
the local platform does not throttle, and 500.
"""

import copy
import json
import os
import pathlib
import sys

import yaml
from common import CLIENT_KEY, FLAGS, api, finish, must, send
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DOCUMENT = pathlib.Path(os.environ.get("ASSAY_REFERENCE_DATA", "absent")) / "data/ofrep/openapi-0.3.0.yaml"
if not DOCUMENT.is_file():
    print("skipped: ASSAY_REFERENCE_DATA names no folder with data/ofrep/openapi-0.3.0.yaml")
    sys.exit(77)

ROOT = "/ofrep/v1/evaluate/flags"
SINGLE, BULK = f"{ROOT}/{{key}}", ROOT
USER = {"context": {"targetingKey": "document-zoé"}}
JSON = "application/json"


def amended(document):
    """The document without two contradictions in it."""
    document = copy.deepcopy(document)
    success = document["components"]["schemas"]["evaluationSuccess"]["allOf"]
    # `codeDefaultFlag` fits every object, so that exactly one of the schemas never fits a flag with a value.
    success[1]["anyOf"] = success[1].pop("oneOf")
    # OpenFeature's reason for the default variant, which the clients know.
    success[0]["properties"]["reason"]["enum"].append("DEFAULT")
    return document


def faults(document, schema, value):
    registry = Registry().with_resource("urn:ofrep", DRAFT202012.create_resource(document))
    reference = schema["$ref"]
    validator = Draft202012Validator({"$ref": f"urn:ofrep{reference}"}, registry=registry)
    return [error.message for error in validator.iter_errors(value)]


original = yaml.safe_load(DOCUMENT.read_text())
document = amended(original)
content = original["paths"][SINGLE]["post"]["responses"]["200"]["content"][JSON]
must("the amendment is needed for the document's own example", faults(original, content["schema"], content["example"]) != [], True)
must("and enough", faults(document, content["schema"], content["example"]), [])

seen = set()


def check(route, status, expected_code, response, schema_of=None):
    """One response. `schema_of` is the status whose schema holds, for a status that the document does not have."""
    found, headers, text = response
    must(f"{route} answers {expected_code or status}: {text[:200]}", found, status)
    seen.add((route, status, expected_code))
    described = document["paths"][route]["post"]["responses"][str(schema_of or status)]
    if "content" not in described:
        if status == 304:
            must("304 has no body", text, "")
        return headers, None
    must(f"{route} {status} is JSON", headers.get_content_type(), JSON)
    body = json.loads(text)
    must(f"{route} {status} {text[:200]}", faults(document, described["content"][JSON]["schema"], body), [])
    must(f"{route} {status} has its code", body.get("errorCode"), expected_code)
    if expected_code:
        must(f"{route} {status} says what is wrong", len(body.get("errorDetails", "")) > 20, True)
    return headers, body


def single(key, body, **options):
    return send("POST", f"{ROOT}/{key}", body, **options)


def bulk(body, **options):
    return send("POST", ROOT, body, **options)


for key in FLAGS:
    for token in (CLIENT_KEY, os.environ["ASSAY_TOKEN"]):
        _, body = check(SINGLE, 200, None, single(key, USER, token=token))
        must("the answer is about the flag", body["key"], key)
headers, body = check(BULK, 200, None, bulk(USER))
# Other tests have further flags.
must("no flag is missing", sorted(set(FLAGS) - {flag["key"] for flag in body["flags"]}), [])
check(BULK, 304, None, bulk(USER, headers={"If-None-Match": headers["ETag"]}))
_, body = check(BULK, 200, None, bulk({"context": {}}))
must("flags that need a user are errors", {flag.get("errorCode") for flag in body["flags"]}, {None, "TARGETING_KEY_MISSING"})

check(SINGLE, 404, "FLAG_NOT_FOUND", single("sdk-unknown", USER))
check(SINGLE, 400, "TARGETING_KEY_MISSING", single("sdk-tested", {"context": {"plan": "pro"}}))
origins = api("POST", "/client-keys", {"name": "A page", "origins": ["https://shop.example"]})["key"]
for route, post in ((SINGLE, lambda body, **options: single("sdk-tested", body, **options)), (BULK, bulk)):
    for body in (b"{", b"[]", b"", b"\xff"):
        check(route, 400, "PARSE_ERROR", post(body))
    check(route, 400, "PARSE_ERROR", post(json.dumps(USER).encode(), headers={"Content-Type": "text/plain"}))
    for context in ([], "ann", {"targetingKey": 7}, {"targetingKey": "a\u0000"}, {"targetingKey": "a" * 257}, {"targetingKey": "a", "id": "b"}):
        check(route, 400, "INVALID_CONTEXT", post({"context": context}))
    large = json.dumps({"context": {"targetingKey": "a", "text": "x" * (1 << 20)}}).encode()
    check(route, 413, "PARSE_ERROR", post(large), schema_of=400)
    for token in (None, "nonsense", "ck_AAAAAAAAAAAAAAAAAAAAAA"):
        check(route, 401, None, post(USER, token=token))
    check(route, 403, None, post(USER, token=origins, headers={"Origin": "https://other.example"}))
    check(route, 200, None, post(USER, token=origins, headers={"Origin": "https://shop.example"}))

codes = sorted({f"{status} {code}" if code else str(status) for _, status, code in seen})
print(f"  {', '.join(codes)}; not 429 and 500, which the local platform does not send")
finish("ofrep_document")
