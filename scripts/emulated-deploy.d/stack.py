"""A CloudFormation stack of the emulator."""

import itertools
import json
import time

from botocore.exceptions import ClientError

from checks import Failure
from emulator import CODE_BUCKET

CHANGE_SECONDS = 120
_NUMBERS = itertools.count(1)


class Stack:
    """A stack by name. It need not exist yet."""

    def __init__(self, emulator, name):
        self.emulator = emulator
        self.name = name
        self.cloudformation = emulator.client("cloudformation")

    def _description(self):
        try:
            return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError:
            return None

    def _settled(self):
        deadline = time.monotonic() + CHANGE_SECONDS
        while time.monotonic() < deadline:
            described = self._description()
            if described is None or not described["StackStatus"].endswith("_IN_PROGRESS"):
                return described["StackStatus"] if described else "DELETE_COMPLETE"
            time.sleep(0.2)
        raise Failure(f"the stack {self.name} does not settle")

    def failures(self):
        """What failed, with the reason."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
        events = [event for page in pages for event in page["StackEvents"] if event["ResourceStatus"].endswith("_FAILED")]
        return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in events]

    def change(self, template, parameters, **options):
        """Creates or updates the stack by a change set. Returns the final status and the changes."""
        described = self._description()
        kind = "CREATE" if described is None or described["StackStatus"] == "REVIEW_IN_PROGRESS" else "UPDATE"
        key = f"{self.name}-{next(_NUMBERS)}.json"
        self.emulator.client("s3").put_object(Bucket=CODE_BUCKET, Key=key, Body=json.dumps(template))
        request = {
            "StackName": self.name,
            "ChangeSetName": f"change-{next(_NUMBERS)}",
            "ChangeSetType": kind,
            "TemplateURL": f"{self.emulator.url}/{CODE_BUCKET}/{key}",
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        }
        change_set = self.cloudformation.create_change_set(**(request | options))["Id"]
        changes = self._changes(change_set)
        self.cloudformation.execute_change_set(ChangeSetName=change_set)
        return self._settled(), changes

    def _changes(self, change_set):
        deadline = time.monotonic() + CHANGE_SECONDS
        while time.monotonic() < deadline:
            described = self.cloudformation.describe_change_set(ChangeSetName=change_set)
            if described["Status"] == "FAILED":
                raise Failure(f"the change set of {self.name} fails: {described.get('StatusReason')}")
            if described["Status"] == "CREATE_COMPLETE":
                return [change["ResourceChange"] for change in described["Changes"]]
            time.sleep(0.1)
        raise Failure(f"the change set of {self.name} is never complete")

    def deploy(self, template, parameters, **options):
        """As `change`, but fails unless the change is complete. Returns the changes."""
        status, changes = self.change(template, parameters, **options)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
            raise Failure(f"{self.name} is {status}: {'; '.join(self.failures())}")
        return changes

    def delete(self):
        """Deletes the stack. Returns its final status."""
        identifier = self._description()["StackId"]
        self.cloudformation.delete_stack(StackName=self.name)
        deadline = time.monotonic() + CHANGE_SECONDS
        while time.monotonic() < deadline:
            status = self.cloudformation.describe_stacks(StackName=identifier)["Stacks"][0]["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.2)
        raise Failure(f"the stack {self.name} is not deleted")

    def outputs(self):
        return {output["OutputKey"]: output["OutputValue"] for output in self._description().get("Outputs", [])}

    def parameters(self):
        return {one["ParameterKey"]: one["ParameterValue"] for one in self._description()["Parameters"]}

    def resources(self):
        """Physical ids by logical id."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = [resource for page in pages for resource in page["StackResourceSummaries"]]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}
