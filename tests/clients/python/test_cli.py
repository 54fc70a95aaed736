"""The AWS CLI (version 1), as a script runs it: arguments, exit codes, what is printed where."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid

from gate import KEYS, LEDGER, PAYMENTS, REGION, URL, GateTest, document, identifier, imported, read

AWS = pathlib.Path(sys.executable).parent / "aws"


def aws(caller, *arguments):
    key, secret, token = KEYS[caller]
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": REGION,
    } | ({"AWS_SESSION_TOKEN": token} if token else {})
    command = [sys.executable, AWS, "securityhub", *arguments, "--endpoint-url", URL, "--output", "json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def update(caller, finding, *arguments):
    return aws(caller, "batch-update-findings", "--finding-identifiers", json.dumps([finding]), *arguments)


class CommandLine(GateTest):
    CLIENT = "aws cli"

    def printed(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def failed(self, done, code, operation, *fragments):
        # 255: what version 1 ends with on every error (version 2: 254 on the service's).
        self.assertEqual((done.returncode, done.stdout), (255, ""), done.stderr)
        self.assertIn(f"An error occurred ({code}) when calling the {operation} operation: ", done.stderr)
        for fragment in fragments:
            self.assertIn(fragment, done.stderr)

    def test_import_from_a_file_and_read_with_filters_and_query(self):
        mark = f"mark {uuid.uuid4()}"
        findings = [identifier(LEDGER), identifier(LEDGER)]
        documents = [
            document(finding, LEDGER, GeneratorId=mark, Severity={"Label": label})
            for finding, label in zip(findings, ("LOW", "HIGH"))
        ]
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "findings.json")
            file.write_text(json.dumps(documents), encoding="utf-8")
            answer = self.printed(aws("ledger", "batch-import-findings", "--findings", f"file://{file}"))
        self.assertEqual(answer, {"FailedCount": 0, "SuccessCount": 2, "FailedFindings": []})
        filters = {
            "GeneratorId": [{"Value": mark, "Comparison": "EQUALS"}],
            "SeverityLabel": [{"Value": "HIGH", "Comparison": "EQUALS"}],
        }
        answer = self.printed(
            aws("ledger", "get-findings", "--filters", json.dumps(filters), "--query", "Findings[].Id")
        )
        self.assertEqual(answer, [findings[1]["Id"]])

    def test_the_cli_pages_by_itself(self):
        mark = f"mark {uuid.uuid4()}"
        for _ in range(5):
            imported(PAYMENTS, GeneratorId=mark)
        answer = self.printed(
            aws(
                "payments", "get-findings", "--filters", f"GeneratorId=[{{Value='{mark}',Comparison=EQUALS}}]",
                "--sort-criteria", "Field=UpdatedAt,SortOrder=asc", "--page-size", "2", "--query",
                "length(Findings)",
            )
        )
        self.assertEqual(answer, 5)

    def test_an_allowed_update_goes_through(self):
        finding = imported(PAYMENTS)
        answer = self.printed(
            update("payments", finding, "--workflow", "Status=NOTIFIED", "--note", "Text=Überprüft,UpdatedBy=cli")
        )
        self.assertEqual(answer, {"ProcessedFindings": [finding], "UnprocessedFindings": []})
        after = read(finding)
        self.assertEqual((after["Workflow"]["Status"], after["Note"]["Text"]), ("NOTIFIED", "Überprüft"))

    def test_a_session_token_from_the_environment_is_signed(self):
        finding = imported(LEDGER)
        answer = self.printed(update("ledger", finding, "--workflow", "Status=RESOLVED"))
        self.assertEqual(answer, {"ProcessedFindings": [finding], "UnprocessedFindings": []})

    def test_a_rejected_finding_is_in_the_answer_of_a_call_that_succeeds(self):
        finding = imported(PAYMENTS)
        before = read(finding)
        answer = self.printed(update("payments", finding, "--workflow", "Status=SUPPRESSED"))
        self.assertEqual(answer["ProcessedFindings"], [])
        [entry] = answer["UnprocessedFindings"]
        self.told(entry, finding, "AccessDenied", None, "members-do-not-suppress", "Members do not suppress findings.")
        self.assertEqual(read(finding), before)

    def test_a_refused_call_ends_with_an_error_that_names_the_policy(self):
        finding = imported(PAYMENTS)
        before = read(finding)
        done = update("careful", finding, "--severity", "Label=LOW")
        self.failed(
            done, "AccessDeniedException", "BatchUpdateFindings", "members-do-not-change-severity",
            "Leave Severity out",
        )
        self.assertEqual(read(finding), before)

    def test_an_invalid_value_ends_with_an_error_that_names_its_path(self):
        done = update("payments", imported(PAYMENTS), "--workflow", "Status=BOGUS")
        self.failed(done, "InvalidInputException", "BatchUpdateFindings", "Workflow.Status")

    def test_a_closed_door_ends_with_an_error_that_names_the_operation(self):
        done = aws("payments", "describe-hub")
        self.failed(done, "AccessDeniedException", "DescribeHub", "DescribeHub is closed")

    def test_a_stranger_ends_with_an_error(self):
        done = aws("stranger", "get-findings")
        self.failed(done, "InvalidAccessException", "GetFindings", "is not subscribed to AWS Security Hub")
