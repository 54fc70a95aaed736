"""One update, one caller: what is changed, what is told, and what is left as it was."""

from gate import (
    ADMINISTRATOR, LEDGER, NOTE, PAYMENTS, STRANGER, GateTest, client, identifier, import_all, imported, product, read,
)


class Updates(GateTest):
    CLIENT = "boto3"

    def test_the_administrator_sets_all_nine_fields(self):
        finding, related = imported(PAYMENTS), imported(PAYMENTS)
        before = read(finding)
        answer = client("administrator").batch_update_findings(
            FindingIdentifiers=[finding],
            Confidence=71,
            Criticality=0,
            Note={"Text": "naïve “quotes”, \\ and \n 🦀", "UpdatedBy": "Zoë"},
            RelatedFindings=[related],
            Severity={"Label": "HIGH", "Product": 7.5},
            Types=["TTPs/Discovery", "Effects"],
            UserDefinedFields={"owner": "team-ä", "ticket": "SEC-1"},
            VerificationState="FALSE_POSITIVE",
            Workflow={"Status": "SUPPRESSED"},
        )
        self.accepted(answer)
        self.assertEqual(answer["ProcessedFindings"], [finding])
        self.assertEqual(answer["UnprocessedFindings"], [])
        after = read(finding)
        self.assertEqual(after["Confidence"], 71)
        self.assertEqual(after["Criticality"], 0)
        self.assertEqual(after["Note"]["Text"], "naïve “quotes”, \\ and \n 🦀")
        self.assertEqual(after["Note"]["UpdatedBy"], "Zoë")
        self.assertIn("UpdatedAt", after["Note"])
        self.assertEqual(after["RelatedFindings"], [related])
        self.assertEqual(after["Severity"], {"Label": "HIGH", "Normalized": 70, "Original": "5.5"})
        self.assertEqual(after["Types"], ["TTPs/Discovery", "Effects"])
        self.assertEqual(after["UserDefinedFields"], {"owner": "team-ä", "ticket": "SEC-1"})
        self.assertEqual(after["VerificationState"], "FALSE_POSITIVE")
        self.assertEqual(after["Workflow"], {"Status": "SUPPRESSED"})
        for untouched in ("UpdatedAt", "CreatedAt", "Title", "FindingProviderFields", "RecordState", "Resources"):
            self.assertEqual(after[untouched], before[untouched], untouched)

    def test_a_normalized_severity_sets_its_label(self):
        for normalized, label in ((0, "INFORMATIONAL"), (1, "LOW"), (40, "MEDIUM"), (89, "HIGH"), (90, "CRITICAL")):
            with self.subTest(label):
                finding = imported(PAYMENTS)
                client("administrator").batch_update_findings(
                    FindingIdentifiers=[finding], Severity={"Normalized": normalized}
                )
                severity = read(finding)["Severity"]
                self.assertEqual((severity["Label"], severity["Normalized"]), (label, normalized))

    def test_what_a_member_may_do_goes_through_whole(self):
        updates = {
            "note": {"Note": NOTE},
            "new": {"Workflow": {"Status": "NEW"}},
            "notified": {"Workflow": {"Status": "NOTIFIED"}},
            "resolved with a note": {"Workflow": {"Status": "RESOLVED"}, "Note": NOTE},
            "unknown": {"VerificationState": "UNKNOWN"},
            "true positive": {"VerificationState": "TRUE_POSITIVE"},
            "benign positive": {"VerificationState": "BENIGN_POSITIVE"},
            "ticket": {"UserDefinedFields": {"ticket": "SEC-1", "ticket/jira": "SEC-2"}},
        }
        for caller, account in (("payments", PAYMENTS), ("careful", PAYMENTS), ("ledger", LEDGER)):
            for name, update in updates.items():
                with self.subTest(f"{caller}: {name}"):
                    finding = imported(account)
                    answer = client(caller).batch_update_findings(FindingIdentifiers=[finding], **update)
                    self.accepted(answer)
                    self.assertEqual(answer["ProcessedFindings"], [finding])
                    self.assertEqual(answer["UnprocessedFindings"], [])
                    after = read(finding, caller)
                    for field, value in update.items():
                        stored = after[field]
                        if field == "Note":
                            stored = {name: stored[name] for name in ("Text", "UpdatedBy")}
                        self.assertEqual(stored, value)

    def test_what_a_member_may_not_set_is_stripped_and_told(self):
        related = imported(PAYMENTS)
        cases = {
            "Severity.Label": (
                {"Severity": {"Label": "LOW"}}, "members-do-not-change-severity", "Severity.Label = LOW",
                "Leave Severity out, and say in Note why it should change.",
            ),
            "Severity.Normalized": (
                {"Severity": {"Normalized": 5}}, "members-do-not-change-severity", "Severity.Normalized = 5",
                "Leave Severity out",
            ),
            "Severity.Product": (
                {"Severity": {"Product": 1.5}}, "members-do-not-change-severity", "Severity.Product = 1.5",
                "Leave Severity out",
            ),
            "Confidence": ({"Confidence": 1}, "members-do-not-score", "Confidence = 1", "Leave them out"),
            "Criticality": ({"Criticality": 99}, "members-do-not-score", "Criticality = 99", "Leave them out"),
            "Types": ({"Types": ["Effects"]}, "members-do-not-classify", "Effects", "Leave Types out."),
            "RelatedFindings": (
                # A message shows the beginning of a long value.
                {"RelatedFindings": [related]}, "members-do-not-relate-findings", related["Id"][:60], "Leave them out",
            ),
            "UserDefinedFields": (
                {"UserDefinedFields": {"ticket": "SEC-1", "owner": "me"}}, "members-write-only-ticket-keys", "owner",
                "Put anything else into Note.",
            ),
        }
        for name, (update, policy, value, advice) in cases.items():
            with self.subTest(name):
                [field] = update
                finding = imported(PAYMENTS)
                before = read(finding)
                answer = client("payments").batch_update_findings(
                    FindingIdentifiers=[finding], Workflow={"Status": "NOTIFIED"}, Note=NOTE, **update
                )
                decision = self.accepted(answer)
                self.assertEqual(answer["ProcessedFindings"], [finding])
                [entry] = answer["UnprocessedFindings"]
                self.told(entry, finding, "PartialUpdate", decision, field, value, policy, advice)
                after = read(finding)
                self.assertEqual(after["Workflow"], {"Status": "NOTIFIED"})
                self.assertEqual(after["Note"]["Text"], NOTE["Text"])
                self.assertEqual(after.get(field), before.get(field))

    def test_several_stripped_fields_are_all_told(self):
        finding = imported(PAYMENTS)
        answer = client("payments").batch_update_findings(
            FindingIdentifiers=[finding], Note=NOTE, Severity={"Label": "LOW", "Normalized": 1}, Confidence=3
        )
        decision = self.accepted(answer)
        self.assertEqual(answer["ProcessedFindings"], [finding])
        [entry] = answer["UnprocessedFindings"]
        self.told(
            entry, finding, "PartialUpdate", decision, "Severity.Label = LOW", "Severity.Normalized = 1",
            "Confidence = 3", "members-do-not-change-severity", "members-do-not-score",
        )

    def test_a_finding_that_keeps_no_field_is_not_forwarded(self):
        finding = imported(PAYMENTS)
        before = read(finding)
        answer = client("payments").batch_update_findings(FindingIdentifiers=[finding], Severity={"Label": "LOW"})
        decision = self.accepted(answer)
        self.assertEqual(answer["ProcessedFindings"], [])
        [entry] = answer["UnprocessedFindings"]
        self.told(entry, finding, "AccessDenied", decision, "Severity.Label", "members-do-not-change-severity")
        self.assertEqual(read(finding), before)

    def test_what_a_member_may_never_do_rejects_the_finding(self):
        cases = {
            "suppress": (
                {"Workflow": {"Status": "SUPPRESSED"}}, "Workflow.Status = SUPPRESSED", "members-do-not-suppress",
                "Members do not suppress findings.",
            ),
            "false positive": (
                {"VerificationState": "FALSE_POSITIVE"}, "VerificationState = FALSE_POSITIVE",
                "members-do-not-declare-false-positives", "Send your evidence",
            ),
        }
        for name, (update, change, policy, advice) in cases.items():
            with self.subTest(name):
                finding = imported(PAYMENTS)
                before = read(finding)
                answer = client("payments").batch_update_findings(FindingIdentifiers=[finding], Note=NOTE, **update)
                decision = self.accepted(answer)
                self.assertEqual(answer["ProcessedFindings"], [])
                [entry] = answer["UnprocessedFindings"]
                self.told(entry, finding, "AccessDenied", decision, change, policy, advice)
                self.assertEqual(read(finding), before)

    def test_nobody_reaches_beyond_its_accounts(self):
        cases = {
            "a member, another member's": ("payments", imported(LEDGER), "members-stay-in-their-account"),
            "a member, the administrator's": ("ledger", imported(ADMINISTRATOR), "members-stay-in-their-account"),
            "a member, a custom one": ("payments", imported(LEDGER, "default"), "members-stay-in-their-account"),
            "a member, one that nobody has": ("payments", identifier(LEDGER), "members-stay-in-their-account"),
            "the administrator, a stranger's": (
                "administrator", identifier(STRANGER), "administrators-stay-in-their-fleet",
            ),
        }
        for name, (caller, finding, policy) in cases.items():
            with self.subTest(name):
                before = read(finding)
                answer = client(caller).batch_update_findings(FindingIdentifiers=[finding], Note=NOTE)
                decision = self.accepted(answer)
                self.assertEqual(answer["ProcessedFindings"], [])
                [entry] = answer["UnprocessedFindings"]
                self.told(entry, finding, "AccessDenied", decision, "Note", policy)
                self.assertEqual(read(finding), before)

    def test_an_owner_that_the_identifier_does_not_tell_is_looked_up(self):
        partner = "arn:aws:securityhub:eu-west-1::product/partner/scanner"
        [theirs] = import_all([({"Id": f"scan/{LEDGER}/1", "ProductArn": partner}, LEDGER)])
        [own] = import_all([({"Id": f"scan/{PAYMENTS}/1", "ProductArn": partner}, PAYMENTS)])
        none = {"Id": "1234", "ProductArn": product("guardduty", PAYMENTS)}
        # To a member, another account's finding is as if there were none.
        for caller, updated in (("payments", [own]), ("administrator", [own, theirs])):
            with self.subTest(caller):
                answer = client(caller).batch_update_findings(FindingIdentifiers=[own, theirs, none], Note=NOTE)
                self.accepted(answer)
                self.assertEqual(answer["ProcessedFindings"], updated)
                missing = [finding for finding in (own, theirs, none) if finding not in updated]
                self.assertEqual(len(answer["UnprocessedFindings"]), len(missing))
                for entry, finding in zip(answer["UnprocessedFindings"], missing):
                    self.told(entry, finding, "FindingNotFound", None)

    def test_a_finding_that_is_not_there_is_told_in_the_services_words(self):
        finding = identifier(PAYMENTS)
        for caller in ("payments", "careful", "administrator"):
            with self.subTest(caller):
                answer = client(caller).batch_update_findings(FindingIdentifiers=[finding], Note=NOTE)
                self.accepted(answer)
                self.assertEqual(answer["ProcessedFindings"], [])
                [entry] = answer["UnprocessedFindings"]
                self.told(entry, finding, "FindingNotFound", None)
                self.assertEqual(entry["ErrorMessage"], "Finding Not Found")


class Refusals(GateTest):
    CLIENT = "boto3"

    def refused_call(self, caller, findings, update, *fragments):
        error = self.refused(
            client(caller),
            lambda made: made.batch_update_findings(FindingIdentifiers=findings, **update),
            403,
            "AccessDeniedException",
            *fragments,
        )
        headers = error.response["ResponseMetadata"]["HTTPHeaders"]
        decision = headers.get("x-findings-gate-decision")
        self.assertIsNotNone(decision, "a refusal is a decision, and names it")
        self.assertIn(decision, error.response["Error"]["Message"])

    def test_a_caller_that_overlooks_unprocessed_findings_is_refused_the_whole_call(self):
        cases = {
            "stripped for others": ({"Severity": {"Label": "LOW"}, "Note": NOTE}, "members-do-not-change-severity"),
            "rejected for others": ({"Workflow": {"Status": "SUPPRESSED"}}, "members-do-not-suppress"),
        }
        for name, (update, policy) in cases.items():
            with self.subTest(name):
                finding = imported(PAYMENTS)
                before = read(finding)
                self.refused_call("careful", [finding], update, policy, finding["Id"])
                self.assertEqual(read(finding), before)

    def test_one_denied_finding_refuses_its_whole_batch(self):
        denied = imported(LEDGER)
        own = [imported(PAYMENTS), imported(PAYMENTS)]
        before = [read(finding) for finding in own]
        why = "members-stay-in-their-account"
        self.refused_call("careful", [own[0], denied, own[1]], {"Note": NOTE}, why, denied["Id"])
        self.assertEqual([read(finding) for finding in own], before)

    def test_a_policy_refuses_the_whole_call(self):
        own, frozen = imported(PAYMENTS), imported(PAYMENTS, "default", "frozen/")
        before = read(own), read(frozen)
        self.refused_call(
            "payments", [own, frozen], {"Note": NOTE}, "frozen-findings-refuse-the-call", frozen["Id"],
            "Leave frozen findings out of the batch.",
        )
        self.assertEqual((read(own), read(frozen)), before)
        answer = client("administrator").batch_update_findings(FindingIdentifiers=[own, frozen], Note=NOTE)
        self.assertEqual(answer["ProcessedFindings"], [own, frozen])
