//! What each kind of statement becomes, and what is refused and doubted.

use super::*;

const STATUS: &str = "securityhub:ASFFSyntaxPath/Workflow.Status";

fn one(effect: &str, condition: &Value) -> Imported {
    import_with(&document(&[json!({ "Sid": "S", "Effect": effect, "Condition": condition })]), &options())
}

/// The policies on one line each, from their scope on.
fn policies(imported: &Imported) -> Vec<String> {
    let text = imported.cedar.as_deref().unwrap_or_default();
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("//") && !line.starts_with('@')).collect();
    let code = code.join(" ");
    let one_line = |policy: &str| policy.split_whitespace().collect::<Vec<_>>().join(" ");
    code.split(';').map(one_line).filter(|policy| !policy.is_empty()).collect()
}

fn codes(imported: &Imported) -> Vec<&'static str> {
    imported.doubts.iter().map(|doubt| doubt.code).filter(|code| *code != "reach").collect()
}

fn key(path: &str) -> String {
    format!("securityhub:ASFFSyntaxPath/{path}")
}

/// A forbid on an action, of BatchUpdateFindings.
fn forbid(action: &str, when: &str) -> String {
    let when = if when.is_empty() { String::new() } else { format!(" && {when}") };
    format!(
        "forbid ( principal is Member, action {action}, resource ) when {{ context.operation == Operation::\"BatchUpdateFindings\"{when} }}"
    )
}

#[test]
fn the_statements_of_the_guide() {
    let status = r#"== Action::"Workflow.Status""#;
    for (condition, when) in [
        (json!({ "Null": { STATUS: "false" } }), ""),
        (json!({ "Null": { STATUS: false } }), ""),
        (json!({ "StringEquals": { STATUS: "SUPPRESSED" } }), r#"context.value == WorkflowStatus::"SUPPRESSED""#),
        (
            json!({ "ForAnyValue:StringEquals": { STATUS: ["RESOLVED", "SUPPRESSED"] } }),
            r#"[WorkflowStatus::"RESOLVED", WorkflowStatus::"SUPPRESSED"].contains(context.value)"#,
        ),
        (
            json!({ "StringLike": { STATUS: "*S*D" } }),
            r#"[WorkflowStatus::"RESOLVED", WorkflowStatus::"SUPPRESSED"].contains(context.value)"#,
        ),
    ] {
        assert_eq!(policies(&one("Deny", &condition)), [forbid(status, when)], "{condition}");
    }
    let ocsf = json!({ "StringEquals": { "securityhub:OCSFSyntaxPath/StatusId": ["0", "3", "5", "99"] } });
    let [policy] = &policies(&one("Deny", &ocsf))[..] else { panic!() };
    assert!(
        policy.contains(r#"Operation::"BatchUpdateFindingsV2" && context.value == WorkflowStatus::"SUPPRESSED""#),
        "{policy}"
    );
}

#[test]
fn a_denial_sits_where_all_of_its_condition_can_be_told() {
    let all = r#"in Action::"BatchUpdateFindings""#;
    let no_note = r#"!context.fields.contains(Field::"Note")"#;
    let no_status = r#"!context.fields.contains(Field::"Workflow")"#;
    let note = r#"== Action::"Note""#;
    for (condition, expected) in [
        (
            json!({ "StringEquals": { STATUS: "SUPPRESSED" }, "Null": { key("Note.Text"): "true" } }),
            vec![forbid(
                r#"== Action::"Workflow.Status""#,
                &format!(r#"context.value == WorkflowStatus::"SUPPRESSED" && {no_note}"#),
            )],
        ),
        (
            json!({ "StringEquals": { STATUS: "NEW", key("Note.UpdatedBy"): "ana" }, "StringLike": { key("Note.Text"): "SEC-*" } }),
            vec![forbid(
                r#"== Action::"Workflow.Status""#,
                r#"context.value == WorkflowStatus::"NEW" && context has note && context.note.updatedBy == "ana" && context.note.text like "SEC-*""#,
            )],
        ),
        (
            json!({ "StringNotEquals": { key("Note.UpdatedBy"): "${aws:PrincipalArn}" }, "Null": { key("Note.Text"): "false" } }),
            vec![forbid(note, "!(context.value.updatedBy == principal.arn)")],
        ),
        (
            json!({ "ForAnyValue:StringEquals": { key("UserDefinedFields.key"): "a", key("UserDefinedFields.value"): "b" } }),
            vec![forbid(
                r#"== Action::"UserDefinedFields""#,
                r#"context has userDefinedFields && context.userDefinedFields.hasTag("a") && context.value == "b""#,
            )],
        ),
        (
            json!({ "StringLike": { key("Confidence"): ["9?", "100"] } }),
            vec![forbid(r#"== Action::"Confidence""#, "context.value >= 90")],
        ),
        (
            json!({ "ArnNotLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/x" }, "DateLessThan": { "aws:CurrentTime": "2026-01-01" } }),
            vec![forbid(
                all,
                r#"!(principal.arn like "arn:aws:iam::*:role/x") && context.now < datetime("2026-01-01T00:00:00Z")"#,
            )],
        ),
    ] {
        let imported = one("Deny", &condition);
        let update = |policy: &String| policy.contains(r#"== Operation::"BatchUpdateFindings""#);
        // What holds of every operation is said of all of them at once.
        let found: Vec<String> = policies(&imported)
            .into_iter()
            .map(|policy| policy.replace(r#"[Operation::"BatchUpdateFindings", Operation::"BatchUpdateFindingsV2"].contains(context.operation)"#, r#"context.operation == Operation::"BatchUpdateFindings""#))
            .filter(update)
            .collect();
        assert_eq!(found, expected, "{condition}\n{:?}", imported.statements);
    }
    // A status that may be missing makes two cases.
    let either = policies(&one("Deny", &json!({ "StringNotEquals": { STATUS: "NOTIFIED" } })));
    assert!(
        either.contains(&forbid(r#"== Action::"Workflow.Status""#, r#"context.value != WorkflowStatus::"NOTIFIED""#)),
        "{either:?}"
    );
    assert!(either.contains(&forbid(all, no_status)), "{either:?}");
}

#[test]
fn what_cannot_be_carried_over_is_refused_with_the_reason() {
    let any = |path: &str, value: &str| json!({ "ForAnyValue:StringEquals": { key(path): value } });
    for (effect, condition, reason) in [
        ("Deny", json!({ "StringLike": { key("Note.Text"): "SEC-?" } }), "the wildcard `?`"),
        ("Deny", json!({ "StringEqualsIgnoreCase": { key("Note.Text"): "x" } }), "without regard to capitals"),
        (
            "Deny",
            json!({ "NumericGreaterThan": { key("Confidence"): "50" } }),
            "`NumericGreaterThan` on a key whose type is String",
        ),
        ("Deny", json!({ "Bool": { STATUS: true } }), "`Bool` on a key whose type is String"),
        (
            "Deny",
            json!({ "ArnLike": { key("RelatedFindings.ProductArn"): "*" } }),
            "`ArnLike` on a key whose type is String",
        ),
        (
            "Deny",
            json!({ "StringNotEquals": { key("Note.UpdatedBy"): "${aws:username}" } }),
            "the policy variable `${aws:username}`",
        ),
        ("Deny", json!({ "StringEquals": { key("Note.Text"): "by ${aws:PrincipalArn}" } }), "the policy variable"),
        ("Deny", json!({ "StringEquals": { STATUS: "${aws:PrincipalArn}" } }), "the policy variable"),
        ("Deny", json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } }), "does not know what `aws:SourceIp` is"),
        ("Deny", json!({ "Null": { key("Worfklow.Status"): "false" } }), "no update has a member `Worfklow.Status`"),
        ("Deny", json!({ "Null": { STATUS: "maybe" } }), "neither true nor false"),
        ("Deny", json!({ "StringEquals": { key("Types"): "A" } }), "may have several values"),
        ("Deny", json!({ "ForAllValues:StringEquals": { key("Types"): "A" } }), "all values of `Types` at once"),
        ("Deny", json!({ "StringEquals": { key("Severity.Product"): "1.0" } }), "how IAM writes its value"),
        (
            "Deny",
            json!({ "StringEquals": { key("VerificationState"): "UNKNOWN", STATUS: "NEW" } }),
            "on `VerificationState` and on `Workflow.Status` at once",
        ),
        ("Deny", json!({ "Null": { key("Severity.Label"): "true" } }), "only whether `Severity` is there"),
        (
            "Deny",
            json!({ "Null": { key("Severity.Label"): "false", key("Severity.Normalized"): "true" } }),
            "only whether `Severity` is there",
        ),
        ("Deny", json!({ "StringEquals": { STATUS: "NEW" }, "Null": { key("Severity.Label"): "false" } }), "at once"),
        (
            "Deny",
            json!({ "StringEquals": { "securityhub:OCSFSyntaxPath/StatusId": "3" } }),
            "in words that 0, 5, 99 ask too",
        ),
        (
            "Deny",
            json!({ "StringEquals": { "securityhub:OCSFSyntaxPath/SeverityId": "5" } }),
            "in words that 6 ask too",
        ),
        ("Deny", json!({ "StringLike": { "aws:PrincipalAccount": "2222*" } }), "entities to Cedar"),
        ("Deny", json!({ "DateLessThan": { "aws:CurrentTime": "tomorrow" } }), "no time in whole seconds"),
        ("Deny", json!({ "StringEquals": { "aws:CurrentTime": "2026-01-01" } }), "which is a time"),
        ("Deny", json!({ "ArnLike": { "aws:PrincipalArn": "*role*" } }), "six parts of an ARN"),
        ("Deny", json!({ "StringNotEquals": { "aws:RequestedRegion": "eu-west-1" } }), "of which Region"),
        (
            "Allow",
            json!({ "StringEquals": { key("Severity.Label"): "LOW" } }),
            "it needs `Severity.Label` in the request",
        ),
        ("Allow", any("Types", "A"), "one value of `Types` among others"),
        (
            "Allow",
            json!({ "StringEquals": { "securityhub:OCSFSyntaxPath/StatusId": ["1", "3"] } }),
            "in words that 0, 99 ask too",
        ),
    ] {
        let imported = one(effect, &condition);
        let refusal =
            imported.statements[0].refused.clone().unwrap_or_else(|| panic!("{condition}: {:?}", imported.cedar));
        assert!(refusal.reason.contains(reason), "{condition}: {refusal:?}");
        assert!(refusal.path.starts_with("Statement[0]"), "{refusal:?}");
        assert_eq!((imported.cedar, imported.suite), (None, None), "{condition}");
    }
}

#[test]
fn what_reads_differently_from_what_it_says_is_doubted() {
    let v2_free = "v2-is-free";
    for (effect, condition, expected) in [
        ("Deny", json!({ "Null": { STATUS: "false", key("Confidence"): "false" } }), &["and-of-nulls", v2_free][..]),
        ("Deny", json!({ "StringEquals": { key("Severity.Label"): "LOW" } }), &["severity-label", v2_free]),
        ("Deny", json!({ "StringEquals": { STATUS: "suppressed" } }), &["no-such-value", "never-matches", v2_free]),
        ("Deny", json!({ "Null": { key("Note"): "false" } }), &["object-path", "never-matches"]),
        ("Deny", json!({ "Null": { key("Severity.Normalized"): "false" } }), &["undocumented-path", v2_free]),
        ("Deny", json!({ "Null": { key("Note.Text"): "true" } }), &["v2-is-denied"]),
        ("Deny", json!({ "StringLike": { "aws:PrincipalArn": "*:role/x" } }), &["principal-arn"]),
        ("Allow", json!({ "ForAnyValue:StringEquals": { STATUS: "NOTIFIED" } }), &["allow-leaves-others-free"]),
        (
            "Allow",
            json!({ "StringEqualsIfExists": { key("Severity.Label"): "LOW" } }),
            &["severity-label", "allow-leaves-others-free"],
        ),
        (
            "Allow",
            json!({ "ForAllValues:StringEquals": { STATUS: "NOTIFIED" } }),
            &["allow-leaves-others-free", "for-all-values-of-none"],
        ),
    ] {
        assert_eq!(codes(&one(effect, &condition)), expected, "{condition}");
    }
    let everything = json!({ "Effect": "Allow", "Action": "*" });
    assert_eq!(codes(&import_with(&document(&[everything]), &options())), ["allows-everything"]);
    let two = [
        json!({ "Effect": "Deny", "Condition": { "StringEquals": { STATUS: "SUPPRESSED" } } }),
        json!({ "Effect": "Deny", "Condition": { "StringEquals": { "securityhub:OCSFSyntaxPath/StatusId": ["0", "3", "5", "99"] } } }),
    ];
    assert_eq!(codes(&import_with(&document(&two), &options())), [""; 0]);
    let stripping = Options { enforcement: Enforcement::Strip, ..options() };
    let imported = import_with(&document(&two), &stripping);
    assert_eq!(codes(&imported), ["enforcement"]);
    assert!(imported.cedar.unwrap().contains("// Here they deviate"));
    let old = json!({ "Version": "2008-10-17", "Statement": { "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": { "StringEquals": { key("Note.Text"): "${aws:username}" } } } });
    assert_eq!(codes(&import_with(&old, &options())), ["literal-variable", v2_free]);
}

/// AWSSystemsManagerOpsDataSyncServiceRolePolicy, as it was withdrawn.
#[test]
fn the_withdrawn_policy_of_aws_denies_nothing() {
    let paths =
        ["Confidence", "Criticality", "Note", "RelatedFindings", "Types", "UserDefinedFields", "VerificationState"];
    let nulls: Map<String, Value> = paths.iter().map(|path| (key(path), json!(false))).collect();
    let v1 = json!({ "Effect": "Deny", "Condition": { "StringEquals": { STATUS: "SUPPRESSED" }, "Null": nulls } });
    let imported = import_with(&document(&[v1]), &options());
    assert_eq!(codes(&imported), ["object-path", "object-path", "never-matches", "and-of-nulls", "v2-is-free"]);
    assert!(imported.is_complete() && imported.cedar.is_none());
}

/// The same, as it took its place: a statement for each.
#[test]
fn the_mended_policy_of_aws_is_carried_over() {
    let paths = [
        "Confidence",
        "Criticality",
        "Note.Text",
        "Note.UpdatedBy",
        "RelatedFindings",
        "Types",
        "UserDefinedFields.key",
        "UserDefinedFields.value",
        "VerificationState",
    ];
    let mut statements = vec![
        json!({ "Effect": "Allow", "Action": ["securityhub:GetFindings", "securityhub:BatchUpdateFindings"] }),
        json!({ "Effect": "Deny", "Condition": { "StringEquals": { STATUS: "SUPPRESSED" } } }),
    ];
    statements
        .extend(paths.iter().map(|path| json!({ "Effect": "Deny", "Condition": { "Null": { key(path): false } } })));
    let imported = import_with(&document(&statements), &options());
    assert!(imported.is_complete(), "{:?}", imported.statements);
    let mut engine = engine(imported.cedar.as_deref());
    for (update, outcome) in [
        (json!({ "Workflow": { "Status": "RESOLVED" } }), Outcome::Forwarded),
        (json!({ "Workflow": { "Status": "SUPPRESSED" } }), Outcome::Refused),
        // Left to be updated, on purpose.
        (json!({ "Severity": { "Label": "LOW" } }), Outcome::Forwarded),
        (json!({ "Note": { "Text": "n", "UpdatedBy": "u" } }), Outcome::Refused),
        (json!({ "UserDefinedFields": { "a": "b" } }), Outcome::Refused),
        (json!({ "Types": ["A"] }), Outcome::Refused),
        (json!({ "Confidence": 1, "Workflow": { "Status": "RESOLVED" } }), Outcome::Refused),
    ] {
        let example = example(Call::Update(update.as_object().unwrap().clone()), Example::NOW);
        assert_eq!(ask(&mut engine, &example).unwrap().outcome, outcome, "{update}");
    }
}

/// Two statements, neither of which allows the request, must not allow it together.
#[test]
fn statements_that_allow_do_not_help_each_other_out() {
    let allow =
        |path: &str, value: &str| json!({ "Effect": "Allow", "Condition": { "StringEquals": { key(path): value } } });
    let two = [allow("Workflow.Status", "NOTIFIED"), allow("VerificationState", "UNKNOWN")];
    let imported = import_with(&document(&two), &options());
    assert!(imported.statements[0].refused.is_none());
    let reason = imported.statements[1].refused.clone().unwrap().reason;
    assert!(reason.contains("by this statement or by Statement[0]"), "{reason}");
    // Nor elements of one list, each of which is asked about by itself, or the labels of one severity.
    for (operator, path, one, other) in [
        ("ForAllValues:StringEquals", "Types", "A", "B/C"),
        ("ForAllValues:StringEquals", "UserDefinedFields.key", "a", "b"),
        ("StringEqualsIfExists", "Severity.Label", "LOW", "HIGH"),
    ] {
        let allow = |value: &str| json!({ "Effect": "Allow", "Condition": { operator: { key(path): value } } });
        let imported = import_with(&document(&[allow(one), allow(other)]), &options());
        let refused: Vec<bool> = imported.statements.iter().map(|statement| statement.refused.is_some()).collect();
        assert_eq!(refused, [false, true], "{path}");
    }
    // About one question, or where every question tells all, they cannot.
    for fine in [allow("Workflow.Status", "RESOLVED"), allow("Note.Text", "ok"), json!({ "Effect": "Allow" })] {
        assert!(import_with(&document(&[two[0].clone(), fine.clone()]), &options()).is_complete(), "{fine}");
    }
}

#[test]
fn callers_are_those_that_it_is_attached_to() {
    for (principal, scope) in [
        (Principal::Member, "principal is Member,"),
        (Principal::Administrator, "principal is Administrator,"),
        (Principal::Any, "principal,"),
        (Principal::Group("ou/\"x".into()), r#"principal in Group::"ou/\"x","#),
        (Principal::Account("444444444444".parse().unwrap()), r#"principal in Account::"444444444444","#),
    ] {
        let statement = json!({ "Effect": "Deny", "Condition": { "StringEquals": { STATUS: "NEW" } } });
        let imported = import_with(&document(&[statement]), &Options { principal, ..options() });
        let policy = &policies(&imported)[0];
        assert!(policy.contains(scope), "{policy}");
        let suite = imported.suite.unwrap();
        assert_eq!(suite.matches("  - name:").count(), 2, "{suite}");
    }
}

#[test]
fn what_an_scp_allows_it_does_not_grant() {
    let options = Options { service_control: true, ..options() };
    let all = json!({ "Effect": "Allow", "Action": "*" });
    let imported = import_with(&document(std::slice::from_ref(&all)), &options);
    assert!(imported.is_complete() && imported.cedar.is_none());
    assert_eq!(codes(&imported), ["allow-of-scp"]);
    let limited = json!({ "Effect": "Allow", "Condition": { "StringEquals": { STATUS: "NEW" } } });
    let reason = import_with(&document(&[limited]), &options).statements[0].refused.clone().unwrap().reason;
    assert!(reason.contains("grants nothing"), "{reason}");
}

#[test]
fn the_hub_and_its_region_are_known_where_they_are_said() {
    let options =
        Options { hub: Some("arn:aws:securityhub:eu-west-1:222222222222:hub/default".parse().unwrap()), ..options() };
    let elsewhere = |region: &str| json!({ "Effect": "Deny", "Condition": { "StringNotEquals": { "aws:RequestedRegion": region } } });
    assert_eq!(policies(&import_with(&document(&[elsewhere("eu-west-1")]), &options)), [""; 0]);
    assert_eq!(policies(&import_with(&document(&[elsewhere("us-east-1")]), &options)).len(), 1);
}

#[test]
fn documents_are_read_strictly() {
    let statement = |members: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{{{members}}}]}}"#);
    let fine = r#""Effect":"Deny","Action":"*","Resource":"*""#;
    for (text, expected) in [
        (String::new(), "the file is empty"),
        ("[]".into(), "expected an object"),
        (r#"{"Version":"2012-10-17"}"#.into(), "member `Statement` is missing"),
        (r#"{"Version":"2012-10-18","Statement":[]}"#.into(), r#"Version: got "2012-10-18", expected "2012-10-17""#),
        (r#"{"Statements":[]}"#.into(), "Statements: unknown member `Statements`"),
        (r#"{"Statement":[],"Statement":[]}"#.into(), "member `Statement` came twice"),
        (
            statement(&format!(r#"{fine},"Principal":"*""#)),
            "Statement[0].Principal: `Principal` belongs to policies of resources",
        ),
        (statement(&format!(r#"{fine},"Conditions":{{}}"#)), "Statement[0].Conditions: unknown member"),
        (statement(&format!(r#"{fine},"Effect":"Allow""#)), "member `Effect` came twice"),
        (statement(r#""Effect":"deny","Action":"*","Resource":"*""#), r#"Statement[0].Effect: got "deny""#),
        (statement(r#""Effect":"Deny","Resource":"*""#), "neither `Action` nor `NotAction`"),
        (statement(r#""Effect":"Deny","Action":"*","NotAction":"*","Resource":"*""#), "both `Action` and `NotAction`"),
        (statement(r#""Effect":"Deny","Action":"*""#), "neither `Resource` nor `NotResource`"),
        (statement(r#""Effect":"Deny","Action":[],"Resource":"*""#), "Statement[0].Action: an empty list"),
        (statement(r#""Effect":"Deny","Action":[1],"Resource":"*""#), "Statement[0].Action[0]: expected a string"),
        (statement(r#""Effect":"Deny","Action":"BatchUpdateFindings","Resource":"*""#), "is no action"),
        (
            statement(&format!(r#"{fine},"Condition":{{"StringEqual":{{"a":"b"}}}}"#)),
            "Statement[0].Condition.StringEqual: `StringEqual` is no condition operator",
        ),
        (
            statement(&format!(r#"{fine},"Condition":{{"StringEquals":{{"a":null}}}}"#)),
            r#"Statement[0].Condition.StringEquals["a"]: expected a string"#,
        ),
        (statement(&format!(r#"{fine},"Condition":{{"StringEquals":{{"a":"b","A":"b"}}}}"#)), "this key came before"),
        (statement(&format!(r#""Sid":"S",{fine}}},{{"Sid":"S",{fine}"#)), r#"Statement[1].Sid: Sid "S" came twice"#),
    ] {
        let source = Source { name: "p.json".into(), text: text.clone() };
        let error = import(&[source], &options()).unwrap_err().to_string();
        assert!(error.starts_with("p.json: ") && error.contains(expected), "{text}: {error}");
    }
}

/// What a suite expects is what the gate says, and what IAM says.
#[test]
fn suites_agree_with_the_gate_and_with_iam() {
    let mut seen = 0;
    for (effect, condition) in [
        ("Deny", json!({ "StringEquals": { STATUS: "SUPPRESSED" } })),
        ("Deny", json!({ "StringEquals": { STATUS: "SUPPRESSED" }, "Null": { key("Note.Text"): "true" } })),
        ("Deny", json!({ "StringNotEquals": { STATUS: ["NEW", "NOTIFIED"] } })),
        ("Deny", json!({ "StringLike": { key("Note.Text"): "SEC-*" } })),
        (
            "Deny",
            json!({ "ForAnyValue:StringEquals": { key("UserDefinedFields.key"): "owner", key("UserDefinedFields.value"): "x" } }),
        ),
        ("Deny", json!({ "StringEquals": { key("Severity.Label"): "LOW" } })),
        ("Deny", json!({ "DateLessThan": { "aws:CurrentTime": "2020-01-01T00:00:00Z" } })),
        ("Allow", json!({ "ForAnyValue:StringEquals": { STATUS: "NOTIFIED" } })),
        (
            "Allow",
            json!({ "StringEqualsIfExists": { key("VerificationState"): "UNKNOWN" }, "StringLike": { key("Note.Text"): "*" } }),
        ),
        ("Allow", json!({ "StringEquals": { "aws:PrincipalArn": "arn:aws:iam::222222222222:role/caller" } })),
    ] {
        let document = document(&[
            json!({ "Effect": effect, "Condition": condition }),
            json!({ "Effect": "Allow", "Action": "iam:*" }),
        ]);
        let imported = import_with(&document, &options());
        let suite = imported.suite.unwrap_or_else(|| panic!("{condition}"));
        let suite: Value = serde_saphyr::from_str(&suite).unwrap();
        let mut engine = engine(imported.cedar.as_deref());
        let (mut meets, mut misses) = (0, 0);
        for case in suite["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            if name.contains("does not") {
                misses += 1;
            } else {
                meets += 1;
            }
            let caller = &suite["callers"][case["caller"].as_str().unwrap()];
            if caller["role"] != "member" || caller.get("principal").is_some() {
                continue;
            }
            let members = |key: &str| case[key].as_object().cloned();
            let call = members("update").map(Call::Update).or_else(|| members("updateV2").map(Call::UpdateV2)).unwrap();
            let now = case["now"].as_str().map_or(Example::NOW, |now| now.parse().unwrap());
            let example = example(call, now);
            let outcome = ask(&mut engine, &example).unwrap().outcome;
            assert_eq!(case["expect"]["outcome"], json!(outcome), "{name}");
            assert_eq!(outcome == Outcome::Forwarded, oracle::allows(&document, &request(&example)), "{name}");
            seen += 1;
        }
        assert!(meets > 0 && misses > 0, "{condition}: {suite}");
    }
    assert!(seen >= 20, "{seen}");
}
