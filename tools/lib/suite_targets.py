#!/usr/bin/python3
"""Prints the ninja targets that the tests of a meson suite need: BUILD_DIRECTORY SUITE."""

import json
import os
import subprocess
import sys

directory = os.path.abspath(sys.argv[1])
tests = json.loads(subprocess.check_output(["meson", "introspect", "--tests", directory]))
targets = set()
for test in tests:
    if sys.argv[2] in (suite.split(":")[-1] for suite in test["suite"]):
        targets.update(
            os.path.relpath(word, directory)
            for word in test["cmd"]
            if word.startswith(directory + os.sep)
        )
print("\n".join(sorted(targets)), end="\n" if targets else "")
