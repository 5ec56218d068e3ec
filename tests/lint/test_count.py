#!/usr/bin/python3
"""tools/lib/count_tests.py misses no failure, whatever way a test program fails."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

COUNT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "lib" / "count_tests.py"
CASES = """<testsuites><testsuite>
  <testcase name="good" status="run"/>
  <testcase name="bad" status="run"><failure message="x"/></testcase>
  <testcase name="not here" status="run"><skipped message="x"/></testcase>
</testsuite></testsuites>"""
GOOD_CASES = '<testsuites><testcase name="a" status="run"/><testcase name="b"/></testsuites>'


class Count(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        (self.directory / "meson-logs").mkdir()

    def count(self, *tests):
        log = self.directory / "meson-logs" / "testlog.json"
        log.write_text("".join(json.dumps(test) + "\n" for test in tests))
        return subprocess.run([sys.executable, COUNT, self.directory], check=False,
                              capture_output=True, text=True)

    def counts(self, *tests):
        return tuple(int(number) for number in self.count(*tests).stdout.split())

    def test_gtest_counts_by_its_cases(self):
        (self.directory / "queue.xml").write_text(CASES)
        test = {"name": "ringpost:threads / queue", "result": "FAIL", "stdout": ""}
        self.assertEqual(self.counts(test), (1, 1, 1))

    def test_a_crash_counts_although_all_reported_cases_passed(self):
        (self.directory / "queue.xml").write_text(GOOD_CASES)
        self.assertEqual(self.counts({"name": "queue", "result": "ERROR"}), (2, 1, 0))
        self.assertEqual(self.counts({"name": "queue", "result": "OK"}), (2, 0, 0))

    def test_half_a_report_counts_as_a_failure(self):
        (self.directory / "queue.xml").write_text(GOOD_CASES[:30])
        self.assertEqual(self.counts({"name": "queue", "result": "TIMEOUT"}), (0, 1, 0))

    def test_a_script_counts_by_its_last_line(self):
        test = {"name": "interop", "result": "OK",
                "stdout": "1 passed, 9 failed\n5 passed, 0 failed\n"}
        self.assertEqual(self.counts(test), (5, 0, 0))
        test["stdout"] = "5 passed, 2 failed, 1 skipped\n"
        self.assertEqual(self.counts(test | {"result": "FAIL"}), (5, 2, 1))

    def test_a_script_that_contradicts_its_exit_code_has_failed(self):
        test = {"name": "interop", "result": "FAIL", "stdout": "5 passed, 0 failed\n"}
        self.assertEqual(self.counts(test), (5, 1, 0))

    def test_anything_else_is_one_test(self):
        self.assertEqual(self.counts({"name": "a", "result": "OK", "stdout": "done"},
                                     {"name": "b", "result": "SKIP"},
                                     {"name": "c", "result": "TIMEOUT"}), (1, 1, 1))

    def test_no_tests_are_no_success(self):
        self.assertNotEqual(self.count().returncode, 0)


if __name__ == "__main__":
    unittest.main()
