"""Where the gate's AWS credentials come from, how they are renewed, and what callers hear where there are none."""

import json
import pathlib
import tempfile

from botocore.exceptions import ClientError
from signed import (
    ADMINISTRATOR,
    OWN,
    PAYMENTS,
    Metadata,
    Refusing,
    SignedTest,
    environment,
    gate,
    ready,
    until,
    update,
)


class Credentials(SignedTest):
    def test_without_credentials_it_starts_and_is_not_ready_until_they_come(self):
        upstream = f'url = "http://127.0.0.1:{self.recorder.port}"\nsign = "gateway"'
        with tempfile.TemporaryDirectory() as place:
            profile = pathlib.Path(place) / "credentials"
            later = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": str(profile)}
            with gate(upstream, environment("", **later)) as (url, log, admin):
                until(lambda: "credentials_lost" in log())
                self.assertEqual(ready(admin)[0], 503)
                self.assertIn("no credentials to sign with: none were found in the environment", ready(admin)[1])
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
