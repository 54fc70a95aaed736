"""The backend alone, without a gate: automation rules, and findings in terms of OCSF.

The backend believes who calls, so each client names its account in a header.
"""

import uuid

import gate
from gate import ADMINISTRATOR, LEDGER, PAYMENTS, STRANGER, GateTest, identifier, import_all, read

ACCOUNTS = {"administrator": ADMINISTRATOR, "payments": PAYMENTS, "ledger": LEDGER, "stranger": STRANGER}


def as_account(account):
    def name_it(request, **_):
        request.headers["x-findings-gate-account"] = account

    return name_it


for caller, account in ACCOUNTS.items():
    # One client a caller: those that gate.py's helpers use are named, too.
    gate.client(caller).meta.events.register("before-sign.securityhub", as_account(account))

client = gate.client

RULE = {
    "RuleOrder": 7,
    "RuleName": "no sandboxes",
    "Description": "Nobody looks at them.",
    "IsTerminal": True,
    "Criteria": {
        "AwsAccountName": [{"Value": "sandbox", "Comparison": "CONTAINS"}],
        "Confidence": [{"Gte": 10.0, "Lt": 20.5}],
        "CreatedAt": [{"DateRange": {"Value": 7, "Unit": "DAYS"}}],
        "ResourceTags": [{"Key": "team", "Value": "x", "Comparison": "NOT_EQUALS"}],
    },
    "Actions": [
        {
            "Type": "FINDING_FIELDS_UPDATE",
            "FindingFieldsUpdate": {
                "Workflow": {"Status": "SUPPRESSED"},
                "Note": {"Text": "noise é", "UpdatedBy": "clients-test"},
                "Severity": {"Label": "LOW", "Product": 1.5},
            },
        }
    ],
}


def made(**members):
    return client("administrator").create_automation_rule(**RULE | members)["RuleArn"]


class Rules(GateTest):
    CLIENT = "boto3"

    def setUp(self):
        administrator = client("administrator")
        if arns := [rule["RuleArn"] for rule in administrator.list_automation_rules()["AutomationRulesMetadata"]]:
            administrator.batch_delete_automation_rules(AutomationRulesArns=arns)

    def test_a_rule_is_made_and_read(self):
        arn = made(Tags={"team": "red"})
        self.assertRegex(arn, r"^arn:aws:securityhub:eu-west-1:111111111111:automation-rule/[0-9a-f-]{36}$")
        answer = client("administrator").batch_get_automation_rules(AutomationRulesArns=[arn, "arn:other"])
        [rule] = answer["Rules"]
        self.assertEqual(rule["CreatedAt"], rule["UpdatedAt"])
        for name in ("CreatedAt", "UpdatedAt"):
            del rule[name]
        self.assertEqual(rule, RULE | {"RuleArn": arn, "RuleStatus": "ENABLED", "CreatedBy": ADMINISTRATOR})
        self.assertEqual(
            answer["UnprocessedAutomationRules"],
            [{"RuleArn": "arn:other", "ErrorCode": 404, "ErrorMessage": "Automation rule not found"}],
        )

    def test_rules_are_changed_and_removed(self):
        administrator, arn = client("administrator"), made()
        answer = administrator.batch_update_automation_rules(
            UpdateAutomationRulesRequestItems=[
                {"RuleArn": arn, "RuleStatus": "DISABLED", "RuleOrder": 1000, "IsTerminal": False},
                {"RuleArn": "arn:other", "RuleOrder": 1},
            ]
        )
        self.assertEqual(answer["ProcessedAutomationRules"], [arn])
        self.assertEqual([entry["ErrorCode"] for entry in answer["UnprocessedAutomationRules"]], [404])
        [rule] = administrator.batch_get_automation_rules(AutomationRulesArns=[arn])["Rules"]
        self.assertEqual((rule["RuleStatus"], rule["RuleOrder"], rule["IsTerminal"]), ("DISABLED", 1000, False))
        self.assertEqual((rule["Criteria"], rule["Actions"]), (RULE["Criteria"], RULE["Actions"]))
        answer = administrator.batch_delete_automation_rules(AutomationRulesArns=[arn])
        self.assertEqual((answer["ProcessedAutomationRules"], answer["UnprocessedAutomationRules"]), ([arn], []))
        self.assertEqual(administrator.list_automation_rules()["AutomationRulesMetadata"], [])

    def test_rules_are_listed_in_pages(self):
        administrator, arns = client("administrator"), [made(RuleOrder=5 - n) for n in range(5)]
        found, arguments = [], {"MaxResults": 2}
        while True:
            page = administrator.list_automation_rules(**arguments)
            found += [rule["RuleArn"] for rule in page["AutomationRulesMetadata"]]
            if "NextToken" not in page:
                break
            arguments["NextToken"] = page["NextToken"]
        self.assertEqual(found, arns)

    def test_bad_rules_are_refused_with_their_place(self):
        update = RULE["Actions"][0]["FindingFieldsUpdate"]
        for members, fragment in (
            ({"RuleOrder": 1001}, "RuleOrder: got 1001, expected an integer from 1 to 1000"),
            ({"RuleName": "x" * 257}, "RuleName: got"),
            ({"Criteria": {}}, "Criteria: an empty object"),
            ({"Criteria": {"Title": [{"Value": "x", "Comparison": "LIKE"}]}}, "Criteria.Title[0].Comparison: got"),
            ({"Actions": RULE["Actions"] * 2}, "Actions: more than 1 elements"),
            (
                {"Actions": [{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": update | {"Confidence": 101}}]},
                "Actions[0].FindingFieldsUpdate.Confidence: got 101",
            ),
            ({"Tags": {"a b": "c"}}, "expected a tag key"),
        ):
            with self.subTest(members):
                self.refused(
                    client("administrator"),
                    lambda boto: boto.create_automation_rule(**RULE | members),
                    400,
                    "InvalidInputException",
                    fragment,
                )
        self.assertEqual(client("administrator").list_automation_rules()["AutomationRulesMetadata"], [])

    def test_members_have_no_rules(self):
        arn = made()
        for name, call in (
            ("create", lambda boto: boto.create_automation_rule(**RULE)),
            ("delete", lambda boto: boto.batch_delete_automation_rules(AutomationRulesArns=[arn])),
            ("get", lambda boto: boto.batch_get_automation_rules(AutomationRulesArns=[arn])),
            ("list", lambda boto: boto.list_automation_rules(MaxResults=1)),
            (
                "update",
                lambda boto: boto.batch_update_automation_rules(
                    UpdateAutomationRulesRequestItems=[{"RuleArn": arn, "RuleOrder": 1}]
                ),
            ),
        ):
            with self.subTest(name):
                self.refused(client("payments"), call, 403, "AccessDeniedException", "Account 222222222222 is a member")


def equals(field, value):
    return {"FieldName": field, "Filter": {"Value": value, "Comparison": "EQUALS"}}


def found(caller, *string_filters, **arguments):
    filters = {"CompositeFilters": [{"StringFilters": list(string_filters)}]}
    return client(caller).get_findings_v2(Filters=filters, **arguments)["Findings"]


def by_identifier(finding, account):
    return {
        "CloudAccountUid": account,
        "FindingInfoUid": finding["Id"],
        "MetadataProductUid": finding["ProductArn"],
    }


class Ocsf(GateTest):
    CLIENT = "boto3"

    def test_a_finding_is_read_updated_by_its_uid_and_read_again(self):
        [finding] = import_all([(identifier(PAYMENTS), PAYMENTS)])
        [document] = found("payments", equals("finding_info.uid", finding["Id"]))
        self.assertEqual(document["metadata"]["product"]["uid"], finding["ProductArn"])
        self.assertEqual((document["severity_id"], document["severity"]), (3, "Medium"))
        self.assertEqual((document["status_id"], document["status"]), (1, "New"))
        uid = document["metadata"]["uid"]
        answer = client("payments").batch_update_findings_v2(
            MetadataUids=[uid], Comment="seen é", SeverityId=5, StatusId=3
        )
        self.assertEqual(answer["ProcessedFindings"], [{"MetadataUid": uid}])
        self.assertEqual(answer["UnprocessedFindings"], [])
        [document] = found("administrator", equals("metadata.uid", uid), equals("status", "Suppressed"))
        self.assertEqual((document["severity"], document["comment"]), ("Critical", "seen é"))
        stored = read(finding)
        self.assertEqual((stored["Severity"]["Label"], stored["Workflow"]["Status"]), ("CRITICAL", "SUPPRESSED"))
        self.assertEqual((stored["Note"]["Text"], stored["Note"]["UpdatedBy"]), ("seen é", PAYMENTS))

    def test_findings_that_cannot_be_updated_are_told_one_by_one(self):
        own, foreign = import_all([(identifier(PAYMENTS), PAYMENTS), (identifier(LEDGER), LEDGER)])
        names = [by_identifier(own, PAYMENTS), by_identifier(foreign, LEDGER), by_identifier(own, PAYMENTS)]
        answer = client("payments").batch_update_findings_v2(FindingIdentifiers=names, StatusId=4)
        self.assertEqual(answer["ProcessedFindings"], [{"FindingIdentifier": names[0]}])
        told = [(entry["FindingIdentifier"], entry["ErrorCode"]) for entry in answer["UnprocessedFindings"]]
        self.assertEqual(told, [(names[1], "ResourceNotFoundException"), (names[2], "ValidationException")])
        self.assertEqual([read(own)["Workflow"]["Status"], read(foreign)["Workflow"]["Status"]], ["RESOLVED", "NEW"])

    def test_filters_nest_and_pages_follow_their_order(self):
        mark = f"mark {uuid.uuid4()}"
        labels = ["LOW", "HIGH", "CRITICAL", "MEDIUM", "HIGH"]
        for label in labels:
            import_all([(identifier(PAYMENTS), PAYMENTS)], Title=mark, Severity={"Label": label})
        severity = {"FieldName": "severity_id", "Filter": {"Gte": 3}}
        filters = {
            "CompositeFilters": [
                {
                    "StringFilters": [equals("finding_info.title", mark)],
                    "Operator": "AND",
                    "NestedCompositeFilters": [
                        {
                            "Operator": "OR",
                            "StringFilters": [equals("severity", "Low")],
                            "NumberFilters": [severity],
                            "DateFilters": [
                                {
                                    "FieldName": "finding_info.created_time_dt",
                                    "Filter": {"Start": "2020-01-01T00:00:00Z", "End": "2020-01-02T00:00:00Z"},
                                }
                            ],
                            "MapFilters": [
                                {
                                    "FieldName": "resources.tags",
                                    "Filter": {"Key": "a", "Value": "b", "Comparison": "EQUALS"},
                                }
                            ],
                        }
                    ],
                },
            ],
            "CompositeOperator": "AND",
        }
        pages = client("payments").get_paginator("get_findings_v2").paginate(
            Filters=filters,
            SortCriteria=[{"Field": "severity_id", "SortOrder": "desc"}],
            PaginationConfig={"PageSize": 2},
        )
        sizes, found = [], []
        for page in pages:
            sizes.append(len(page["Findings"]))
            found += [document["severity_id"] for document in page["Findings"]]
        self.assertEqual((sizes, found), ([2, 2, 1], [5, 4, 4, 3, 2]))

    def test_an_account_sees_its_own_findings(self):
        [finding] = import_all([(identifier(PAYMENTS), PAYMENTS)])
        by_id = equals("finding_info.uid", finding["Id"])
        seen = {caller: len(found(caller, by_id)) for caller in ("payments", "ledger", "administrator")}
        self.assertEqual(seen, {"payments": 1, "ledger": 0, "administrator": 1})

    def test_errors_have_the_names_that_the_model_has_for_them(self):
        boto = client("payments")
        with self.assertRaises(boto.exceptions.ValidationException) as raised:
            boto.batch_update_findings_v2(MetadataUids=["x"], StatusId=7)
        self.assertIn("StatusId: got 7", raised.exception.response["Error"]["Message"])
        with self.assertRaises(boto.exceptions.ValidationException) as raised:
            boto.get_findings_v2(Filters={"CompositeFilters": [{"StringFilters": [equals("severty", "Low")]}]})
        self.assertIn("`severty`", raised.exception.response["Error"]["Message"])
        self.refused(client("stranger"), lambda boto: boto.get_findings_v2(), 403, "AccessDeniedException")
