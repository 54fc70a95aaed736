use super::*;
use crate::policy::{PACKS, PolicyText, load, pack};
use cedar_policy::Policy;
use proptest::prelude::*;

/// The rule of a condition, without validation: what is read here need not mean anything.
fn rule(before: &str, condition: &str) -> Rule {
    let text = format!(
        "@id(\"a\") permit (principal is Member, action in [Action::\"a\", Action::\"b\"],\n resource) {condition};"
    );
    let policy = Policy::parse(None, &text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let (line, column) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap().chars().count() + 1);
    let origin = Origin { file: "a.cedar".into(), line, column, offset: before.len(), text: text.into() };
    let (effect, id) = (policy.effect(), "a".into());
    Rule { id, effect, enforcement: None, advice: None, shadow: false, policy, origin }
}

/// Every atom, and all that is made of them, as the parser sees the text at its place.
fn check(whole: &str, rule: &Rule) -> Condition {
    let condition = Condition::of(rule).unwrap_or_else(|error| panic!("{error}\n{}", rule.origin.text));
    let parse = |text: &str| {
        let policy = Policy::parse(None, format!("permit (principal, action, resource) when {{ {text} }};")).unwrap();
        let tree = policy.to_pst().unwrap();
        let pst::Clause::When(expr) = &tree.body().clauses()[0] else { panic!("{text}") };
        expr.clone()
    };
    for atom in &condition.atoms {
        let text = &whole[atom.span.start..atom.span.end];
        assert_eq!(text, atom.text);
        assert_eq!(parse(text), atom.expr, "{text}");
        let line = whole.lines().nth(atom.span.line - 1).unwrap();
        let from: String = line.chars().skip(atom.span.column - 1).collect();
        assert!(from.starts_with(text.lines().next().unwrap()), "{from} / {text}");
    }
    condition
}

fn shape(tree: &Tree, atoms: &[Atom]) -> String {
    let all = |parts: &[Tree], between: &str| {
        format!("({})", parts.iter().map(|part| shape(part, atoms)).collect::<Vec<_>>().join(between))
    };
    match &tree.node {
        Node::Atom(at) => format!("[{}]", atoms[*at].text),
        Node::Not(inner) => format!("not {}", shape(inner, atoms)),
        Node::All(parts) => all(parts, " and "),
        Node::Any(parts) => all(parts, " or "),
        Node::If(parts) => all(&**parts, " ? "),
    }
}

#[test]
fn conditions_are_cut_where_cedar_cuts_them() {
    for (condition, expected) in [
        (
            "principal.b == 1 && !(action.d || \"x && y\" == context.f)",
            "([principal.b == 1] and not ([action.d] or [\"x && y\" == context.f]))",
        ),
        ("!context.b == context.d || !!context.b", "([!context.b == context.d] or not not [context.b])"),
        ("((context.b)) && (context.b).c", "([context.b] and [(context.b).c])"),
        ("(context.a && context.b) && context.c", "(([context.a] and [context.b]) and [context.c])"),
        ("!(context.b) == true", "[!(context.b) == true]"),
        (
            "if context.a then context.x else (if context.d then true else !context.f)",
            "([context.a] ? [context.x] ? ([context.d] ? [true] ? not [context.f]))",
        ),
        ("[1, 2].contains(if context.b then 1 else 2)", "[[1, 2].contains(if context.b then 1 else 2)]"),
        ("context has a && context has b.c", "([context has a] and [context has b.c])"),
        ("context.permit.when.b && -1 < context.d - 2", "([context.permit.when.b] and [-1 < context.d - 2])"),
        (
            "context.b is X in context.d && context.f like \"*)\" // && g\n || context.i",
            "(([context.b is X in context.d] and [context.f like \"*)\"]) or [context.i])",
        ),
        (
            "{a: context.c && context.e}.a && X::\"&&\" in context.b",
            "([{a: context.c && context.e}.a] and [X::\"&&\" in context.b])",
        ),
    ] {
        let before = "// é\n@doc(\"é\") ";
        let rule = rule(before, &format!("when {{ {condition} }}"));
        let found = check(&format!("{before}{}", rule.origin.text), &rule);
        assert_eq!(shape(&found.clauses[0].tree, &found.atoms), expected, "{condition}");
    }
}

#[test]
fn the_parts_of_the_scope_have_their_places() {
    let rule = rule("", "when { true } unless { context.a }");
    let condition = check(&rule.origin.text, &rule);
    let text = |span: &Span| &rule.origin.text[span.start..span.end];
    assert_eq!(text(&condition.effect), "permit");
    assert_eq!(
        condition.scope.each_ref().map(text),
        ["principal is Member", "action in [Action::\"a\", Action::\"b\"]", "resource"]
    );
    assert_eq!(
        condition.clauses.iter().map(|clause| text(&clause.span)).collect::<Vec<_>>(),
        ["when { true }", "unless { context.a }"]
    );
    assert_eq!(condition.atoms.iter().map(|atom| atom.constant).collect::<Vec<_>>(), [true, false]);
    assert_eq!((condition.scope[2].line, condition.scope[2].column), (2, 2));
}

#[test]
fn a_text_that_is_not_the_policys_is_told() {
    let mut rule = rule("", "when { context.a && context.b }");
    rule.origin.text = rule.origin.text.replace("&&", "||").into();
    assert!(Condition::of(&rule).unwrap_err().contains("a.cedar:1:1"));
}

#[test]
fn every_condition_of_the_packs_has_its_places() {
    for name in PACKS.iter().copied() {
        let texts: Vec<PolicyText> = pack(name).unwrap().into_iter().collect();
        let mut seen = 0;
        for rule in load(&texts).unwrap().rules() {
            let whole = &texts.iter().find(|text| *text.name == *rule.origin.file).unwrap().text;
            seen += check(whole, rule).atoms.len();
        }
        assert!(seen > 1, "{name}: {seen}");
    }
}

/// Conditions of every form that the grammar has, as text.
fn conditions() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "true",
        "context.a",
        "context[\"&&\"]",
        "context.permit.when",
        "context[\"then\"]",
        "context has a.b.c",
        "context has \"|| (\"",
        "principal == X::\"a) && (b\"",
        "principal is A::B in resource",
        "resource.a like \"*\\\"*&&*\"",
        "[context.a, !context.b].contains(context.a && context.b)",
        "{\"a\": 1, b: [2]}.a == -1",
        "-context.a - -1 * 2 > 3",
        "(context.a + 1) < (2 - context.b)",
        "ip(\"10.0.0.1\").isInRange(ip(\"10.0.0.0/8\"))",
        "(if context.a then 1 else 2) == 1",
        "context.a.hasTag(\"else\") // if x then ) &&\n",
        "!context.a == !context.b",
        "!(context.a) != (context.b || context.c)",
        "action in [Action::\"a\", Action::\"b\"]",
        "context has \"else\"",
    ]);
    atom.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || !({b})")),
            inner.clone().prop_map(|a| format!("!!({a})")),
            inner.clone().prop_map(|a| format!("(({a}))")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("(if {a} then {b} else ({c})) && context.z")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("if ({a}) then ({b}) else context.y || context.z")),
        ]
    })
}

/// Conditions without parentheses that they could do without.
fn flat() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "context.a",
        "!context.b",
        "!!context.c",
        "context.d == 1",
        "!context.e == true",
        "(context.f)",
    ]);
    prop::collection::vec((word, prop::sample::select(vec![" && ", " || ", "&&", "\n||\n"])), 1..8).prop_map(|parts| {
        let parts: Vec<String> = parts.iter().map(|(word, operator)| format!("{word}{operator}")).collect();
        parts.concat() + "context.z"
    })
}

proptest! {
    #[test]
    fn places_are_those_of_cedars_expressions(when in conditions(), unless in flat(), before in "[ \né]{0,6}") {
        let rule = rule(&before, &format!("when {{ {when} }} unless {{{unless}}}"));
        check(&format!("{before}{}", rule.origin.text), &rule);
    }
}
