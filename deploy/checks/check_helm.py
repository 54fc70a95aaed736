"""The chart: by helm's own lint, and what it makes is held to what the plain manifests are held to."""

import json
import pathlib

import yaml

import objects
from common import DEPLOY, WORK, refused, run

CHART = DEPLOY / "helm/findings-gate"
SETS = ["example", "everything"]
# The operator's objects: their schemas come with the operator.
OPERATORS = {"ServiceMonitor", "PrometheusRule"}
# What must be refused before anything reaches a cluster, each over ci/example-values.yaml.
WRONG = {
    "accounts=": "accounts",
    "serviceAccount.roleArn=": "roleArn",
    "serviceAccount.roleArn=arn:aws:iam::1:role/x": "roleArn",
    "upstream.sign=none": "sign",
    "upstream.regoin=eu-west-1": "regoin",
    "replicas.min=1": "min",
    "doors={UpdateFindings}": "doors",
    "packs={pack:basline}": "packs",
    "image.digest=latest": "digest",
    "policies.team\\.txt=x": "team.txt",
    "packs=null": "packs",
}


def checks(told):
    told.check("helm lints it, strictly", lint)
    for name in SETS:
        told.check(f"{name}: each object is one of Kubernetes {', '.join(objects.VERSIONS)}", schemas, name)
        told.check(f"{name}: selectors, ports, volumes and names fit together", lambda: objects.consistent(running(name)))
        told.check(f"{name}: its pods keep to the restricted profile", lambda: objects.restricted(running(name)))
        told.check(f"{name}: its files are a configuration that the gate takes", lambda: objects.configured(running(name), secrets()))
        told.check(f"{name}: the gate serves with them, its probes pass, and it follows a change", lambda: objects.used(running(name), secrets()))
        told.check(f"{name}: `helm test` checks what the pods have mounted", tested, name)
    told.check("what needs a restart restarts, and nothing else", restarts)
    told.check("the monitor asks the admin port, and alerts and dashboard are those of deploy/monitoring", monitoring)
    told.check("values that are wrong are refused", wrong)
    told.check("every value is used, and has a default", used)


def rendered(name, *more):
    command = ["helm", "template", "gate", CHART, "--namespace", "gates", "--values", CHART / f"ci/{name}-values.yaml"]
    return [item for item in yaml.safe_load_all(run(*command, *more)) if item]


def running(name):
    """Without the test's pod, and what only the operator knows."""
    return [item for item in rendered(name) if item["kind"] not in OPERATORS | {"Pod"}]


def secrets():
    with open(DEPLOY / "kubernetes/gateway/examples/keys.yaml", encoding="utf-8") as file:
        keys = yaml.safe_load(file)["stringData"]
    return {"findings-gate-keys": keys, "other-keys": keys, "findings-gate-tls": objects.certificate()}


def lint():
    for name in SETS:
        run("helm", "lint", CHART, "--strict", "--values", CHART / f"ci/{name}-values.yaml")


def schemas(name):
    objects.valid([item for item in rendered(name) if item["kind"] not in OPERATORS])


def tested(name):
    items = rendered(name)
    (pod,) = objects.of(items, "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    deployment, spec = objects.workload(items)
    gate, test = objects.the_gate(spec), pod["spec"]["containers"][0]
    assert test["image"] == gate["image"] and test["volumeMounts"] == gate["volumeMounts"] and pod["spec"]["volumes"] == spec["volumes"]
    assert test["args"] == ["check", *gate["args"][1:]]
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert not objects.selects(labels, pod["metadata"]["labels"]), "the test's pod would get requests"


def restarts():
    def template(*more):
        return objects.workload(rendered("example", *more))[0]["spec"]["template"]

    before = template()
    assert template("--set", "workers=3") != before
    assert template("--set", "doors={GetFindingsV2}") != before
    more = 'administrator = "111111111111"\n'
    changed = WORK / "accounts.toml"
    changed.write_text(more, encoding="utf-8")
    assert template("--set-file", f"accounts={changed}") == before, "accounts are taken without a restart"


def monitoring():
    items = rendered("everything")
    (monitor,) = objects.of(items, "ServiceMonitor")
    objects.monitored(monitor, items)
    for name in ["alerts.yaml", "dashboard.json"]:
        ours, theirs = (CHART / "files" / name).read_text(encoding="utf-8"), (DEPLOY / "monitoring" / name).read_text(encoding="utf-8")
        assert ours == theirs, f"cp deploy/monitoring/{name} deploy/helm/findings-gate/files/"
    (rule,) = objects.of(items, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((DEPLOY / "monitoring/alerts.yaml").read_text(encoding="utf-8"))
    (dashboard,) = [item for item in objects.of(items, "ConfigMap") if "grafana_dashboard" in item["metadata"]["labels"]]
    ((name, text),) = dashboard["data"].items()
    assert json.loads(text) == json.loads((DEPLOY / "monitoring/dashboard.json").read_text(encoding="utf-8")), name


def wrong():
    for given, named in WRONG.items():
        told = refused("helm", "template", CHART, "--values", CHART / "ci/example-values.yaml", "--set", given)
        assert named in told, f"--set {given}: `{named}` is not in {told}"
    refused("helm", "template", CHART)


def used():
    """Every value has a place in the schema and in a template; helm itself would pass over a misspelt one."""
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    templates = "".join(path.read_text(encoding="utf-8") for path in sorted(pathlib.Path(CHART / "templates").rglob("*")) if path.is_file())

    def walk(values, schema, path):
        known = schema.get("properties")
        if known is None:
            assert f".Values.{path}" in templates, f"no template uses {path}"
            return
        assert schema["additionalProperties"] is False
        missing = set(known) - set(values) - {"global"}
        assert not missing, f"{path}: values.yaml has no {missing}"
        for key, value in values.items():
            walk(value, known[key], f"{path}.{key}" if path else key)

    schema["properties"]["resources"].pop("properties")
    walk(values, schema, "")
