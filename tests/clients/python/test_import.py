"""Importing: what policies say of findings as their providers see them."""

from gate import (
    ADMINISTRATOR, ID_FORM, LEDGER, PAYMENTS, REGION, GateTest, client, document, identifier, imported, read, read_all,
)

NOTE = {"Text": "Seen.", "UpdatedBy": "scanner", "UpdatedAt": "2026-01-02T03:04:05.000Z"}
LATER = "2026-02-02T03:04:05.000Z"


class Imports(GateTest):
    CLIENT = "boto3"

    def decided(self, answer, succeeded, *failed):
        """The answer is a decided 200; each failed finding is (identifier, code, fragments of the message...)."""
        metadata = answer["ResponseMetadata"]
        decision = metadata["HTTPHeaders"]["x-findings-gate-decision"]
        self.assertEqual((metadata["HTTPStatusCode"], metadata["RetryAttempts"]), (200, 0))
        self.assertRegex(decision, ID_FORM)
        self.assertEqual(metadata["RequestId"], decision)
        self.assertEqual(set(answer), {"ResponseMetadata", "FailedCount", "SuccessCount", "FailedFindings"})
        self.assertEqual((answer["SuccessCount"], answer["FailedCount"]), (succeeded, len(failed)))
        entries = answer["FailedFindings"]
        self.assertEqual(
            [(entry["Id"], entry["ErrorCode"]) for entry in entries], [(finding["Id"], code) for finding, code, *_ in failed]
        )
        for entry, (_, code, *fragments) in zip(entries, failed):
            ours = code in ("AccessDenied", "PartialImport")
            for fragment in (*fragments, *([decision] if ours else [])):
                self.assertIn(fragment, entry["ErrorMessage"])

    def test_import_creates_a_finding_with_what_the_service_adds(self):
        finding = identifier(PAYMENTS)
        answer = client("payments").batch_import_findings(Findings=[document(finding, PAYMENTS)])
        self.decided(answer, 1)
        found = read(finding, "payments")
        self.assertEqual(found["Workflow"], {"Status": "NEW"})
        self.assertEqual(found["RecordState"], "ACTIVE")
        self.assertEqual(found["VerificationState"], "UNKNOWN")
        self.assertEqual(found["Region"], REGION)
        self.assertEqual(found["Severity"], {"Label": "MEDIUM", "Normalized": 40, "Original": "5.5"})
        product_fields = found["ProductFields"]
        self.assertEqual(
            product_fields["aws/securityhub/FindingId"], f"{finding['ProductArn']}/{finding['Id']}"
        )

    def test_import_tells_of_each_finding_that_is_malformed(self):
        good, bad = identifier(PAYMENTS), identifier(PAYMENTS)
        documents = [document(good, PAYMENTS), document(bad, PAYMENTS, Resources=[])]
        answer = client("payments").batch_import_findings(Findings=documents)
        self.assertEqual((answer["SuccessCount"], answer["FailedCount"]), (1, 1))
        [failed] = answer["FailedFindings"]
        self.assertEqual((failed["Id"], failed["ErrorCode"]), (bad["Id"], "InvalidInput"))
        self.assertIn("data.Resources should NOT have fewer than 1 items", failed["ErrorMessage"])
        self.assertIsNotNone(read(good))
        self.assertIsNone(read(bad))

    def test_import_for_another_account_fails_as_a_whole(self):
        own, foreign = identifier(PAYMENTS), identifier(LEDGER)
        documents = [document(own, PAYMENTS), document(foreign, LEDGER)]
        self.refused(
            client("payments"), lambda made: made.batch_import_findings(Findings=documents), 403, "AccessDeniedException"
        )
        self.assertEqual(read_all([own, foreign]), [None, None])

    def test_a_member_says_how_much_its_own_findings_matter(self):
        finding = identifier(PAYMENTS, "default")
        provided = {"Severity": {"Label": "CRITICAL"}, "Confidence": 99, "Types": ["TTPs/Discovery"]}
        members = {"FindingProviderFields": provided, "RecordState": "ACTIVE", "Workflow": {"Status": "NOTIFIED"}, "Note": NOTE}
        answer = client("payments").batch_import_findings(Findings=[document(finding, PAYMENTS, **members)])
        self.decided(answer, 1)
        found = read(finding, "payments")
        self.assertEqual((found["Severity"]["Label"], found["Confidence"]), ("CRITICAL", 99))
        self.assertEqual((found["Workflow"]["Status"], found["Note"]["Text"]), ("NOTIFIED", "Seen."))

    def test_what_hides_a_finding_is_denied_to_members(self):
        cases = {
            "archived": ({"RecordState": "ARCHIVED"}, "RecordState = ARCHIVED", "no-grant"),
            "suppressed": ({"Workflow": {"Status": "SUPPRESSED"}}, "members-do-not-suppress", "Ask your Security Hub"),
            "suppressed in the retired way": ({"WorkflowState": "DEFERRED"}, "Workflow.Status = SUPPRESSED"),
            "declared false": ({"VerificationState": "FALSE_POSITIVE"}, "members-do-not-declare-false-positives"),
        }
        for name, (members, *fragments) in cases.items():
            with self.subTest(name):
                known, new, other = imported(PAYMENTS), identifier(PAYMENTS), identifier(PAYMENTS)
                before = read(known)
                documents = [
                    document(known, PAYMENTS, UpdatedAt=LATER, **members),
                    document(other, PAYMENTS),
                    document(new, PAYMENTS, **members),
                ]
                answer = client("payments").batch_import_findings(Findings=documents)
                failed = [(finding, "AccessDenied", "nothing was imported", *fragments) for finding in (known, new)]
                self.decided(answer, 1, *failed)
                self.assertEqual([read(known), read(new)], [before, None])
                self.assertIsNotNone(read(other))

    def test_the_administrator_imports_its_own_and_hides_what_it_will(self):
        finding = identifier(ADMINISTRATOR, "default")
        members = {"Workflow": {"Status": "SUPPRESSED"}, "RecordState": "ARCHIVED", "UserDefinedFields": {"any": "key"}}
        made = client("administrator")
        self.decided(made.batch_import_findings(Findings=[document(finding, ADMINISTRATOR, **members)]), 1)
        found = read(finding)
        self.assertEqual((found["Workflow"]["Status"], found["RecordState"]), ("SUPPRESSED", "ARCHIVED"))
        self.refused(
            made,
            lambda made: made.batch_import_findings(Findings=[document(identifier(PAYMENTS), PAYMENTS)]),
            403, "AccessDeniedException", "Findings[0].AwsAccountId", PAYMENTS,
        )

    def test_a_caller_that_overlooks_failures_gets_a_refusal(self):
        own = [identifier(PAYMENTS), identifier(PAYMENTS)]
        documents = [document(own[0], PAYMENTS), document(own[1], PAYMENTS, RecordState="ARCHIVED")]
        self.refused(
            client("careful"), lambda made: made.batch_import_findings(Findings=documents), 403, "AccessDeniedException",
            "nothing was imported", own[1]["Id"], "RecordState = ARCHIVED",
        )
        self.assertEqual(read_all(own), [None, None])

    def test_what_is_wrong_with_one_finding_is_told_and_the_others_are_imported(self):
        good, wrong, large = (identifier(PAYMENTS) for _ in range(3))
        details = [{"Type": "Other", "Id": "r", "Details": {"Other": {f"k{number}": "x" * 1000 for number in range(250)}}}]
        documents = [
            document(wrong, PAYMENTS, Severity={"Label": "SEVERE"}),
            document(good, PAYMENTS),
            document(large, PAYMENTS, Resources=details),
        ]
        self.decided(
            client("payments").batch_import_findings(Findings=documents), 1,
            (wrong, "InvalidInput", "Findings[0].Severity.Label", "SEVERE"),
            (large, "FindingSizeExceeded", "240 KB"),
        )
        self.assertEqual([found is not None for found in read_all([wrong, good, large])], [False, True, False])
