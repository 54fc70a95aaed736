"""A hundred findings with different fates in one call."""

from gate import LEDGER, NOTE, PAYMENTS, GateTest, client, identifier, import_all, read_all

PARTNER = "arn:aws:securityhub:eu-west-1::product/partner/scanner"


class Batches(GateTest):
    CLIENT = "boto3"

    def test_a_hundred_findings_of_seven_fates_keep_their_order(self):
        """Each finding gets what it would get alone, and both lists are in the order of the request."""
        batch, fates, to_import = [], [], []
        for place in range(100):
            fate = ("whole", "stripped", "foreign", "missing", "unknown", "duplicate", "custom")[place * 3 % 7]
            match fate:
                case "whole":
                    finding, owner = identifier(PAYMENTS), PAYMENTS
                case "stripped":
                    finding, owner = identifier(PAYMENTS, "inspector"), PAYMENTS
                case "foreign":
                    finding, owner = identifier(LEDGER), LEDGER
                case "missing":
                    finding, owner = identifier(PAYMENTS), None
                case "unknown":
                    finding, owner = {"Id": f"scan/{place}", "ProductArn": PARTNER}, None
                case "duplicate":
                    # Of each kind of fate in turn; a duplicate is told as such, whatever the first one's fate is.
                    finding, owner = batch[place - (place % 5) - 1], None
                case "custom":
                    finding, owner = identifier(PAYMENTS, "default"), PAYMENTS
            batch.append(finding)
            fates.append(fate)
            if owner:
                to_import.append((finding, owner))
        self.assertEqual(len(set(fates)), 7)
        import_all(to_import)
        before = read_all(batch)

        answer = client("payments").batch_update_findings(
            FindingIdentifiers=batch, Workflow={"Status": "NOTIFIED"}, Note=NOTE
        )
        decision = self.accepted(answer)

        updated = ("whole", "stripped", "custom")
        self.assertEqual(
            answer["ProcessedFindings"], [finding for finding, fate in zip(batch, fates) if fate in updated]
        )
        expected = {
            "stripped": ("PartialUpdate", decision, "Note", "inspector-notes-are-the-scanners"),
            "foreign": ("AccessDenied", decision, "members-stay-in-their-account"),
            "missing": ("FindingNotFound", None, "Finding Not Found"),
            "unknown": ("FindingNotFound", None, "Finding Not Found"),
            "duplicate": ("DuplicatedFindingIdentifier", None, "Finding Identifier is duplicated"),
        }
        told = [(finding, expected[fate]) for finding, fate in zip(batch, fates) if fate in expected]
        self.assertEqual(len(answer["UnprocessedFindings"]), len(told))
        for entry, (finding, (code, decided, *fragments)) in zip(answer["UnprocessedFindings"], told):
            self.told(entry, finding, code, decided, *fragments)

        for finding, fate, old, new in zip(batch, fates, before, read_all(batch)):
            with self.subTest(fate):
                match fate:
                    case "whole" | "custom":
                        self.assertEqual((new["Workflow"]["Status"], new["Note"]["Text"]), ("NOTIFIED", NOTE["Text"]))
                    case "stripped":
                        self.assertEqual((new["Workflow"]["Status"], "Note" in new), ("NOTIFIED", False))
                    case "foreign":
                        self.assertEqual(new, old)
                    case "missing" | "unknown":
                        self.assertIsNone(new)

    def test_the_administrator_updates_a_hundred_of_several_accounts(self):
        batch = import_all([(identifier(account), account) for account in (PAYMENTS, LEDGER) * 50])
        answer = client("administrator").batch_update_findings(
            FindingIdentifiers=batch, Workflow={"Status": "SUPPRESSED"}
        )
        self.accepted(answer)
        self.assertEqual(answer["ProcessedFindings"], batch)
        self.assertEqual(answer["UnprocessedFindings"], [])
        self.assertEqual({found["Workflow"]["Status"] for found in read_all(batch)}, {"SUPPRESSED"})
