"""The template as CloudFormation sees it: expanded by the library that the SAM transform of AWS uses.

Roles, permissions, versions and the API definition exist only after the transform. Needs `aws-sam-translator`, which
comes with `scripts/tools template` and `scripts/tools emulator`.
"""

import logging
import os
import pathlib

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")  # the transform wants a Region
logging.getLogger("samtranslator").setLevel(logging.ERROR)

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

TEMPLATE = pathlib.Path(__file__).parent.parent.parent / "template.yaml"

# The transform asks AWS for the ARNs of the managed policies that it adds by itself. These are the ones we accept,
# for roles that this service may assume, and why.
MANAGED_POLICIES = {
    # Writes to the function's log group. Broader than that group, but SAM adds it to every role that it makes.
    "service-role/AWSLambdaBasicExecutionRole": "lambda.amazonaws.com",
    # Reads the streams that feed the function. SAM adds it to the role of every function that has one.
    "service-role/AWSLambdaDynamoDBExecutionRole": "lambda.amazonaws.com",
    # Sends trace segments, which belong to no resource that a policy could name.
    "AWSXrayWriteOnlyAccess": "lambda.amazonaws.com",
    # Shifts traffic between versions during a deployment.
    "service-role/AWSCodeDeployRoleForLambda": "codedeploy.amazonaws.com",
    # Access logs, for every API of the account: the setting is one per account.
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs": "apigateway.amazonaws.com",
}


class ManagedPolicies:
    """Stands in for the service's list of managed policies."""

    def load(self):
        return {path.rsplit("/", 1)[-1]: f"arn:aws:iam::aws:policy/{path}" for path in MANAGED_POLICIES}


def written():
    """The template as it is written."""
    return yaml_parse(TEMPLATE.read_text())


def binary_of(function):
    """The binary that a function of the template runs."""
    return function["Metadata"]["BuildProperties"]["Binary"]


def functions_of(template):
    """The functions of a written template by logical id."""
    resources = template["Resources"].items()
    return {name: resource for name, resource in resources if resource["Type"] == "AWS::Serverless::Function"}


def expand(parameters, code_uri=lambda binary: f"s3://code/{binary}.zip", template=None):
    """The expanded template. `code_uri` gives the place of the built code of a binary."""
    template = template or written()
    del template["Globals"]["Function"]["CodeUri"]
    for function in functions_of(template).values():
        function["Properties"]["CodeUri"] = code_uri(binary_of(function))
    return transform(template, dict(parameters), ManagedPolicies())
