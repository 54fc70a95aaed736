"""Reading: no policy is asked, and members see their own findings only."""

import uuid

from gate import ADMINISTRATOR, LEDGER, PAYMENTS, GateTest, client, identifier, import_all, imported, read_all


def equals(value):
    return [{"Value": value, "Comparison": "EQUALS"}]


class Reads(GateTest):
    CLIENT = "boto3"

    def test_a_member_reads_its_own_findings_and_the_administrator_all(self):
        findings = import_all([(identifier(account), account) for account in (PAYMENTS, LEDGER, ADMINISTRATOR)])
        seen = {
            caller: [found is not None for found in read_all(findings, caller)]
            for caller in ("payments", "careful", "ledger", "administrator")
        }
        self.assertEqual(
            seen,
            {
                "payments": [True, False, False],
                "careful": [True, False, False],
                "ledger": [False, True, False],
                "administrator": [True, True, True],
            },
        )

    def test_filters_combine_as_documented(self):
        mark = f"mark {uuid.uuid4()}"
        severities = ["LOW", "HIGH", "CRITICAL"]
        findings = [
            imported(PAYMENTS, Title=f"{mark} {label}", GeneratorId=mark, Severity={"Label": label})
            for label in severities
        ]
        by_id = {finding["Id"]: label for finding, label in zip(findings, severities)}

        def found(**filters):
            answer = client("payments").get_findings(Filters={"GeneratorId": equals(mark)} | filters)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 200)
            self.assertNotIn("NextToken", answer)
            return sorted(by_id[item["Id"]] for item in answer["Findings"])

        self.assertEqual(found(), ["CRITICAL", "HIGH", "LOW"])
        self.assertEqual(found(SeverityLabel=equals("HIGH")), ["HIGH"])
        self.assertEqual(found(SeverityLabel=equals("HIGH") + equals("LOW")), ["HIGH", "LOW"])
        self.assertEqual(found(SeverityLabel=equals("high")), [])
        self.assertEqual(found(SeverityLabel=[{"Value": "LOW", "Comparison": "NOT_EQUALS"}]), ["CRITICAL", "HIGH"])
        self.assertEqual(found(Title=[{"Value": f"{mark} C", "Comparison": "PREFIX"}]), ["CRITICAL"])
        self.assertEqual(found(SeverityLabel=equals("LOW"), WorkflowStatus=equals("RESOLVED")), [])
        self.assertEqual(found(AwsAccountId=equals(LEDGER)), [])

    def test_pages_are_sorted_and_none_is_lost(self):
        mark = f"mark {uuid.uuid4()}"
        days = [f"2026-03-{day:02}T00:00:00.000Z" for day in (3, 21, 8, 1, 19, 2, 14, 11, 6, 23, 5)]
        for day in days:
            imported(PAYMENTS, GeneratorId=mark, UpdatedAt=day)
        reader = client("payments")
        for order, expected in (("asc", sorted(days)), ("desc", sorted(days, reverse=True))):
            with self.subTest(order):
                pages = list(
                    reader.get_paginator("get_findings").paginate(
                        Filters={"GeneratorId": equals(mark)},
                        SortCriteria=[{"Field": "UpdatedAt", "SortOrder": order}],
                        PaginationConfig={"PageSize": 4},
                    )
                )
                self.assertEqual([len(page["Findings"]) for page in pages], [4, 4, 3])
                self.assertEqual(["NextToken" in page for page in pages], [True, True, False])
                self.assertEqual([item["UpdatedAt"] for page in pages for item in page["Findings"]], expected)

    def test_a_token_alone_gives_the_next_page_and_another_question_with_it_is_refused(self):
        mark = f"mark {uuid.uuid4()}"
        for _ in range(3):
            imported(PAYMENTS, GeneratorId=mark)
        reader = client("payments")
        first = reader.get_findings(Filters={"GeneratorId": equals(mark)}, MaxResults=2)
        second = reader.get_findings(NextToken=first["NextToken"])
        ids = [item["Id"] for page in (first, second) for item in page["Findings"]]
        self.assertEqual((len(ids), len(set(ids))), (3, 3))
        other = {"GeneratorId": equals("another")}
        self.refused(
            reader,
            lambda made: made.get_findings(Filters=other, NextToken=first["NextToken"]),
            400,
            "InvalidInputException",
        )

    def test_pages_are_of_the_caller_s_findings_to_the_end(self):
        mark = f"mark {uuid.uuid4()}"
        owners = (PAYMENTS, LEDGER, PAYMENTS, ADMINISTRATOR, LEDGER, PAYMENTS, PAYMENTS)
        import_all([(identifier(account), account) for account in owners], GeneratorId=mark)
        own, foreign = equals(PAYMENTS), equals(LEDGER)
        for caller, filters, seen in (
            ("administrator", {}, sorted(owners)),
            ("administrator", {"AwsAccountId": foreign}, [LEDGER] * 2),
            ("payments", {}, [PAYMENTS] * 4),
            ("payments", {"AwsAccountId": own + foreign}, [PAYMENTS] * 4),
            ("payments", {"AwsAccountId": [{"Value": LEDGER, "Comparison": "NOT_EQUALS"}]}, [PAYMENTS] * 4),
            ("payments", {"AwsAccountId": foreign}, []),
            ("ledger", {}, [LEDGER] * 2),
        ):
            with self.subTest(caller=caller, filters=filters):
                pages = client(caller).get_paginator("get_findings").paginate(
                    Filters={"GeneratorId": equals(mark)} | filters, PaginationConfig={"PageSize": 1}
                )
                found = [item["AwsAccountId"] for page in pages for item in page["Findings"]]
                self.assertEqual(sorted(found), seen)

    def test_a_page_token_is_good_for_its_caller_alone(self):
        mark = f"mark {uuid.uuid4()}"
        import_all([(identifier(account), account) for account in (PAYMENTS, PAYMENTS, LEDGER, LEDGER)], GeneratorId=mark)
        question = {"Filters": {"GeneratorId": equals(mark)}, "MaxResults": 1}
        callers = ("administrator", "payments", "ledger")
        tokens = {caller: client(caller).get_findings(**question)["NextToken"] for caller in callers}
        for giver, token in tokens.items():
            for user in callers:
                for body in (question | {"NextToken": token}, {"NextToken": token}):
                    with self.subTest(giver=giver, user=user):
                        if user == giver:
                            self.assertEqual(len(client(user).get_findings(**body)["Findings"]), 1)
                        else:
                            self.refused(
                                client(user), lambda made, body=body: made.get_findings(**body), 400,
                                "InvalidInputException", "start the query anew",
                            )
        # One key of an account begins, another goes on.
        self.assertEqual(len(client("careful").get_findings(NextToken=tokens["payments"])["Findings"]), 1)
        self.refused(
            client("payments"), lambda made: made.get_findings(NextToken=tokens["payments"][:-1]), 400,
            "InvalidInputException", "altered or cut",
        )

    def test_pages_in_terms_of_ocsf_are_of_the_caller_s_findings_to_the_end(self):
        mark = f"mark {uuid.uuid4()}"
        owners = (PAYMENTS, LEDGER, PAYMENTS, ADMINISTRATOR, PAYMENTS)
        import_all([(identifier(account), account) for account in owners], Title=mark)

        def field(name, value):
            return {"StringFilters": [{"FieldName": name, "Filter": {"Value": value, "Comparison": "EQUALS"}}]}

        marked, foreign = field("finding_info.title", mark), field("cloud.account.uid", LEDGER)
        for caller, filters, seen in (
            ("administrator", [marked], sorted(owners)),
            ("administrator", [marked, foreign], [LEDGER]),
            ("payments", [marked], [PAYMENTS] * 3),
            ("payments", [marked, foreign], []),
            ("ledger", [marked], [LEDGER]),
        ):
            with self.subTest(caller=caller, filters=len(filters)):
                pages = client(caller).get_paginator("get_findings_v2").paginate(
                    Filters={"CompositeFilters": filters, "CompositeOperator": "AND"}, PaginationConfig={"PageSize": 1}
                )
                found = [item["cloud"]["account"]["uid"] for page in pages for item in page["Findings"]]
                self.assertEqual(sorted(found), seen)
        token = client("administrator").get_findings_v2(
            Filters={"CompositeFilters": [marked]}, MaxResults=1
        )["NextToken"]
        self.refused(
            client("payments"), lambda made: made.get_findings_v2(NextToken=token), 400, "ValidationException",
            "start the query anew",
        )
        self.refused(
            client("payments"),
            lambda made: made.get_findings_v2(Scopes={"AwsOrganizations": [{"OrganizationId": "o-abcd1234567890"}]}),
            403, "AccessDeniedException", "Scopes",
        )

    def test_automation_rules_are_the_administrator_s_to_read(self):
        # How many there are is for the backend's own tests; here, that pages of them end.
        arns, more = [], {}
        while more is not None:
            page = client("administrator").list_automation_rules(MaxResults=1, **more)
            arns += [rule["RuleArn"] for rule in page["AutomationRulesMetadata"]]
            more = {"NextToken": page["NextToken"]} if "NextToken" in page else None
        self.assertEqual(len(set(arns)), len(arns))
        self.refused(
            client("payments"), lambda made: made.list_automation_rules(MaxResults=5), 403, "AccessDeniedException",
            "is for the administrator",
        )

    def test_a_question_that_is_none_of_the_api_is_refused(self):
        questions = {
            "page too large": {"MaxResults": 101},
            "comparison not for reads": {"Filters": {"Title": [{"Value": "x", "Comparison": "CONTAINS"}]}},
            "illegal mix": {
                "Filters": {"Title": equals("x") + [{"Value": "y", "Comparison": "NOT_EQUALS"}]}
            },
            "21 values": {"Filters": {"Title": equals("x") * 21}},
            "start without end": {"Filters": {"UpdatedAt": [{"Start": "2026-01-01T00:00:00Z"}]}},
        }
        for name, question in questions.items():
            with self.subTest(name):
                self.refused(
                    client("payments"), lambda made: made.get_findings(**question), 400, "InvalidInputException"
                )

    def test_no_arguments_at_all_are_a_question(self):
        imported(PAYMENTS)
        self.assertTrue(client("payments").get_findings()["Findings"])
