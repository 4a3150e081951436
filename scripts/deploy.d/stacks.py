"""A deployed stack: its template, its parameters, and changes of it."""

import json
import pathlib
import sys
import time

from botocore.exceptions import ClientError

POLICY = pathlib.Path(__file__).parent.parent.parent / "infra/stack-policy.json"
ANY_UPDATE = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}]}
# SAM CLI keeps code and templates in the bucket of this stack.
SAM_STACK, SAM_BUCKET = "aws-sam-cli-managed-default", "SamCliSourceBucket"
CHANGE_SECONDS = 3600


def wait_until(what, attempt, seconds=CHANGE_SECONDS):
    """Calls `attempt` until it returns a true value, and returns that value."""
    deadline = time.monotonic() + seconds
    while not (found := attempt()):
        if time.monotonic() > deadline:
            sys.exit(f"{what} is not complete after {seconds} seconds")
        time.sleep(1)
    return found


class Stack:
    """A stack by name."""

    def __init__(self, session, name, bucket=None):
        self.client = session.client("cloudformation")
        self.s3 = session.client("s3")
        self.name = name
        self._bucket = bucket

    def described(self):
        """The description of the stack, or None if there is none."""
        try:
            return self.client.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def parameters(self):
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.described().get("Parameters", [])}

    def outputs(self):
        return {one["OutputKey"]: one["OutputValue"] for one in self.described().get("Outputs", [])}

    def resources(self):
        """Type and physical id by logical id."""
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = [resource for page in pages for resource in page["StackResourceSummaries"]]
        return {one["LogicalResourceId"]: (one["ResourceType"], one["PhysicalResourceId"]) for one in found}

    def template(self, stage):
        """The template as it was deployed (`Original`), or as it was transformed (`Processed`)."""
        return self.client.get_template(StackName=self.name, TemplateStage=stage)["TemplateBody"]

    def delete(self):
        identifier = self.described()["StackId"]
        self.client.delete_stack(StackName=self.name)
        self.client.get_waiter("stack_delete_complete").wait(StackName=identifier)

    def protect(self):
        """From now on, an update that would replace or delete a table fails before it changes anything."""
        self.client.set_stack_policy(StackName=self.name, StackPolicyBody=POLICY.read_text())

    def unprotect(self):
        self.client.set_stack_policy(StackName=self.name, StackPolicyBody=json.dumps(ANY_UPDATE))

    def bucket(self):
        """The bucket for templates, which are too long for a request."""
        if self._bucket is None:
            resource = self.client.describe_stack_resource(StackName=SAM_STACK, LogicalResourceId=SAM_BUCKET)
            self._bucket = resource["StackResourceDetail"]["PhysicalResourceId"]
        return self._bucket

    def change(self, template, parameters=None, **options):
        """Changes the stack and waits until that is complete. Without `parameters`, they keep their values."""
        number = time.time_ns()
        key = f"{self.name}/change-{number}.template"
        body = template if isinstance(template, str) else json.dumps(template)
        self.s3.put_object(Bucket=self.bucket(), Key=key, Body=body.encode())
        place = {"Bucket": self.bucket(), "Key": key}
        url = self.s3.generate_presigned_url("get_object", Params=place).split("?")[0]
        if parameters is None:
            values = [{"ParameterKey": name, "UsePreviousValue": True} for name in self.parameters()]
        else:
            values = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        request = {"TemplateURL": url, "Parameters": values, "Capabilities": ["CAPABILITY_IAM"], "ChangeSetType": "UPDATE"}
        request |= {"StackName": self.name, "ChangeSetName": f"change-{number}"} | options
        change_set = self.client.create_change_set(**request)["Id"]

        def created():
            described = self.client.describe_change_set(ChangeSetName=change_set)
            return described if described["Status"] in ("CREATE_COMPLETE", "FAILED") else None

        described = wait_until("the change set", created)
        if described["Status"] == "FAILED":
            reason = described.get("StatusReason", "")
            if "didn't contain changes" in reason or "No updates" in reason:
                return
            sys.exit(f"the change set fails: {reason}")
        self.client.execute_change_set(ChangeSetName=change_set)
        wait_until("the change", lambda: not self.described()["StackStatus"].endswith("_IN_PROGRESS"))
        status = self.described()["StackStatus"]
        if status not in ("UPDATE_COMPLETE", "IMPORT_COMPLETE"):
            sys.exit(f"the stack is {status}; its events have the reason")
