"""Dashboard and alerts: by promtool, and every name in them against docs/metrics.md."""

import json
import os
import re
import sys

import yaml

from common import DEPLOY, ROOT, WORK, run

MONITORING = DEPLOY / "monitoring"
# What Prometheus adds to what it scrapes, and the buckets of histograms.
GIVEN = {"instance", "job", "namespace", "pod", "le"}
SUFFIXES = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
FUNCTIONS = {"sum", "min", "max", "count", "rate", "increase", "changes", "absent", "topk", "histogram_quantile", "by", "on", "and", "le"}


def checks(told):
    told.check("alerts are rules that Prometheus takes", run, "promtool", "check", "rules", MONITORING / "alerts.yaml")
    told.check("alerts fire on what they are for, and not on what is near it", tested)
    told.check("every alert is tested both ways", covered)
    told.check("alerts name metrics, labels and values of docs/metrics.md only", alerts_named)
    told.check("every alert has a place in docs/operations.md", runbooks)
    told.check("the dashboard is made by dashboard.py, and its queries are ones that Prometheus takes", dashboard)
    told.check("the dashboard names metrics, labels and values of docs/metrics.md only", dashboard_named)
    told.check("the dashboard shows, or an alert watches, every metric", complete)
    told.check("a name that is not there would be found", looks)


def tested():
    run("promtool", "test", "rules", MONITORING / "alerts.test.yaml")


def rules():
    with open(MONITORING / "alerts.yaml", encoding="utf-8") as file:
        return [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]


def covered():
    with open(MONITORING / "alerts.test.yaml", encoding="utf-8") as file:
        tests = [test for one in yaml.safe_load(file)["tests"] for test in one["alert_rule_test"]]
    for wanted in [True, False]:
        named = {test["alertname"] for test in tests if bool(test["exp_alerts"]) == wanted}
        missing = {rule["alert"] for rule in rules()} - named
        assert not missing, f"no test says when these {'fire' if wanted else 'stay quiet'}: {missing}"


def documented():
    """Every series of the reference: its labels, each with its values where they are a closed list."""
    page = os.environ.get("METRICS_PAGE", ROOT / "docs/metrics.md")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    found = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        name = re.match(r"`(\w+)`", part)
        kind = re.search(r"^- (counter|gauge|histogram)$", part, re.MULTILINE)
        if not name or not kind:
            continue
        labels = {}
        for label, values in re.findall(r"^- `(\w+)`: (.*)$", part, re.MULTILINE):
            closed = re.fullmatch(r"`[^`]+`(, `[^`]+`)*", values)
            labels[label] = set(re.findall(r"`([^`]+)`", values)) if closed and "," in values else None
        for suffix in SUFFIXES[kind[1]]:
            found[name[1] + suffix] = labels
    assert len(found) > 10, f"{page} has no reference"
    return found


def selectors(expression):
    """The names in a query, each with its matchers."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = set(re.findall(r"\b[a-z][a-z0-9_]*\b(?!\s*\()", re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring) \([^)]*\)|\d+[smhd]", " ", bare)))
    return names - FUNCTIONS


def named(expression, series):
    names = selectors(expression)
    assert names, f"no metric in {expression}"
    for name in names:
        assert name in series, f"`{name}` is not in docs/metrics.md"
    for name, matchers in re.findall(r"\b(\w+)\{([^}]*)\}", expression):
        for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers):
            if label in GIVEN:
                continue
            assert label in series[name], f"`{name}` has no label `{label}`"
            values = series[name][label]
            wanted = value.split("|") if "~" in operator else [value]
            wrong = set(wanted) - values if values else set()
            assert not wrong, f"`{label}` of `{name}` is never {wrong}"
    known = GIVEN.union(*(series[name] for name in names))
    for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        wrong = {label.strip() for label in listed.split(",")} - known
        assert not wrong, f"{names} have no label {wrong}"
    return names


def alerts_named():
    series = documented()
    for rule in rules():
        names = named(rule["expr"], series)
        known = GIVEN.union(*(series[name] for name in names))
        text = json.dumps(rule["annotations"])
        wrong = set(re.findall(r"\$labels\.(\w+)", text)) - known
        assert not wrong, f"{rule['alert']}: {wrong}"


def anchors(text):
    """The places of a page, as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in titles}


def runbooks():
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    there = anchors(text)
    for rule in rules():
        page, place = rule["annotations"]["runbook"].split("#")
        assert page == "docs/operations.md" and place in there, f"{rule['alert']}: {place}"
        assert f"`{rule['alert']}`" in text, f"docs/operations.md does not name {rule['alert']}"


def shown():
    with open(MONITORING / "dashboard.json", encoding="utf-8") as file:
        made = json.load(file)
    return made, [target["expr"] for panel in made["panels"] for target in panel.get("targets", [])] + [
        annotation["expr"] for annotation in made["annotations"]["list"]
    ]


def dashboard():
    text = (MONITORING / "dashboard.json").read_text(encoding="utf-8")
    assert text == run(sys.executable, MONITORING / "dashboard.py"), "python3 deploy/monitoring/dashboard.py > deploy/monitoring/dashboard.json"
    made, expressions = shown()
    variables = {variable["name"] for variable in made["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", text)) - {"__rate_interval", "__all"}
    assert used == variables, used ^ variables
    numbers = [panel["id"] for panel in made["panels"]]
    assert len(numbers) == len(set(numbers))
    taken = set()
    for panel in made["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, f"{panel['title']} lies over another"
        taken |= cells
    # As rules they are read by Prometheus itself.
    queries = [expression.replace("$__rate_interval", "5m").replace("$instance", ".+") for expression in expressions]
    rule = {"groups": [{"name": "dashboard", "rules": [{"record": f"q{at}", "expr": query} for at, query in enumerate(queries)]}]}
    (WORK / "dashboard.yaml").write_text(yaml.safe_dump(rule), encoding="utf-8")
    run("promtool", "check", "rules", WORK / "dashboard.yaml")


def dashboard_named():
    series = documented()
    made, expressions = shown()
    for expression in expressions:
        named(expression, series)
    for panel in made["panels"]:
        for target in panel.get("targets", []):
            known = GIVEN.union(*(series[name] for name in selectors(target["expr"])))
            wrong = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - known
            assert not wrong, f"{panel['title']}: {wrong}"


def complete():
    base = {re.sub(r"_(bucket|sum|count)$", "", name) for name in documented()}
    _, expressions = shown()
    text = " ".join(expressions + [rule["expr"] for rule in rules()])
    missing = {name for name in base if name not in text} - SELDOM
    assert not missing, f"nobody sees {missing}"


# What one asks for when one wants to know, and not before.
SELDOM = {
    "findings_gate_accounts",
    "findings_gate_breaker_held_back_total",
    "findings_gate_breaker_openings_total",
    "findings_gate_policies",
    "findings_gate_quota_waiting",
    "findings_gate_request_findings",
    "findings_gate_state_cache_entries",
    "findings_gate_state_lookup_duration_seconds",
    "findings_gate_trace_spans_total",
    "process_threads",
}


def looks():
    series = documented()
    for wrong in [
        "sum(rate(findings_gate_request_total[5m]))",
        'rate(findings_gate_requests_total{stauts="200"}[5m])',
        'rate(findings_gate_requests_total{status="418"}[5m])',
        "sum by (account) (rate(findings_gate_requests_total[5m]))",
        "rate(findings_gate_upstream_call_duration_seconds[5m])",
    ]:
        try:
            named(wrong, series)
        except AssertionError:
            continue
        raise AssertionError(f"it was taken: {wrong}")
