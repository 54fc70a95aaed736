"""The unit: by systemd's own analysis, and by what its commands do."""

import os
import re
import shutil
import signal
import subprocess

from common import DEPLOY, GATE, WORK, accepts, ask, free_port, run, serving, until, works
from objects import certificate, offline

UNIT = DEPLOY / "systemd/findings-gate.service"
# Of ten; what is left is that a proxy has a network.
EXPOSURE = 12
PLACE = WORK / "systemd"


def checks(told):
    told.check("systemd finds nothing wrong with the unit", verified)
    told.check(f"its exposure is at the most {EXPOSURE / 10}, as systemd reckons", secured)
    told.check("its commands serve, tell that they do, reload, and stop within its time", used)
    told.check("its filter lets through each system call of the gate", filtered)


def settings():
    """What the unit says, by key: a list for each."""
    found = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def verified():
    # The binary is where it is here; everything else is as it ships.
    text = UNIT.read_text(encoding="utf-8").replace("/usr/bin/findings-gate", GATE)
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()
    unit = PLACE / UNIT.name
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    told = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert done.returncode == 0 and not told, "\n".join(told) or done.stderr
    # And it does look.
    unit.write_text(text.replace("Restart=always", "Restart=allways"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert "allways" in done.stdout + done.stderr, "a misspelt value was not found"


def secured():
    out = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", UNIT)
    print("      ", out.strip().splitlines()[-1].lstrip("→ "))


def command(key, **words):
    (line,) = settings()[key]
    for name, value in words.items():
        line = line.replace(f"${name}", str(value))
    parts = line.replace("/usr/bin/findings-gate", GATE).replace("/etc/findings-gate", str(PLACE / "etc")).split()
    return parts


def environment():
    given = dict(item.split("=", 1) for item in settings()["Environment"])
    return {key: value.replace("%d", str(PLACE / "credentials")) for key, value in given.items()}


def lay_out():
    """/etc/findings-gate, and the directory of credentials, as systemd would make it of what the unit loads."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(mode=0o755)
    for folder in ["etc", "credentials", "state"]:
        (PLACE / folder).mkdir(mode=0o700 if folder == "state" else 0o755)
    os.chown(PLACE / "state", 65532, 65532)
    tls = certificate()
    text = offline((DEPLOY / "systemd/findings-gate.toml").read_text(encoding="utf-8"))
    assert settings()["StateDirectory"] == ["findings-gate"] and text.count("/var/lib/findings-gate/") == 1
    text = text.replace("/var/lib/findings-gate/", f"{PLACE}/state/")
    # What a client without signatures can show: that the commands are right is asked here, not who may call.
    etc = {"findings-gate.toml": text, "accounts.toml": (DEPLOY / "systemd/accounts.toml").read_text(encoding="utf-8"), "tls.crt": tls["tls.crt"]}
    keys = '[[key]]\nid = "AKIACHECK"\nsecret = "change-me-to-forty-random-characters-000"\naccount = "222222222222"\nprincipal = "check"\n'
    secret = {"keys.toml": keys, "page.key": os.urandom(16).hex(), "audit.key": os.urandom(16).hex(), "tls.key": tls["tls.key"]}
    for name, text in etc.items():
        (PLACE / "etc" / name).write_text(text, encoding="utf-8")
    loaded = {line.split(":")[0] for line in settings()["LoadCredential"]}
    assert loaded == set(secret), loaded ^ set(secret)
    for name, text in secret.items():
        path = PLACE / "credentials" / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o400)
    for path in [PLACE / "credentials", *(PLACE / "credentials").iterdir()]:
        os.chown(path, 65532, 65532)
    # All of a configuration that is as it ships, the secrets where the unit says that they are.
    shipped = PLACE / "shipped"
    shutil.copytree(PLACE / "etc", shipped)
    shutil.copy(DEPLOY / "systemd/findings-gate.toml", shipped)
    run(GATE, "check", "--deny-warnings", "--config", shipped / "findings-gate.toml", env={**os.environ, **environment()})


# As DynamicUser, CapabilityBoundingSet and NoNewPrivileges have it.
AS_THE_SERVICE = ["setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


def used():
    lay_out()
    stop = int(settings()["TimeoutStopSec"][0])
    with open(PLACE / "etc/findings-gate.toml", encoding="utf-8") as file:
        port, admin = free_port(), free_port()
        text = file.read().replace("0.0.0.0:8443", f"127.0.0.1:{port}").replace("127.0.0.1:8081", f"127.0.0.1:{admin}")
    (PLACE / "etc/findings-gate.toml").write_text(text, encoding="utf-8")
    assert settings()["KillSignal"] == ["SIGTERM"] and stop > 35, "limits.grace and limits.drain are 5 s and 30 s by default"
    with serving(AS_THE_SERVICE + command("ExecStart"), environment(), PLACE / "log") as process:
        # As systemd does it: at once, and whatever it says is the start's success.
        told = run(*AS_THE_SERVICE, *command("ExecStartPost"), env={**os.environ, **environment()})
        assert told == "live\n", told
        assert accepts(port) and ask(f"http://127.0.0.1:{admin}/ready")[0] == 200
        with open(PLACE / "etc/accounts.toml", "a", encoding="utf-8") as file:
            file.write('\n[[member]]\naccount = "444444444444"\n')
        run(*command("ExecReload", MAINPID=process.pid))
        until("the reload", lambda: '"event":"reloaded"' in (PLACE / "log").read_text(encoding="utf-8"))
    # What no restart makes better, systemd does not start again.
    (PLACE / "etc/findings-gate.toml").write_text("[listen]\nadress = 7\n", encoding="utf-8")
    given = {**os.environ, **environment()}
    ended = subprocess.run([str(part) for part in command("ExecStart")], capture_output=True, text=True, check=False, timeout=60, env=given)
    assert str(ended.returncode) in settings()["RestartPreventExitStatus"][0].split(), ended


def calls(group):
    """The system calls of a group of systemd's, and of those in it."""
    found = set()
    for line in run("systemd-analyze", "syscall-filter", "--no-pager", group).splitlines()[1:]:
        word = line.strip().lstrip("*").strip()
        if word and not word.startswith("#"):
            found |= calls(word) if word.startswith("@") else {word}
    return found


def filtered():
    """Traces a gate that starts, decides, keeps findings, reloads and stops, and a health check, and looks at what they call."""
    lay_out()
    first, second = settings()["SystemCallFilter"]
    assert not first.startswith("~") and second.startswith("~")
    allowed = set().union(*(calls(group) for group in first.split())) - set().union(*(calls(group) for group in second[1:].split()))
    port, admin = free_port(), free_port()
    state = PLACE / "state"
    text = (PLACE / "etc/findings-gate.toml").read_text(encoding="utf-8")
    text = re.sub(r"^tls = .*$", "", text, flags=re.MULTILINE).replace("0.0.0.0:8443", f"127.0.0.1:{port}")
    text = text.replace("127.0.0.1:8081", f"127.0.0.1:{admin}").replace("[listen]", "[listen]\nworkers = 2")
    text = text.replace('kind = "sigv4"\nkeys = "keys.toml"', 'kind = "fixed"\naccount = "222222222222"\nprincipal = "check"')
    text = text.replace('open = ["GetFindings"]', 'open = ["GetFindings", "BatchImportFindings"]')
    text = text.replace('url = "embedded"', f'url = "embedded"\ndata = "{state}/findings.db"')
    (PLACE / "etc/findings-gate.toml").write_text(text, encoding="utf-8")
    given = {key: value for key, value in environment().items() if "IDENTITY" not in key and "TLS" not in key}
    trace = state / "trace"
    traced = [*AS_THE_SERVICE, "strace", "--follow-forks", "--quiet=all", "--output", trace, "--signal=none"]
    with serving(traced + command("ExecStart"), given, PLACE / "log") as process:
        until("the gate to listen", lambda: accepts(port) and accepts(admin), lambda: process.poll() is None)
        works(f"http://127.0.0.1:{port}", "traced")
        (PLACE / "etc/accounts.toml").write_text('administrator = "111111111111"\n', encoding="utf-8")
        child = int(run("pgrep", "--parent", process.pid).split()[0])
        os.kill(child, signal.SIGHUP)
        until("the reload", lambda: '"event":"reload' in (PLACE / "log").read_text(encoding="utf-8"))
        run(*traced, "--output-append-mode", *command("ExecStartPost"), env={**os.environ, **given})
        os.kill(child, signal.SIGTERM)
        until("the end", lambda: process.poll() is not None)
        assert process.returncode == 0
    made = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", trace.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(made) > 30, made
    # The call that systemd itself makes before its filter is all that there is.
    refused = made - allowed - {"execve"}
    assert not refused, f"the filter would refuse {sorted(refused)}"
    print(f"       {len(made)} system calls of {len(allowed)} that are allowed")
