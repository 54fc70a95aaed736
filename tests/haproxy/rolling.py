"""Rolling restarts of two gates behind HAProxy, under load. See `run`, which calls it."""

import argparse
import collections
import http.client
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

# Far more than anything takes that goes right.
PATIENCE = 60

CALLERS = 16
FINDINGS = 10  # of each caller

ADMINISTRATOR = "111111111111"
MEMBER = "222222222222"
REGION = "eu-west-1"
PRODUCT = f"arn:aws:securityhub:{REGION}:{MEMBER}:product/{MEMBER}/default"

# HAProxy finds out within two checks, which is well within the grace.
CHECK_EVERY = "200ms"
GRACE = "2s"

ACCOUNTS = f"""
administrator = "{ADMINISTRATOR}"
[[member]]
account = "{MEMBER}"
"""

GATE = """
[listen]
address = "127.0.0.1:{port}"
workers = 2
[admin]
address = "127.0.0.1:{admin}"
[policies]
path = ["pack:baseline"]
[accounts]
file = "accounts.toml"
[[identity]]
kind = "fixed"
account = "{member}"
principal = "arn:aws:iam::{member}:role/rolling"
[upstream]
url = "{backend}"
region = "{region}"
[limits]
grace = "{grace}"
[log]
format = "json"
"""

# Nothing is tried again, so that what a gate loses is seen. Connections to the gates are kept and shared as much as HAProxy can.
HAPROXY = """
global
    stats socket {socket} mode 600
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend callers
    bind {listen}
    default_backend gates
backend gates
    balance roundrobin
    http-reuse always
    option httpchk GET /ready
    default-server check inter {every} fall 2 rise 1
    server one 127.0.0.1:{one} port {admin_one}
    server two 127.0.0.1:{two} port {admin_two}
"""


def wait_for(what, look):
    """Waits until `look` finds something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise SystemExit(f"waited in vain for {what}")


def free_ports(count):
    """Ports that nobody has, all of them different. The gates come back to theirs, so they are not left to the gates."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Program:
    """A running verb of the program that says where it listens."""

    def __init__(self, program, folder, name, arguments):
        self.log = folder / f"{name}.log"
        out = folder / f"{name}.out"
        with open(self.log, "wb") as errors, open(out, "wb") as output:
            command = [program, *arguments]
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)

        def listening():
            if self.process.poll() is not None:
                raise SystemExit(f"{name} ended:\n{self.log.read_text()}")
            lines = [line for line in out.read_text().splitlines() if line.startswith("listening on ")]
            return lines and lines[0].removeprefix("listening on ")

        self.url = wait_for(f"{name} to listen", listening)

    def stop(self):
        """Ends it by SIGTERM, and tells how its stop went."""
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        events = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        drained = [event for event in events if event.get("event") == "drained"]
        if code != 0 or len(drained) != 1:
            raise SystemExit(f"it ended with {code}:\n{self.log.read_text()}")
        return drained[0]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def identifier(caller, number):
    return {"Id": f"rolling-{caller}-{number}", "ProductArn": PRODUCT}


def ask(connection, method, path, body, account=None):
    headers = {"content-type": "application/json"}
    if account:
        headers["x-findings-gate-account"] = account
    connection.request(method, path, json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def prepare(address):
    """Imports the findings that are updated."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    for caller in range(CALLERS):
        findings = [
            {
                **identifier(caller, number), "SchemaVersion": "2018-10-08", "GeneratorId": "rolling", "AwsAccountId": MEMBER,
                "Types": ["Software and Configuration Checks"], "CreatedAt": "2024-01-01T00:00:00Z",
                "UpdatedAt": "2024-01-01T00:00:00Z", "Severity": {"Label": "LOW"}, "Title": "t", "Description": "d",
                "Resources": [{"Type": "Other", "Id": "r"}],
            }
            for number in range(FINDINGS)
        ]
        status, answer = ask(connection, "POST", "/findings/import", {"Findings": findings}, MEMBER)
        if status != 200 or json.loads(answer)["SuccessCount"] != FINDINGS:
            raise SystemExit(f"the import failed: {status} {answer!r}")


class Load:
    """Callers that send one update after the other through HAProxy, and look in the backend whether what was accepted is there."""

    def __init__(self, front, backend):
        self.front, self.backend = front, backend
        self.lock = threading.Lock()
        self.answers = collections.Counter()
        self.wrong = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.call, args=[caller]) for caller in range(CALLERS)]
        for thread in self.threads:
            thread.start()

    def answered(self):
        with self.lock:
            return sum(self.answers.values())

    def note(self, result, detail=None):
        with self.lock:
            self.answers[result] += 1
            if detail:
                self.wrong.append(detail)

    def call(self, caller):
        front = http.client.HTTPConnection(*self.front, timeout=PATIENCE)
        backend = http.client.HTTPConnection(*self.backend, timeout=PATIENCE)
        number = 0
        while not self.over.is_set():
            number += 1
            finding, text = identifier(caller, number % FINDINGS), f"{caller}-{number}"
            body = {"FindingIdentifiers": [finding], "Note": {"Text": text, "UpdatedBy": "rolling"}}
            try:
                status, answer = ask(front, "PATCH", "/findings/batchupdate", body)
            except (OSError, http.client.HTTPException) as error:
                self.note("no answer", f"{text}: {error!r}")
                front.close()
                continue
            if status != 200:
                self.note(status, f"{text}: {status} {answer[:200]!r}")
                continue
            if json.loads(answer) != {"ProcessedFindings": [finding], "UnprocessedFindings": []}:
                self.note("200, not processed", f"{text}: {answer!r}")
                continue
            filters = {"Id": [{"Value": finding["Id"], "Comparison": "EQUALS"}]}
            status, answer = ask(backend, "POST", "/findings", {"Filters": filters}, MEMBER)
            notes = [each.get("Note", {}).get("Text") for each in json.loads(answer).get("Findings", [])]
            if notes == [text]:
                self.note(200)
            else:
                self.note("200, not in the backend", f"{text}: {status} {notes}")

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                raise SystemExit("a caller does not end")


def state_of(stats, server):
    """What HAProxy takes a gate for, and how many requests it sent there."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(stats))
        connection.sendall(b"show stat\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    names, *rows = [line.split(",") for line in text.removeprefix("# ").splitlines() if line]
    for row in rows:
        row = dict(zip(names, row))
        if (row["pxname"], row["svname"]) == ("gates", server):
            return row["status"], int(row["stot"])
    raise SystemExit(f"HAProxy knows no {server}:\n{text}")


def main():
    parser = argparse.ArgumentParser(prog="tests/haproxy/run")
    parser.add_argument("--rounds", type=int, default=4, help="how often each gate is restarted")
    parser.add_argument("--without-grace", action="store_true", help="stop without a grace, and expect a loss")
    asked = parser.parse_args()
    program = os.environ["FINDINGS_GATE"]
    with tempfile.TemporaryDirectory() as name:
        folder, running = pathlib.Path(name), []
        try:
            return roll(asked, program, folder, running)
        finally:
            for process in running:
                process.kill()


def roll(asked, program, folder, running):
    (folder / "accounts.toml").write_text(ACCOUNTS)
    # It takes its time, so that there is always something under way.
    arguments = ["--listen", "127.0.0.1:0", "--accounts", "accounts.toml", "--fault", "slow:20ms"]
    backend = Program(program, folder, "backend", ["backend", *arguments])
    running.append(backend)
    address = backend.url.removeprefix("http://").split(":")
    prepare(address)

    listen, one, two, admin_one, admin_two = free_ports(5)
    grace = "0s" if asked.without_grace else GRACE
    gates = {}
    for gate, port, admin in [("one", one, admin_one), ("two", two, admin_two)]:
        text = GATE.format(port=port, admin=admin, member=MEMBER, backend=backend.url, region=REGION, grace=grace)
        (folder / f"{gate}.toml").write_text(text)

    def start(gate):
        gates[gate] = Program(program, folder, gate, ["serve", "--config", f"{gate}.toml"])
        running.append(gates[gate])

    for gate in ["one", "two"]:
        start(gate)
    stats = folder / "haproxy.sock"
    configuration = folder / "haproxy.cfg"
    configuration.write_text(
        HAPROXY.format(socket=stats, listen=f"127.0.0.1:{listen}", every=CHECK_EVERY, one=one, two=two,
                       admin_one=admin_one, admin_two=admin_two)
    )
    log = open(folder / "haproxy.log", "wb")
    haproxy = subprocess.Popen(["haproxy", "-db", "-f", configuration], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    running.append(haproxy)
    wait_for("HAProxy's socket", lambda: stats.exists() or haproxy.poll() is not None)

    def is_up(gate):
        return state_of(stats, gate)[0].startswith("UP")

    for gate in ["one", "two"]:
        wait_for(f"HAProxy to find {gate}", lambda: is_up(gate))

    load = Load(("127.0.0.1", listen), address)
    rows, cut = [], 0
    for round_number in range(1, asked.rounds + 1):
        for gate in ["one", "two"]:
            # It has work, and so has the other one, before it is stopped.
            for each in ["one", "two"]:
                begun = state_of(stats, each)[1]
                wait_for(f"work for {each}", lambda: state_of(stats, each)[1] >= begun + 2 * CALLERS)
            before, began = load.answered(), time.monotonic()
            drained = gates[gate].stop()
            took, meanwhile = time.monotonic() - began, load.answered() - before
            cut += drained["cut"]
            start(gate)
            wait_for(f"HAProxy to find {gate} again", lambda: is_up(gate))
            rows.append([round_number, gate, f"{took:.2f}", meanwhile, drained["finished"], drained["cut"]])
    load.stop()

    heads = ["round", "gate", "s to its end", "answered meanwhile", "finished", "cut"]
    for row in [heads, *rows]:
        print("".join(f"{cell!s:>{len(head) + 3}}" for head, cell in zip(heads, row)))
    print(f"\nanswers: {', '.join(f'{count} × {answer}' for answer, count in load.answers.items())}")
    lost = load.answered() - load.answers[200]
    if asked.without_grace:
        print(f"without a grace {lost} requests were lost" if lost else "nothing was lost without a grace: this test shows nothing")
        return 0 if lost else 1
    for line in load.wrong[:20]:
        print(line)
    if lost or cut:
        print(f"{lost} requests were lost, {cut} cut")
        return 1
    print(f"{len(rows)} restarts: every request was answered once, with 200, and every change is in the backend")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
