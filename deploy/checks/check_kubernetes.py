"""The plain manifests: built by kustomize, held against the schemas of Kubernetes, against each other, and used."""

import yaml

import objects
from common import DEPLOY, run

OVERLAYS = ["gateway", "sidecar"]


def checks(told):
    for overlay in OVERLAYS:
        folder = DEPLOY / "kubernetes" / overlay
        told.check(f"{overlay}: kustomize builds it", built, overlay)
        told.check(f"{overlay}: each object is one of Kubernetes {', '.join(objects.VERSIONS)}", objects.valid, built(overlay))
        told.check(f"{overlay}: selectors, ports, volumes and names fit together", objects.consistent, built(overlay))
        told.check(f"{overlay}: its pods keep to the restricted profile", objects.restricted, built(overlay))
        told.check(f"{overlay}: its files are a configuration that the gate takes", objects.configured, built(overlay), secrets())
        told.check(f"{overlay}: the gate serves with them, its probes pass, and it follows a change", objects.used, built(overlay), secrets())
        told.check(f"{overlay}: every file is used", complete, folder)
    told.check("the examples beside the gateway are objects of its namespace", examples)


def built(overlay):
    return [item for item in yaml.safe_load_all(run("kubectl", "kustomize", DEPLOY / "kubernetes" / overlay)) if item]


def secrets():
    """The Secrets that one makes by hand, by name: the example's, and a certificate made now."""
    with open(DEPLOY / "kubernetes/gateway/examples/keys.yaml", encoding="utf-8") as file:
        keys = yaml.safe_load(file)
    return {keys["metadata"]["name"]: keys["stringData"], "findings-gate-tls": objects.certificate()}


def complete(folder):
    with open(folder / "kustomization.yaml", encoding="utf-8") as file:
        kustomization = yaml.safe_load(file)
    named = set(kustomization["resources"]) | {name for item in kustomization["configMapGenerator"] for name in item["files"]}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "examples" not in path.parts}
    assert named == there - {"kustomization.yaml"}, named ^ (there - {"kustomization.yaml"})


def examples():
    folder = DEPLOY / "kubernetes/gateway/examples"
    items = [item for path in sorted(folder.glob("*.yaml")) for item in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    objects.valid([item for item in items if item["apiVersion"] == "v1"])
    kinds = {item["kind"]: item for item in items}
    assert set(kinds) == {"Secret", "ServiceMonitor"}, kinds.keys()
    objects.monitored(kinds["ServiceMonitor"], built("gateway"))
    for item in items:
        assert item["metadata"]["namespace"] == "findings-gate"
