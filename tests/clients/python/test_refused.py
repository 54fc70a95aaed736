"""Who does not get in, and where nobody does."""

import datetime
from unittest import mock

import botocore.auth

from gate import KEYS, NOTE, PAYMENTS, GateTest, anonymous, client, identifier, imported, read

ARN = "arn:aws:securityhub:eu-west-1:222222222222:action/custom/x"


class Doors(GateTest):
    CLIENT = "boto3"

    def test_closed_doors_name_the_operation(self):
        finding = imported(PAYMENTS)
        before = read(finding)
        calls = {
            "DescribeHub": lambda made: made.describe_hub(),
            "UpdateFindings": lambda made: made.update_findings(
                Filters={"AwsAccountId": [{"Value": PAYMENTS, "Comparison": "EQUALS"}]}, RecordState="ARCHIVED"
            ),
            "GetFindingHistory": lambda made: made.get_finding_history(FindingIdentifier=finding),
            "BatchDeleteAutomationRules": lambda made: made.batch_delete_automation_rules(AutomationRulesArns=[ARN]),
            "DisableSecurityHub": lambda made: made.disable_security_hub(),
            "ListEnabledProductsForImport": lambda made: made.list_enabled_products_for_import(),
            # The ARN is in the path, percent-encoded but for its slashes.
            "DeleteActionTarget": lambda made: made.delete_action_target(ActionTargetArn=ARN),
            "UntagResource": lambda made: made.untag_resource(ResourceArn=ARN, TagKeys=["a", "b"]),
        }
        for caller in ("payments", "administrator"):
            for operation, call in calls.items():
                with self.subTest(f"{caller}: {operation}"):
                    self.refused(client(caller), call, 403, "AccessDeniedException", operation)
        self.assertEqual(read(finding), before)


class Strangers(GateTest):
    CLIENT = "boto3"

    def kept_out(self, made, status, code, *fragments):
        """Neither a read nor an update; and the finding that both are about stays as it is."""
        finding = imported(PAYMENTS)
        before = read(finding)
        update = {"FindingIdentifiers": [finding], "Note": NOTE}
        error = self.refused(made, lambda made: made.batch_update_findings(**update), status, code, *fragments)
        self.refused(made, lambda made: made.get_findings(), status, code, *fragments)
        self.assertEqual(read(finding), before)
        for _, secret, token in KEYS.values():
            self.assertNotIn(secret, str(error.response))
            if token:
                self.assertNotIn(token, str(error.response))

    def test_a_wrong_secret(self):
        self.kept_out(
            client("payments", aws_secret_access_key="x" * 40), 403, "InvalidSignatureException", "AKIAPAYMENTS"
        )

    def test_another_callers_secret(self):
        _, secret, _ = KEYS["administrator"]
        self.kept_out(client("payments", aws_secret_access_key=secret), 403, "InvalidSignatureException")

    def test_a_key_that_nobody_issued(self):
        self.kept_out(
            client("payments", aws_access_key_id="AKIAUNKNOWN"), 403, "UnrecognizedClientException", "AKIAUNKNOWN"
        )

    def test_another_region(self):
        self.kept_out(
            client("payments", region_name="us-east-1"), 403, "InvalidSignatureException", "us-east-1", "eu-west-1"
        )

    def test_a_missing_session_token(self):
        self.kept_out(client("ledger", aws_session_token=None), 403, "UnrecognizedClientException", "session token")

    def test_a_wrong_session_token(self):
        self.kept_out(client("ledger", aws_session_token="other"), 403, "UnrecognizedClientException", "session token")

    def test_a_session_token_where_none_belongs(self):
        self.kept_out(
            client("payments", aws_session_token="other"), 403, "UnrecognizedClientException", "session token"
        )

    def test_no_signature(self):
        self.kept_out(anonymous(), 403, "MissingAuthenticationTokenException")

    def test_an_account_outside_the_fleet_in_the_words_that_clients_match_on(self):
        self.kept_out(
            client("stranger"), 401, "InvalidAccessException",
            "Account 999999999999 is not subscribed to AWS Security Hub",
        )

    def test_strangers_do_not_learn_which_doors_there_are(self):
        made = client("payments", aws_secret_access_key="x" * 40)
        self.refused(made, lambda made: made.describe_hub(), 403, "InvalidSignatureException")


class Clocks(GateTest):
    CLIENT = "boto3"

    def with_clock(self, minutes):
        true_time = botocore.auth.get_current_datetime

        def shifted(*arguments, **named):
            return true_time(*arguments, **named) + datetime.timedelta(minutes=minutes)

        return mock.patch.object(botocore.auth, "get_current_datetime", shifted)

    def test_a_clock_that_is_twenty_minutes_off_is_refused(self):
        for minutes in (-20, 20):
            with self.subTest(minutes):
                finding = identifier(PAYMENTS)
                with self.with_clock(minutes):
                    self.refused(
                        client("payments"),
                        lambda made: made.batch_update_findings(FindingIdentifiers=[finding], Note=NOTE),
                        403,
                        "InvalidSignatureException",
                        "clock",
                    )

    def test_a_clock_that_is_ten_minutes_off_is_accepted(self):
        for minutes in (-10, 10):
            with self.subTest(minutes):
                finding = imported(PAYMENTS)
                with self.with_clock(minutes):
                    answer = client("payments").batch_update_findings(FindingIdentifiers=[finding], Note=NOTE)
                self.accepted(answer)
                self.assertEqual(answer["ProcessedFindings"], [finding])
