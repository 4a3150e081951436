"""Settings of the versions that serve requests."""

# Settings of a version that the template sets.
VERSIONED = ("Environment", "LoggingConfig", "Architectures", "MemorySize", "Timeout", "CodeSha256")
ALIAS = "live"


def stale(client, functions):
    """What differs between the version behind the alias and the latest settings, for functions by logical id.

    Returns sentences, and the configuration of each version behind the alias.
    """
    problems, live = [], {}
    for logical_id, name in functions.items():
        latest = client.get_function_configuration(FunctionName=name)
        live[logical_id] = client.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
        for setting in VERSIONED:
            if live[logical_id].get(setting) != latest.get(setting):
                problems.append(
                    f"the alias of {logical_id} has another {setting} than the latest one: "
                    f"{live[logical_id].get(setting)} instead of {latest.get(setting)}"
                )
    return problems, live
