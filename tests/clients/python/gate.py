"""What all tests share: callers, their clients, findings to work on, and how an answer is looked at."""

import functools
import itertools
import os
import re
import unittest
import uuid

import boto3
import botocore.exceptions
from botocore.config import Config

URL = os.environ["GATE_URL"]
REGION = "eu-west-1"

ADMINISTRATOR, PAYMENTS, LEDGER, STRANGER = "111111111111", "222222222222", "333333333333", "999999999999"

# As in ../fixture/keys.toml.
KEYS = {
    "administrator": ("AKIAADMIN", "secret-of-the-administrator-0123456789", None),
    "payments": ("AKIAPAYMENTS", "secret-of-payments-0123456789abcdefghij", None),
    "careful": ("AKIACAREFUL", "secret-of-careful-0123456789abcdefghijk", None),
    "ledger": ("ASIALEDGER", "secret-of-ledger-0123456789abcdefghijkl", "token-of-ledger/with+signs=0123456789=="),
    "stranger": ("AKIASTRANGER", "secret-of-a-stranger-0123456789abcdefgh", None),
}
OWNER = {PAYMENTS: "payments", LEDGER: "ledger", ADMINISTRATOR: "administrator"}

ID_FORM = re.compile(r"^[0-9A-Za-z_-]{8,64}$")


@functools.cache
def client(caller, **overrides):
    """A client as people make it; only the endpoint is another. `sent` counts what goes out, retries included.

    Making one takes a tenth of a second or more, so tests share them.
    """
    key, secret, token = KEYS[caller]
    arguments = {
        "region_name": REGION,
        "endpoint_url": URL,
        "aws_access_key_id": key,
        "aws_secret_access_key": secret,
        "aws_session_token": token,
    } | overrides
    made = boto3.session.Session().client("securityhub", **arguments)
    made.sent = 0

    def count(**_):
        made.sent += 1

    made.meta.events.register("before-send.securityhub", count)
    return made


def anonymous():
    return client("payments", config=Config(signature_version=botocore.UNSIGNED))


# ---- findings ----


def product(name, account):
    """The ARN of an AWS service's product, or of the account's own default one."""
    if name == "default":
        return f"arn:aws:securityhub:{REGION}:{account}:product/{account}/default"
    return f"arn:aws:securityhub:{REGION}::product/aws/{name}"


def identifier(account, name="securityhub", prefix=""):
    """A finding that nobody has imported yet."""
    unique = uuid.uuid4()
    ids = {
        "securityhub": f"arn:aws:securityhub:{REGION}:{account}:security-control/S3.8/finding/{unique}",
        "inspector": f"arn:aws:inspector2:{REGION}:{account}:finding/{unique.hex}",
        "default": f"{prefix}rule/{unique}",
    }
    return {"Id": ids[name], "ProductArn": product(name, account)}


def document(finding, account, **members):
    """A finding as its provider imports it."""
    return {
        "SchemaVersion": "2018-10-08",
        "GeneratorId": "clients-test",
        "AwsAccountId": account,
        "CreatedAt": "2026-01-02T03:04:05.000Z",
        "UpdatedAt": "2026-01-02T03:04:05.000Z",
        "Title": "A bucket is public",
        "Description": "A bucket can be read by everybody.",
        "Types": ["Software and Configuration Checks/Vulnerabilities/CVE"],
        "Severity": {"Label": "MEDIUM", "Original": "5.5"},
        "Resources": [{"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::bucket", "Partition": "aws", "Region": REGION}],
    } | finding | members


def imported(account, name="securityhub", prefix="", **members):
    """The identifier of a new finding, imported by its owner."""
    return import_all([(identifier(account, name, prefix), account)], **members)[0]


def import_all(findings, **members):
    """Imports (identifier, account) pairs through the gate, each by its owner; returns the identifiers."""
    by_account = sorted(findings, key=lambda pair: pair[1])
    for account, group in itertools.groupby(by_account, key=lambda pair: pair[1]):
        documents = [document(finding, account, **members) for finding, account in group]
        answer = client(OWNER[account]).batch_import_findings(Findings=documents)
        assert (answer["SuccessCount"], answer["FailedFindings"]) == (len(documents), []), answer
    return [finding for finding, _ in findings]


def read_all(findings, caller="administrator"):
    """The findings as they are now, by their identifiers; 20 values are the most that a filter takes."""
    reader, found = client(caller), {}
    for start in range(0, len(findings), 20):
        ids = [{"Value": finding["Id"], "Comparison": "EQUALS"} for finding in findings[start : start + 20]]
        for item in reader.get_findings(Filters={"Id": ids}, MaxResults=100)["Findings"]:
            found[(item["ProductArn"], item["Id"])] = item
    return [found.get((finding["ProductArn"], finding["Id"])) for finding in findings]


def read(finding, caller="administrator"):
    return read_all([finding], caller)[0]


NOTE = {"Text": "Seen; SEC-123 is on it.", "UpdatedBy": "clients-test"}


class GateTest(unittest.TestCase):
    maxDiff = None

    def accepted(self, answer):
        """The answer is a decided 200; returns the decision's id."""
        metadata = answer["ResponseMetadata"]
        headers = metadata["HTTPHeaders"]
        self.assertEqual(metadata["HTTPStatusCode"], 200)
        self.assertEqual(metadata["RetryAttempts"], 0)
        self.assertEqual(headers["content-type"], "application/json")
        self.assertRegex(headers["x-amzn-requestid"], ID_FORM)
        self.assertEqual(metadata["RequestId"], headers["x-amzn-requestid"])
        self.assertRegex(headers["x-findings-gate-decision"], ID_FORM)
        self.assertIn("date", headers)
        self.assertNotIn("x-amzn-errortype", headers)
        self.assertEqual(set(answer), {"ResponseMetadata", "ProcessedFindings", "UnprocessedFindings"})
        return headers["x-findings-gate-decision"]

    def refused(self, made, call, status, code, *fragments):
        """The call fails as a whole, was sent exactly once, and its message has these fragments."""
        made.sent = 0
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            call(made)
        response = raised.exception.response
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual((response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]), (status, code))
        self.assertEqual(made.sent, 1, "a refusal must not be retried")
        self.assertEqual(response["ResponseMetadata"]["RetryAttempts"], 0)
        self.assertEqual(headers["x-amzn-errortype"], code)
        self.assertEqual(headers["content-type"], "application/json")
        self.assertRegex(headers["x-amzn-requestid"], ID_FORM)
        self.assertIn("date", headers)
        for fragment in fragments:
            self.assertIn(fragment, response["Error"]["Message"])
        return raised.exception

    def told(self, entry, finding, code, decision, *fragments):
        """An entry of UnprocessedFindings."""
        self.assertEqual(set(entry), {"FindingIdentifier", "ErrorCode", "ErrorMessage"})
        self.assertEqual((entry["FindingIdentifier"], entry["ErrorCode"]), (finding, code))
        for fragment in (*fragments, *([decision] if decision else [])):
            self.assertIn(fragment, entry["ErrorMessage"])
