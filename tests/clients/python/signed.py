"""What the tests of signed requests share: gates with credentials of their own, a backend that keeps what comes, AWS on loopback."""

import contextlib
import datetime
import http.client
import json
import logging
import os
import pathlib
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time
import unittest

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer
from moto.sts.models import sts_backends

GATE = os.environ["GATE_BINARY"]
FIXTURE = pathlib.Path(__file__).parent.parent / "fixture"
REGION, OTHER_REGION = "eu-west-1", "us-east-1"
ADMINISTRATOR, PAYMENTS = "111111111111", "222222222222"
KEYS = {
    "administrator": ("AKIAADMIN", "secret-of-the-administrator-0123456789"),
    "payments": ("AKIAPAYMENTS", "secret-of-payments-0123456789abcdefghij"),
}
OWN = ("AKIAGATEGATEGATEGATE", "secret/of+the=gate/0123456789abcdefghijk")
TOKEN = "token/of+the=gate//0123456789=="
PATIENCE = 60
# moto's server would tell every request.
logging.getLogger("werkzeug").setLevel(logging.ERROR)


def environment(token=None, **more):
    """Nothing of this process's but the way to programs."""
    credentials = {"AWS_ACCESS_KEY_ID": OWN[0], "AWS_SECRET_ACCESS_KEY": OWN[1]} if token != "" else {}
    if token:
        credentials["AWS_SESSION_TOKEN"] = token
    return {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", **credentials, **more}


class Recorder(socketserver.ThreadingTCPServer):
    """A backend that keeps every byte that comes, and answers as Security Hub does where nothing is there."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self):
        taken, self.requests = self.requests, []
        return taken


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            method, target, _ = line.decode("ascii").split(" ")
            headers = []
            while (field := self.rfile.readline()) not in (b"\r\n", b""):
                name, value = field.decode("ascii").rstrip("\r\n").split(": ", 1)
                headers.append((name.lower(), value))
            body = self.rfile.read(int(dict(headers).get("content-length", 0)))
            self.server.requests.append((method, target, headers, body))
            answer = json.dumps(answer_to(target, body)).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
            self.wfile.write(head.encode() + answer)


def answer_to(target, body):
    if target == "/findings/batchupdate":
        return {"ProcessedFindings": json.loads(body)["FindingIdentifiers"], "UnprocessedFindings": []}
    if target.startswith("/automationrules/list"):
        return {"AutomationRulesMetadata": []}
    return {"Findings": []}


@contextlib.contextmanager
def gate(upstream, env, look_up="off"):
    """A gate with this `[upstream]`; gives its URL, what it has logged so far, and its admin listener's URL."""
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        for name in ("accounts.toml", "keys.toml", "extra.cedar"):
            shutil.copy(FIXTURE / name, place)
        (place / "keys.toml").chmod(0o600)
        configuration = (FIXTURE / "findings-gate.toml").read_text()
        ours = f'[upstream]\nregion = "{REGION}"\n{upstream}\n[state]\nlookup = "{look_up}"\n[admin]\naddress = "127.0.0.1:0"\n'
        theirs = f'[upstream]\nurl = "embedded"\nregion = "{REGION}"\n'
        assert theirs in configuration
        (place / "findings-gate.toml").write_text(configuration.replace(theirs, ours))
        log = place / "log"
        with log.open("wb") as sink:
            process = subprocess.Popen([GATE, "serve"], cwd=place, env=env, stdout=subprocess.PIPE, stderr=sink)
        try:
            admin, url = (process.stdout.readline().decode().strip() for _ in range(2))
            assert url.startswith("listening on "), log.read_text()
            yield url.removeprefix("listening on "), log.read_text, admin.removeprefix("administered at ")
        finally:
            process.terminate()
            process.wait(PATIENCE)
            process.stdout.close()


def client(url, caller="payments", region=REGION):
    key, secret = KEYS[caller]
    return boto3.session.Session().client(
        "securityhub",
        region_name=region,
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}),
    )


def identifier(account=PAYMENTS, region=REGION):
    return {
        "Id": f"arn:aws:securityhub:{region}:{account}:security-control/S3.8/finding/é-1",
        "ProductArn": f"arn:aws:securityhub:{region}::product/aws/securityhub",
    }


def update(url, caller="payments", region=REGION):
    note = {"Text": "rotated – é ✓ 日本", "UpdatedBy": "triage"}
    answer = client(url, caller, region).batch_update_findings(
        FindingIdentifiers=[identifier(region=region)], Note=note
    )
    assert answer["UnprocessedFindings"] == [], answer


def ready(admin):
    connection = http.client.HTTPConnection(admin.removeprefix("http://"), timeout=PATIENCE)
    connection.request("GET", "/ready")
    answer = connection.getresponse()
    told = answer.status, answer.read().decode()
    connection.close()
    return told


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class SignedTest(unittest.TestCase):
    """What arrives is checked by botocore's signer; moto is AWS."""

    CLIENT = "botocore"

    @classmethod
    def setUpClass(cls):
        cls.recorder = Recorder()
        cls.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.moto.start()
        cls.moto_url = "http://{}:{}".format(*cls.moto.get_host_and_port())

    @classmethod
    def tearDownClass(cls):
        cls.recorder.shutdown()
        cls.recorder.server_close()
        cls.moto.stop()

    def setUp(self):
        self.recorder.take()

    def check(self, request, credentials, region=REGION, host=None):
        """botocore comes to the same canonical request and signature from what arrived, and nothing else arrived."""
        method, target, headers, body = request
        names = [name for name, _ in headers]
        self.assertEqual(len(names), len(set(names)), names)
        headers = dict(headers)
        key, secret, token = credentials
        algorithm, rest = headers["authorization"].split(" ", 1)
        parts = dict(part.split("=", 1) for part in rest.split(", "))
        day = headers["x-amz-date"][:8]
        self.assertEqual(algorithm, "AWS4-HMAC-SHA256")
        self.assertEqual(parts["Credential"], f"{key}/{day}/{region}/securityhub/aws4_request")
        expected = ["content-type"] if method != "GET" else []
        expected += ["host", "x-amz-date"] + (["x-amz-security-token"] if token else [])
        self.assertEqual(parts["SignedHeaders"].split(";"), expected)
        # What is not signed is the signature itself and the length that HTTP frames the body by.
        unsigned = set(names) - set(expected) - {"authorization", "content-length"}
        self.assertEqual(unsigned, set(), "the gate sends what it did not sign")
        self.assertEqual(headers.get("x-amz-security-token"), token)
        host = host or f"127.0.0.1:{self.recorder.port}"
        self.assertEqual(headers["host"], host)

        again = AWSRequest(
            method, f"http://{host}{target}", {name: headers[name] for name in expected}, data=body
        )
        again.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(Credentials(key, secret, token), "securityhub", region)
        canonical = signer.canonical_request(again)
        self.assertEqual(canonical.split("\n")[-2], parts["SignedHeaders"])
        signature = signer.signature(signer.string_to_sign(again, canonical), again)
        self.assertEqual(parts["Signature"], signature, canonical)

    def make_calls(self, url):
        """One of each kind: a PATCH and a POST with bodies that are not ASCII, and a GET with a query."""
        update(url)
        client(url).get_findings(Filters={"Title": [{"Value": "é 日本", "Comparison": "EQUALS"}]})
        client(url, "administrator").list_automation_rules(MaxResults=7)
        requests = self.recorder.take()
        methods = [(method, target.split("?")[0]) for method, target, _, _ in requests]
        self.assertEqual(
            methods, [("PATCH", "/findings/batchupdate"), ("POST", "/findings"), ("GET", "/automationrules/list")]
        )
        self.assertIn("é".encode(), requests[0][3])
        self.assertIn("日本".encode(), requests[1][3])
        self.assertIn("?MaxResults=7", requests[2][1])
        return requests

    @staticmethod
    def assumed(account):
        return sts_backends[account]["aws"].assumed_roles


class Metadata(socketserver.ThreadingTCPServer):
    """Credentials of a container or an instance (IMDSv2), a new set each time and each good for `lifetime` seconds."""

    allow_reuse_address = True
    daemon_threads = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while line := self.rfile.readline():
                method, target, _ = line.decode().split(" ")
                headers = http.client.parse_headers(self.rfile)
                self.rfile.read(int(headers.get("content-length", 0)))
                answer = self.server.answer(method, target, headers)
                status, body = ("200 OK", answer) if answer is not None else ("401 Unauthorized", "")
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n"
                self.wfile.write((head + body).encode())

    def __init__(self, lifetime):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.lifetime = lifetime
        self.given = []
        self.url = "http://127.0.0.1:{}".format(self.server_address[1])
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, method, target, headers):
        if (method, target) == ("PUT", "/latest/api/token"):
            return "session"
        if target.startswith("/latest/") and headers["x-aws-ec2-metadata-token"] != "session":
            return None
        if target.endswith("/security-credentials/"):
            return "gate"
        expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.lifetime)
        number = len(self.given)
        self.given.append((f"ASIAGIVEN{number}", f"secret-{number}", f"token-{number}"))
        key, secret, token = self.given[-1]
        return json.dumps(
            {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "LastUpdated": "2026-01-01T00:00:00Z",
                "AccessKeyId": key,
                "SecretAccessKey": secret,
                "Token": token,
                "Expiration": expiry.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )


class Refusing(socketserver.ThreadingTCPServer):
    """An STS that lets nobody assume anything."""

    allow_reuse_address = True
    daemon_threads = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline():
                head = http.client.parse_headers(self.rfile)
                self.rfile.read(int(head.get("content-length", 0)))
                body = (
                    b"<ErrorResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><Error><Type>Sender</Type>"
                    b"<Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>"
                )
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
