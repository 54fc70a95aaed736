"""Runs the parts of deploy/check that are named, or all."""

import importlib
import sys

from common import Told

PARTS = ["scripts", "container", "kubernetes", "helm", "systemd", "aws", "monitoring", "documents"]


def main():
    parts = sys.argv[1:] or PARTS
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"deploy/check: no part `{unknown[0]}`: expected {', '.join(PARTS)}")
    told = Told()
    for part in parts:
        print(f"-- {part}", flush=True)
        importlib.import_module(f"check_{part}").checks(told)
    print(f"{told.passed} passed, {len(told.failed)} failed")
    sys.exit(1 if told.failed else 0)


if __name__ == "__main__":
    main()
