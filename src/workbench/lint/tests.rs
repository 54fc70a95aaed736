use super::*;
use crate::finding::Member;
use crate::policy::{PACKS, load, pack};

fn with(text: &str, site: &Site<'_>) -> Vec<Problem> {
    let texts = [PolicyText { name: "a.cedar".into(), text: text.into() }];
    let policies = load(&texts).unwrap_or_else(|error| panic!("{text}\n{error}\n{:?}", error.problems()));
    lint(policies.rules(), &texts, site)
}

const ALONE: Site<'static> =
    Site { accounts: None, proofs_give_groups: false, vocabulary: None, default_enforcement: Enforcement::Reject };

/// Keeps callers where they belong, so that what a test is about is told alone.
const REACH: &str = "\n@id(\"reach\") @enforce(\"reject\") @advice(\"a\") forbid (principal is Member, action, resource) \
                     unless { resource in principal.account };\n\
                     @id(\"fleet\") @enforce(\"reject\") @advice(\"a\") forbid (principal is Administrator, action, resource) \
                     unless { resource in principal.fleet };\n";

/// What is told of a text that has the reach rules behind it: the code, what is marked, the message.
fn told(text: &str) -> Vec<(&'static str, String, String)> {
    told_at(text, &ALONE)
}

fn told_at(text: &str, site: &Site<'_>) -> Vec<(&'static str, String, String)> {
    let text = format!("{text}{REACH}");
    with(&text, site)
        .into_iter()
        .map(|problem| {
            let place = problem.place.as_ref().unwrap();
            let (end_line, end_column) = problem.end().unwrap();
            let line: Vec<char> = text.lines().nth(place.line - 1).unwrap().chars().collect();
            let end = if end_line == place.line { end_column - 1 } else { line.len() };
            (problem.code.id, line[place.column - 1..end].iter().collect(), problem.message)
        })
        .collect()
}

fn permit(scope: &str, rest: &str) -> String {
    format!("@id(\"p\") permit ({scope}, resource) {rest};")
}

fn forbid(scope: &str, rest: &str) -> String {
    format!("@id(\"f\") @enforce(\"strip\") @advice(\"a\") forbid ({scope}, resource) {rest};")
}

#[track_caller]
fn assert_told(text: &str, expected: &[(&str, &str, &str)]) {
    let told = told(text);
    let told: Vec<_> = told.iter().map(|(code, marked, message)| (*code, marked.as_str(), message.as_str())).collect();
    assert_eq!(told, expected, "{text}");
}

const VALUE: &str = "principal is Member, action == Action::\"Confidence\"";
const STATUS: &str = "principal is Member, action == Action::\"Workflow.Status\"";
const KEY: &str = "principal is Member, action == Action::\"UserDefinedFields\"";

#[test]
fn the_shipped_packs_are_clean() {
    for name in PACKS {
        let texts = pack(name).unwrap();
        let policies = load(&texts).unwrap();
        let found = lint(policies.rules(), &texts, &ALONE);
        let told: Vec<_> = found.iter().map(|p| format!("{} {p} {:?}", p.code, p.place)).collect();
        assert_eq!(told, [""; 0], "{name}");
    }
}

#[test]
fn what_contradicts_itself_never_applies() {
    for (scope, rest, marked, why) in [
        (
            VALUE,
            "when { context.value > 90 && context.value < 10 }",
            "context.value < 10",
            "`context.value > 90` and `context.value < 10` cannot hold together",
        ),
        (
            VALUE,
            "when { context.value > 10 && context.value < 11 }",
            "context.value < 11",
            "`context.value > 10` and `context.value < 11` cannot hold together",
        ),
        (
            STATUS,
            "when { context.value == WorkflowStatus::\"NEW\" } when { context.value == WorkflowStatus::\"RESOLVED\" }",
            "context.value == WorkflowStatus::\"RESOLVED\"",
            "`context.value == WorkflowStatus::\"NEW\"` and `context.value == WorkflowStatus::\"RESOLVED\"` cannot hold together",
        ),
        (
            STATUS,
            "when { [WorkflowStatus::\"NEW\", WorkflowStatus::\"RESOLVED\"].contains(context.value) } \
             unless { context.value == WorkflowStatus::\"NEW\" || context.value == WorkflowStatus::\"RESOLVED\" }",
            "context.value == WorkflowStatus::\"RESOLVED\"",
            "`[WorkflowStatus::\"NEW\", WorkflowStatus::\"RESOLVED\"].contains(context.value)`, not `context.value == \
             WorkflowStatus::\"NEW\"` and not `context.value == WorkflowStatus::\"RESOLVED\"` cannot hold together",
        ),
        (
            KEY,
            "when { context.key like \"ticket/*\" && context.key == \"owner\" }",
            "context.key == \"owner\"",
            "`context.key like \"ticket/*\"` and `context.key == \"owner\"` cannot hold together",
        ),
        (
            KEY,
            "when { context.key like \"a*\" && context.key like \"b*\" }",
            "context.key like \"b*\"",
            "`context.key like \"a*\"` and `context.key like \"b*\"` cannot hold together",
        ),
        (
            KEY,
            "when { context.fields.contains(Field::\"Note\") } unless { context.fields.contains(Field::\"Note\") }",
            "context.fields.contains(Field::\"Note\")",
            "`context.fields.contains(Field::\"Note\")` and not `context.fields.contains(Field::\"Note\")` cannot hold together",
        ),
        (
            "principal is Member, action == Action::\"Severity.Label\"",
            "when { context.rank < resource.severity.rank && context.rank >= resource.severity.rank }",
            "context.rank >= resource.severity.rank",
            "`context.rank < resource.severity.rank` and `context.rank >= resource.severity.rank` cannot hold together",
        ),
        (
            "principal in Account::\"111122223333\", action == Action::\"Note\"",
            "when { principal in Account::\"444455556666\" }",
            "principal in Account::\"444455556666\"",
            "`principal in Account::\"111122223333\"` and `principal in Account::\"444455556666\"` cannot hold together",
        ),
        (
            "principal is Member, action == Action::\"Severity.Product\"",
            "when { context.value.greaterThan(decimal(\"7.5\")) && context.value.lessThan(decimal(\"1.0\")) }",
            "context.value.lessThan(decimal(\"1.0\"))",
            "`context.value.greaterThan(decimal(\"7.5\"))` and `context.value.lessThan(decimal(\"1.0\"))` cannot hold together",
        ),
    ] {
        let message = format!("this policy can never apply: {why}");
        assert_told(&permit(scope, rest), &[("FG101", marked, &message)]);
    }
}

#[test]
fn what_can_hold_is_left_alone() {
    for (scope, rest) in [
        (VALUE, "when { context.value > 10 && context.value < 12 }"),
        (VALUE, "when { context.value == 0 || context.value >= 100 }"),
        (STATUS, "unless { context.value == WorkflowStatus::\"NEW\" }"),
        (KEY, "when { context.key like \"a*\" && context.key like \"*b\" }"),
        (KEY, "when { context.key like \"a*\" && context.key != \"a\" }"),
        ("principal is Member, action == Action::\"Severity.Label\"", "when { context.rank > resource.severity.rank }"),
        (
            STATUS,
            "when { resource.createdAt < context.now && context.now.durationSince(resource.createdAt) > duration(\"1d\") }",
        ),
        (
            STATUS,
            "when { if context has note then context.note.text like \"*x*\" else context.value == WorkflowStatus::\"NEW\" }",
        ),
    ] {
        assert_told(&permit(scope, rest), &[]);
    }
}

#[test]
fn parts_that_are_never_true_are_told() {
    assert_told(
        &permit(VALUE, "when { context.value == 5 || (context.value > 50 && context.value < 40) }"),
        &[(
            "FG102",
            "context.value > 50",
            "this alternative is never true: `context.value > 50` and `context.value < 40` cannot hold together",
        )],
    );
    assert_told(
        &permit(
            STATUS,
            "unless { context.value == WorkflowStatus::\"NEW\" && context.value == WorkflowStatus::\"RESOLVED\" }",
        ),
        &[(
            "FG102",
            "context.value == WorkflowStatus::\"NEW\"",
            "this exception is never true: `context.value == WorkflowStatus::\"NEW\"` and `context.value == WorkflowStatus::\"RESOLVED\"` \
             cannot hold together",
        )],
    );
}

#[test]
fn numbers_have_limits() {
    for (condition, always) in [
        ("context.value > 100", "false"),
        ("context.value <= 100", "true"),
        ("context.value == 101", "false"),
        ("-1 < context.value", "true"),
    ] {
        let message = format!("`{condition}` is always {always}: `context.value` is a whole number from 0 to 100");
        assert_told(&permit(VALUE, &format!("when {{ {condition} }}")), &[("FG103", condition, &message)]);
    }
    assert_told(&permit(VALUE, "when { context.value >= 100 && context.value > 0 }"), &[]);
    // A number of another kind has none.
    assert_told(&permit(KEY, "when { context has number && context.number > 100 }"), &[]);
}

#[test]
fn what_changes_nothing_is_told() {
    let both = format!("{}\n{}", permit(STATUS, ""), forbid("principal is Member, action in Action::\"Triage\"", ""));
    assert_told(&both, &[("FG104", "permit", "this permit grants nothing: whatever it permits is forbidden by `f`")]);
    // Together they forbid it all.
    let parts = "@id(\"p\") permit (principal is Member, action in [Action::\"Note\", Action::\"Confidence\"], resource);\n\
                 @id(\"f1\") @enforce(\"strip\") @advice(\"a\") forbid (principal, action == Action::\"Note\", resource);\n\
                 @id(\"f2\") @enforce(\"strip\") @advice(\"a\") forbid (principal, action == Action::\"Confidence\", resource);";
    assert_told(
        parts,
        &[("FG104", "permit", "this permit grants nothing: whatever it permits is forbidden by `f1` and `f2`")],
    );
    let wider = format!(
        "{}\n@id(\"q\") permit (principal is Member, action == Action::\"Confidence\", resource) when {{ context.value > 5 }};",
        permit(VALUE, "when { context.value > 7 && context.value < 20 }")
    );
    assert_told(
        &wider,
        &[("FG104", "permit", "this permit grants nothing more: `q` at a.cedar:2:1 applies wherever it does")],
    );
    let stricter = format!(
        "{}\n@id(\"g\") @enforce(\"refuse\") @advice(\"a\") forbid (principal, action == Action::\"Confidence\", resource);",
        forbid(VALUE, "when { context.value == 3 }")
    );
    assert_told(
        &stricter,
        &[(
            "FG104",
            "forbid",
            "this forbid denies nothing more, and no more strictly: `g` at a.cedar:2:1 applies wherever it does",
        )],
    );
    assert_told(
        &stricter.replace("\"strip\"", "\"x\"").replace("\"refuse\"", "\"strip\"").replace("\"x\"", "\"reject\""),
        &[],
    );
    // What is on trial hides nothing.
    assert_told(&both.replace("@id(\"f\")", "@id(\"f\") @shadow @doc(\"d\")"), &[]);
    // Half of it is left.
    let half = format!("{}\n{}", permit(VALUE, ""), forbid(VALUE, "when { context.value > 50 }"));
    assert_told(&half, &[]);
}

#[test]
fn of_duplicates_the_first_is_kept() {
    let one = permit(VALUE, "when { context.value > 7 && context.value < 20 }");
    let other = "@id(\"a\") permit (principal is Member, action in [Action::\"Confidence\"], resource) when { 20 > context.value } unless { context.value <= 7 };";
    assert_told(&format!("{one}\n{other}"), &[("FG105", "permit", "this policy says what `p` at a.cedar:1:1 says")]);
    assert_told(&format!("{other}\n{one}"), &[("FG105", "permit", "this policy says what `a` at a.cedar:1:1 says")]);
}

#[test]
fn a_forbid_of_everything_is_told() {
    let all = "@id(\"f\") @enforce(\"reject\") @advice(\"a\") forbid (principal, action, resource);";
    let told: Vec<_> = told(all).into_iter().filter(|(code, ..)| *code == "FG106").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let members = "@id(\"f\") @enforce(\"refuse\") @advice(\"a\") forbid (principal is Member, action, resource);";
    assert!(with(members, &ALONE).is_empty());
}

#[test]
fn callers_stay_within_their_reach() {
    let codes = |text: &str| {
        with(text, &ALONE).iter().map(|problem| format!("{} {}", problem.code.id, problem.message)).collect::<Vec<_>>()
    };
    let everything = "@id(\"p\") permit (principal is Member, action, resource);";
    assert_eq!(
        codes(everything),
        ["FG107 this permits members everything, and no policy keeps them in their own account"]
    );
    assert_eq!(
        codes("@id(\"p\") permit (principal, action == Action::\"Note\", resource);"),
        [
            "FG108 members may change findings of other accounts (`Note`): no policy forbids it",
            "FG108 administrators may change findings outside their fleet (`Note`): no policy forbids it"
        ]
    );
    for clean in [
        "@id(\"p\") permit (principal is Member, action, resource) when { resource in principal.account };",
        "@id(\"p\") permit (principal is Administrator, action, resource) when { resource in principal.fleet };",
        "@id(\"p\") permit (principal in Account::\"111122223333\", action == Action::\"Note\", resource in Account::\"111122223333\");",
        "@id(\"p\") @shadow @doc(\"d\") permit (principal, action, resource);",
        "@id(\"p\") permit (principal is Member, action, resource); @id(\"f\") @enforce(\"strip\") @advice(\"a\") \
         forbid (principal, action, resource) when { !(resource in principal.account) };",
    ] {
        assert_eq!(codes(clean), [""; 0], "{clean}");
    }
    // A rule for some of the actions, or one on trial, keeps nobody in.
    let partly = format!(
        "{everything} @id(\"f\") @enforce(\"strip\") @advice(\"a\") forbid (principal is Member, action == Action::\"Note\", resource) unless {{ resource in principal.account }};"
    );
    assert_eq!(codes(&partly).len(), 1);
    assert_eq!(codes(&format!("{everything}{}", REACH.replace("@id", "@shadow @doc(\"d\") @id"))).len(), 1);
}

#[test]
fn names_of_all_fleets_are_known() {
    let id = |id: &str| id.parse().unwrap();
    let fleet = |administrator: &str, member: &str| crate::finding::Fleet {
        administrator: id(administrator),
        name: String::new(),
        members: vec![(id(member), Member::default())],
    };
    let fleets = [fleet("111111111111", "222222222222"), fleet("666666666666", "777777777777")];
    let accounts = Accounts::of(fleets).unwrap();
    let site = Site { accounts: Some(&accounts), ..ALONE };
    let of = |principal: &str, site: &Site<'_>| {
        let text = format!("@id(\"p\") permit (principal {principal}, action == Action::\"Note\", resource);");
        told_at(&text, site).into_iter().map(|(_, _, message)| message).collect::<Vec<_>>()
    };
    for known in ["in Fleet::\"111111111111\"", "in Fleet::\"666666666666\"", "in Account::\"777777777777\""] {
        assert_eq!(of(known, &site), [""; 0], "{known}");
    }
    let unknown =
        "`Fleet::\"777777777777\"` has nobody in it: the fleets of the accounts file are their administrators'";
    assert_eq!(of("in Fleet::\"777777777777\"", &site), [unknown]);
    assert_eq!(
        of("== Member::\"arn:aws:iam::666666666666:role/x\"", &site),
        ["`Member::\"arn:aws:iam::666666666666:role/x\"` never calls: 666666666666 is an administrator's account"]
    );
    // A group that a proof may give is somebody's, as far as the caller is looked for in it.
    let by_proof = Site { proofs_give_groups: true, ..site };
    assert_eq!(of("in Group::\"team/soc\"", &site), ["nobody is in `Group::\"team/soc\"`"]);
    assert_eq!(of("in Group::\"team/soc\"", &by_proof), [""; 0]);
    let account = "@id(\"p\") permit (principal, action == Action::\"Note\", resource) when { principal.account in Group::\"team/soc\" };";
    assert_eq!(told_at(account, &by_proof).len(), 1);
}

#[test]
fn names_are_those_of_the_accounts_file() {
    let account = |id: &str| id.parse().unwrap();
    let member = Member { name: "payments".into(), groups: vec!["ou/prod".into()] };
    let accounts = Accounts::new(account("111111111111"), [(account("222222222222"), member)]);
    let site = Site { accounts: Some(&accounts), ..ALONE };
    for (principal, code, marked, message) in [
        ("in Account::\"222222222223\"", "FG109", "Account::\"222222222223\"", "is not in the accounts file"),
        (
            "in Fleet::\"222222222222\"",
            "FG109",
            "Fleet::\"222222222222\"",
            "has nobody in it: the fleet of the accounts file is its administrator's",
        ),
        ("in Group::\"ou/prd\"", "FG110", "Group::\"ou/prd\"", ""),
        (
            "== Member::\"arn:aws:iam::333333333333:role/x\"",
            "FG111",
            "Member::\"arn:aws:iam::333333333333:role/x\"",
            "never calls: its account 333333333333 is not in the accounts file",
        ),
        (
            "== Administrator::\"arn:aws:sts::222222222222:assumed-role/x/y\"",
            "FG111",
            "Administrator::\"arn:aws:sts::222222222222:assumed-role/x/y\"",
            "never calls: 222222222222 is a member's account",
        ),
        (
            "== Member::\"arn:aws:iam::111111111111:role/x\"",
            "FG111",
            "Member::\"arn:aws:iam::111111111111:role/x\"",
            "never calls: 111111111111 is the administrator's account",
        ),
    ] {
        let text = format!("@id(\"p\") permit (principal {principal}, action == Action::\"Note\", resource);");
        let message =
            if message.is_empty() { format!("nobody is in `{marked}`") } else { format!("`{marked}` {message}") };
        assert_eq!(told_at(&text, &site), [(code, marked.to_owned(), message)], "{text}");
        assert_eq!(told(&text), []);
    }
    for known in ["in Group::\"ou/prod\"", "in Account::\"111111111111\"", "== Member::\"anything else\""] {
        let text = format!("@id(\"p\") permit (principal {known}, action == Action::\"Note\", resource);");
        assert_eq!(told_at(&text, &site), [], "{text}");
    }
}

#[test]
fn words_are_those_of_the_site() {
    let vocabulary: Vocabulary =
        "user_defined_keys = [\"ticket\", \"ticket/*\"]\nresource_tag_keys = [\"env\"]\ngroups = [\"ou/*\"]\ntypes = [\"Effects/*\"]".parse().unwrap();
    let site = Site { vocabulary: Some(&vocabulary), ..ALONE };
    for (scope, condition, marked, kind) in [
        (KEY, "context.key == \"tikcet\"", "tikcet", "key of UserDefinedFields"),
        (KEY, "context.key like \"tiket/*\"", "tiket/*", "key of UserDefinedFields"),
        (KEY, "[\"ticket\", \"owner\"].contains(context.key)", "owner", "key of UserDefinedFields"),
        (KEY, "resource.userDefinedFields.hasTag(\"due\")", "due", "key of UserDefinedFields"),
        (KEY, "resource.resourceTags.hasTag(\"Env\")", "Env", "key of a resource's tags"),
        (
            "principal is Member, action == Action::\"Types\"",
            "context.value like \"TTPs/*\"",
            "TTPs/*",
            "type of findings",
        ),
    ] {
        let text = permit(scope, &format!("when {{ {condition} }}"));
        let expected = ("FG112", format!("\"{marked}\""), format!("`{marked}` is no {kind} of this site"));
        assert_eq!(told_at(&text, &site), [expected], "{text}");
        assert_eq!(told(&text), []);
    }
    let group = "@id(\"p\") permit (principal in Group::\"prod\", action == Action::\"Note\", resource);";
    assert_eq!(told_at(group, &site)[0].2, "`prod` is no group of this site");
    for known in [
        "context.key == \"ticket/7\"",
        "context.key like \"tick*\"",
        "resource.productName == \"x\" && context.value == \"y\"",
    ] {
        let text = permit(KEY, &format!("when {{ resource has productName && {known} }}"));
        let codes: Vec<_> = told_at(&text, &site).into_iter().filter(|(code, ..)| *code == "FG112").collect();
        assert_eq!(codes, [], "{text}");
    }
}

#[test]
fn a_vocabulary_is_told_what_is_wrong_with_it() {
    let error = |text: &str| text.parse::<Vocabulary>().unwrap_err().to_string();
    assert!(
        error("user_defined_key = []").contains("unknown field `user_defined_key`"),
        "{}",
        error("user_defined_key = []")
    );
    assert!(error("types = 3").contains("line 1"), "{}", error("types = 3"));
    assert!(error("").contains("expected one or more of user_defined_keys, types"));
}

#[test]
fn people_are_told_what_to_do() {
    let bare = "@id(\"f\") forbid (principal is Member, action == Action::\"Note\", resource);";
    assert_told(
        bare,
        &[
            ("FG113", "forbid", "whom this forbid denies is not told what to do instead"),
            ("FG114", "forbid", "what this forbid does depends on `policies.default_enforcement`"),
        ],
    );
    let trial =
        "@id(\"f\") @enforce(\"strip\") @shadow forbid (principal is Member, action == Action::\"Note\", resource);";
    assert_told(trial, &[("FG115", "@shadow", "`f` is on trial, and nothing says for what or until when")]);
    assert_told(&trial.replace("@shadow", "@shadow @doc(\"until March\")"), &[]);
}

#[test]
fn the_finding_is_looked_at_last() {
    let late = "`context.value == WorkflowStatus::\"NEW\"` needs no finding, and stands behind a test that does";
    for rest in [
        "when { resource.isNew && context.value == WorkflowStatus::\"NEW\" }",
        "when { resource.isNew } when { context.value == WorkflowStatus::\"NEW\" }",
        "unless { resource.isNew || context.value == WorkflowStatus::\"NEW\" }",
        "when { context has note && (resource.isNew || context.value == WorkflowStatus::\"NEW\") }",
    ] {
        assert_told(&permit(STATUS, rest), &[("FG116", "context.value == WorkflowStatus::\"NEW\"", late)]);
    }
    for rest in [
        "when { context.value == WorkflowStatus::\"NEW\" && resource.isNew }",
        "when { resource.isNew && resource.createdAt < context.now }",
        "when { resource.id like \"x*\" && context.value == WorkflowStatus::\"NEW\" }",
    ] {
        assert_told(&permit(STATUS, rest), &[]);
    }
}

#[test]
fn arithmetic_that_may_overflow_is_told() {
    let number = |sum: &str| permit(KEY, &format!("when {{ context has number && {sum} > 5 }}"));
    assert_told(
        &number("context.number * 2"),
        &[("FG117", "context.number * 2", "`context.number * 2` may leave the range of 64-bit numbers")],
    );
    assert_eq!(told(&number("-context.number")).len(), 1);
    assert_eq!(told(&number("context.number - 1")).len(), 1);
    // From 0 to 100 it cannot.
    assert_told(&permit(VALUE, "when { context.value * 2 - 30 > 5 }"), &[]);
    assert_eq!(told(&permit(VALUE, "when { context.value * 9223372036854775807 > 5 }")).len(), 1);
}

#[test]
fn thousands_of_policies_are_looked_at() {
    let one = |n: usize| {
        format!(
            "@id(\"p{n}\") permit (principal in Account::\"{n:012}\", action == Action::\"Note\", resource) when {{ resource in principal.account }};\n"
        )
    };
    let text: String = (0..3_000).map(one).collect();
    assert_eq!(with(&text, &ALONE).len(), 0);
}
