#!/usr/bin/python3
"""Every C++ file is formatted as clang-format 19 would, and no text file has stray white space."""

import re
import shutil
import subprocess
import sys

import sources


def main():
    formatter = shutil.which("clang-format-19")
    if formatter is None:
        print("clang-format-19 is missing; tools/test.sh installs it")
        sys.exit(1)
    files = [str(path) for path in sources.find()]
    problems = []
    if files:
        complaints = subprocess.run(
            [formatter, "--dry-run", "-Werror", *files],
            cwd=sources.ROOT, check=False, capture_output=True, text=True,
        ).stderr
        lines = re.findall(r"^(.+?):(\d+):\d+: error", complaints, re.MULTILINE)
        first = {path: line for path, line in reversed(lines)}
        problems += [f"{path}:{line}: run clang-format-19 -i on it"
                     for path, line in sorted(first.items())]
    texts = sources.find((".py", ".sh", "meson.build", ".md"), (*sources.TOP, "docs"))
    for path in texts:
        text = sources.read(path)
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip():
                problems.append(f"{path}:{number}: white space at the end of the line")
        if text and not text.endswith("\n"):
            problems.append(f"{path}:1: no newline at the end of the file")
    sources.finish(problems)


if __name__ == "__main__":
    main()
