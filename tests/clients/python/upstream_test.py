"""The way up to AWS: what the gate sends, recomputed by botocore's own signer; roles by moto's STS; Security Hub by moto's.

Gates are started here, each with a configuration and AWS credentials of its own.
"""

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
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import ClientError
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


class Signed(unittest.TestCase):
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

    def test_the_gates_own_credentials_sign(self):
        for token in (None, TOKEN):
            upstream = f'url = "http://127.0.0.1:{self.recorder.port}"\nsign = "gateway"'
            with self.subTest(token=token), gate(upstream, environment(token)) as (url, log, _):
                for request in self.make_calls(url):
                    self.check(request, (*OWN, token))
                until(lambda log=log: "credentials_obtained" in log())
                self.assertNotIn(OWN[1], log())
                self.assertNotIn(TOKEN, log())

    def test_nothing_of_the_client_leaves(self):
        """Whatever headers a client sends, signed or not, what arrives has the gate's only."""
        upstream = f'url = "http://127.0.0.1:{self.recorder.port}"\nsign = "gateway"'
        with gate(upstream, environment()) as (url, _, _):
            made = client(url)

            def more(request, **_):
                request.headers["x-findings-gate-account"] = ADMINISTRATOR
                request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
                request.headers["Cookie"] = "session=1"
                request.headers["Forwarded"] = "for=10.0.0.1"
                request.headers["TE"] = "trailers"

            made.meta.events.register("before-sign.securityhub", more)
            hop_by_hop = {"Via": "1.1 x", "Keep-Alive": "timeout=5", "X-HTTP-Method-Override": "DELETE"}
            made.meta.events.register("before-send.securityhub", lambda request, **_: request.headers.update(hop_by_hop))
            with contextlib.suppress(ClientError):
                made.batch_update_findings(FindingIdentifiers=[identifier()], Note={"Text": "x", "UpdatedBy": "y"})
            update(url)
            requests = self.recorder.take()
            self.assertTrue(requests)
            for request in requests:
                self.check(request, (*OWN, None))

    def test_a_role_for_each_caller_signs(self):
        upstream = "\n".join(
            [
                f'url = "http://127.0.0.1:{self.recorder.port}"',
                'sign = "assume-role"',
                "[upstream.assume_role]",
                'arn = "arn:aws:iam::{account}:role/findings-gate"',
                'external_id = "gate-7"',
                'source_identity = "{principal}"',
                'tags = ["principal={principal}"]',
                'duration = "15m"',
                f'endpoint = "{self.moto_url}"',
            ]
        )
        for token in (None, TOKEN):
            with self.subTest(token=token), gate(upstream, environment(token)) as (url, log, _):
                requests = self.make_calls(url)
                update(url)
                requests += self.recorder.take()
                payments, administrator = (
                    [role for role in self.assumed(account) if role.external_id == "gate-7"]
                    for account in (PAYMENTS, ADMINISTRATOR)
                )
                expected = [payments[-1], payments[-1], administrator[-1], payments[-1]]
                for request, role in zip(requests, expected, strict=True):
                    self.check(request, (role.access_key_id, role.secret_access_key, role.session_token))
                for role, account, name in (
                    (payments[-1], PAYMENTS, "triage"),
                    (administrator[-1], ADMINISTRATOR, "security"),
                ):
                    self.assertEqual(role.role_arn, f"arn:aws:iam::{account}:role/findings-gate")
                    self.assertRegex(role.session_name, rf"^arn-aws-iam--{account}-role-{name}-[0-9a-f]{{8}}$")
                self.assertNotIn(payments[-1].secret_access_key, log())
                self.assertNotIn(payments[-1].session_token, log())
        # Each gate asked once for each caller, however many requests it made.
        self.assertEqual((len(payments), len(administrator)), (2, 2))

    @staticmethod
    def assumed(account):
        return sts_backends[account]["aws"].assumed_roles

    def test_each_region_has_its_backend_and_its_signature(self):
        upstream = (
            f'url = "http://{{region}}.localhost:{self.recorder.port}"\nregions = ["{REGION}", "{OTHER_REGION}"]\nsign = "gateway"'
        )
        with gate(upstream, environment()) as (url, _, _):
            for region in (REGION, OTHER_REGION, REGION):
                update(url, region=region)
                [request] = self.recorder.take()
                self.check(request, (*OWN, None), region, f"{region}.localhost:{self.recorder.port}")
            with self.assertRaises(ClientError) as refused:
                update(url, region="ap-south-1")
            self.assertEqual(refused.exception.response["Error"]["Code"], "InvalidSignatureException")
            self.assertEqual(self.recorder.take(), [])

    def test_a_region_looks_its_own_findings_up(self):
        """What is known of a finding in one Region is not what it is in another, though it may have the same name there."""
        upstream = (
            f'url = "http://{{region}}.localhost:{self.recorder.port}"\nregions = ["{REGION}", "{OTHER_REGION}"]\nsign = "gateway"'
        )
        fields = {"UserDefinedFields": {"owner": "payments"}}
        with gate(upstream, environment(), look_up="on") as (url, _, _):
            for region in (REGION, OTHER_REGION):
                made = client(url, region=region)
                made.batch_update_findings(FindingIdentifiers=[identifier()], **fields)
                look_ups = [request for request in self.recorder.take() if request[1] == "/findings"]
                self.assertTrue(look_ups, "nothing was looked up")
                for request in look_ups:
                    self.check(request, (*OWN, None), region, f"{region}.localhost:{self.recorder.port}")

    def test_without_credentials_it_starts_and_is_not_ready_until_they_come(self):
        upstream = f'url = "http://127.0.0.1:{self.recorder.port}"\nsign = "gateway"'
        with tempfile.TemporaryDirectory() as place:
            profile = pathlib.Path(place) / "credentials"
            later = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": str(profile)}
            with gate(upstream, environment("", **later)) as (url, log, admin):
                until(lambda: "credentials_lost" in log())
                self.assertEqual(ready(admin)[0], 503)
                self.assertIn("the gate has no AWS credentials", ready(admin)[1])
                with self.assertRaises(ClientError) as refused:
                    update(url)
                error = refused.exception.response
                self.assertEqual(error["Error"]["Code"], "ServiceUnavailableException")
                self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 503)
                self.assertIn("the gate has no AWS credentials", error["Error"]["Message"])
                self.assertEqual(self.recorder.take(), [])

                made = profile.with_name("new")
                made.write_text(f"[default]\naws_access_key_id = {OWN[0]}\naws_secret_access_key = {OWN[1]}\n")
                made.rename(profile)
                until(lambda: ready(admin) == (200, "ready\n"))
                self.assertIn("credentials_obtained", log())
                update(url)
                [request] = self.recorder.take()
                self.check(request, (*OWN, None))

    def test_credentials_come_from_where_sdks_look(self):
        upstream = f'url = "http://127.0.0.1:{self.recorder.port}"\nsign = "gateway"'
        nothing = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            (place / "token").write_text("a.b.c")
            process = {"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "of-a-process"}
            (place / "process").write_text(f"#!/bin/sh\necho '{json.dumps(process)}'\n")
            (place / "process").chmod(0o700)
            (place / "config").write_text(f"[default]\ncredential_process = {place / 'process'}\n")
            container, instance = Metadata(3600), Metadata(3600)
            role = f"arn:aws:iam::{ADMINISTRATOR}:role/pod"
            sources = {
                "container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{container.url}/credentials"},
                "instance": {
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance.url,
                    "AWS_EC2_METADATA_DISABLED": "false",
                },
                "web identity": {
                    "AWS_WEB_IDENTITY_TOKEN_FILE": str(place / "token"),
                    "AWS_ROLE_ARN": role,
                    "AWS_ROLE_SESSION_NAME": "gate",
                    "AWS_ENDPOINT_URL_STS": self.moto_url,
                },
                "process": {"AWS_CONFIG_FILE": str(place / "config")},
            }
            given = {
                "container": lambda: container.given[-1],
                "instance": lambda: instance.given[-1],
                "web identity": lambda: next(
                    (made.access_key_id, made.secret_access_key, made.session_token)
                    for made in self.assumed(ADMINISTRATOR)
                    if made.role_arn == role
                ),
                "process": lambda: ("AKIAPROCESS", "of-a-process", None),
            }
            for source, variables in sources.items():
                with self.subTest(source), gate(upstream, environment("", **nothing | variables)) as (url, _, _):
                    update(url)
                    [request] = self.recorder.take()
                    self.check(request, given[source]())
            for server in (container, instance):
                server.shutdown()
                server.server_close()

    def test_credentials_are_renewed_before_they_expire_and_no_request_waits_or_fails(self):
        # Two thirds of it are over when they are renewed, and its last ten seconds are not used.
        container = Metadata(36)
        upstream = f'url = "http://127.0.0.1:{self.recorder.port}"\nsign = "gateway"'
        source = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{container.url}/credentials"}
        with gate(upstream, environment("", **source)) as (url, log, _):

            def is_renewed():
                update(url)
                [request] = self.recorder.take()
                key = dict(request[2])["authorization"].split("Credential=")[1].split("/")[0]
                [signed_with] = [given for given in container.given if given[0] == key]
                self.check(request, signed_with)
                return signed_with != container.given[0]

            until(is_renewed)
            self.assertNotIn("credentials_lost", log())
            self.assertEqual(len(container.given), 2)
        container.shutdown()
        container.server_close()

    def test_a_role_that_may_not_be_assumed_is_named_to_the_caller(self):
        refuse = Refusing()
        upstream = "\n".join(
            [
                f'url = "http://127.0.0.1:{self.recorder.port}"',
                'sign = "assume-role"',
                'assume_role.arn = "arn:aws:iam::{account}:role/missing"',
                f'assume_role.endpoint = "http://127.0.0.1:{refuse.server_address[1]}"',
            ]
        )
        try:
            with gate(upstream, environment()) as (url, log, _):
                with self.assertRaises(ClientError) as refused:
                    update(url)
                error = refused.exception.response["Error"]
                self.assertEqual(error["Code"], "AccessDeniedException")
                self.assertIn(f"arn:aws:iam::{PAYMENTS}:role/missing", error["Message"])
                self.assertIn("sts:AssumeRole", error["Message"])
                until(lambda: "role_refused" in log())
                self.assertEqual(self.recorder.take(), [])
        finally:
            refuse.shutdown()
            refuse.server_close()

    def test_motos_security_hub_takes_and_gives_findings(self):
        upstream = f'url = "{self.moto_url}"\nsign = "gateway"'
        hub = boto3.session.Session().client(
            "securityhub", region_name=REGION, endpoint_url=self.moto_url, aws_access_key_id=OWN[0], aws_secret_access_key=OWN[1]
        )
        hub.enable_security_hub()
        finding = {
            "SchemaVersion": "2018-10-08",
            "Id": "rule/é-1",
            "ProductArn": f"arn:aws:securityhub:{REGION}:{PAYMENTS}:product/{PAYMENTS}/default",
            "GeneratorId": "rule",
            "AwsAccountId": PAYMENTS,
            "Types": ["Software and Configuration Checks"],
            "CreatedAt": "2026-01-01T00:00:00Z",
            "UpdatedAt": "2026-01-01T00:00:00Z",
            "Severity": {"Label": "HIGH"},
            "Title": "é 日本",
            "Description": "x",
            "Resources": [{"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::b"}],
        }
        with gate(upstream, environment()) as (url, log, _):
            answer = client(url).batch_import_findings(Findings=[finding])
            self.assertEqual((answer["SuccessCount"], answer["FailedFindings"]), (1, []), log())
            [there] = client(url).get_findings()["Findings"]
            self.assertEqual((there["Id"], there["Title"], there["AwsAccountId"]), ("rule/é-1", "é 日本", PAYMENTS))


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


class Endpoints(unittest.TestCase):
    CLIENT = "botocore"

    def test_every_region_that_botocore_knows_has_the_same_endpoint(self):
        """`findings-gate check` tells where it would go; botocore's own resolver is asked the same."""
        loader = botocore.session.Session().get_component("data_loader")
        partitions = loader.load_data("partitions")
        rules = loader.load_service_model("securityhub", "endpoint-rule-set-1")
        resolver = EndpointProvider(rules, partitions)
        regions = [region for partition in partitions["partitions"] for region in partition["regions"] if not region.endswith("-global")]
        self.assertGreater(len(regions), 35)
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            for name in ("accounts.toml", "keys.toml", "extra.cedar"):
                shutil.copy(FIXTURE / name, place)
            (place / "keys.toml").chmod(0o600)
            configuration = (FIXTURE / "findings-gate.toml").read_text()
            for fips, dual_stack in ((False, False), (True, False), (False, True), (True, True)):
                switches = f'fips = "{"on" if fips else "off"}"\ndual_stack = "{"on" if dual_stack else "off"}"\nsign = "gateway"\n'
                ours = f'[upstream]\nurl = "aws"\nregion = "{regions[0]}"\nregions = {json.dumps(regions)}\n{switches}'
                (place / "findings-gate.toml").write_text(
                    configuration.replace(f'[upstream]\nurl = "embedded"\nregion = "{REGION}"\n', ours)
                )
                told = subprocess.run(
                    [GATE, "check", "--format", "json"], cwd=place, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True
                )
                told = json.loads(told.stdout)["upstream"]
                ours = {told["region"]: told["url"]} | {other["region"]: other["url"] for other in told["other_regions"]}
                theirs = {
                    region: resolver.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack).url
                    for region in regions
                }
                self.assertEqual(ours, theirs)
