"""What boto3 lets through and the API does not have: refused with the path, and nothing is changed."""

from gate import NOTE, PAYMENTS, GateTest, client, identifier, imported, read

NOTIFIED = {"Workflow": {"Status": "NOTIFIED"}}


class Invalid(GateTest):
    CLIENT = "boto3"

    def refused_with_path(self, arguments, path, *fragments):
        for caller in ("payments", "administrator"):
            self.refused(
                client(caller),
                lambda made: made.batch_update_findings(**arguments),
                400,
                "InvalidInputException",
                path,
                *fragments,
            )

    def test_identifiers_are_1_to_100(self):
        self.refused_with_path({"FindingIdentifiers": []} | NOTIFIED, "FindingIdentifiers", "1 to 100")
        own = imported(PAYMENTS)
        before = read(own)
        batch = [own] + [identifier(PAYMENTS) for _ in range(100)]
        self.refused_with_path({"FindingIdentifiers": batch} | NOTIFIED, "FindingIdentifiers", "1 to 100")
        self.assertEqual(read(own), before)

    def test_an_update_of_nothing_is_refused(self):
        self.refused_with_path({"FindingIdentifiers": [imported(PAYMENTS)]}, "Workflow", "Note")

    def test_values_keep_to_their_limits(self):
        finding = imported(PAYMENTS)
        before = read(finding)
        cases = [
            ({"Confidence": 101}, "Confidence", "0", "100"),
            ({"Criticality": 101}, "Criticality", "0", "100"),
            ({"Severity": {"Label": "BOGUS"}}, "Severity.Label", "CRITICAL"),
            ({"Severity": {"Normalized": 101}}, "Severity.Normalized", "100"),
            ({"Severity": {}}, "Severity", "Label"),
            ({"Workflow": {"Status": "BOGUS"}}, "Workflow.Status", "SUPPRESSED"),
            ({"Workflow": {"Status": "resolved"}}, "Workflow.Status", "RESOLVED"),
            ({"Workflow": {}}, "Workflow", "Status"),
            ({"VerificationState": "BOGUS"}, "VerificationState", "TRUE_POSITIVE"),
            ({"Note": {"Text": "x" * 600, "UpdatedBy": "me"}}, "Note.Text", "512"),
            ({"Note": {"Text": " ", "UpdatedBy": "me"}}, "Note.Text", "blank"),
            ({"Note": {"Text": "x", "UpdatedBy": " "}}, "Note.UpdatedBy", "blank"),
            ({"Types": ["a/b/c/d"]}, "Types[0]", "three parts"),
            ({"Types": ["Effects", "Effects"]}, "Types", "twice"),
            ({"Types": [f"Effects/{number}" for number in range(51)]}, "Types", "50"),
            ({"UserDefinedFields": {f"ticket/{number}": "x" for number in range(51)}}, "UserDefinedFields", "50"),
            ({"UserDefinedFields": {"ticket": "x" * 1025}}, "UserDefinedFields.ticket", "1024"),
            ({"UserDefinedFields": {"t" * 129: "x"}}, "UserDefinedFields", "128"),
            ({"RelatedFindings": [identifier(PAYMENTS) for _ in range(11)]}, "RelatedFindings", "10"),
            ({"RelatedFindings": []}, "RelatedFindings", "1 to 10"),
        ]
        for update, path, *fragments in cases:
            with self.subTest(str(update)[:80]):
                self.refused_with_path({"FindingIdentifiers": [finding], "Note": NOTE} | update, path, *fragments)
        self.assertEqual(read(finding), before)

    def test_values_at_their_limits_are_fine(self):
        finding = imported(PAYMENTS)
        answer = client("administrator").batch_update_findings(
            FindingIdentifiers=[finding],
            Confidence=100,
            Criticality=0,
            Note={"Text": "é" * 512, "UpdatedBy": "x" * 512},
            Severity={"Normalized": 100},
            Types=[f"Effects/{number}" for number in range(50)],
            UserDefinedFields={f"{number:03}" + "k" * 125: "ü" * 1024 for number in range(50)},
            RelatedFindings=[identifier(PAYMENTS) for _ in range(10)],
        )
        self.accepted(answer)
        self.assertEqual(answer["ProcessedFindings"], [finding])
        after = read(finding)
        self.assertEqual(after["Note"]["Text"], "é" * 512)
        self.assertEqual((len(after["Types"]), len(after["UserDefinedFields"])), (50, 50))

    def test_identifiers_keep_to_their_limits(self):
        arn = identifier(PAYMENTS)["ProductArn"]
        cases = [
            ({"Id": "", "ProductArn": arn}, "FindingIdentifiers[1].Id"),
            ({"Id": " ", "ProductArn": arn}, "FindingIdentifiers[1].Id"),
            ({"Id": "x" * 513, "ProductArn": arn}, "FindingIdentifiers[1].Id"),
            ({"Id": "x", "ProductArn": "short"}, "FindingIdentifiers[1].ProductArn"),
        ]
        own = imported(PAYMENTS)
        before = read(own)
        for bad, path in cases:
            with self.subTest(str(bad)[:80]):
                self.refused_with_path({"FindingIdentifiers": [own, bad]} | NOTIFIED, path)
        self.assertEqual(read(own), before)
