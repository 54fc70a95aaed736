//! The engine slices policies, shares verdicts between findings and keeps them. None of that may show: over generated
//! policies, callers, updates and findings it decides as the plain way does, asked for the first time and again.

use super::{
    ADMINISTRATOR, EMEA, EMEA_PAYMENTS, PAYMENTS, SEARCH, STRANGER, accounts, caller_in, fleets, now, states::state,
};
use crate::{
    finding::{BatchUpdate, Caller, Change, Enforcement, State},
    gate::{Asked, Decision, Fate, Findings, Knowledge, Known, decide},
    policy::{Answer, Engine, Naive, PolicyText, Snapshot, Verdict, load},
};
use jiff::SignedDuration;
use proptest::{prelude::*, sample::select};
use std::sync::Arc;

/// What is known of the findings of a request, and of which.
pub(crate) fn known<'u>(request: &BatchUpdate<'_>, states: &'u [Option<State>]) -> Vec<Known<'u>> {
    let known = |at: usize| match &states[at % states.len()] {
        // The owner that a name proves is the owner that the backend tells.
        Some(state) if request.identifiers[at].owner().is_none_or(|owner| owner == state.account) => {
            Known::State(state)
        }
        _ => Known::Nothing,
    };
    (0..request.identifiers.len()).map(known).collect()
}

/// Conditions, and the action that they are valid for (any, if none). Between them they read everything that there is to
/// read, in every form that the footprint knows, and some that it does not.
const CONDITIONS: &[(&str, &str)] = &[
    ("", "true"),
    ("", "resource in principal.account"),
    ("", "!(resource in principal.account)"),
    ("", r#"resource in Account::"222222222222""#),
    ("", r#"resource in Group::"ou/prod""#),
    ("", r#"resource in [Account::"222222222222", Account::"333333333333"]"#),
    ("", r#"resource in Fleet::"111111111111""#),
    ("", r#"resource in Fleet::"666666666666""#),
    ("", r#"resource in Fleet::"666666666666" || resource in Account::"222222222222""#),
    ("", r#"principal in Fleet::"666666666666" || resource in Group::"pci""#),
    ("", r#"resource is Finding in Group::"pci""#),
    ("", r#"resource.id like "*-1""#),
    ("", r#"resource.productArn like "*guardduty""#),
    ("", r#"resource.id like "arn:*-2" || "x-0" == resource.id"#),
    ("", r#"resource.productArn != "arn:aws:securityhub:eu-west-1::product/aws/inspector""#),
    ("", r#"["x-1", "x-2"].contains(resource.id)"#),
    (
        "",
        r#"resource == Finding::"arn:aws:securityhub:eu-west-1::product/aws/guardduty/arn:aws:guardduty:eu-west-1:222222222222:x-1""#,
    ),
    ("", "[resource].contains(resource)"),
    ("", r#"principal.arn like "*222222222222*""#),
    ("", r#"principal in Group::"pci""#),
    // Groups of the caller's own, by its proof, and those of its account.
    ("", r#"principal in Group::"team/soc" && resource in principal.account"#),
    ("", r#"principal in [Group::"team/soc", Group::"ou/prod"]"#),
    ("", r#"principal.account in Group::"pci" || principal.account in Group::"team/soc""#),
    ("", r#"principal in Group::"pci" && !(principal.account in Group::"pci")"#),
    ("", r#"context.fields.contains(Field::"Note")"#),
    ("", r#"context.fields.containsAny([Field::"Severity", Field::"Types"])"#),
    (
        "",
        r#"if resource in principal.account then context.fields.contains(Field::"Workflow") else resource.id like "*-2""#,
    ),
    // Forms that the footprint does not follow, and other spellings of those that it does.
    ("", r#"resource["id"] like "*-1" && resource has productArn"#),
    ("", r#"{a: resource}.a.id like "*-2""#),
    ("", "(if principal is Member then resource else resource) in principal.account"),
    ("", r#"{a: context}.a.fields.contains(Field::"Workflow")"#),
    ("", r#"resource in (if resource.id like "*-1" then Group::"pci" else Group::"ou/prod")"#),
    ("", r#"resource in [Group::"we\"ird\\\u{e9}", Group::"none"]"#),
    ("", r#"resource in Group::"we\"ird\\\u{e9}""#),
    ("", "principal has fleet && resource in principal.fleet"),
    ("", "principal is Member && resource in principal.account"),
    ("", r#"principal.account == Account::"222222222222""#),
    ("", r#"action in Action::"Triage" || resource.id like "*-1""#),
    ("", r#"[action, Action::"Note"].containsAll([action]) && action != Action::"Types""#),
    ("", r#"context.fields == [Field::"Confidence"]"#),
    ("", r#"context has note && context.fields.containsAll([Field::"Note", Field::"Severity"])"#),
    ("", r#"context has note.updatedBy && context.note.updatedBy == "bob""#),
    ("", "context has note"),
    ("Import", "{c: context}.c has fields"),
    ("Confidence", r#"context["value"] == 7 && resource in principal.account"#),
    ("Confidence", "{v: context.value}.v > 50"),
    ("Severity.Normalized", "context.value >= 70 || -context.value < -90"),
    ("Severity.Label", r#"context.value in [SeverityLabel::"HIGH", SeverityLabel::"CRITICAL"]"#),
    ("Note", r#"context.value == {text: "see SEC-1", updatedBy: "ana"}"#),
    ("Note", r#"context.value has text && context.value.updatedBy == "bob""#),
    ("RelatedFindings", r#"context.productArn like "*guardduty" && context.fields.containsAny([Field::"Note"])"#),
    ("UserDefinedFields", r#"context has key && context["key"] != "ticket""#),
    ("Confidence", "context.value > 50"),
    ("Confidence", "context.value * 900000000000000000 > 10"),
    ("Confidence", "context.value * 900000000000000000 > 10"),
    ("Confidence", "context.value * 900000000000000000 > 10"),
    ("Confidence", "context.value * 900000000000000000 > 10"),
    ("Confidence", "context.value * 900000000000000000 > 10"),
    ("Confidence", "context.value * 900000000000000000 > 10"),
    ("Confidence", "context.value * 900000000000000000 > 10"),
    ("Confidence", "context has note && context.note.text like \"*SEC*\""),
    ("Severity.Label", "context.rank >= 3"),
    ("Severity.Label", r#"context.value == SeverityLabel::"LOW""#),
    ("Severity.Product", r#"context.value.lessThanOrEqual(decimal("7.5"))"#),
    ("Note", "context.value.text like \"*SEC*\""),
    ("Workflow.Status", r#"context.value == WorkflowStatus::"SUPPRESSED""#),
    ("Workflow.Status", r#"context has note && context.note.updatedBy == "ana""#),
    (
        "VerificationState",
        r#"[VerificationState::"FALSE_POSITIVE", VerificationState::"UNKNOWN"].contains(context.value)"#,
    ),
    ("Types", r#"context.value like "TTPs*""#),
    ("UserDefinedFields", r#"context.key == "ticket" && context.value like "SEC*""#),
    ("RelatedFindings", r#"context.id == "r1""#),
    // What is known of the finding only once it was looked up.
    ("", r#"resource.severity.label == SeverityLabel::"HIGH""#),
    ("", "resource.severity.rank > 1 && resource.severity has normalized && resource.severity.normalized > 60"),
    ("", r#"resource.workflowStatus == WorkflowStatus::"SUPPRESSED""#),
    ("", r#"resource.recordState == RecordState::"ARCHIVED""#),
    ("", r#"resource has verificationState && resource.verificationState == VerificationState::"UNKNOWN""#),
    ("", "resource has note"),
    ("", r#"!(resource has note && resource.note.text like "*SEC*")"#),
    ("", r#"resource has note.updatedAt && resource.note.updatedAt < datetime("2026-01-01")"#),
    ("", r#"resource.types.contains("TTPs/x")"#),
    ("", r#"resource.userDefinedFields.hasTag("owner")"#),
    ("", r#"resource.userDefinedFields.hasTag("owner") && resource.userDefinedFields.getTag("owner").text == "x""#),
    (
        "",
        r#"resource.userDefinedFields.hasTag("due") && resource.userDefinedFields.getTag("due") has date && resource.userDefinedFields.getTag("due").date < context.now"#,
    ),
    (
        "UserDefinedFields",
        "resource.userDefinedFields.hasTag(context.key) && resource.userDefinedFields.getTag(context.key).text == context.value",
    ),
    ("", r#"resource.resourceTags.hasTag("env") && resource.resourceTags.getTag("env").contains("prod")"#),
    ("", r#"resource.resourceTypes.containsAny(["AwsS3Bucket", "AwsAccount"])"#),
    ("", r#"resource.resourceIds.contains("r-1") || resource.resourceIds.isEmpty()"#),
    ("", r#"resource has complianceStatus && resource.complianceStatus == ComplianceStatus::"FAILED""#),
    ("", r#"resource has securityControlId && resource.securityControlId like "IAM*""#),
    ("", r#"(resource has productName && resource.productName == "GuardDuty") || resource.generatorId like "g-*""#),
    ("", r#"context.now.durationSince(resource.createdAt) > duration("30d")"#),
    ("", r#"resource.updatedAt < context.now.offset(duration("-1d"))"#),
    ("", "resource has lastObservedAt && resource.lastObservedAt > resource.createdAt"),
    ("", r#"resource.relatedFindings.contains({id: "r1", productArn: "p"})"#),
    ("", "resource has confidence && resource.confidence >= 50"),
    ("", "resource has criticality && resource.criticality * 900000000000000000 > 5"),
    ("", "resource.isNew || resource has companyName"),
    ("", "resource has isNew"),
    ("", "resource has companyName || resource has region"),
    ("Severity.Label", "context.rank < resource.severity.rank"),
    ("Severity.Label", r#"context.value == SeverityLabel::"LOW" && context.rank < resource.severity.rank"#),
    (
        "Workflow.Status",
        r#"context.value == WorkflowStatus::"SUPPRESSED" && resource.workflowStatus != WorkflowStatus::"NOTIFIED""#,
    ),
    ("Types.Remove", r#"context.value like "TTPs*""#),
    ("Types.Remove", "resource.severity.rank > 2"),
    ("UserDefinedFields.Remove", r#"context.key == "owner""#),
    ("UserDefinedFields.Remove", "context has date || context has number"),
    ("UserDefinedFields.Remove", r#"context has key && context.value == "x""#),
    ("RelatedFindings.Remove", r#"context.id == "r1""#),
    ("", r#"action in Action::"Remove""#),
    // What comes with the change.
    ("", r#"context has userDefinedFields && context.userDefinedFields.hasTag("ticket")"#),
    (
        "",
        r#"context has userDefinedFields && context.userDefinedFields.hasTag("ticket") && context.userDefinedFields.getTag("ticket").text like "SEC*""#,
    ),
    (
        "Workflow.Status",
        r#"context has userDefinedFields && context.userDefinedFields.hasTag("due") && context.userDefinedFields.getTag("due") has date && context.userDefinedFields.getTag("due").date > context.now"#,
    ),
    ("UserDefinedFields", "context has date && context.date > context.now"),
    ("UserDefinedFields", "context has number && context.number > 5"),
    ("", r#"context.operation == Operation::"BatchUpdateFindings""#),
    ("", r#"context.now > datetime("2026-01-01T12:00:01Z")"#),
    // Forms that the footprint does not follow.
    ("", "{a: resource}.a has note"),
    ("", r#"{a: resource}.a.workflowStatus == WorkflowStatus::"NEW""#),
    ("", "(if principal is Member then resource else resource) has verificationState"),
    ("", r#"{a: resource.userDefinedFields}.a.hasTag("owner")"#),
    ("", r#"resource has note && {a: resource.note}.a.text like "*SEC*""#),
    // What is read inside of something else, or by a name of another's.
    ("", "{x: resource has note}.x"),
    ("", "(resource has note) == false"),
    ("", "[resource has note, true].containsAll([false])"),
    ("", r#"(if resource has note then resource.note.text else "none") == "none""#),
    ("", r#"{a: resource.types, b: 1} == {a: ["Effects"], b: 1}"#),
    ("", r#"resource.userDefinedFields == UserDefinedFields::"now""#),
    ("", r#"resource.userDefinedFields in UserDefinedFields::"now""#),
    ("", "resource.userDefinedFields is UserDefinedFields"),
    ("", "[resource].contains(resource) && [resource.userDefinedFields].contains(resource.userDefinedFields)"),
    ("", "context has userDefinedFields && context.userDefinedFields == resource.userDefinedFields"),
    ("", "resource has note && context has note && resource.note.text == context.note.text"),
    ("", r#"resource has "isNew" && !resource.isNew"#),
    ("", "{a: {b: resource}}.a.b has note"),
    (
        "",
        r#"{a: resource.userDefinedFields}.a.hasTag("due") && {a: resource.userDefinedFields}.a.getTag("due") has date"#,
    ),
    ("", r#"{a: resource.userDefinedFields.hasTag("owner")}.a"#),
    ("", "context has userDefinedFields && context.userDefinedFields.hasTag(resource.generatorId)"),
    ("", r#"resource.resourceTags.hasTag("env") == false"#),
    ("", r#"[resource, Finding::"x"].contains(Finding::"x")"#),
    (
        "",
        r#"{o: context.operation, n: resource.workflowStatus} == {o: Operation::"BatchUpdateFindings", n: WorkflowStatus::"NEW"}"#,
    ),
    ("UserDefinedFields.Remove", "{c: context}.c has date"),
    ("UserDefinedFields.Remove", "(if principal is Member then context else context) has date"),
    ("UserDefinedFields.Remove", "[context].contains(context)"),
    ("UserDefinedFields.Remove", "{c: {d: context}}.c.d.key == \"owner\""),
    ("UserDefinedFields.Remove", "[{a: context has date}].contains({a: false})"),
    (
        "UserDefinedFields.Remove",
        "resource.userDefinedFields.hasTag(context.key) && resource.userDefinedFields.getTag(context.key) has date",
    ),
    ("RelatedFindings.Remove", "resource.relatedFindings.contains({id: context.id, productArn: context.productArn})"),
    ("Types.Remove", "resource.types.contains(context.value)"),
    ("Types.Remove", r#"{t: context.value} == {t: "Effects"}"#),
];

const PRINCIPALS: &[&str] = &[
    "principal",
    "principal is Member",
    "principal is Administrator",
    r#"principal in Group::"ou/prod""#,
    r#"principal is Member in Group::"pci""#,
    r#"principal in Account::"333333333333""#,
    r#"principal == Member::"arn:aws:iam::222222222222:role/triage""#,
    r#"principal in Fleet::"111111111111""#,
    r#"principal in Group::"we\"ird\\\u{e9}""#,
    r#"principal is Administrator in Fleet::"111111111111""#,
    r#"principal in Fleet::"666666666666""#,
    r#"principal in Group::"team/soc""#,
    r#"principal is Administrator in Group::"team/soc""#,
    r#"principal == Administrator::"arn:aws:iam::111111111111:role/triage""#,
];

const RESOURCES: &[&str] = &[
    "resource",
    "resource",
    "resource is Finding",
    r#"resource in Account::"222222222222""#,
    r#"resource in Group::"ou/prod""#,
    r#"resource in Fleet::"111111111111""#,
    r#"resource in Fleet::"666666666666""#,
    r#"resource is Finding in Group::"we\"ird\\\u{e9}""#,
    r#"resource == Finding::"arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default/x-1""#,
];

const ACTIONS: &[&str] = &[
    "action",
    r#"action in Action::"BatchUpdateFindings""#,
    r#"action in [Action::"Triage", Action::"Severity"]"#,
    r#"action == Action::"Note""#,
];

fn policy(conditions: Vec<(&'static str, &'static str)>) -> impl Strategy<Value = String> {
    let annotations = select(&["", r#"@enforce("strip")"#, r#"@enforce("reject")"#, r#"@enforce("refuse")"#][..]);
    let parts =
        (any::<bool>(), select(PRINCIPALS), select(ACTIONS), select(RESOURCES), select(conditions), any::<bool>());
    (parts, annotations, 0..6u8).prop_map(
        |((permit, principal, action, resource, (only, condition), unless), annotation, shadow)| {
            let action = if only.is_empty() { action.to_owned() } else { format!(r#"action == Action::"{only}""#) };
            let (effect, annotation) = if permit { ("permit", "") } else { ("forbid", annotation) };
            let shadow = if shadow == 0 { "@shadow" } else { "" };
            let clause = if unless { "unless" } else { "when" };
            format!("{annotation} {shadow} {effect} ({principal}, {action}, {resource}) {clause} {{ {condition} }};")
        },
    )
}

/// A set of policies in which those that the loader refuses (because they can never apply) are left out.
fn policies() -> impl Strategy<Value = Arc<Snapshot>> {
    fewer_policies(14)
}

/// The same, of fewer policies than that, and one that permits everything.
pub(crate) fn fewer_policies(than: usize) -> impl Strategy<Value = Arc<Snapshot>> {
    policies_over(CONDITIONS.to_vec(), than)
}

/// The same, with conditions that have one of these words in them.
pub(crate) fn policies_that_mention(words: &[&str], than: usize) -> impl Strategy<Value = Arc<Snapshot>> {
    let mentions = |condition: &&(&str, &str)| words.iter().any(|word| condition.1.contains(word));
    policies_over(CONDITIONS.iter().filter(mentions).copied().collect(), than)
}

fn policies_over(conditions: Vec<(&'static str, &'static str)>, than: usize) -> impl Strategy<Value = Arc<Snapshot>> {
    let rules =
        prop::collection::vec(policy(conditions), 1..than).prop_filter_map("no policy that loads", |policies| {
            let grant = r#"@id("grant") permit (principal, action, resource);"#.to_owned();
            let with_ids =
                policies.iter().enumerate().map(|(at, policy)| format!(r#"@id("p{at}") {policy}"#)).chain([grant]);
            let good: Vec<PolicyText> = with_ids
                .map(|text| PolicyText { name: "generated.cedar".into(), text })
                .filter(|text| load(std::slice::from_ref(text)).is_ok())
                .collect();
            let rules = load(&good).ok()?.rules().to_vec();
            Some(rules)
        });
    // In one fleet in three, and in two.
    (rules, 0..3u8).prop_filter_map("no policies to serve with", |(rules, several)| {
        let accounts = if several == 0 { accounts() } else { fleets() };
        Snapshot::new(rules, accounts, Enforcement::Strip).ok().map(Arc::new)
    })
}

/// Who asks: of accounts of both fleets, where there are two, in groups of its own or not.
pub(crate) fn asking(snapshot: &Snapshot, account: usize, groups: usize) -> Caller {
    let all = [ADMINISTRATOR, PAYMENTS, SEARCH, EMEA, EMEA_PAYMENTS];
    let known = if snapshot.accounts().has_several_fleets() { &all[..] } else { &all[..3] };
    let groups: &[&str] = [&[][..], &["team/soc"], &["pci", "team/soc"], &["pci", "pci"]][groups];
    let groups = groups.iter().map(|group| Arc::from(*group)).collect();
    Caller { groups, ..caller_in(snapshot.accounts(), known[account % known.len()]) }
}

fn identifier() -> impl Strategy<Value = String> {
    let owner = select(&[ADMINISTRATOR, PAYMENTS, SEARCH, EMEA, EMEA_PAYMENTS, STRANGER][..]);
    (owner, 0..3u8, select(&["guardduty", "inspector", "own", "partner"][..])).prop_map(|(owner, number, product)| {
        let region = "arn:aws:securityhub:eu-west-1";
        match product {
            "own" => format!(r#"{{"Id":"x-{number}","ProductArn":"{region}:{owner}:product/{owner}/default"}}"#),
            "partner" => format!(r#"{{"Id":"x-{number}","ProductArn":"{region}::product/partner/scanner"}}"#),
            service => format!(
                r#"{{"Id":"arn:aws:{service}:eu-west-1:{owner}:x-{number}","ProductArn":"{region}::product/aws/{service}"}}"#
            ),
        }
    })
}

const MEMBERS: &[&str] = &[
    r#""Confidence":7"#,
    r#""Confidence":100"#,
    r#""Criticality":1"#,
    r#""Note":{"Text":"see SEC-1","UpdatedBy":"ana"}"#,
    r#""Note":{"Text":"no ticket","UpdatedBy":"bob"}"#,
    r#""Severity":{"Label":"LOW"}"#,
    r#""Severity":{"Normalized":95}"#,
    r#""Severity":{"Label":"HIGH","Normalized":3,"Product":7.5}"#,
    r#""Types":["TTPs/x","Effects"]"#,
    r#""UserDefinedFields":{"ticket":"SEC-1","owner":"x"}"#,
    r#""UserDefinedFields":{"due":"2026-02-01","number":"7"}"#,
    r#""VerificationState":"FALSE_POSITIVE""#,
    r#""Workflow":{"Status":"SUPPRESSED"}"#,
    r#""Workflow":{"Status":"RESOLVED"}"#,
    r#""Confidence":51"#,
    r#""UserDefinedFields":{"owner":"SEC-1","ticket":"x"}"#,
    r#""Types":["Effects"]"#,
    r#""RelatedFindings":[{"Id":"r2","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/inspector"},{"Id":"r1","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/guardduty"}]"#,
    r#""RelatedFindings":[{"Id":"r1","ProductArn":"arn:aws:securityhub:eu-west-1::product/aws/guardduty"}]"#,
];

pub(crate) fn request() -> impl Strategy<Value = String> {
    let members = prop::sample::subsequence(MEMBERS, 1..=6).prop_map(|members| {
        let mut kept: Vec<&str> = Vec::new();
        for member in members {
            let name = |member: &str| member.split(':').next().map(str::to_owned);
            if kept.iter().all(|known| name(known) != name(member)) {
                kept.push(member);
            }
        }
        kept.join(",")
    });
    (prop::collection::vec(identifier(), 1..24), members)
        .prop_map(|(identifiers, members)| format!(r#"{{"FindingIdentifiers":[{}],{members}}}"#, identifiers.join(",")))
}

/// A decision in plain values.
fn plainly(decision: &Decision<'_>) -> Vec<String> {
    told(decision, |_, _| true)
}

/// A decision without what may be removed: that is told only where it is known what there is.
fn effective(decision: &Decision<'_>) -> Vec<String> {
    told(decision, |change, verdict| {
        let denies = |answer: &Answer| answer.denial().is_some();
        !change.action().is_removal() || denies(&verdict.enforced) || verdict.shadow.as_ref().is_some_and(denies)
    })
}

fn told(decision: &Decision<'_>, counts: impl Fn(&Change<'_>, &Verdict) -> bool) -> Vec<String> {
    let answer = |answer: &Answer| match answer {
        Answer::Allowed { by } => format!("allow{by:?}"),
        Answer::Denied(denial) => format!("{denial:?}"),
    };
    let verdict =
        |verdict: &Verdict| format!("{} / {:?}", answer(&verdict.enforced), verdict.shadow.as_ref().map(answer));
    let fate = |fate: &Fate<'_>| match fate {
        Fate::Ruled(ruling) => {
            let verdicts: Vec<String> = ruling
                .asked(&decision.changes)
                .filter(|(change, given)| counts(change, given))
                .map(|(change, given)| format!("{change}: {}", verdict(given)))
                .collect();
            format!("{:?} {:?} {verdicts:?}", ruling.kept, ruling.enforcement)
        }
        other => format!("{other:?}"),
    };
    decision.fates.iter().map(fate).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_the_plain_way(
        snapshot in policies(),
        requests in prop::collection::vec((request(), 0..5usize, 0..4usize, any::<bool>(), 0..3usize, 0..3i64), 1..6),
        states in prop::collection::vec(prop::option::of(state()), 1..6),
    ) {
        let mut engine = Engine::new(snapshot.clone());
        let mut naive = Naive::new(snapshot).unwrap();
        for round in 0..2 {
            for (body, account, groups, another, least, later) in &requests {
                let request = BatchUpdate::parse(body.as_bytes()).unwrap();
                let mut caller = asking(engine.snapshot(), *account, *groups);
                caller.minimum_enforcement = Enforcement::ALL[*least];
                if *another {
                    // One name for principals of different accounts, and not the one that scopes name.
                    caller.principal = "arn:aws:iam::222222222222:role/other".into();
                }
                let asked = || Asked::of_update(&request, now() + SignedDuration::from_millis(later * 700));
                let some = known(&request, &states);
                for knowledge in [Knowledge::Never, Knowledge::OfEach(&[]), Knowledge::OfEach(&some)] {
                    let fast = plainly(&decide(&mut engine, &caller, asked(), knowledge));
                    let plain = plainly(&decide(&mut naive, &caller, asked(), knowledge));
                    prop_assert_eq!(fast, plain, "round {} {} {:?}", round, body, knowledge);
                }
            }
        }
    }

    /// To look up only what the decision depends on comes to the same as to know everything from the start.
    #[test]
    fn looking_up_on_demand_is_knowing_everything(
        snapshot in policies(),
        requests in prop::collection::vec((request(), 0..5usize, 0..4usize), 1..6),
        states in prop::collection::vec(state(), 1..6),
    ) {
        let states: Vec<Option<State>> = states.into_iter().map(Some).collect();
        let mut engine = Engine::new(snapshot);
        for (body, account, groups) in &requests {
            let request = BatchUpdate::parse(body.as_bytes()).unwrap();
            let caller = asking(engine.snapshot(), *account, *groups);
            let asked = || Asked::of_update(&request, now());
            let all = known(&request, &states);
            let first = decide(&mut engine, &caller, asked(), Knowledge::OfEach(&[]));
            let open = first.depends_on_state(&caller, Findings::Asff(&request.identifiers));
            let on_demand: Vec<Known<'_>> = (all.iter().enumerate())
                .map(|(at, known)| if open.contains(&at) { *known } else { Known::Nothing })
                .collect();
            let on_demand = decide(&mut engine, &caller, asked(), Knowledge::OfEach(&on_demand));
            let known = decide(&mut engine, &caller, asked(), Knowledge::OfEach(&all));
            prop_assert_eq!(effective(&on_demand), effective(&known), "{}", body);
        }
    }
}

/// A condition or a scope that the loader refuses would be left out in silence.
#[test]
fn every_condition_and_scope_takes_part() {
    let question =
        |only: &str| if only.is_empty() { "action".into() } else { format!(r#"action == Action::"{only}""#) };
    let with_condition = CONDITIONS
        .iter()
        .map(|(only, condition)| format!("(principal, {}, resource) when {{ {condition} }}", question(only)));
    let scopes = (PRINCIPALS.iter().map(|principal| format!("({principal}, action, resource)")))
        .chain(ACTIONS.iter().map(|action| format!("(principal, {action}, resource)")))
        .chain(RESOURCES.iter().map(|resource| format!("(principal, action, {resource})")));
    let refused: Vec<String> = with_condition
        .chain(scopes)
        .filter_map(|policy| {
            let text = format!(r#"@id("x") permit {policy};"#);
            let error = load(&[PolicyText { name: "generated.cedar".into(), text }]).err()?;
            Some(format!("{policy}: {}", error.problems()[0].message))
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The strategies above are worth something only if what they generate is mixed.
#[test]
fn generated_cases_are_mixed() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut allowed, mut stripped, mut rejected, mut refused, mut failed, mut shadowed) = (0, 0, 0, 0, 0, 0);
    let (mut open, mut settled, mut apart) = (0, 0, 0);
    for _ in 0..96 {
        let snapshot = policies().new_tree(&mut runner).unwrap().current();
        let body = request().new_tree(&mut runner).unwrap().current();
        let request = BatchUpdate::parse(body.as_bytes()).unwrap();
        for account in 0..5 {
            let caller = asking(&snapshot, account, account % 4);
            let asked = Asked::of_update(&request, now());
            let decision = decide(&mut Engine::new(snapshot.clone()), &caller, asked, Knowledge::OfEach(&[]));
            let depends = decision.depends_on_state(&caller, Findings::Asff(&request.identifiers)).len();
            open += depends;
            settled += decision.fates.len() - depends;
            for fate in &decision.fates {
                apart += usize::from(matches!(fate, Fate::NotFound));
                let Fate::Ruled(ruling) = fate else { continue };
                match ruling.enforcement {
                    None => allowed += 1,
                    Some(Enforcement::Strip) => stripped += 1,
                    Some(Enforcement::Reject) => rejected += 1,
                    Some(Enforcement::Refuse) => refused += 1,
                }
                failed +=
                    ruling.verdicts.iter().filter(|verdict| crate::policy::evaluate::failed(verdict).is_some()).count();
                shadowed += ruling.verdicts.iter().filter(|verdict| verdict.shadow.is_some()).count();
            }
        }
    }
    for count in [allowed, stripped, rejected, refused, failed, shadowed, open, settled, apart] {
        assert!(count > 5, "{allowed} {stripped} {rejected} {refused} {failed} {shadowed} {open} {settled} {apart}");
    }
}
