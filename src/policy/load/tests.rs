use super::*;
use crate::finding::Enforcement;
use cedar_policy::Effect;
use std::collections::BTreeSet;

fn texts(files: &[(&str, &str)]) -> Vec<PolicyText> {
    files.iter().map(|(name, text)| PolicyText { name: (*name).to_owned(), text: (*text).to_owned() }).collect()
}

fn rules(text: &str) -> Vec<Rule> {
    load(&texts(&[("a.cedar", text)])).unwrap_or_else(|error| panic!("{text}\n{error}")).rules().to_vec()
}

/// The problems of one file: line, column, message with the policy's name, help.
fn problems(text: &str) -> Vec<(usize, usize, String, String)> {
    let error = load(&texts(&[("a.cedar", text)])).err().unwrap_or_else(|| panic!("this loads:\n{text}"));
    error
        .problems()
        .iter()
        .map(|problem| {
            let place = problem.place.as_ref().unwrap();
            assert_eq!(place.file.as_ref(), "a.cedar");
            let line = text.lines().nth(place.line - 1).unwrap_or_default();
            assert!(
                line.starts_with(&place.source) && (place.source.len() == line.len() || line.len() > 200),
                "{line:.300}"
            );
            (place.line, place.column, problem.to_string(), problem.help.clone().unwrap_or_default())
        })
        .collect()
}

/// Each text has exactly one problem, this one.
fn assert_problem(cases: &[(&str, usize, usize, &str, &str)]) {
    for (text, line, column, message, help) in cases {
        assert_eq!(problems(text), [(*line, *column, (*message).to_owned(), (*help).to_owned())], "{text}");
    }
}

#[test]
fn a_policy_is_known_by_its_annotations() {
    let text = "// first\n@id(\"b/2\")\n@enforce(\"refuse\")\n@advice(\"Ask \\\"us\\\".\")\n@shadow\n@doc(\"two\nlines\")\n\
                forbid (principal, action, resource);\n  @id(\"a\") permit (principal, action, resource);";
    let [a, b] = &rules(text)[..] else { panic!("two policies") };
    assert_eq!(
        (a.id.as_ref(), a.effect, a.enforcement, a.advice.as_deref(), a.shadow),
        ("a", Effect::Permit, None, None, false)
    );
    assert_eq!((a.origin.file.as_ref(), a.origin.line, a.origin.column), ("a.cedar", 9, 3));
    assert_eq!((b.id.as_ref(), b.effect, b.enforcement), ("b/2", Effect::Forbid, Some(Enforcement::Refuse)));
    assert_eq!((b.advice.as_deref(), b.shadow), (Some("Ask \"us\"."), true));
    assert_eq!((b.origin.line, b.origin.column), (2, 1));
    assert_eq!(b.policy.id().to_string(), "b/2");
}

#[test]
fn policies_of_all_files_are_sorted_by_id_and_found_by_it() {
    let permit = |id: &str| format!("@id(\"{id}\") permit (principal, action, resource);");
    let loaded = load(&texts(&[("x", &(permit("c") + &permit("a"))), ("y", ""), ("z", &permit("b"))])).unwrap();
    assert_eq!(loaded.rules().iter().map(|rule| rule.id.as_ref()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(loaded.rule("b").map(|rule| rule.origin.file.as_ref()), Some("z"));
    assert!(loaded.rule("d").is_none());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn annotations_are_checked() {
    assert_problem(&[
        (
            "\npermit (principal, action, resource);",
            2,
            1,
            "this policy has no `@id`",
            "write `@id(\"a-short-name\")` before it: audit records, errors and tests call the policy by that name",
        ),
        (
            "@Id(\"a\") permit (principal, action, resource);",
            1,
            1,
            "unknown annotation `@Id`",
            "did you mean `@id`? a policy may carry `@id`, `@enforce`, `@advice`, `@shadow` and `@doc`",
        ),
        (
            "@id(\"a b\") permit (principal, action, resource);",
            1,
            5,
            "`a b` cannot be an `@id`",
            "use 1 to 128 of the letters a to z and A to Z, digits, `.`, `_`, `/` and `-`",
        ),
        (
            "@id permit (principal, action, resource);",
            1,
            1,
            "`` cannot be an `@id`",
            "use 1 to 128 of the letters a to z and A to Z, digits, `.`, `_`, `/` and `-`",
        ),
        (
            "@id(\"a\") @enforce(\"strip\") permit (principal, action, resource);",
            1,
            19,
            "policy `a`: `@enforce` on a permit, which denies nothing",
            "`@enforce` says what a denial does: write it on the forbid, or remove it",
        ),
        (
            "@id(\"a\")\n@enforce(\"Rejct\")\nforbid (principal, action, resource);",
            2,
            10,
            "policy `a`: `Rejct` is no enforcement",
            "did you mean `reject`? `strip` takes out the field, `reject` leaves the finding as it is, `refuse` refuses the whole call",
        ),
        (
            "@id(\"a\") @enforce forbid (principal, action, resource);",
            1,
            10,
            "policy `a`: `` is no enforcement",
            "`strip` takes out the field, `reject` leaves the finding as it is, `refuse` refuses the whole call",
        ),
        (
            "@id(\"a\") @advice(\"x\") permit (principal, action, resource);",
            1,
            18,
            "policy `a`: `@advice` on a permit, which denies nothing",
            "advice is told to a caller whom the policy denies: write it on a forbid, or use `@doc`",
        ),
        (
            "@id(\"a\") @advice(\"\") forbid (principal, action, resource);",
            1,
            18,
            "policy `a`: an `@advice` of 0 characters",
            "write 1 to 400 characters that tell the caller what to do instead, or whom to ask",
        ),
        (
            "@id(\"a\") @advice(\"x\\ny\") forbid (principal, action, resource);",
            1,
            18,
            "policy `a`: an `@advice` with the control character `\\u{a}`",
            "write it as one line of plain text: it goes into error messages and logs",
        ),
        (
            "@id(\"a\") @advice(\"x\\u{202e}y\") forbid (principal, action, resource);",
            1,
            18,
            "policy `a`: an `@advice` with the control character `\\u{202e}`",
            "write it as one line of plain text: it goes into error messages and logs",
        ),
        (
            "@id(\"a\") @shadow(\"\") permit (principal, action, resource);",
            1,
            18,
            "policy `a`: `@shadow` takes no value",
            "write `@shadow` alone: the policy is evaluated and recorded, and changes no verdict",
        ),
        (
            "@id(\"a\") @message(\"x\") forbid (principal, action, resource);",
            1,
            10,
            "policy `a`: unknown annotation `@message`",
            "a policy may carry `@id`, `@enforce`, `@advice`, `@shadow` and `@doc`",
        ),
        (
            "@id(\"a\") @id(\"b\") permit (principal, action, resource);",
            1,
            10,
            "duplicate annotation: @id",
            "write each annotation once",
        ),
    ]);
    let advice = |n: usize| format!("@id(\"a\") @advice(\"{}\") forbid (principal, action, resource);", "é".repeat(n));
    assert_eq!(rules(&advice(400)).len(), 1);
    assert_eq!(problems(&advice(401))[0].2, "policy `a`: an `@advice` of 401 characters");
    let id = |n: usize| format!("@id(\"{}\") permit (principal, action, resource);", "a".repeat(n));
    assert_eq!(rules(&id(128)).len(), 1);
    assert_eq!(problems(&id(129))[0].1, 5);
}

#[test]
fn a_repeated_id_names_both_places() {
    let permit = "@id(\"a\") permit (principal, action, resource);";
    let error = load(&texts(&[("x.cedar", permit), ("y.cedar", &format!("\n{permit}"))])).unwrap_err();
    let [problem] = error.problems() else { panic!("one problem: {error}") };
    assert_eq!(problem.message, "the `@id` `a` is used twice: here and at x.cedar:1:5");
    let place = problem.place.as_ref().unwrap();
    assert_eq!((place.file.as_ref(), place.line, place.column), ("y.cedar", 2, 5));
}

#[test]
fn syntax_errors_are_all_told_where_they_are() {
    assert_problem(&[
        (
            "@id(\"a\") permit (principal, action, resource)\nwhen \"x\";",
            2,
            6,
            "unexpected token `\"x\"`",
            "expected `{`",
        ),
        (
            "@id(\"a\") permit (principal, action, resource)",
            1,
            46,
            "unexpected end of input",
            "expected `;` or identifier",
        ),
        (
            "@id(\"a\") permt (principal, action, resource);",
            1,
            10,
            "invalid policy effect: permt",
            "effect must be either `permit` or `forbid`",
        ),
        (
            "@id(\"a\") permit (principal, action);",
            1,
            35,
            "this policy is missing the `resource` variable in the scope",
            "policy scopes must contain a `principal`, `action`, and `resource` element in that order",
        ),
        (
            "\u{feff}@id(\"a\") permit (principal, action, resource);",
            1,
            1,
            "invalid token",
            "Cedar has no such character outside of strings and comments: remove it",
        ),
        (
            "@id(\"a) permit (principal, action, resource);\n@id(\"b\") permit (principal, action, resource);",
            1,
            5,
            "a string that starts here never ends",
            "close it with `\"`; inside a string, write `\\\"`",
        ),
        (
            "// \u{202e}\n@id(\"a\") permit (principal, action, resource);",
            1,
            4,
            "the character `\\u{202e}` changes how the text around it is shown",
            "remove it: a policy must read as what it says",
        ),
        (
            "@id(\"a\")\npermit (principal == ?principal, action, resource);",
            2,
            22,
            "a template: `?principal` would have to be filled in",
            "templates are not linked here: write the entity itself, or put the accounts in a `Group` and use `in`",
        ),
        (
            "@id(\"a\") permit (principal, action == Action::\"Confidence\", resource)\nwhen { context.value > 9223372036854775808 };",
            2,
            24,
            "integer literal `9223372036854775808` is too large",
            "maximum allowed integer literal is `9223372036854775807`",
        ),
    ]);
}

#[test]
fn every_problem_of_every_file_is_told_at_once_and_in_order() {
    let good = "@id(\"good\") permit (principal, action, resource);";
    let x = format!(
        "@id(\"x1\") permit (principal, action resource);\n{good}\n@id(\"x2\") forbid (principal is Membr, action, resource)\n\
         unless {{ principal has acount }};\n@id(\"x3\") permit (principal, action, resource) when {{ a; b }};\n\
         @enforce(\"x\") permit (principal, action, resource);\n"
    );
    let y = "@id(\"good\") permit (principal, action, resource) when { };";
    let error = load(&texts(&[("x", &x), ("y", y)])).unwrap_err();
    let places: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| problem.place.as_ref().map(|place| (place.file.to_string(), place.line, place.column)).unwrap())
        .collect();
    let at = |file: &str, line, column| (file.to_owned(), line, column);
    assert_eq!(
        places,
        [
            at("x", 1, 37),
            at("x", 3, 32),
            at("x", 4, 10),
            at("x", 5, 58),
            at("x", 6, 10),
            at("x", 6, 15),
            at("y", 1, 50)
        ],
        "{:#?}",
        error.problems()
    );
}

#[test]
fn strict_validation_is_told_with_the_policys_name() {
    let status = |condition: &str| {
        format!(
            "@id(\"a\")\npermit (principal, action == Action::\"Workflow.Status\", resource)\nwhen {{ {condition} }};"
        )
    };
    let any = |condition: &str| format!("@id(\"a\")\npermit (principal, action, resource)\nwhen {{ {condition} }};");
    assert_problem(&[
        (
            "@id(\"a\") permit (principal, action == Action::\"Workflow.Statu\", resource);",
            1,
            39,
            "policy `a`: unrecognized action `Action::\"Workflow.Statu\"`",
            "did you mean `Action::\"Workflow.Status\"`?",
        ),
        (
            "@id(\"a\") permit (principal is Membr, action, resource);",
            1,
            31,
            "policy `a`: unrecognized entity type `Membr`",
            "did you mean `Member`?",
        ),
        (
            &status("context.value == WorkflowStatus::\"SUPRESSED\""),
            3,
            25,
            "policy `a`: entity `WorkflowStatus::\"SUPRESSED\"` is of an enumerated entity type, but `\"SUPRESSED\"` is not declared as a valid eid",
            "valid entity eids: \"NEW\", \"NOTIFIED\", \"RESOLVED\", \"SUPPRESSED\"",
        ),
        (
            &status("context.value == \"SUPPRESSED\""),
            3,
            8,
            "policy `a`: the types String and WorkflowStatus are not compatible",
            "a WorkflowStatus is an entity and not a string: write `WorkflowStatus::\"…\"`",
        ),
        (
            &status("context.note.text like \"x\""),
            3,
            8,
            "policy `a`: unable to guarantee safety of access to optional attribute `note` in context for Action::\"Workflow.Status\"",
            "try testing for the attribute's presence with `context has note && ..`",
        ),
        (
            &any("resource.account == principal.account"),
            3,
            8,
            "policy `a`: attribute `account` on entity type `Finding` not found",
            "the account is the finding's parent: write `resource in principal.account`",
        ),
        (
            &any("resource.productarn == \"x\""),
            3,
            8,
            "policy `a`: attribute `productarn` on entity type `Finding` not found",
            "did you mean `productArn`?",
        ),
        (
            &any("context.valu == 1"),
            3,
            8,
            "policy `a`: attribute `valu` in context for Action::\"Confidence\" not found",
            "did you mean `value`?",
        ),
        (
            &any("context.value like \"x\""),
            3,
            8,
            "policy `a`: attribute `value` in context for Action::\"Import\" not found",
            "the context depends on the action: name one with `action == …`, or a group whose members have the same context",
        ),
        (
            "@id(\"a\") permit (principal is Account, action, resource);",
            1,
            10,
            "policy `a`: unable to find an applicable action given the policy scope constraints",
            "as it is written it can never apply: principals are `Member` or `Administrator`, the resource is a `Finding`",
        ),
        (
            "@id(\"a\") permit (principal, action, resource) when { principal is Member && principal is Administrator };",
            1,
            10,
            "policy `a`: policy is impossible: the policy expression evaluates to false for all valid requests",
            "as it is written it can never apply: look for two conditions that contradict each other, or for entities \
             of different types that are compared",
        ),
        (
            // The first letter is Cyrillic.
            "@id(\"a\") permit (principal, action == Action::\"Types\", resource) when { context.value like \"аdmin\" };",
            1,
            73,
            "policy `a`: string `\"аdmin\"` contains mixed scripts",
            "it has letters of different alphabets that may look alike: retype the word in one alphabet",
        ),
        (
            &status("[].contains(context.value)"),
            3,
            8,
            "policy `a`: empty set literals are forbidden in policies",
            "test a set with `isEmpty()`, or remove the test",
        ),
    ]);
}

#[test]
fn what_validation_passes_over_is_found() {
    assert_problem(&[
        (
            "@id(\"a\") permit (principal, action == Action::\"Workflow.Status\", resource)\nunless { context has noet };",
            2,
            10,
            "policy `a`: `context` never has `noet`, so this test is always false",
            "did you mean `note`?",
        ),
        (
            "@id(\"a\") permit (principal, action == Action::\"Workflow.Status\", resource)\nwhen { !(context has note.\n txt) };",
            2,
            10,
            "policy `a`: `context` never has `txt`, so this test is always false",
            "did you mean `text`?",
        ),
        (
            "@id(\"a\") permit (principal, action == Action::\"Note\", resource) unless { context has \"note\" };",
            1,
            74,
            "policy `a`: `context` never has `note`, so this test is always false",
            "it can have: fields, now, operation, userDefinedFields, value",
        ),
        (
            "@id(\"a\") permit (principal is Member, action, resource) unless { principal has fleet };",
            1,
            66,
            "policy `a`: `principal` never has `fleet`, so this test is always false",
            "it can have: account, arn",
        ),
        (
            "@id(\"a\") permit (principal, action == Action::\"Note\", resource) unless { context.value has txt };",
            1,
            82,
            "policy `a`: `context.value` never has `txt`, so this test is always false",
            "did you mean `text`?",
        ),
        (
            "@id(\"a\") permit (principal, action == Action::\"Severity\", resource);",
            1,
            39,
            "policy `a`: `Action::\"Severity\"` is a group of actions, and no action equals a group",
            "write `action in Action::\"Severity\"`",
        ),
        (
            "@id(\"a\") permit (principal, action, resource) unless { action == Action::\"Triage\" };",
            1,
            66,
            "policy `a`: `Action::\"Triage\"` is a group of actions, and no action equals a group",
            "write `action in Action::\"Triage\"`",
        ),
        (
            "@id(\"a\") permit (principal, action, resource) unless { [Action::\"Triage\"].contains(action) };",
            1,
            57,
            "policy `a`: `Action::\"Triage\"` is a group of actions, and no action equals a group",
            "write `action in Action::\"Triage\"`",
        ),
        (
            "@id(\"a\") permit (principal in Account::\"12345678901\", action, resource);",
            1,
            31,
            "policy `a`: `Account::\"12345678901\"` is no account: its id is not twelve digits",
            "write the account id, such as `Account::\"111122223333\"`; a named set of accounts is a `Group`",
        ),
        (
            "@id(\"a\") permit (principal, action, resource) when { resource in Fleet::\"security\" };",
            1,
            66,
            "policy `a`: `Fleet::\"security\"` is no account: its id is not twelve digits",
            "a fleet's id is the account id of its administrator, such as `Fleet::\"111111111111\"`",
        ),
    ]);
}

#[test]
fn tests_for_names_that_can_be_there_pass() {
    for good in [
        "permit (principal, action, resource) unless { context has note }",
        "permit (principal, action, resource) when { context has note && context.note.text like \"*SEC-*\" }",
        "permit (principal, action, resource) when { context has note.text }",
        "permit (principal, action, resource) when { principal is Administrator && principal has fleet }",
        "permit (principal, action in Action::\"Severity\", resource) unless { action == Action::\"Severity.Label\" }",
        "permit (principal, action in [Action::\"Severity\", Action::\"Note\"], resource)",
        "forbid (principal, action, resource) unless { resource in Account::\"012345678901\" }",
        "permit (principal in Group::\"ou/prod\", action, resource in Fleet::\"111111111111\")",
        "permit (principal, action == Action::\"Note\", resource) when { (if context.value has text then context else context) has value }",
    ] {
        assert_eq!(rules(&format!("@id(\"a\") {good};")).len(), 1, "{good}");
    }
}

#[test]
fn a_set_without_policies_is_refused() {
    for (files, message) in [
        (texts(&[]), "there is no policy file"),
        (texts(&[("a.cedar", ""), ("b.cedar", "// nothing yet\n")]), "no file has a policy in it"),
    ] {
        let error = load(&files).unwrap_err();
        let [problem] = error.problems() else { panic!("one problem: {error}") };
        assert_eq!(problem.message, message);
        assert_eq!(problem.place, None);
    }
}

#[test]
fn sizes_are_bounded() {
    let big = format!("@id(\"a\") permit (principal, action, resource); //{}", " ".repeat(MAX_FILE));
    assert_problem(&[(
        &big,
        1,
        1,
        &format!("the file has {} bytes; at most 1048576 are read", big.len()),
        "split it into several files",
    )]);

    let many: String = (0..=MAX_POLICIES).map(|_| "x;\n").collect();
    let error = load(&texts(&[("a", "x;"), ("b", &many)])).unwrap_err();
    let too_many: Vec<_> = error
        .problems()
        .iter()
        .filter(|problem| problem.message.contains("at most 10000"))
        .map(Problem::position)
        .collect();
    assert_eq!(too_many, [Some((MAX_POLICIES, 1))]);
    assert_eq!(error.problems().len(), MAX_POLICIES + 1);
}

#[test]
fn an_error_shows_the_line_the_place_and_the_help() {
    let text = "// a comment\n@id(\"a\")\npermit (principal, action == Action::\"Severity\", resource);\n";
    let error = load(&texts(&[("policies/a.cedar", text)])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 problem in the policies: policies/a.cedar:3:30: policy `a`: `Action::\"Severity\"` is a group of actions, and no \
         action equals a group"
    );
    let mut shown = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    handler.render_report(&mut shown, &error).unwrap();
    for part in [
        "[policies/a.cedar:3:30]",
        "permit (principal, action == Action::\"Severity\", resource);",
        "help: write `action in",
    ] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
    assert_eq!(
        serde_json::to_value(error.problems()).unwrap(),
        serde_json::json!([{
            "code": "FG009", "file": "policies/a.cedar", "line": 3, "column": 30,
            "source": "permit (principal, action == Action::\"Severity\", resource);",
            "policy": "a",
            "message": "`Action::\"Severity\"` is a group of actions, and no action equals a group",
            "help": "write `action in Action::\"Severity\"`",
        }])
    );
}

#[test]
fn a_thousand_problems_are_counted_and_the_first_are_shown() {
    let text = "?x;".repeat(1_000);
    let error = load(&texts(&[("a", &text)])).unwrap_err();
    assert_eq!(error.problems().len(), 1_000);
    assert!(error.to_string().starts_with("1000 problems in the policies, of which 50 are shown: a:1:1: "), "{error}");
    assert_eq!(miette::Diagnostic::related(&error).unwrap().count(), 50);
}

#[test]
fn ids_are_unique_whatever_else_is_wrong() {
    let text =
        "@id(\"a\") permit (principal, action, resource); @id(\"a\") permit (principal is Membr, action, resource);";
    let messages: BTreeSet<_> = problems(text).into_iter().map(|(_, _, message, _)| message).collect();
    let expected = [
        "policy `a`: the `@id` `a` is used twice: here and at a.cedar:1:5",
        "policy `a`: unrecognized entity type `Membr`",
    ];
    assert_eq!(messages, expected.map(String::from).into());
}
