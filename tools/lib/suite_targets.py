#!/usr/bin/python3
"""Prints the ninja targets that the tests of a meson suite need: BUILD_DIRECTORY SUITE."""

import json
import os
import subprocess
import sys

directory = os.path.abspath(sys.argv[1])


def introspect(what):
    return json.loads(subprocess.check_output(["meson", "introspect", what, directory]))


# A test's own program is among these, and so are those that its arguments name.
files = {target["id"]: target["filename"] for target in introspect("--targets")}
targets = {
    os.path.relpath(file, directory)
    for test in introspect("--tests")
    if sys.argv[2] in (suite.split(":")[-1] for suite in test["suite"])
    for target in test["depends"]
    for file in files[target]
}
print("\n".join(sorted(targets)), end="\n" if targets else "")
