"""What must be true of Kubernetes objects, whichever tool made them."""

import json
import pathlib
import re
import shutil
import subprocess
import tomllib

import kubernetes_validate

from common import GATE, WORK, accepts, ask, free_port, run, serving, until

# A native sidecar needs 1.29; these are the ends of what the package has schemas for and is supported somewhere.
VERSIONS = ["1.29", "1.33", "1.37"]
# What AWS grants an account in a Region, to all replicas together (docs/quota.md): a second, and at once.
GRANTED = {"update": (10, 30), "import": (10, 30), "get": (3, 6)}
# The gate's own defaults (docs/configuration.md), in seconds.
GRACE, DRAIN = 5, 30
SECONDS = {"s": 1, "m": 60, "h": 3600}


def valid(items):
    assert items, "there is no object"
    for item in items:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = ".".join(str(part) for part in error.path)
                raise AssertionError(f"{item['kind']}/{item['metadata']['name']} at {version}, {where}: {error.message}") from error


def of(items, kind):
    return [item for item in items if item["kind"] == kind]


def workload(items):
    (deployment,) = of(items, "Deployment")
    return deployment, deployment["spec"]["template"]["spec"]


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def the_gate(pod):
    (gate,) = [container for container in containers(pod) if container["name"] == "gate"]
    return gate


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def consistent(items):
    deployment, pod = workload(items)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    gate = the_gate(pod)
    ports = {port["name"]: port["containerPort"] for port in gate.get("ports", [])}
    assert selects(deployment["spec"]["selector"]["matchLabels"], labels)
    assert not [item for item in items if item["kind"] in {"Role", "ClusterRole"}], "the gate asks the cluster's API nothing"
    # Everything is in the one namespace, and no name is there twice.
    namespaces = {item["metadata"].get("namespace") for item in items if item["kind"] != "Namespace"}
    assert len(namespaces) == 1, namespaces
    names = [(item["kind"], item["metadata"]["name"]) for item in items]
    assert len(names) == len(set(names)), names

    # A mesh's proxy connects from loopback for everybody, and the gate takes changes from there.
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    for key in ("traffic.sidecar.istio.io/excludeInboundPorts", "config.linkerd.io/skip-inbound-ports"):
        assert annotations.get(key) == str(ports.get("admin", 8081)), f"the admin port must stay out of a mesh: {key}"

    for service in of(items, "Service"):
        assert selects(service["spec"]["selector"], labels), service["metadata"]["name"]
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports, (service["metadata"]["name"], port)
    data = [service for service in of(items, "Service") if any(port["targetPort"] != "admin" for port in service["spec"]["ports"])]
    for service in data:
        assert all(port["targetPort"] != "admin" for port in service["spec"]["ports"]), "callers must not reach the admin port"
    for budget in of(items, "PodDisruptionBudget"):
        assert selects(budget["spec"]["selector"]["matchLabels"], labels)
    (policy,) = of(items, "NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"] and selects(policy["spec"]["podSelector"]["matchLabels"], labels)
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    reached = {}
    for rule in policy["spec"].get("ingress") or []:
        assert rule.get("from") and rule.get("ports"), "a rule without peers or ports lets everybody in"
        for port in rule["ports"]:
            assert port["port"] in ports, port
            reached.setdefault(port["port"], []).extend(rule["from"])
    assert set(reached) == set(ports), "each port is for somebody, and named"
    for peer in reached.get("admin", []):
        assert "podSelector" in peer and "namespaceSelector" in peer, "the admin port is for named pods only"
    for rule in policy["spec"]["egress"]:
        assert {port["port"] for port in rule["ports"]} <= {53, 443}, rule
        for peer in rule["to"]:
            if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0":
                assert "169.254.169.254/32" in peer["ipBlock"]["except"]

    # Volumes: what is mounted is there, and what is named is made, or is a Secret that one brings.
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    mounted = {mount["name"] for container in containers(pod) for mount in container.get("volumeMounts", [])}
    assert volumes == mounted, volumes ^ mounted
    maps = {item["metadata"]["name"]: item["data"] for item in of(items, "ConfigMap")}
    used = set()
    for source in sources(pod):
        if "configMap" in source:
            name = source["configMap"]["name"]
            assert name in maps, name
            used.add(name)
            for item in source["configMap"].get("items", []):
                assert item["key"] in maps[name], (name, item)
    # Dashboards are for somebody else.
    mine = {item["metadata"]["name"] for item in of(items, "ConfigMap") if "grafana_dashboard" not in item["metadata"].get("labels", {})}
    assert mine == used, mine ^ used

    (account,) = of(items, "ServiceAccount")
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    config = configuration(items)
    listens(config, gate, ports)
    stops(config, pod)
    scales(items, config, deployment)


def listens(config, gate, ports):
    """The ports of the manifest are those of the configuration; what only the pod may reach, nobody else is shown."""
    for key, given in [("listen", [name for name in ports if name != "admin"]), ("admin", [name for name in ports if name == "admin"])]:
        host, port = config[key]["address"].rsplit(":", 1)
        if host == "127.0.0.1":
            assert not given, f"{key}.address is on loopback, and the manifest has a port for it"
        else:
            assert [str(ports[name]) for name in given] == [port], (key, ports)
    secured = "tls" in config["listen"] or config["listen"]["address"].startswith("127.0.0.1:")
    assert secured or config["listen"].get("plaintext") == "allowed", "listen.address is plaintext on the network"
    local = config["admin"]["address"].startswith("127.0.0.1:")
    for name in ["startupProbe", "livenessProbe", "readinessProbe"]:
        probe = gate[name]
        if "httpGet" in probe:
            assert not local, f"{name}: the kubelet cannot ask loopback"
            assert probe["httpGet"]["port"] == "admin"
            assert probe["httpGet"]["path"] == ("/ready" if name == "readinessProbe" else "/live"), (name, probe)
        else:
            command = probe["exec"]["command"]
            assert command[:2] == ["/usr/bin/findings-gate", "health"], command
            assert ("--live" in command) == (name != "readinessProbe"), command


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m|h)", text).groups()
    return int(number) * SECONDS[unit]


def stops(config, pod):
    limits = config.get("limits", {})
    wait = seconds(limits.get("grace", f"{GRACE}s")) + seconds(limits.get("drain", f"{DRAIN}s"))
    given = pod["terminationGracePeriodSeconds"]
    assert given > wait, f"terminationGracePeriodSeconds is {given}, and the gate may take {wait} s to stop"


def scales(items, config, deployment):
    """What AWS grants is for all replicas together."""
    autoscalers = of(items, "HorizontalPodAutoscaler")
    most = deployment["spec"].get("replicas", 1)
    if autoscalers:
        (autoscaler,) = autoscalers
        assert "replicas" not in deployment["spec"], "the autoscaler has the number of replicas"
        target = autoscaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
        assert autoscaler["spec"]["minReplicas"] >= 2
        most = autoscaler["spec"]["maxReplicas"]
    if most == 1:
        return
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert of(items, "PodDisruptionBudget"), "several replicas, and no disruption budget"
    quota, state = config.get("quota", {}), config.get("state", {})
    for name, (rate, burst) in GRANTED.items():
        assert most * quota.get(f"{name}_rate", rate) <= rate, f"{most} replicas make more {name} calls a second than AWS grants"
        assert most * quota.get(f"{name}_burst", burst) <= burst, f"{most} replicas make more {name} calls at once than AWS grants"
    assert most * state.get("rate", 3) <= 3 and most * state.get("burst", 6) <= 6, "state.rate and state.burst"
    if "GetFindings" in config["doors"]["open"]:
        assert "page_key" in config["doors"], "a page that one replica began must go on at another"


def restricted(items):
    """The restricted profile of the Pod Security Standards, and what goes beyond it here."""
    for namespace in of(items, "Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    _, pod = workload(items)
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True and context["runAsUser"] == 65532, context
    assert context["seccompProfile"]["type"] == "RuntimeDefault"
    assert pod["automountServiceAccountToken"] is False
    assert not any(pod.get(key) for key in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"])
    for container in containers(pod):
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False and own["readOnlyRootFilesystem"] is True, container["name"]
        assert own["capabilities"]["drop"] == ["ALL"] and "add" not in own["capabilities"], container["name"]
        assert not own.get("privileged"), container["name"]
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
        tag = container["image"].rsplit(":", 1)[-1]
        assert "@sha256:" in container["image"] or (":" in container["image"] and tag != "latest"), container["image"]
        assert not any("subPath" in mount for mount in container.get("volumeMounts", [])), "a subPath never changes"
    for volume in pod.get("volumes", []):
        assert set(volume) - {"name"} <= {"projected", "emptyDir"}, volume
        if "projected" in volume:
            assert volume["projected"]["defaultMode"] == 0o440, "everybody in the pod may read it"
    # The token that stands for the gate's role is in the gate's container alone.
    tokens = {volume["name"] for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", []) if "serviceAccountToken" in source}
    for container in containers(pod):
        has = tokens & {mount["name"] for mount in container.get("volumeMounts", [])}
        assert container["name"] == "gate" or not has, f"{container['name']} has the gate's token"


def sources(pod):
    return [source for volume in pod.get("volumes", []) for source in volume.get("projected", {}).get("sources", [])]


def files(items, secrets):
    """What the kubelet puts where the gate's configuration is mounted: by path, below it."""
    _, pod = workload(items)
    maps = {item["metadata"]["name"]: item["data"] for item in of(items, "ConfigMap")}
    maps |= {item["metadata"]["name"]: item["stringData"] for item in of(items, "Secret")}
    (mount,) = [mount for mount in the_gate(pod)["volumeMounts"] if mount["mountPath"] == "/etc/findings-gate"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
    found = {}
    for source in volume["projected"]["sources"]:
        ((kind, source),) = source.items()
        data = maps[source["name"]] if kind == "configMap" else secrets[source["name"]]
        for item in source.get("items") or [{"key": key, "path": key} for key in data]:
            assert item["path"] not in found, f"{item['path']} comes twice"
            found[item["path"]] = data[item["key"]]
    return found


def configuration(items):
    for item in of(items, "ConfigMap"):
        if "findings-gate.toml" in item.get("data", {}):
            return tomllib.loads(item["data"]["findings-gate.toml"])
    raise AssertionError("no ConfigMap has findings-gate.toml")


class Mount:
    """A directory as the kubelet writes a projected volume: the files in one that has a time in its name, and links."""

    def __init__(self, directory, found):
        shutil.rmtree(directory, ignore_errors=True)
        self.directory, self.turn = directory, 0
        directory.mkdir(parents=True)
        self.write(found)

    def write(self, found):
        """As its atomic writer does: all files anew, and then one link is replaced."""
        self.turn += 1
        before = self.directory / "..data"
        old = before.resolve() if before.is_symlink() else None
        new = self.directory / f"..2026_01_01_00_00_0{self.turn}.0"
        for path, text in found.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_text(text, encoding="utf-8")
            (new / path).chmod(0o440)
        link = self.directory / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(before)
        for name in {path.split("/")[0] for path in found}:
            if not (self.directory / name).is_symlink():
                (self.directory / name).symlink_to(f"..data/{name}")
        if old:
            shutil.rmtree(old)


def command(gate, mount):
    """The container's command, with the mount where it is here."""
    assert "command" not in gate, "the image's entry point is the gate"
    return [GATE] + [part.replace("/etc/findings-gate", str(mount.directory)) for part in gate["args"]]


def configured(items, secrets):
    _, pod = workload(items)
    mount = Mount(WORK / "mount", files(items, secrets))
    arguments = command(the_gate(pod), mount)
    assert arguments[1] == "serve"
    out = json.loads(run(GATE, "check", *arguments[2:], "--format", "json", "--deny-warnings"))
    assert out, "no summary"


def offline(text):
    """The configuration with the embedded backend in place of AWS."""
    parts = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    kept = [part for part in parts if not re.match(r"\[upstream[\].]", part)]
    region = tomllib.loads(text)["upstream"]["region"]
    return "".join(kept) + f'\n[upstream]\nurl = "embedded"\nregion = "{region}"\n'


def used(items, secrets):
    """Starts what the container starts, with the findings in memory, and asks what the kubelet asks."""
    _, pod = workload(items)
    gate = the_gate(pod)
    found = files(items, secrets)
    found["findings-gate.toml"] = offline(found["findings-gate.toml"])
    mount = Mount(WORK / "mount", found)
    port, admin = free_port(), free_port()
    environment = {
        "FINDINGS_GATE__LISTEN__ADDRESS": f"127.0.0.1:{port}",
        "FINDINGS_GATE__ADMIN__ADDRESS": f"127.0.0.1:{admin}",
    }
    log = WORK / "gate.log"
    with serving(command(gate, mount), environment, log) as process:
        until("the gate to listen", lambda: accepts(port) and accepts(admin), lambda: process.poll() is None)
        for name in ["startupProbe", "livenessProbe", "readinessProbe"]:
            probe = gate[name]
            if "httpGet" in probe:
                status, body = ask(f"http://127.0.0.1:{admin}{probe['httpGet']['path']}")
                assert status == 200, (name, status, body)
            else:
                asked = [part.replace("/etc/findings-gate", str(mount.directory)) for part in probe["exec"]["command"]]
                run(GATE, *asked[1:], env={**environment})

        def status():
            return json.loads(ask(f"http://127.0.0.1:{admin}/status")[1])

        # The kubelet moves the files under it: what is good is taken, what is not is told and changes nothing.
        before = status()
        accounts = next(path for path in found if path.endswith("accounts.toml"))
        more = {**found, accounts: found[accounts] + '\n[[member]]\naccount = "444444444444"\n'}
        mount.write(more)
        until("the gate to follow a change", lambda: status()["accounts"] == before["accounts"] + 1)
        mount.write({**more, accounts: "administrator = 7\n"})
        until("the gate to refuse a change", lambda: "last_error" in status())
        assert status()["accounts"] == before["accounts"] + 1 and status()["ready"]
        mount.write(found)
        until("the gate to follow the next one", lambda: status()["accounts"] == before["accounts"] and "last_error" not in status())


def monitored(monitor, items):
    wanted = monitor["spec"]["selector"]["matchLabels"]
    found = [service for service in of(items, "Service") if selects(wanted, service["metadata"]["labels"])]
    for endpoint in monitor["spec"]["endpoints"]:
        assert endpoint["path"] == "/metrics"
        named = [service for service in found if endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}]
        assert len(named) == 1, f"port {endpoint['port']} is of {len(named)} services"


def certificate():
    """A certificate as cert-manager would put it into the Secret."""
    place = pathlib.Path(WORK / "certificate")
    if not (place / "tls.crt").exists():
        place.mkdir(exist_ok=True)
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"]
        made += ["-subj", "/CN=findings-gate", "-addext", "subjectAltName=DNS:findings-gate.findings-gate.svc"]
        subprocess.run([*made, "-keyout", place / "tls.key", "-out", place / "tls.crt"], check=True, capture_output=True)
    return {name: (place / name).read_text(encoding="utf-8") for name in ["tls.crt", "tls.key"]}
