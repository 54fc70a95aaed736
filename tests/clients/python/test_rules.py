"""Changes to automation rules, which are the administrator's, and decided as updates are."""

from gate import NOTE, GateTest, client


def actions(**update):
    return [{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": update}]


def rule(**update):
    return {
        "RuleOrder": 7,
        "RuleName": "no sandboxes",
        "Description": "Nobody looks at them.",
        "Criteria": {"AwsAccountName": [{"Value": "sandbox", "Comparison": "EQUALS"}]},
        "Actions": actions(**update),
    }


class Rules(GateTest):
    CLIENT = "boto3"

    def stored(self, arn):
        [found] = client("administrator").batch_get_automation_rules(AutomationRulesArns=[arn])["Rules"]
        return found

    def test_a_rule_is_made_where_the_policies_allow_what_it_does(self):
        administrator = client("administrator")
        made = rule(Note=NOTE, Severity={"Label": "LOW"}, UserDefinedFields={"owner": "é"})
        answer = administrator.create_automation_rule(**made)
        self.assertIn("x-findings-gate-decision", answer["ResponseMetadata"]["HTTPHeaders"])
        stored = self.stored(answer["RuleArn"])
        self.assertEqual({name: stored[name] for name in made}, made)

    def test_a_rule_is_refused_as_a_whole(self):
        self.refused(
            client("administrator"),
            lambda made: made.create_automation_rule(**rule(Note=NOTE, Workflow={"Status": "SUPPRESSED"})),
            403,
            "AccessDeniedException",
            "a rule is taken or refused as a whole",
            "Workflow.Status = SUPPRESSED denied by policy `no-rule-suppresses` (strip): Suppress findings one by one.",
        )

    def test_members_make_and_change_no_rules(self):
        items = [{"RuleArn": "arn:aws:x", "RuleOrder": 1}]
        for call in (
            lambda made: made.create_automation_rule(**rule(Note=NOTE)),
            lambda made: made.batch_update_automation_rules(UpdateAutomationRulesRequestItems=items),
        ):
            self.refused(client("payments"), call, 403, "AccessDeniedException", "is for the administrator")

    def test_of_several_rules_the_denied_ones_stay_as_they_are(self):
        administrator = client("administrator")
        arns = [administrator.create_automation_rule(**rule(Note=NOTE))["RuleArn"] for _ in range(3)]
        updates = [
            {"Actions": actions(Confidence=5)},
            {"Actions": actions(Workflow={"Status": "SUPPRESSED"})},
            {"RuleStatus": "DISABLED"},
        ]
        answer = administrator.batch_update_automation_rules(
            UpdateAutomationRulesRequestItems=[
                {"RuleArn": arn, "RuleOrder": 9} | update for arn, update in zip(arns, updates)
            ]
            + [{"RuleArn": "arn:other", "Actions": actions(Confidence=5)}]
        )
        self.assertIn("x-findings-gate-decision", answer["ResponseMetadata"]["HTTPHeaders"])
        self.assertEqual(answer["ProcessedAutomationRules"], arns[:1])
        denied, silent, unknown = answer["UnprocessedAutomationRules"]
        self.assertEqual([entry["RuleArn"] for entry in (denied, silent, unknown)], [*arns[1:], "arn:other"])
        self.assertEqual([entry["ErrorCode"] for entry in (denied, silent, unknown)], [403, 403, 404])
        self.assertIn("`no-rule-suppresses`", denied["ErrorMessage"])
        self.assertIn("leaves out its Actions", silent["ErrorMessage"])
        self.assertEqual([self.stored(arn)["RuleOrder"] for arn in arns], [9, 7, 7])
        self.assertEqual(self.stored(arns[0])["Actions"], actions(Confidence=5))
