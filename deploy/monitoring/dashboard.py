"""Makes dashboard.json: `python3 deploy/monitoring/dashboard.py > deploy/monitoring/dashboard.json`. Grafana's own form of a dashboard is
not one to review changes in; this is. deploy/check holds the two together, and every name in them against docs/metrics.md."""

import json

OF = 'instance=~"$instance"'
RATE = "[$__rate_interval]"
GREEN_YELLOW_RED = [("green", None), ("yellow", 1), ("red", 2)]


def rate(name, labels=""):
    return f"rate({name}{{{OF}{', ' + labels if labels else ''}}}{RATE})"


def by(labels, expression):
    return f"sum by ({labels}) ({expression})"


def quantile(of, name, more=""):
    grouped = "le" + (f", {more}" if more else "")
    return f"histogram_quantile({of}, {by(grouped, rate(name + '_bucket'))})"


# A row's title, and its panels: title, what it says, unit, and (expression, legend) for each line.
ROWS = [
    (
        "Is it well?",
        [
            ("Gates", "How many answer, by version.", "none", [("count by (version) (findings_gate_build_info{%s})" % OF, "{{version}}")], "stat"),
            ("Policies that decide", "One digest, or gates that decide differently.", "none", [("count by (digest) (findings_gate_policies_info{%s})" % OF, "{{digest}}")], "stat"),
            ("Configuration", "0: what was read last is wrong, and the one before is used.", "none", [("min(findings_gate_reload_last_successful{%s})" % OF, "last reload")], "stat"),
            ("Breaker", "0 closed, 1 trying, 2 open: nothing goes to the backend.", "none", [("max by (region) (findings_gate_breaker_state{%s})" % OF, "{{region}}")], "stat"),
        ],
    ),
    (
        "Requests",
        [
            ("By operation", "Answered requests.", "reqps", [(by("operation", rate("findings_gate_requests_total")), "{{operation}}")]),
            ("By status", "5xx are not the callers' fault, 429 is a quota, 403 a refusal.", "reqps", [(by("status", rate("findings_gate_requests_total")), "{{status}}")]),
            (
                "How long they take",
                "`own`: without waiting for the backend, look-ups, and the caller's body.",
                "s",
                [
                    (quantile(0.5, "findings_gate_request_duration_seconds"), "p50"),
                    (quantile(0.99, "findings_gate_request_duration_seconds"), "p99"),
                    (quantile(0.5, "findings_gate_request_own_duration_seconds"), "own p50"),
                    (quantile(0.99, "findings_gate_request_own_duration_seconds"), "own p99"),
                ],
            ),
            (
                "Under way",
                "And turned away with 503 before anything was done.",
                "none",
                [
                    ("sum(findings_gate_requests_in_flight{%s})" % OF, "under way"),
                    ("sum(findings_gate_requests_waiting{%s})" % OF, "waiting for room"),
                    (by("reason", rate("findings_gate_shed_total")), "turned away a second: {{reason}}"),
                ],
            ),
        ],
    ),
    (
        "Decisions",
        [
            ("Verdicts", "One for each change on each finding.", "ops", [(by("verdict, enforcement", rate("findings_gate_decisions_total")), "{{verdict}} {{enforcement}}")]),
            ("Why denied", "`policy-error`, `state-unavailable` and `owner-unknown` are the gate's trouble, and not what policies say.", "ops", [(by("reason", rate("findings_gate_denials_total")), "{{reason}}")]),
            ("Denials by policy", "The ten that deny most.", "ops", [("topk(10, %s)" % by("policy", rate("findings_gate_policy_decisions_total", 'verdict="denied"')), "{{policy}}")]),
            ("Shadow", "What would have been otherwise with the @shadow policies in force.", "ops", [(by("policy, difference", rate("findings_gate_shadow_differences_total")), "{{policy}}: {{difference}}")]),
            ("Denials by field", "", "ops", [(by("field", rate("findings_gate_decisions_total", 'verdict="denied"')), "{{field}}")]),
            ("Findings", "By what was decided on each.", "ops", [(by("outcome", rate("findings_gate_findings_total")), "{{outcome}}")]),
            ("Questions", "`kept`: known from before; `evaluated`: Cedar was asked.", "ops", [(by("source", rate("findings_gate_verdicts_total")), "{{source}}")]),
            ("Calls a request is split into", "One for all findings that keep the same fields.", "none", [(quantile(0.5, "findings_gate_request_groups"), "p50"), (quantile(0.99, "findings_gate_request_groups"), "p99")]),
        ],
    ),
    (
        "Backend",
        [
            ("Calls", "Each attempt by itself.", "reqps", [(by("operation, outcome", rate("findings_gate_upstream_calls_total")), "{{operation}} {{outcome}}")]),
            ("How long calls take", "Without waiting for the quota; p99.", "s", [(quantile(0.99, "findings_gate_upstream_call_duration_seconds", "operation"), "{{operation}}")]),
            ("Retries", "", "reqps", [(by("reason", rate("findings_gate_upstream_retries_total")), "{{reason}}"), ("sum(%s)" % rate("findings_gate_upstream_retry_budget_exhausted_total"), "given up: budget used up")]),
            ("Quota", "`refused`: the caller got 429.", "reqps", [(by("operation, result", rate("findings_gate_quota_calls_total")), "{{operation}} {{result}}")]),
            ("How long the quota holds up", "p99 of the calls that waited; and how many wait.", "s", [(quantile(0.99, "findings_gate_quota_wait_seconds", "operation"), "{{operation}}")]),
            ("Look-ups", "What is not cached, found or missing denies what depends on it.", "ops", [(by("result", rate("findings_gate_state_lookups_total")), "{{result}}")]),
        ],
    ),
    (
        "Callers",
        [
            ("Turned away unknown", "By the error that they got.", "reqps", [(by("code", rate("findings_gate_callers_unknown_total")), "{{code}}")]),
            (
                "Connections",
                "",
                "none",
                [
                    ("sum(findings_gate_connections{%s})" % OF, "served"),
                    ("sum(findings_gate_connections_waiting{%s})" % OF, "waiting"),
                    ("sum(findings_gate_connections_limit{%s})" % OF, "limit"),
                ],
            ),
            ("New connections", "", "cps", [("sum(%s)" % rate("findings_gate_connections_accepted_total"), "accepted"), ("sum(%s)" % rate("findings_gate_tls_handshakes_failed_total"), "no TLS came of it")]),
        ],
    ),
    (
        "Records",
        [
            ("Records of decisions", "Lines of the audit log. What is shed is on record nowhere.", "reqps", [(by("result", f"rate(findings_gate_audit_records_total{{{OF}}}{RATE})"), "{{result}}")]),
            ("How long a write takes", "One write holds all records that gathered during the one before.", "s", [(f"histogram_quantile(0.99, sum by (le) (rate(findings_gate_audit_write_duration_seconds_bucket{{{OF}}}{RATE})))", "99 %")]),
            ("Records that wait", "At the limit, requests wait, are refused or go unrecorded (audit.on_full).", "none", [(f"sum(findings_gate_audit_waiting{{{OF}}})", "waiting"), (f"sum(findings_gate_audit_queue_limit{{{OF}}})", "limit")]),
            ("Audit log", "1: nothing can be written.", "none", [("max by (instance) (findings_gate_audit_failing{%s})" % OF, "{{instance}}")]),
        ],
    ),
    (
        "Process",
        [
            ("Processor", "Cores.", "none", [(by("instance", rate("process_cpu_seconds_total")), "{{instance}}")]),
            ("Memory", "", "bytes", [("process_resident_memory_bytes{%s}" % OF, "{{instance}}")]),
            ("File descriptors", "", "percentunit", [("process_open_fds{%s} / process_max_fds{%s}" % (OF, OF), "{{instance}}")]),
            ("Reloads", "", "none", [(by("result", f"increase(findings_gate_reloads_total{{{OF}}}{RATE})"), "{{result}}")]),
        ],
    ),
]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panel(number, place, title, says, unit, lines, kind="timeseries"):
    targets = [
        {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": expression, "legendFormat": legend, "instant": kind == "stat", "range": kind != "stat"}
        for at, (expression, legend) in enumerate(lines)
    ]
    made = {"id": number, "type": kind, "title": title, "description": says, "datasource": SOURCE, "gridPos": place, "targets": targets}
    defaults = {"unit": unit, "min": 0}
    if kind == "stat":
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "value_and_name", "colorMode": "value"}
    else:
        made["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
    if title == "Breaker":
        defaults["thresholds"] = {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in GREEN_YELLOW_RED]}
    if title == "Configuration":
        defaults["thresholds"] = {"mode": "absolute", "steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}]}
    if title == "Policies that decide":
        defaults["color"] = {"mode": "fixed", "fixedColor": "text"}
    made["fieldConfig"] = {"defaults": defaults, "overrides": []}
    return made


def dashboard():
    panels, number, top = [], 0, 0
    for title, row in ROWS:
        number += 1
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}, "panels": []})
        top += 1
        stats = len(row[0]) == 5
        width, height = (6, 4) if stats else (12 if len(row) % 2 == 0 else 8, 8)
        for at, given in enumerate(row):
            number += 1
            across = 24 // width
            place = {"x": at % across * width, "y": top + at // across * height, "w": width, "h": height}
            panels.append(panel(number, place, *given))
        top += -(-len(row) // (24 // width)) * height
    variables = [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "label": "Gate",
            "type": "query",
            "datasource": SOURCE,
            "query": "label_values(findings_gate_build_info, instance)",
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
            "current": {"text": "All", "value": "$__all"},
        },
    ]
    return {
        "uid": "findings-gate",
        "title": "findings-gate",
        "description": "A policy gate in front of AWS Security Hub. docs/operations.md says what to do about what is seen here.",
        "tags": ["findings-gate", "security-hub"],
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "schemaVersion": 39,
        "editable": True,
        "templating": {"list": variables},
        "annotations": {
            "list": [
                {
                    "name": "New policies",
                    "datasource": SOURCE,
                    "enable": True,
                    "iconColor": "blue",
                    "expr": "changes(findings_gate_reload_last_success_timestamp_seconds{%s}[1m]) > 0" % OF,
                    "titleFormat": "{{instance}} decides by what was read anew",
                }
            ]
        },
        "panels": panels,
    }


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1))
