"""What the checks share: how they tell, how they run programs, and how they run a gate."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent
WORK = DEPLOY / ".work"
GATE = os.environ["FINDINGS_GATE"]
PATIENCE = 60.0

UPDATE = "/findings/batchupdate"
IMPORT = "/findings/import"


class Told:
    """The checks so far. A check that raises has failed, and the others go on."""

    def __init__(self):
        self.passed, self.failed = 0, []

    def check(self, name, does, *arguments):
        try:
            does(*arguments)
        except Exception as error:  # noqa: BLE001: whatever went wrong is the answer
            self.failed.append(name)
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            print(f"FAILED {name}\n    {kind}{error}".replace("\n", "\n    ").rstrip(), flush=True)
        else:
            self.passed += 1
            print(f"ok     {name}", flush=True)


def run(*command, expect=0, **options):
    """Runs a program, and gives what it printed. It must end with `expect`."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, check=False, **options)
    if done.returncode != expect:
        shown = " ".join(str(part) for part in command[:6])
        raise AssertionError(f"`{shown}` ended with {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}")
    return done.stdout


def refused(*command, **options):
    """Runs a program that must fail, and gives all that it printed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, check=False, **options)
    assert done.returncode != 0, f"it was taken:\n{done.stdout}"
    return done.stdout + done.stderr


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, body=None, method=None):
    """The status and the body of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def until(what, holds, alive=lambda: True):
    """Waits until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert alive(), f"{what}: it ended before"
        assert time.monotonic() < end, f"{what}: not within {PATIENCE:.0f} s"
        time.sleep(0.05)


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def serving(command, environment, log, **options):
    """A gate as a process. Whoever is done with it sends SIGTERM, and it must end with 0."""
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={**os.environ, **environment}, **options
        )
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            status = process.wait(PATIENCE)
            assert status == 0, f"told to stop it ended with {status}"
        except AssertionError as error:
            raise AssertionError(f"{error}\n{pathlib.Path(log).read_text(encoding='utf-8')}") from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


ACCOUNT = "222222222222"
PRODUCT = f"arn:aws:securityhub:eu-west-1:{ACCOUNT}:product/{ACCOUNT}/default"


def finding(name):
    """A finding of the member, as BatchImportFindings takes it."""
    return {
        "SchemaVersion": "2018-10-08",
        "Id": name,
        "ProductArn": PRODUCT,
        "GeneratorId": "check",
        "AwsAccountId": ACCOUNT,
        "Types": ["Software and Configuration Checks"],
        "CreatedAt": "2026-01-01T00:00:00Z",
        "UpdatedAt": "2026-01-01T00:00:00Z",
        "Severity": {"Label": "HIGH"},
        "Title": "Check",
        "Description": "Check",
        "Resources": [{"Type": "Other", "Id": "check"}],
    }


def works(url, name):
    """A member imports a finding, triages it, and may not suppress it: one request that goes through, and one that does not."""
    status, body = ask(url + IMPORT, {"Findings": [finding(name)]}, "POST")
    assert status == 200 and json.loads(body)["SuccessCount"] == 1, (status, body)

    def update(workflow):
        named = [{"Id": name, "ProductArn": PRODUCT}]
        status, body = ask(url + UPDATE, {"FindingIdentifiers": named, "Workflow": {"Status": workflow}}, "PATCH")
        assert status == 200, (status, body)
        answer = json.loads(body)
        return len(answer["ProcessedFindings"]), [entry["ErrorCode"] for entry in answer["UnprocessedFindings"]]

    assert update("NOTIFIED") == (1, []), update("NOTIFIED")
    assert update("SUPPRESSED") == (0, ["AccessDenied"]), update("SUPPRESSED")
