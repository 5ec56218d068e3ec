#!/usr/bin/python3
"""Prints `passed failed skipped` of the last `meson test` in a build directory.

A GoogleTest program counts by its cases, a script that ends with the line `N passed, N failed`
by what that says, anything else as one test. A program that failed without naming a case (a
crash, a time-out) counts as one failure more.
"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

SUMMARY = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?")


def cases_of_gtest(report):
    passed = failed = skipped = 0
    for case in xml.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.get("status") == "notrun" or case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def cases_of_script(output):
    lines = output.rstrip().splitlines()
    match = SUMMARY.fullmatch(lines[-1].strip()) if lines else None
    return tuple(int(number or 0) for number in match.groups()) if match else None


def cases_of(test, directory):
    result = test["result"]
    report = directory / (test["name"].split(" / ")[-1].split(":")[-1] + ".xml")
    counts = None
    if report.exists():
        try:
            counts = cases_of_gtest(report)
        except xml.ParseError:
            pass  # the program died while it wrote
    else:
        counts = cases_of_script(test.get("stdout") or "")
    if result == "SKIP":
        return counts or (0, 0, 1)
    if result in ("OK", "EXPECTEDFAIL"):
        return counts or (1, 0, 0)
    passed, failed, skipped = counts or (0, 0, 0)
    return passed, max(failed, 1), skipped


def main():
    directory = pathlib.Path(sys.argv[1])
    logs = sorted(directory.glob("meson-logs/testlog*.json"))
    totals = [0, 0, 0]
    tests = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    for test in tests:
        totals = [total + more for total, more in zip(totals, cases_of(test, directory))]
    if not tests:
        sys.exit("no test ran")
    print(*totals)


if __name__ == "__main__":
    main()
