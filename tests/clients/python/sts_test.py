"""Callers that STS says who they are: the lines of docs/identity.md, and `findings-gate token`, at a gate of their own.

What stands in for STS makes each signature anew from what the gate sends, as STS does, so a token that is bound to another gate fails.
"""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import unittest
import urllib.parse
from unittest import mock

import boto3
import botocore
import botocore.exceptions
from botocore.config import Config

PROGRAM = os.environ["GATE_BINARY"]
DOCUMENT = pathlib.Path(__file__).parents[3] / "docs" / "identity.md"
GATE, REGION, ACCOUNT = "findings.example.com", "eu-west-1", "222222222222"
KEY = {"AWS_ACCESS_KEY_ID": "ASIAALICE", "AWS_SECRET_ACCESS_KEY": "secret-of-alice-0123456789abcdefghijklmno"}
SESSION = KEY | {"AWS_SESSION_TOKEN": "token/of+alice=="}
NOTE = {"Note": {"Text": "Seen.", "UpdatedBy": "clients-test"}}


def signature(target, headers):
    """The signature of a presigned request, by the rules of AWS's IAM User Guide."""
    path, query = target.split("?")
    pairs = [pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature=")]
    values = dict(urllib.parse.parse_qsl("&".join(pairs)))
    names = values["X-Amz-SignedHeaders"].split(";")
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    body = hashlib.sha256(b"").hexdigest()
    canonical = "\n".join(["GET", path, "&".join(sorted(pairs)), lines, ";".join(names), body])
    _, day, region, service, end = values["X-Amz-Credential"].split("/")
    key = b"AWS4" + KEY["AWS_SECRET_ACCESS_KEY"].encode()
    for part in (day, region, service, end):
        key = hmac.digest(key, part.encode(), "sha256")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    scope = f"{day}/{region}/{service}/{end}"
    return hmac.digest(key, "\n".join([values["X-Amz-Algorithm"], values["X-Amz-Date"], scope, hashed]).encode(), "sha256").hex()


class Sts(http.server.BaseHTTPRequestHandler):
    asked = []
    refusal = None

    def do_GET(self):
        self.asked.append(self.path)
        values = dict(urllib.parse.parse_qsl(self.path.split("?")[1]))
        if Sts.refusal:
            status, answer = 403, {"Error": {"Code": Sts.refusal, "Message": "No.", "Type": "Sender"}}
        elif hmac.compare_digest(values["X-Amz-Signature"], signature(self.path, self.headers)):
            arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/triage/alice"
            said = {"Account": ACCOUNT, "Arn": arn, "UserId": "AROAEXAMPLE:alice"}
            status, answer = 200, {"GetCallerIdentityResponse": {"GetCallerIdentityResult": said}}
        else:
            status, answer = 403, {"Error": {"Code": "SignatureDoesNotMatch", "Message": "No.", "Type": "Sender"}}
        assert self.headers["accept"] == "application/json"
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def gate(sts):
    """A gate of its own, and what it logs once it has ended."""
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        (place / "accounts.toml").write_text(f'administrator = "111111111111"\n[[member]]\naccount = "{ACCOUNT}"\n')
        (place / "findings-gate.toml").write_text(
            '[listen]\naddress = "127.0.0.1:0"\n[policies]\npath = ["pack:baseline"]\n[accounts]\nfile = "accounts.toml"\n'
            f'[[identity]]\nkind = "sts"\ngate = "{GATE}"\nhosts = ["{sts}"]\n'
            f'[upstream]\nurl = "embedded"\nregion = "{REGION}"\n'
            '[doors]\nopen = ["BatchImportFindings"]\nwhoami = "open"\n[log]\nlevel = "debug"\nformat = "json"\n'
        )
        log = place / "log"
        with log.open("w") as errors:
            process = subprocess.Popen([PROGRAM, "serve"], cwd=place, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), log.read_text()
            yield line.removeprefix("listening on ").strip(), log
        finally:
            process.terminate()
            process.wait(timeout=60)
            process.stdout.close()


def finding(number):
    return {
        "Id": f"rule/{number}",
        "ProductArn": f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default",
    }


def document(number):
    return finding(number) | {
        "SchemaVersion": "2018-10-08", "GeneratorId": "g", "AwsAccountId": ACCOUNT, "Title": "t", "Description": "d",
        "CreatedAt": "2026-01-02T03:04:05Z", "UpdatedAt": "2026-01-02T03:04:05Z", "Severity": {"Label": "LOW"},
        "Types": ["Effects"], "Resources": [{"Type": "Other", "Id": "r"}],
    }


class StsTokens(unittest.TestCase):
    CLIENT = "boto3"

    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sts)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.sts = f"http://127.0.0.1:{cls.server.server_port}"
        cls.url, cls.log = stack.enter_context(gate(cls.sts))
        stack.enter_context(mock.patch.dict(os.environ, SESSION | {"AWS_REGION": REGION}))

    def setUp(self):
        Sts.asked.clear()

    def updates(self, hub, number):
        hub.batch_import_findings(Findings=[document(number)])
        answer = hub.batch_update_findings(FindingIdentifiers=[finding(number)], **NOTE)
        self.assertEqual((answer["ProcessedFindings"], answer["UnprocessedFindings"]), ([finding(number)], []))

    def program(self, *arguments, gate=GATE):
        command = [PROGRAM, "token", "--gate", gate, "--endpoint", self.sts, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def client(self, token, **arguments):
        made = boto3.Session().client("securityhub", REGION, endpoint_url=self.url, **arguments)

        def prove(params, **_):
            params["headers"]["x-findings-gate-sts-token"] = token

        made.meta.events.register("before-call.securityhub", prove)
        return made

    def lines(self):
        """The lines of the documentation; only where STS and the gate are is another."""
        [code] = re.findall(r"```python\n(# sts\.py\n.*?)```", DOCUMENT.read_text(), re.DOTALL)
        for there, here in (("https://sts.{REGION}.amazonaws.com", self.sts), ("https://findings.example.com", self.url)):
            self.assertEqual(code.count(there), 1, there)
            code = code.replace(there, here)
        names = {}
        exec(compile(code, "docs/identity.md", "exec"), names)
        return names

    def test_the_documented_lines_prove_the_caller(self):
        names = self.lines()
        self.updates(names["hub"], 1)
        self.updates(names["hub"], 2)
        # One token, unless ten minutes were over between the two.
        self.assertLessEqual(len(set(Sts.asked)), 2)
        self.assertEqual(len(Sts.asked), len(set(Sts.asked)))
        self.assertIn("x-findings-gate-id", Sts.asked[0])
        log = self.log.read_text()
        self.assertIn(f"arn:aws:iam::{ACCOUNT}:role/triage", log)
        for secret in (SESSION["AWS_SESSION_TOKEN"], SESSION["AWS_SECRET_ACCESS_KEY"], "fg-sts-v1.aHR0", "X-Amz-Signature"):
            self.assertNotIn(secret, log)

    def test_a_token_for_another_gate_is_refused(self):
        hub = self.client(self.program(gate="other.example.com").strip(), config=Config(signature_version=botocore.UNSIGNED))
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            hub.batch_update_findings(FindingIdentifiers=[finding(1)], **NOTE)
        response = raised.exception.response
        self.assertEqual(response["Error"]["Code"], "UnrecognizedClientException")
        self.assertEqual(response["ResponseMetadata"]["RetryAttempts"], 0)
        self.assertIn("another gate than `findings.example.com`", response["Error"]["Message"])
        self.assertEqual(len(Sts.asked), 1)

    def refused(self, token):
        """The status, the code and how often boto3 tried again."""
        hub = self.client(token, config=Config(signature_version=botocore.UNSIGNED))
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            hub.batch_update_findings(FindingIdentifiers=[finding(1)], **NOTE)
        metadata = raised.exception.response["ResponseMetadata"]
        return metadata["HTTPStatusCode"], raised.exception.response["Error"]["Code"], metadata["RetryAttempts"]

    def test_each_refusal_has_the_name_that_sdks_know(self):
        good = self.program().strip()
        url = base64.urlsafe_b64decode(good.removeprefix("fg-sts-v1.") + "==").decode()

        def again(changed):
            return "fg-sts-v1." + base64.urlsafe_b64encode(changed.encode()).decode().rstrip("=")

        self.assertEqual(self.refused("fg-sts-v1.?"), (403, "IncompleteSignatureException", 0))
        old = re.sub(r"(X-Amz-Credential=[^&]*%2F)\d{8}(%2F)", r"\g<1>20200101\2", url)
        old = re.sub(r"X-Amz-Date=[^&]*", "X-Amz-Date=20200101T000000Z", old)
        self.assertEqual(self.refused(again(old)), (400, "RequestExpired", 0))
        self.assertEqual(self.refused(again(url.replace(self.sts, "http://127.0.0.1:1"))), (403, "InvalidSignatureException", 0))
        self.assertEqual(Sts.asked, [])
        with mock.patch.object(Sts, "refusal", "ExpiredTokenException"):
            self.assertEqual(self.refused(again(url.replace("X-Amz-Expires=900", "X-Amz-Expires=899"))), (403, "ExpiredTokenException", 0))

    def test_the_program_s_token_is_taken_beside_a_signature(self):
        self.updates(self.client(self.program().strip()), 3)

    def test_curl_takes_the_header_from_a_pipe(self):
        answer = subprocess.run(
            ["curl", "--silent", "--show-error", "-H", "@-", f"{self.url}/findings-gate/whoami"],
            input=self.program("--header"), check=True, capture_output=True, text=True,
        )
        said = json.loads(answer.stdout)
        self.assertEqual((said["Principal"], said["Proof"]), (f"arn:aws:iam::{ACCOUNT}:role/triage", "sts:AROAEXAMPLE:alice"))

    def test_a_long_lived_key_has_no_session_token(self):
        with mock.patch.dict(os.environ):
            del os.environ["AWS_SESSION_TOKEN"]
            made = json.loads(self.program("--json"))
        self.updates(self.client(made["token"]), 4)
        self.assertNotIn("X-Amz-Security-Token", Sts.asked[0])
