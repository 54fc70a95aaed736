use super::*;
use crate::{
    finding::{Enforcement, Role, SeverityLabel, WorkflowStatus},
    policy::{Engine, PACKS, Recorder, Snapshot, load, pack},
    workbench::{Call, CallerFixture, Example, FindingFixture, Fleet, Paint, SeverityFixture, ask},
};
use cedar_policy::{Authorizer, PolicySet};
use serde_json::json;
use std::collections::BTreeMap;

const POLICIES: &str = r#"// Tests <&> "quotes"
@id("triage")
permit (
  principal is Member,
  action in Action::"Triage",
  resource
)
when { context.operation == Operation::"BatchUpdateFindings" && true };

@id("no-suppress")
forbid (principal is Member, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"SUPPRESSED" }
unless {
  resource.severity.rank < 2 ||
  !(context has note)
};

@id("maybe") @shadow
forbid (principal is Member, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"RESOLVED" && resource.workflowStatus == WorkflowStatus::"NEW" };

@id("admins") permit (principal is Administrator, action, resource);
"#;

fn texts(text: &str) -> Vec<PolicyText> {
    vec![PolicyText { name: "p/a.cedar".to_owned(), text: text.to_owned() }]
}

fn example(status: &str, severity: SeverityLabel, note: bool) -> Example {
    let caller = CallerFixture::plain(Role::Member, "222222222222".parse().unwrap());
    let mut finding = FindingFixture::plain(caller.account);
    finding.severity = Some(SeverityFixture::of(severity));
    let mut members = json!({ "Workflow": { "Status": status } }).as_object().unwrap().clone();
    if note {
        members.insert("Note".to_owned(), json!({ "Text": "<why>", "UpdatedBy": "ana" }));
    }
    Example { caller, finding, call: Call::Update(members), now: Example::NOW }
}

/// What the policies are asked for these examples.
fn recorded(rules: &[Rule], examples: &[Example]) -> Vec<Recorded> {
    let accounts = Fleet::of(examples.iter().map(|example| &example.caller)).unwrap().accounts();
    let snapshot = Arc::new(Snapshot::new(rules.to_vec(), Arc::new(accounts), Enforcement::Reject).unwrap());
    let mut judge = Recorder::new(Engine::new(snapshot.clone()), snapshot);
    for example in examples {
        ask(&mut judge, example).unwrap();
    }
    judge.take()
}

fn report(examples: &[Example]) -> CoverageReport {
    let texts = texts(POLICIES);
    let rules = load(&texts).unwrap().rules().to_vec();
    let mut coverage = Coverage::new(&rules).unwrap();
    for example in examples {
        coverage.observe(&recorded(&rules, std::slice::from_ref(example)));
    }
    coverage.report(&texts)
}

fn some() -> Vec<Example> {
    vec![
        example("NOTIFIED", SeverityLabel::High, false),
        example("SUPPRESSED", SeverityLabel::Low, false),
        example("SUPPRESSED", SeverityLabel::High, true),
        example("RESOLVED", SeverityLabel::High, false),
    ]
}

#[test]
fn what_was_seen_is_told_policy_by_policy() {
    let report = report(&some());
    assert_eq!((report.policies_covered, report.policies, report.atoms_covered, report.atoms), (3, 4, 3, 6));
    assert!((report.percent() - 60.0).abs() < 1e-9, "{}", report.percent());
    assert_eq!(
        report.summary(Paint::PLAIN),
        "\
coverage 60 %: policies 3 of 4 (75 %), atoms 3 of 6 (50 %)

p/a.cedar
  -- triage       applied   10  decided    7  atoms 0 of 1
       p/a.cedar:8:8  never false: context.operation == Operation::\"BatchUpdateFindings\"
  -- no-suppress  applied    1  decided    1  atoms 2 of 3
       p/a.cedar:15:5  never false: context has note
  -- maybe        applied    1  decided    1  atoms 1 of 2  (shadow)
       p/a.cedar:20:55  never false: resource.workflowStatus == WorkflowStatus::\"NEW\"
  -- admins       applied    0  decided    0
       p/a.cedar:22:15  never asked: no question is in its scope
"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["files"][0]["policies"][1]["atoms"][2]["text"], "context has note");
    assert_eq!(json["files"][0]["policies"][1]["atoms"][2]["seen_true"], 1);
    assert!(json["files"][0].get("text").is_none());
}

#[test]
fn nothing_asked_is_nothing_covered_and_no_policy_is_everything() {
    let nothing = report(&[]);
    assert_eq!((nothing.policies_covered, nothing.atoms_covered), (0, 0));
    assert!(nothing.percent() < 1e-9);
    assert!((Coverage::new(&[]).unwrap().report(&[]).percent() - 100.0).abs() < 1e-9);
}

#[test]
fn a_short_cut_is_not_seen() {
    // The left of `&&` is false, so nobody looked at the right.
    let report = report(&[example("NOTIFIED", SeverityLabel::High, false)]);
    let maybe = &report.files[0].policies[2];
    assert_eq!((maybe.atoms[0].missing(), maybe.atoms[1].missing()), (Some("never true"), Some("never evaluated")));
}

/// An lcov trace as its readers take it: lines by their numbers, functions and branches; the sums must be right.
fn check_lcov(trace: &str, text: &str) -> BTreeMap<usize, u64> {
    let (mut functions, mut calls) = (BTreeMap::new(), BTreeMap::new());
    let (mut lines, mut branches, mut sums) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut rest = trace.lines();
    assert_eq!(rest.next(), Some("TN:"));
    assert!(rest.next().unwrap().starts_with("SF:"));
    assert_eq!(trace.lines().last(), Some("end_of_record"));
    for line in rest.filter(|line| *line != "end_of_record") {
        let (kind, values) = line.split_once(':').unwrap();
        let values: Vec<&str> = values.split(',').collect();
        let number = |at: usize| values[at].parse::<u64>().unwrap();
        let is_new = match kind {
            "FN" => functions.insert(values[1], number(0)).is_none(),
            "FNDA" => calls.insert(values[1], number(0)).is_none(),
            "DA" => lines.insert(usize::try_from(number(0)).unwrap(), number(1)).is_none(),
            "BRDA" => {
                let taken = (values[3] != "-").then(|| number(3));
                branches.insert((number(0), number(1), number(2)), taken).is_none()
            }
            "FNF" | "FNH" | "BRF" | "BRH" | "LF" | "LH" => sums.insert(kind, number(0)).is_none(),
            other => panic!("{other}"),
        };
        assert!(is_new, "{line}");
    }
    assert_eq!(functions.keys().collect::<Vec<_>>(), calls.keys().collect::<Vec<_>>());
    let hit = |hits: usize| u64::try_from(hits).unwrap();
    for (sum, found) in [
        ("FNF", functions.len()),
        ("FNH", calls.values().filter(|count| **count > 0).count()),
        ("BRF", branches.len()),
        ("BRH", branches.values().filter(|taken| taken.is_some_and(|count| count > 0)).count()),
        ("LF", lines.len()),
        ("LH", lines.values().filter(|count| **count > 0).count()),
    ] {
        assert_eq!(sums[sum], hit(found), "{sum}");
    }
    // A line with a branch is a line, and every line is one of the text.
    assert!(branches.keys().all(|(line, ..)| lines.contains_key(&usize::try_from(*line).unwrap())));
    assert!(lines.keys().all(|line| (1..=text.lines().count()).contains(line)));
    lines
}

#[test]
fn lcov_is_what_its_readers_take() {
    let trace = report(&some()).lcov();
    let lines = check_lcov(&trace, POLICIES);
    assert!(trace.contains("SF:p/a.cedar\nFN:3,triage\n"), "{trace}");
    assert!(trace.contains("FNDA:1,no-suppress\n") && trace.contains("FNDA:0,admins\n"), "{trace}");
    // The third atom of `no-suppress`: a note was there once, and never not.
    assert!(trace.contains("BRDA:15,3,0,1\nBRDA:15,3,1,0\n"), "{trace}");
    assert_eq!((lines[&3], lines[&22]), (10, 0), "{trace}");
}

#[test]
fn the_page_is_whole_escaped_and_alone() {
    let report = report(&some());
    let page = report.html();
    assert!(!page.contains("http") && !page.contains("<script") && !page.contains("src="), "it loads nothing");
    assert_eq!(page.matches("<span").count(), page.matches("</span>").count());
    assert!(page.contains("// Tests &lt;&amp;&gt; &quot;quotes&quot;"), "{page}");
    assert!(page.contains("title=\"true 10 times, false 0 times (never false)\">context.operation == "), "{page}");
    assert!(page.contains("<span class=\"nothing\" title=\"admins: applied 0 times, decided 0 (never asked"), "{page}");
    // What is shown without its marks is the text.
    let text = page.split("<pre>").nth(1).unwrap().split("</pre>").next().unwrap();
    let mut plain = String::new();
    for (count, part) in text.split('<').enumerate() {
        plain.push_str(if count == 0 { part } else { part.split_once('>').unwrap().1 });
    }
    for (entity, c) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
        plain = plain.replace(entity, c);
    }
    let numbered: Vec<String> =
        POLICIES.split_inclusive('\n').enumerate().map(|(at, line)| format!("{}{line}", at + 1)).collect();
    assert_eq!(plain, numbered.concat());
}

/// What a probe finds out part by part is what Cedar says of the policy as a whole, for every policy of the packs.
#[test]
fn parts_and_whole_agree() {
    let (mut applied, mut asked) = (0, 0);
    for name in PACKS.iter().copied() {
        let texts: Vec<PolicyText> = pack(name).unwrap().into_iter().collect();
        let rules = load(&texts).unwrap().rules().to_vec();
        let mut examples = some();
        for example in &mut examples {
            let Call::Update(members) = &mut example.call else { unreachable!() };
            members.insert("UserDefinedFields".to_owned(), json!({ "ticket": "1", "suppressed-until": "2026-02-01" }));
            members.insert("Severity".to_owned(), json!({ "Label": "MEDIUM" }));
            members.insert("Types".to_owned(), json!(["Effects/a"]));
            example.finding.user_defined_fields = [("other".to_owned(), "x".to_owned())].into();
            example.finding.workflow_status = Some(WorkflowStatus::Suppressed);
        }
        let recorded = recorded(&rules, &examples);
        for rule in &rules {
            let probe = Probe::new(rule).unwrap();
            let alone = PolicySet::from_policies([rule.policy.clone()]).unwrap();
            for question in recorded.iter().filter(|question| question.state_known) {
                let response = Authorizer::new().is_authorized(&question.request, &alone, &question.entities);
                let whole = if response.diagnostics().errors().next().is_some() {
                    Truth::Failed
                } else if response.diagnostics().reason().next().is_some() {
                    Truth::True
                } else {
                    Truth::False
                };
                assert_eq!(probe.trace(question).applies, whole, "{} {:?}", rule.id, question.request);
                applied += usize::from(whole == Truth::True);
                asked += 1;
            }
        }
    }
    assert!(applied > 40 && asked > 400, "{applied} {asked}");
}
