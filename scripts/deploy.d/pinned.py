"""Runs a script with the Python of a pinned tool, which has the packages that the script needs."""

import importlib.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def python_of(tool, *packages):
    """Starts the script again with the tool's Python, unless this one has all of these packages."""
    if all(importlib.util.find_spec(package) for package in packages):
        return
    tools = subprocess.run([ROOT / "scripts/tools", tool], check=True, stdout=subprocess.PIPE, text=True)
    python = pathlib.Path(tools.stdout.strip()) / "python"
    os.execv(python, [python, *sys.argv])
