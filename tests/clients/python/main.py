"""Runs the tests of this directory; prints a line a test, and what failed to standard error."""

import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
BEHIND = os.environ["SUITE_BEHIND"]


class Lines(unittest.TestResult):
    """A line a test, whatever its subtests are."""

    def __init__(self):
        super().__init__()
        self.failed = False

    def startTest(self, test):
        super().startTest(test)
        self.failed = False

    def fail(self, test, error):
        self.failed = True
        print(self._exc_info_to_string(error, getattr(test, "test_case", test)), file=sys.stderr)
        if description := getattr(test, "_subDescription", None):
            print(f"in {description()}", file=sys.stderr)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.fail(test, error)

    def addError(self, test, error):
        super().addError(test, error)
        self.fail(test, error)
        if not isinstance(test, unittest.TestCase):
            print(f"FAIL  python, {BEHIND}: {test.id()}", flush=True)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.fail(subtest, error)

    def stopTest(self, test):
        super().stopTest(test)
        name = test.id().split(".")[-1].removeprefix("test_").replace("_", " ")
        print(f"{'FAIL' if self.failed else 'ok  '}  {test.CLIENT}, {BEHIND}: {name}", flush=True)


suite = unittest.defaultTestLoader.discover(str(HERE), pattern=os.environ.get("SUITE_FILES", "test_*.py"))
result = suite.run(Lines())
sys.exit(0 if result.testsRun and result.wasSuccessful() else 1)
