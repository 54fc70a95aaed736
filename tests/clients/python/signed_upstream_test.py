"""The way up to AWS: what the gate sends, recomputed by botocore's own signer; roles by moto's STS; Security Hub by moto's."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import boto3
import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import ClientError
from signed import (
    ADMINISTRATOR,
    FIXTURE,
    GATE,
    OTHER_REGION,
    OWN,
    PAYMENTS,
    REGION,
    TOKEN,
    SignedTest,
    client,
    environment,
    gate,
    identifier,
    until,
    update,
)


class Signed(SignedTest):
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
                    self.assertRegex(role.session_name, rf"^arn-aws-iam--{account}-role-{name}-[0-9a-f]{{16}}$")
                self.assertNotIn(payments[-1].secret_access_key, log())
                self.assertNotIn(payments[-1].session_token, log())
        # Each gate asked once for each caller, however many requests it made.
        self.assertEqual((len(payments), len(administrator)), (2, 2))

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
