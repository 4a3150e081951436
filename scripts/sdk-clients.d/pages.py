"""Runs the examples of docs/sdks.md as the page shows them, and compares what they print with the page.

The page has, for each client, a block with the install command, one with the program and one with its output. The versions
of the install command must be those of the lock files.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from common import TOKEN, URL, assignment, finish, must

DOCS = pathlib.Path(os.environ["SDK_DOCS"])
HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
RUNNERS = {"js": ["node"], "python": [sys.executable]}
COUNT = 8
# New flags are seen when the definitions that functions keep are older than a second, as the script has set.
DEFINITIONS_SECONDS = 1.5

lock = json.loads((HERE / "package-lock.json").read_text())["packages"]
VERSIONS = {name.removeprefix("node_modules/"): package["version"] for name, package in lock.items() if name.count("node_modules/") == 1}
VERSIONS |= dict(line.split("==") for line in (HERE / "requirements.txt").read_text().split())
PINNED = re.compile(r"([@\w][\w@/.-]*?)(?:==|@)(\d[\w.]*)")

blocks = re.findall(r"^```(\w+)\n(.*?)^```$", (DOCS / "sdks.md").read_text(), re.MULTILINE | re.DOTALL)
call = re.search(r"^call\(\).*$", (DOCS / "api.md").read_text(), re.MULTILINE).group()


def output(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False, **options)
    must(f"{command} ends well", done.returncode, 0)
    return done.stdout


def prepare(commands):
    """The environment that the commands of the page export."""
    definitions = f"set -euo pipefail\nAPI='{URL}'\nTOKEN='{TOKEN}'\n{call}\n"
    answers, _, exported = output(["bash", "-c", f"{definitions}{commands}echo ENVIRONMENT\nenv"]).rpartition("ENVIRONMENT\n")
    for answer in answers.splitlines():
        must(f"the command succeeds: {answer}", json.loads(answer).get("version"), 1)
    return dict(line.split("=", 1) for line in exported.splitlines() if line.startswith("ASSAY_"))


EXAMPLES.mkdir()
environment, run = {}, 0
for number, (language, text) in enumerate(blocks):
    if language == "sh" and "install" in text.split():
        for name, version in PINNED.findall(text):
            must(f"the page names the version of {name} that is tested", version, VERSIONS[name])
        must("each package has a version", len(PINNED.findall(text)), len(text.split()) - 2)
    elif language == "sh":
        environment |= prepare(text)
        time.sleep(DEFINITIONS_SECONDS)
    elif language in RUNNERS:
        run += 1
        if not shutil.which(RUNNERS[language][0]) or (language == "js" and not (HERE.parent / "node_modules").exists()):
            print(f"  skipped an example in {language}: it needs node and npm")
            continue
        program = EXAMPLES / re.match(r"(?://|#) (\S+)\n", text).group(1)
        must(f"{program.name} is a name of its own", program.exists(), False)
        program.write_text(text)
        following, expected = blocks[number + 1]
        must(f"{program.name} is followed by its output", following, "text")
        must(program.name, output([*RUNNERS[language], program.name], cwd=EXAMPLES, env=os.environ | environment), expected)
must("the server has stored the assignment of the examples", assignment("button-colour", "ann")["reason"], "existing")
must("every example of the page was found", run, COUNT)
finish("pages")
