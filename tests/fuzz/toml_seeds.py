#!/usr/bin/python3
"""Seeds for fuzz-toml, from what operators copy: toml_seeds.py DIRECTORY writes there the example
configuration, the examples of OPERATING.md, and each documented key with its default, in a file and as -O."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ARRAYS = ("queue_group", "route", "egress", "destination")
# What stands for a default that is written in words.
SAMPLES = {"string": '"may"', "domain": '"a.example"', "domains": '["a.example", "*.b.example"]',
           "names": '["a"]', "host": '"mx.example:25"', "hosts": '["mx.example", "[::1]:25"]',
           "endpoint": '"127.0.0.1:9125"', "endpoints": '["127.0.0.1:53"]',
           "networks": '["192.0.2.0/24"]', "number": "1", "rate": '"100/s"', "size": '"64M"',
           "duration": '"2h30m"', "boolean": "true", "ipv4": '"192.0.2.1"', "ipv6": '"2001:db8::1"'}


def documented(manual):
    """(table, key, value) of every row of the tables of keys."""
    for row in re.findall(r"(?m)^\| `(\w+)\.(\w+)` \| (\S+) \| \S+ \| (.*?) \|", manual):
        table, key, kind, default = row
        literal = default.strip("`") if default.startswith("`") else None
        yield table, key, literal or SAMPLES.get(key) or SAMPLES[kind]


def seeds():
    yield (ROOT / "dist" / "ringpost.toml").read_text()
    manual = (ROOT / "docs" / "OPERATING.md").read_text()
    for block in re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", manual):
        text = "".join(line[4:] + "\n" for line in block.splitlines())
        if re.search(r"(?m)^\[", text):
            yield text
    tables = {}
    for table, key, value in documented(manual):
        tables.setdefault(table, []).append(f"{key} = {value}\n")
        path = f"{table}.default.{key}" if table == "queue_group" else f"{table}.{key}"
        yield f"\0{path}={value}"
    assert len(tables) > 10, "OPERATING.md has other tables than this script reads"
    for table, lines in tables.items():
        if table in ARRAYS:
            yield f"[[{table}]]\n" + "".join(lines)
        else:
            yield from (f"[{table}]\n{line}" for line in lines)


if __name__ == "__main__":
    directory = pathlib.Path(sys.argv[1])
    for number, seed in enumerate(seeds()):
        (directory / f"documented-{number}").write_bytes(seed.encode())
