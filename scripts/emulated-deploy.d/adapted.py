"""The expanded template without what the emulator lacks."""

import copy
import re

# Types of resources that the emulator does not know. Any other unknown type fails the deployment.
LACKING_TYPES = {
    "AWS::Budgets::Budget": "there are no costs",
    "AWS::CodeDeploy::Application": "there are no canaries; an update moves the alias at once",
    "AWS::CodeDeploy::DeploymentGroup": "there are no canaries; an update moves the alias at once",
    "AWS::XRay::SamplingRule": "there are no traces",
}


def _lacks(resource):
    metric_math = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    return metric_math or resource["Type"] in LACKING_TYPES


def adapt(expanded):
    """Returns the template for the emulator, and the logical ids of the dropped resources by type."""
    template = copy.deepcopy(expanded)
    resources = template["Resources"]
    dropped = {}
    for name in [name for name, resource in resources.items() if _lacks(resource)]:
        dropped.setdefault(resources.pop(name)["Type"], []).append(name)
    gone = {name for names in dropped.values() for name in names}
    for resource in resources.values():
        # Only the traffic shift of CodeDeploy uses this attribute.
        resource.pop("UpdatePolicy", None)
        needed = resource.pop("DependsOn", [])
        needed = [name for name in ([needed] if isinstance(needed, str) else needed) if name not in gone]
        if needed:
            resource["DependsOn"] = needed
        if resource["Type"] == "AWS::CloudWatch::Dashboard":
            body = resource["Properties"]["DashboardBody"]
            body["Fn::Sub"] = re.sub(r"\$\{(\w+)\.Arn\}", lambda found: "" if found[1] in gone else found[0], body["Fn::Sub"])
    _separate_gateway_responses(resources)
    return template, dropped


def _separate_gateway_responses(resources):
    """The emulator ignores gateway responses in an OpenAPI document, and knows them as resources."""
    for name, api in list(resources.items()):
        if api["Type"] != "AWS::ApiGateway::RestApi":
            continue
        declared = api["Properties"]["Body"].pop("x-amazon-apigateway-gateway-responses")
        separated = []
        for kind, response in declared.items():
            properties = {"RestApiId": {"Ref": name}, "ResponseType": kind}
            for key, value in response.items():
                properties[key[0].upper() + key[1:]] = str(value) if key == "statusCode" else value
            logical_id = name + "Response" + kind.title().replace("_", "")
            resources[logical_id] = {"Type": "AWS::ApiGateway::GatewayResponse", "Properties": properties}
            separated.append(logical_id)
        for deployment in resources.values():
            if deployment["Type"] == "AWS::ApiGateway::Deployment" and deployment["Properties"]["RestApiId"] == {"Ref": name}:
                deployment["DependsOn"] = deployment.get("DependsOn", []) + separated
