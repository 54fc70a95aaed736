"""Clients at once, and bodies that are too long."""

import concurrent.futures

from gate import LEDGER, PAYMENTS, GateTest, client, document, identifier, import_all, read_all


class Load(GateTest):
    CLIENT = "boto3"

    def test_what_was_accepted_of_callers_at_once_is_there(self):
        """Verdicts are cached: none may reach another caller, or another finding."""
        callers = {"payments": PAYMENTS, "ledger": LEDGER, "administrator": None}
        for caller in callers:
            client(caller)
        findings = import_all([(identifier(account), account) for account in (PAYMENTS, LEDGER) * 30])
        owners = (PAYMENTS, LEDGER) * 30

        def update(place):
            caller = list(callers)[place % 3]
            note = {"Text": f"{caller} {place}", "UpdatedBy": caller}
            answer = client(caller).batch_update_findings(FindingIdentifiers=[findings[place]], Note=note)
            return caller, answer

        with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
            answers = list(pool.map(update, range(len(findings))))
        for place, ((caller, answer), found) in enumerate(zip(answers, read_all(findings))):
            with self.subTest(place):
                self.accepted(answer)
                if callers[caller] in (None, owners[place]):
                    self.assertEqual(answer["ProcessedFindings"], [findings[place]])
                    self.assertEqual(answer["UnprocessedFindings"], [])
                    self.assertEqual(found["Note"]["Text"], f"{caller} {place}")
                else:
                    self.assertEqual(answer["ProcessedFindings"], [])
                    self.assertEqual(answer["UnprocessedFindings"][0]["ErrorCode"], "AccessDenied")
                    self.assertNotIn("Note", found)
        decisions = {answer["ResponseMetadata"]["HTTPHeaders"]["x-findings-gate-decision"] for _, answer in answers}
        self.assertEqual(len(decisions), len(answers))

    def test_a_body_that_is_too_long_is_refused_once_and_in_words(self):
        # limits.body is 1 MiB by default.
        for megabytes in (2, 5):
            with self.subTest(megabytes):
                findings = [identifier(PAYMENTS) for _ in range(megabytes * 10)]
                tags = {f"k{number}": "x" * 1000 for number in range(100)}
                resources = [{"Type": "Other", "Id": "r", "Details": {"Other": tags}}]
                documents = [document(finding, PAYMENTS, Resources=resources) for finding in findings]
                self.refused(
                    client("payments"),
                    lambda made: made.batch_import_findings(Findings=documents),
                    413,
                    "RequestEntityTooLargeException",
                )
                self.assertEqual(read_all(findings[:1]), [None])
