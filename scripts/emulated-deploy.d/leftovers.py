"""What exists in the emulator of a stack."""

from checks import expect

# Versions exist only together with their function, and the emulator has the account's setting without a name.
WITHOUT_OWN_NAME = {"AWS::Lambda::Version", "AWS::ApiGateway::Account"}


def retained(template, resources):
    """Physical ids of the resources that the template keeps when its stack is deleted."""
    kept = set()
    for name, resource in template["Resources"].items():
        keeps = resource.get("DeletionPolicy", "Delete").startswith("Retain")
        if keeps and resource["Type"] not in WITHOUT_OWN_NAME and name in resources:
            kept.add(resources[name])
    return kept


def existing(emulator, stack):
    """Names of everything that carries the name of the stack."""
    pages = lambda service, call, key: [  # noqa: E731
        item for page in emulator.client(service).get_paginator(call).paginate() for item in page[key]
    ]
    found = set(pages("dynamodb", "list_tables", "TableNames"))
    found |= {function["FunctionName"] for function in pages("lambda", "list_functions", "Functions")}
    found |= {mapping["FunctionArn"] for mapping in pages("lambda", "list_event_source_mappings", "EventSourceMappings")}
    found |= {role["RoleName"] for role in pages("iam", "list_roles", "Roles")}
    found |= {group["logGroupName"] for group in pages("logs", "describe_log_groups", "logGroups")}
    found |= {alarm["AlarmName"] for alarm in pages("cloudwatch", "describe_alarms", "MetricAlarms")}
    found |= {dashboard["DashboardName"] for dashboard in pages("cloudwatch", "list_dashboards", "DashboardEntries")}
    found |= {rule["Name"] for rule in emulator.client("events").list_rules()["Rules"]}
    found |= {parameter["Name"] for parameter in pages("ssm", "describe_parameters", "Parameters")}
    found |= set(emulator.client("sqs").list_queues().get("QueueUrls", []))
    found |= {api["name"] for api in pages("apigateway", "get_rest_apis", "items")}
    return {name for name in found if stack in name}


def expect_only(emulator, stack, names):
    """Fails unless exactly these names exist of the stack."""
    found = existing(emulator, stack)
    expect("of the deleted stack, only what the template retains is left", found == names, sorted(found ^ names))


def protected_tables(emulator, stack):
    """Tables of the stack that DynamoDB refuses to delete."""
    client = emulator.client("dynamodb")
    tables = [name for name in existing(emulator, stack) if "Table-" in name]
    described = [client.describe_table(TableName=name)["Table"] for name in tables]
    return [table["TableName"] for table in described if table.get("DeletionProtectionEnabled")]
