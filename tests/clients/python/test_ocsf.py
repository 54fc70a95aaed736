"""Updates in terms of OCSF, by the same policies."""

import hashlib

from gate import ADMINISTRATOR, LEDGER, PAYMENTS, REGION, GateTest, client, identifier, import_all, imported, read

PRINCIPAL = "arn:aws:iam::222222222222:role/triage"


def named(finding, account):
    return {
        "CloudAccountUid": account,
        "FindingInfoUid": finding["Id"],
        "MetadataProductUid": finding["ProductArn"],
    }


def uid(finding, account):
    """The `metadata.uid` that the embedded backend gives a finding."""
    parts = [part.encode() for part in (REGION, account, finding["ProductArn"], finding["Id"])]
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


class Ocsf(GateTest):
    CLIENT = "boto3"

    def update(self, caller, **update):
        answer = client(caller).batch_update_findings_v2(**update)
        return answer, self.accepted(answer)

    def told_v2(self, entry, name, code, decision, *fragments):
        self.assertEqual(set(entry), {*name, "ErrorCode", "ErrorMessage"})
        self.assertEqual({member: entry[member] for member in name}, name)
        self.assertEqual(entry["ErrorCode"], code)
        for fragment in (*fragments, *([decision] if decision else [])):
            self.assertIn(fragment, entry["ErrorMessage"])

    def test_ocsf_update_is_forwarded_where_the_policies_allow_it(self):
        finding = imported(PAYMENTS)
        answer, _ = self.update("payments", FindingIdentifiers=[named(finding, PAYMENTS)], Comment="é", StatusId=2)
        self.assertEqual(answer["ProcessedFindings"], [{"FindingIdentifier": named(finding, PAYMENTS)}])
        self.assertEqual(answer["UnprocessedFindings"], [])
        stored = read(finding)
        self.assertEqual((stored["Workflow"]["Status"], stored["Note"]["Text"]), ("NOTIFIED", "é"))

    def test_ocsf_denials_have_codes_of_the_model(self):
        own, theirs = import_all([(identifier(PAYMENTS), PAYMENTS), (identifier(LEDGER), LEDGER)])
        gone = identifier(PAYMENTS, "default")
        names = [named(own, PAYMENTS), named(theirs, LEDGER), named(theirs, PAYMENTS), named(gone, PAYMENTS)]
        names.append(names[0])
        answer, decision = self.update("payments", FindingIdentifiers=names, SeverityId=1, StatusId=4)
        self.assertEqual(answer["ProcessedFindings"], [{"FindingIdentifier": names[0]}])
        partial, foreign, contradicted, missing, also_partial, twice = answer["UnprocessedFindings"]
        for entry, name, code, *fragments in (
            (partial, names[0], "ValidationException", "PartialUpdate: updated without SeverityId: ", "Leave Severity out"),
            (foreign, names[1], "ValidationException", "AccessDenied: ", "`members-stay-in-their-account`"),
            (contradicted, names[2], "ValidationException", "AccessDenied: ", "cloud.account.uid"),
            (also_partial, names[3], "ValidationException", "PartialUpdate: forwarded without SeverityId"),
        ):
            self.told_v2(entry, {"FindingIdentifier": name}, code, decision, *fragments)
        self.told_v2(missing, {"FindingIdentifier": names[3]}, "ResourceNotFoundException", None)
        self.told_v2(twice, {"FindingIdentifier": names[0]}, "ValidationException", None, "DuplicatedFindingIdentifier")
        self.assertEqual([read(finding)["Workflow"]["Status"] for finding in (own, theirs)], ["RESOLVED", "NEW"])
        self.assertEqual(read(own)["Severity"]["Label"], "MEDIUM")

    def test_ocsf_statuses_that_hide_a_finding_are_the_administrators(self):
        for status in (3, 5):
            finding = imported(PAYMENTS)
            names = [named(finding, PAYMENTS)]
            with self.subTest(status):
                answer, decision = self.update("payments", FindingIdentifiers=names, StatusId=status)
                self.assertEqual(answer["ProcessedFindings"], [])
                [entry] = answer["UnprocessedFindings"]
                self.told_v2(
                    entry, {"FindingIdentifier": names[0]}, "ValidationException", decision, "`members-do-not-suppress`"
                )
                self.assertEqual((read(finding)["Workflow"]["Status"], read(finding)["RecordState"]), ("NEW", "ACTIVE"))
                answer, _ = self.update("administrator", FindingIdentifiers=names, StatusId=status)
                self.assertEqual(answer["UnprocessedFindings"], [])
        self.assertEqual(read(finding)["RecordState"], "ARCHIVED")

    def test_findings_are_named_by_their_uids(self):
        own, theirs, administrators = import_all(
            [(identifier(account), account) for account in (PAYMENTS, LEDGER, ADMINISTRATOR)]
        )
        uids = [uid(own, PAYMENTS), uid(theirs, LEDGER), uid(administrators, ADMINISTRATOR), "0" * 64]
        answer, _ = self.update("payments", MetadataUids=uids, StatusId=4)
        self.assertEqual(answer["ProcessedFindings"], [{"MetadataUid": uids[0]}])
        # A uid does not say whose finding it names, and whoever may not see it does not learn that either.
        for entry, name in zip(answer["UnprocessedFindings"], uids[1:], strict=True):
            self.told_v2(entry, {"MetadataUid": name}, "ResourceNotFoundException", None)
        answer, _ = self.update("administrator", MetadataUids=uids[:3], StatusId=4)
        self.assertEqual(answer["UnprocessedFindings"], [])
        for finding in (own, theirs, administrators):
            self.assertEqual(read(finding)["Workflow"]["Status"], "RESOLVED")

    def test_ocsf_calls_fail_in_the_words_of_the_model(self):
        finding = imported(LEDGER)
        names = [named(finding, LEDGER)]
        self.refused(
            client("careful"),
            lambda made: made.batch_update_findings_v2(FindingIdentifiers=names, StatusId=4),
            403,
            "AccessDeniedException",
            "the whole request is refused",
        )
        for update, fragment in (
            ({"StatusId": 7}, "StatusId: got 7, expected one of"),
            ({}, "nothing to update"),
            ({"Comment": "x" * 513}, "Comment: got"),
        ):
            with self.subTest(update):
                error = self.refused(
                    client("ledger"),
                    lambda made: made.batch_update_findings_v2(FindingIdentifiers=names, **update),
                    400,
                    "ValidationException",
                    fragment,
                )
                self.assertIsInstance(error, client("ledger").exceptions.ValidationException)
        # A number of OCSF that the embedded backend has no word for: its error is the caller's.
        self.refused(
            client("administrator"),
            lambda made: made.batch_update_findings_v2(FindingIdentifiers=names, SeverityId=99),
            400,
            "ValidationException",
            "no counterpart",
        )
