"""The image: its Dockerfile by hadolint, its final stage built by buildah, and run by podman as it is meant to run."""

import atexit
import contextlib
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

from common import DEPLOY, GATE, ROOT, WORK, accepts, ask, free_port, run, until, works

BUILT = WORK / "container"
# A place of its own with a short name: sockets lie in it, whose paths may have 108 bytes.
ENGINE = pathlib.Path(tempfile.mkdtemp(prefix="gate-", dir="/var/tmp"))
atexit.register(shutil.rmtree, ENGINE, ignore_errors=True)
IMAGE = "localhost/findings-gate:check"
STORE = ["--root", ENGINE / "store", "--runroot", ENGINE / "run", "--storage-driver", "vfs"]
PODMAN = ["podman", *STORE, "--tmpdir", ENGINE / "tmp", "--cgroup-manager", "cgroupfs", "--runtime", shutil.which("runc") or "/usr/sbin/runc"]
# What deploy/container/Dockerfile says that it is meant for, and the limits of the manifests.
HARDENED = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=512m"]

CONFIGURATION = """
[listen]
address = "127.0.0.1:{port}"
[admin]
address = "127.0.0.1:{admin}"
[policies]
path = ["/usr/share/findings-gate/policies/baseline"]
[accounts]
file = "accounts.toml"
[[identity]]
kind = "fixed"
account = "222222222222"
principal = "arn:aws:iam::222222222222:role/triage"
[upstream]
url = "embedded"
data = "/var/lib/findings-gate/findings.db"
region = "eu-west-1"
[audit]
file = "/var/lib/findings-gate/audit.jsonl"
[doors]
open = ["BatchImportFindings"]
"""


def checks(told):
    told.check("the Dockerfile is free of what hadolint knows", run, "hadolint", DEPLOY / "container/Dockerfile")
    told.check("its toolchain is the one of Cargo.toml", toolchain)
    told.check("the build's context has all that Cargo needs, and no more", context)
    told.check("its final stage builds", build)
    told.check("the image says who runs it, what, and how its health is asked", described)
    told.check("the image holds the program, what that is linked to, and nothing that could be misused", contents)
    told.check("it serves as 65532, read-only, without capabilities, is healthy, decides, and ends with 0", used)
    told.check("it does not start on a configuration that is wrong, and says what is", misused)


def toolchain():
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    version = re.search(r'^rust-version = "(.+)"$', manifest, re.MULTILINE)[1]
    release = re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)[1]
    text = (DEPLOY / "container/Dockerfile").read_text(encoding="utf-8")
    assert f"/rust:{version}-slim-" in text, f"Cargo.toml has rust-version {version}"
    assert f"ARG VERSION={release}\n" in text, f"Cargo.toml has version {release}"


def context():
    """Buildah says what `.dockerignore` lets through; Cargo says whether that is a package that it can build."""
    copied = BUILT / "context"
    shutil.rmtree(BUILT, ignore_errors=True)
    copied.mkdir(parents=True)
    text = "FROM scratch\nCOPY . /src\n"
    (BUILT / "Context").write_text(text, encoding="utf-8")
    run("buildah", *STORE, "build", "--quiet", "--isolation", "chroot", "--file", BUILT / "Context", "--tag", "context", ROOT)
    with mounted("context") as root:
        shutil.copytree(root / "src", copied, dirs_exist_ok=True)
    run("buildah", *STORE, "rmi", "--force", "context")
    run("cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1", cwd=copied)
    there = {path.relative_to(copied).parts[0] for path in copied.rglob("*") if path.is_file()}
    assert there == {"Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "src", "policies", "docs", "benches", "examples", "deploy"}, there
    assert os.access(copied / "deploy/container/rootfs", os.X_OK)
    # What the sources take in at build time lies in the context, too.
    for source in (copied / "src").rglob("*.rs"):
        code = source.read_text(encoding="utf-8").split("#[cfg(test)]")[0]
        if "tests" in source.parts or source.name in {"tests.rs", "reference.rs"}:
            continue
        for taken in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', code):
            assert (source.parent / taken).exists(), f"{source.relative_to(copied)} takes in {taken}"


def build():
    stage = BUILT / "stage"
    stage.mkdir(parents=True, exist_ok=True)
    run(DEPLOY / "container/rootfs", GATE, stage / "rootfs")
    # The stage that compiles is replaced by what its last command lays out; the rest is the Dockerfile as it is.
    text = DEPLOY / "container/Dockerfile"
    empty = BUILT / "empty"
    empty.mkdir()
    command = ["buildah", *STORE, "build", "--quiet", "--format", "docker", "--isolation", "chroot", "--file", text]
    run(*command, "--build-context", f"build={stage}", "--build-arg", "REVISION=check", "--tag", IMAGE, empty)


def described():
    config = json.loads(run(*PODMAN, "inspect", IMAGE))[0]["Config"]
    assert config["User"] == "65532:65532", config["User"]
    assert config["Entrypoint"] == ["/usr/bin/findings-gate"] and config["Cmd"] == ["serve"], config
    assert config["WorkingDir"] == "/etc/findings-gate"
    assert config["Labels"]["org.opencontainers.image.revision"] == "check"
    health = json.loads(run(*PODMAN, "inspect", "--format", "{{json .HealthCheck}}", IMAGE))
    assert health["Test"] == ["CMD", "/usr/bin/findings-gate", "health"], health


def contents():
    with mounted(IMAGE) as root:
        files = [path for path in root.rglob("*") if not path.is_symlink()]
        programs = sorted(
            str(path.relative_to(root)) for path in files if path.is_file() and os.access(path, os.X_OK) and ".so" not in path.name
        )
        assert programs == ["usr/bin/findings-gate"], programs
        for path in files:
            mode = path.stat()
            name = path.relative_to(root)
            assert not mode.st_mode & (stat.S_ISUID | stat.S_ISGID), f"{name} runs as somebody else"
            owned = 65532 if str(name) == "var/lib/findings-gate" else 0
            assert (mode.st_uid, mode.st_gid) == (owned, owned), f"{name} belongs to {mode.st_uid}"
            assert owned or not mode.st_mode & 0o022, f"{name} can be written to"
        assert (root / "etc/ssl/certs/ca-certificates.crt").read_text(encoding="utf-8").count("BEGIN CERTIFICATE") > 50
        notes = {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
        assert {"libc6", "ca-certificates"} <= notes, notes
        # Every library that the program asks for is there, and none besides.
        linked = run("ldd", GATE)
        wanted = {word for line in linked.splitlines() for word in line.split() if word.startswith("/")}
        have = {f"/{path.relative_to(root)}" for path in files if ".so" in path.name}
        assert have == wanted, have ^ wanted
        size = sum(path.stat().st_size for path in files if path.is_file())
        program = (root / "usr/bin/findings-gate").stat().st_size
        print(f"       {size / 1e6:.1f} MB, of which the program has {program / 1e6:.1f}")
        assert size - program < 8e6, "something has come in that does not belong there"


def place(name, text):
    directory = BUILT / name
    directory.mkdir()
    (directory / "findings-gate.toml").write_text(text, encoding="utf-8")
    accounts = 'administrator = "111111111111"\n[[member]]\naccount = "222222222222"\n'
    (directory / "accounts.toml").write_text(accounts, encoding="utf-8")
    return ["--volume", f"{directory}:/etc/findings-gate:ro", "--mount", "type=tmpfs,destination=/var/lib/findings-gate,chown=true"]


def podman(*arguments):
    """Without systemd podman says that it has no timers for health checks; these checks ask by themselves."""
    return subprocess.run([str(part) for part in [*PODMAN, *arguments]], capture_output=True, text=True, timeout=120, check=False)


def used():
    port, admin = free_port(), free_port()
    volumes = place("configuration", CONFIGURATION.format(port=port, admin=admin))
    name = "findings-gate-check"
    limits = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1024:1024"]
    started = podman("run", "--detach", "--name", name, "--network", "host", *limits, *HARDENED, *volumes, IMAGE)
    try:
        assert started.returncode == 0, started.stderr

        def state(field):
            return podman("inspect", "--format", f"{{{{.State.{field}}}}}", name).stdout.strip()

        log = lambda: podman("logs", name).stdout  # noqa: E731
        until("the gate to listen", lambda: accepts(port) and accepts(admin), lambda: state("Status") == "running")
        process = pathlib.Path(f"/proc/{state('Pid')}/status").read_text(encoding="utf-8")
        facts = dict(line.split(":\t", 1) for line in process.splitlines() if ":\t" in line)
        assert facts["Uid"].split() == ["65532"] * 4 and facts["Gid"].split() == ["65532"] * 4, facts["Uid"]
        assert all(int(facts[kind], 16) == 0 for kind in ["CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh"]), process
        assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2", process
        mounts = pathlib.Path(f"/proc/{state('Pid')}/mounts").read_text(encoding="utf-8").splitlines()
        root = next(line.split()[3] for line in mounts if line.split()[1] == "/")
        assert "ro" in root.split(","), root
        healthy = podman("healthcheck", "run", name)
        assert healthy.returncode == 0, healthy.stdout + healthy.stderr
        assert ask(f"http://127.0.0.1:{admin}/ready")[0] == 200
        works(f"http://127.0.0.1:{port}", "in-a-container")
        podman("stop", "--time", "60", name)
        assert (state("Status"), state("ExitCode")) == ("exited", "0"), log()
    finally:
        podman("rm", "--force", name)


def misused():
    volumes = place("misconfiguration", "[listen]\nadress = 7\n")
    ended = podman("run", "--rm", "--network", "none", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1024:1024", *HARDENED, *volumes, IMAGE)
    assert ended.returncode == 3 and "listen.address" in ended.stderr, (ended.returncode, ended.stderr)


@contextlib.contextmanager
def mounted(image):
    container = run("buildah", *STORE, "from", "--quiet", image).strip()
    try:
        yield pathlib.Path(run("buildah", *STORE, "mount", container).strip())
    finally:
        run("buildah", *STORE, "rm", container)
