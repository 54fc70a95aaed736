"""docs/operations.md, docs/threat-model.md and the pages here: what they name is there, and what they say can be done."""

import contextlib
import json
import re
import sqlite3

from check_aws import operations
from check_monitoring import anchors, documented
from common import DEPLOY, GATE, ROOT, WORK, accepts, ask, free_port, run, serving, until, works

PAGES = ["docs/operations.md", "docs/threat-model.md", "deploy/README.md", "deploy/aws/README.md"]


def checks(told):
    told.check("links lead somewhere", links)
    told.check("metrics, keys, events and verbs that the pages name are there", names)
    told.check("the threat model names every door, and tests that are there", doors)
    told.check("a copy of the embedded backend's findings is made and used as docs/operations.md says", copied)
    told.check("the capacity table is one that deploy/capacity wrote", capacity)
    told.check("versions are those of Cargo.toml", versions)


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def links():
    for page in PAGES:
        text = read(page)
        for target in re.findall(r"\]\(([^)]+)\)", text):
            path, _, place = target.partition("#")
            file = (ROOT / page).parent / path if path else ROOT / page
            assert file.exists(), f"{page}: {target}"
            if place:
                assert place in anchors(file.read_text(encoding="utf-8")), f"{page}: {target}"
        for path in re.findall(r"`((?:deploy|tests|src|benches|docs)/[\w./*-]+)`", text):
            assert list(ROOT.glob(path.rstrip("/"))), f"{page}: `{path}`"


def names():
    series = {re.sub(r"_(bucket|sum|count)$", "", name) for name in documented()}
    reference = read("docs/configuration.md")
    keys = set(re.findall(r"^#### `([\w.*]+)`", reference, re.MULTILINE))
    sections = {key.split(".")[0] for key in keys}
    events = set(re.findall(r'event = "(\w+)"', read("src/telemetry/events.rs")))
    verbs = set(re.findall(r"^  ([a-z-]+)  ", run(GATE, "--help"), re.MULTILINE))
    for page in PAGES:
        text = read(page)
        wrong = set(re.findall(r"`(findings_gate_\w+)`", text)) - series
        assert not wrong, f"{page}: docs/metrics.md has no {wrong}"
        for section, key in re.findall(r"`(\w+)\.([\w.*]+)`", text):
            if section in sections and not key.endswith((".md", ".toml")):
                pattern = f"{section}.{key}".replace("*", "")
                found = any(known == pattern or ("*" in key and known.startswith(f"{section}.") and known.endswith(key.lstrip("*"))) for known in keys)
                assert found, f"{page}: `{section}.{key}` is no key"
        wrong = set(re.findall(r"findings-gate ([a-z][a-z-]+)", re.sub(r"findings-gate (?:get|create|findings-gate)", "", text))) & set(
            re.findall(r"`findings-gate ([a-z][a-z-]+)", text)
        )
        assert wrong <= verbs, f"{page}: no verbs {wrong - verbs}"
    operations_page = read("docs/operations.md")
    for event in re.findall(r"`([a-z]+_[a-z_]+)`(?: in the log|,? `last_error`)", operations_page):
        assert event in events, f"docs/operations.md: no event `{event}`"
    told = {"breaker_opened", "credentials_lost", "role_refused", "policy_failed", "reload_failed", "state_unavailable", "answer_withheld"}
    told |= {"upstream_failed", "request_denied", "shadow_differs", "drained"}
    assert told <= events, told - events
    missing = {event for event in told if f"`{event}`" not in operations_page}
    assert not missing, missing


def doors():
    text = read("docs/threat-model.md")
    missing = [operation for operation, bypass in operations().items() if bypass != "Harmless" and not re.search(rf"\b{operation}\b", text)]
    assert not missing, f"docs/threat-model.md does not name {missing}"
    # What shows that something is protected: `file.rs`, `function`.
    sources = {path: path.read_text(encoding="utf-8") for folder in ["tests", "src"] for path in (ROOT / folder).rglob("*.rs")}
    code = "\n".join(sources.values())
    shown = re.findall(r"`([a-z0-9_]+(?:_[a-z0-9]+){2,})`", text)
    tests = [name for name in shown if f"fn {name}(" in code]
    other = [name for name in shown if f"fn {name}(" not in code and name not in read("src/telemetry/events.rs") and not name.startswith("findings_gate")]
    assert not other, f"docs/threat-model.md names tests that are not there: {other}"
    assert len(tests) >= 15, tests


def copied():
    place = WORK / "backup"
    place.mkdir(exist_ok=True)
    for old in place.iterdir():
        old.unlink()
    commands = re.findall(r"^sqlite3 (\S+) \"\.backup (\S+)\"", read("docs/operations.md"), re.MULTILINE)
    assert commands == [("findings.db", "copy.db")], commands
    (place / "accounts.toml").write_text('administrator = "111111111111"\n[[member]]\naccount = "222222222222"\n', encoding="utf-8")
    port = free_port()
    text = f"""
[listen]
address = "127.0.0.1:{port}"
[policies]
path = ["pack:baseline"]
[accounts]
file = "accounts.toml"
[[identity]]
kind = "fixed"
account = "222222222222"
principal = "arn:aws:iam::222222222222:role/check"
[upstream]
url = "embedded"
data = "findings.db"
region = "eu-west-1"
[doors]
open = ["BatchImportFindings", "GetFindings"]
"""
    (place / "findings-gate.toml").write_text(text, encoding="utf-8")
    command = [GATE, "serve", "--config", place / "findings-gate.toml"]
    with serving(command, {}, place / "log") as process:
        until("the gate to listen", lambda: accepts(port), lambda: process.poll() is None)
        works(f"http://127.0.0.1:{port}", "before")
        # What sqlite3's .backup does, while the gate has the file open.
        with contextlib.closing(sqlite3.connect(place / "findings.db")) as live, contextlib.closing(sqlite3.connect(place / "copy.db")) as copy:
            live.backup(copy)
        works(f"http://127.0.0.1:{port}", "after")
    for name in ["findings.db-wal", "findings.db-shm"]:
        (place / name).unlink(missing_ok=True)
    (place / "copy.db").rename(place / "findings.db")
    with serving(command, {}, place / "log") as process:
        until("the gate to listen", lambda: accepts(port), lambda: process.poll() is None)
        status, body = ask(f"http://127.0.0.1:{port}/findings", {}, "POST")
        found = {finding["Id"]: finding["Workflow"]["Status"] for finding in json.loads(body)["Findings"]}
        assert status == 200 and found == {"before": "NOTIFIED"}, (status, found)


def capacity():
    text = read("docs/operations.md")
    (table,) = re.findall(r"<!-- capacity: begin -->\n(.*?)<!-- capacity: end -->", text, re.DOTALL)
    figures = re.findall(r"(\d+) µs, ([\d,]+)/s", table)
    cases = re.findall(r'^    "gate[^"]*": "([^"]+)",$', read("deploy/capacity"), re.MULTILINE)
    assert cases and all(f"| {case} |" in table for case in cases), cases
    assert len(figures) == 3 * len(cases), figures
    for cost, rate in figures:
        # Both are rounded.
        assert abs(int(cost) * int(rate.replace(",", "")) / 1e6 - 1) < 0.1, (cost, rate)


def versions():
    version = re.search(r'^version = "(.+)"$', read("Cargo.toml"), re.MULTILINE)[1]
    chart = read("deploy/helm/findings-gate/Chart.yaml")
    assert f"\nversion: {version}\n" in chart and f"\nappVersion: {version}\n" in chart, f"Cargo.toml has {version}"
    for overlay in ["gateway", "sidecar"]:
        assert f"newTag: {version}\n" in read(f"deploy/kubernetes/{overlay}/kustomization.yaml")
    assert str(DEPLOY)
