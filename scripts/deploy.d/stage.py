#!/usr/bin/env python3
"""Steps of scripts/deploy that SAM CLI does not have.

Usage: stage.py before STACK FILE     keeps template and parameters in FILE; prints `first` or `update`
       stage.py protect STACK         sets the stack policy
       stage.py rollback STACK FILE   deploys what FILE keeps
"""

import argparse
import json
import pathlib
import sys

import boto3
from stacks import Stack


def before(stack, file):
    described = stack.described()
    if described and described["StackStatus"] == "ROLLBACK_COMPLETE":
        # Its creation failed, so it has no resources, and CloudFormation cannot update it.
        print(f"deletes {stack.name}, whose creation failed", file=sys.stderr)
        stack.delete()
        described = None
    if not described or described["StackStatus"] == "REVIEW_IN_PROGRESS":
        file.write_text("null")
        print("first")
        return
    file.write_text(json.dumps({"template": stack.template("Original"), "parameters": stack.parameters()}))
    print("update")


def rollback(stack, file):
    previous = json.loads(file.read_text())
    if previous is None:
        sys.exit(f"{stack.name} is new, so there is no earlier state; delete it, or correct the cause and deploy again")
    # A parameter that the earlier template does not have is not among its values.
    stack.change(previous["template"], previous["parameters"])
    print(f"{stack.name} is as before the deployment")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["before", "protect", "rollback"])
    parser.add_argument("stack")
    parser.add_argument("file", nargs="?", type=pathlib.Path)
    parser.add_argument("--region")
    parser.add_argument("--bucket")
    options = parser.parse_args()
    stack = Stack(boto3.Session(region_name=options.region or None), options.stack, options.bucket)
    match options.step:
        case "before":
            before(stack, options.file)
        case "protect":
            stack.protect()
        case "rollback":
            rollback(stack, options.file)


if __name__ == "__main__":
    main()
