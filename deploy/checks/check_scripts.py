"""The shell scripts, by shellcheck."""

from common import DEPLOY, run


def checks(told):
    for script in ["check", "container/rootfs"]:
        told.check(f"deploy/{script} is free of what shellcheck knows", run, "shellcheck", DEPLOY / script)
