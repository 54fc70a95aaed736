//! Whatever is asked, by whomever: upstream receives only changes that the plain judge allows, and all that it allows
//! without reserve.

use crate::{
    POLICIES,
    support::{
        fleet::{ACCOUNTS, BLUNT, Key, PAYMENTS, SEARCH, SECURITY, finding, plain_finding, update},
        gate::{Gate, Place},
        upstream::{Received, Upstream},
    },
};
use findings_gate::{
    finding::{
        AccountId, Accounts, BatchUpdate, Caller, Enforcement, FieldSet, Identifier, Member, Operation, Proof, State,
        Target, Update,
    },
    policy::{Judge, Naive, PolicyText, Question, Snapshot, load, pack},
};
use proptest::{
    prelude::*,
    sample::subsequence,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Conditions on what travels along, and all three enforcements.
const ENTANGLED: &str = r#"
@id("everybody")
permit (principal, action, resource);

@id("own-account")
@enforce("reject")
forbid (principal is Member, action, resource)
unless { resource in principal.account };

@id("no-classes-by-members")
@enforce("strip")
forbid (principal is Member, action == Action::"Types", resource);

@id("resolve-with-a-note")
@enforce("strip")
forbid (principal, action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"RESOLVED" }
unless { context has note };

@id("a-note-needs-types")
@enforce("strip")
forbid (principal, action == Action::"Note", resource)
unless { context.fields.contains(Field::"Types") };

@id("only-own-tickets")
@enforce("strip")
forbid (principal in Group::"ou/prod", action == Action::"UserDefinedFields", resource)
unless { context.key == "ticket" };

@id("severity-only-up")
@enforce("reject")
forbid (principal, action == Action::"Severity.Label", resource)
when { context.rank < 2 };

@id("nobody-certain")
@enforce("refuse")
forbid (principal, action == Action::"Confidence", resource)
when { context.value > 98 };
"#;

struct Setting {
    gate: Gate,
    upstream: Upstream,
    judge: Naive,
}

impl Setting {
    fn new(texts: &[PolicyText], place: impl FnOnce(&str) -> Place) -> Self {
        let account = |id: &str| AccountId::parse(id).unwrap();
        let member = |name: &str, groups: &[&str]| Member {
            name: name.into(),
            groups: groups.iter().map(ToString::to_string).collect(),
        };
        let accounts = Accounts::new(
            account(SECURITY.account),
            [
                (account(PAYMENTS.account), member("payments", &["ou/prod"])),
                (account(SEARCH.account), member("search", &[])),
            ],
        );
        assert_eq!(ACCOUNTS.matches("ou/prod").count(), 1, "as in the file");
        let rules = load(texts).unwrap().rules().to_vec();
        let snapshot = Snapshot::new(rules, Arc::new(accounts), Enforcement::Reject).unwrap();
        let upstream = Upstream::accepting();
        let gate = Gate::start(place(&upstream.url()));
        Self { gate, upstream, judge: Naive::new(Arc::new(snapshot)).unwrap() }
    }

    fn own(policies: &str) -> Self {
        let text = PolicyText { name: "test.cedar".into(), text: policies.into() };
        Self::new(&[text], |url| Place::with_policies(url, policies, ""))
    }

    fn pack(name: &str) -> Self {
        Self::new(&pack(name).unwrap(), |url| {
            let place = Place::new(url, "");
            place.edit("findings-gate.toml", "pack:baseline", &format!("pack:{name}"));
            place
        })
    }

    /// Whether the judge allows every change of an update on a finding, as long as these fields travel together.
    fn allows(&mut self, caller: &Caller, update: &Update<'_>, kept: FieldSet, identifier: &Identifier<'_>) -> bool {
        let Some(owner) = identifier.owner() else { return false };
        let finding = plain_finding(owner.as_str(), &identifier.id, &identifier.product_arn);
        let state = State::parse(finding.as_object().unwrap()).unwrap();
        let target = Target { identifier, owner, state: Some(&state), is_new: Some(false) };
        let changes = update.changes();
        let circumstances =
            update.circumstances(Operation::BatchUpdateFindings, "2026-01-01T00:00:00Z".parse().unwrap());
        changes.iter().filter(|change| change.field().is_some_and(|field| kept.contains(field))).all(|change| {
            let question = Question { caller, circumstances: &circumstances, change, kept, target: &target };
            self.judge.verdict(&question).enforced.denial().is_none()
        })
    }

    fn check(&mut self, key: &Key, body: &str) -> Result<(), TestCaseError> {
        let caller = Caller {
            account: AccountId::parse(key.account).unwrap(),
            role: if *key == SECURITY {
                findings_gate::finding::Role::Administrator
            } else {
                findings_gate::finding::Role::Member
            },
            principal: format!("arn:aws:iam::{}:role/{}", key.account, key.id.to_lowercase()).into(),
            groups: Arc::default(),
            region: None,
            proof: Proof::SigV4 { access_key_id: key.id.into() },
            minimum_enforcement: Enforcement::parse(key.minimum_enforcement).unwrap(),
        };
        let response = self.gate.connect().update(key, body);
        let received: Vec<Received> = self.upstream.take().into_iter().filter(|sent| !sent.is_look_up()).collect();
        let asked = BatchUpdate::parse(body.as_bytes()).unwrap();
        let sent: Vec<BatchUpdate<'_>> = received.iter().map(|sent| BatchUpdate::parse(&sent.body).unwrap()).collect();
        prop_assert!(received.iter().all(|sent| is_of(sent, key)));

        // Only what was asked for, and only what the judge allows with what is left of the update.
        let whole = asked.update.changes();
        for sent in &sent {
            prop_assert!(sent.update.changes().iter().all(|change| whole.contains(change)));
            for identifier in &sent.identifiers {
                prop_assert!(asked.identifiers.contains(identifier));
                let allowed = self.allows(&caller, &sent.update, sent.update.fields(), identifier);
                prop_assert!(allowed, "{} got {:?}", identifier.id, sent.update);
            }
        }
        let mut forwarded: Vec<_> = sent.iter().flat_map(|sent| &sent.identifiers).collect();
        forwarded.sort_by_key(|identifier| (&*identifier.id, &*identifier.product_arn));
        let count = forwarded.len();
        forwarded.dedup();
        prop_assert_eq!(count, forwarded.len(), "nothing is forwarded twice");

        // All that is allowed without reserve, unless the whole call is refused.
        if response.status == 200 {
            for identifier in &asked.identifiers {
                if self.allows(&caller, &asked.update, asked.update.fields(), identifier) {
                    let whole = sent.iter().find(|sent| sent.identifiers.contains(identifier));
                    prop_assert!(whole.is_some_and(|sent| sent.update == asked.update), "{} was lost", identifier.id);
                }
            }
            // What the caller is told is what happened.
            let mut processed = response.processed();
            processed.sort();
            let mut ids: Vec<_> = forwarded.iter().map(|identifier| identifier.id.to_string()).collect();
            ids.sort();
            prop_assert_eq!(processed, ids);
        } else {
            response.is_error(403, "AccessDeniedException", "nothing was changed");
            prop_assert_eq!(&received, &Vec::new());
        }
        Ok(())
    }
}

fn is_of(sent: &Received, key: &Key) -> bool {
    sent.head.contains(&format!("x-findings-gate-account: {}\r\n", key.account))
}

fn updates() -> impl Strategy<Value = Value> {
    let pick = |values: Vec<Value>| prop::sample::select(values);
    let note = |text: &str| json!({"Text": text, "UpdatedBy": "ana"});
    let member = |name: &'static str, values| pick(values).prop_map(move |value| (name, value));
    let members = (
        member("Confidence", vec![json!(0), json!(50), json!(93), json!(99)]),
        member("Criticality", vec![json!(1), json!(13)]),
        member("Note", vec![note("fixed"), note("caf\u{e9} \u{1f600} \"\\\n")]),
        member("RelatedFindings", vec![json!([finding(SEARCH.account, "related")])]),
        member(
            "Severity",
            vec![
                json!({"Label": "LOW"}),
                json!({"Label": "CRITICAL"}),
                json!({"Normalized": 95}),
                json!({"Label": "HIGH", "Normalized": 5}),
                json!({"Product": 1.5}),
            ],
        ),
        member("Types", vec![json!(["Effects"]), json!(["TTPs/Discovery", "Effects"])]),
        member("UserDefinedFields", vec![json!({"ticket": "S-1"}), json!({"ticket/jira": "1", "owner": "x"})]),
        member("VerificationState", vec![json!("UNKNOWN"), json!("FALSE_POSITIVE")]),
        member(
            "Workflow",
            ["NEW", "NOTIFIED", "RESOLVED", "SUPPRESSED"].iter().map(|status| json!({"Status": status})).collect(),
        ),
    );
    (members, subsequence((0..9).collect::<Vec<usize>>(), 1..=5)).prop_map(|(m, chosen)| {
        let all = [m.0, m.1, m.2, m.3, m.4, m.5, m.6, m.7, m.8];
        let members = chosen.into_iter().map(|at| (all[at].0.to_owned(), all[at].1.clone()));
        Value::Object(members.collect::<Map<_, _>>())
    })
}

fn findings() -> impl Strategy<Value = Vec<Value>> {
    let mut all: Vec<Value> = [SECURITY.account, PAYMENTS.account, SEARCH.account, "999999999999"]
        .iter()
        .flat_map(|account| ["plain", "strip-me"].map(|id| finding(account, &format!("{id}-{account}"))))
        .collect();
    all.push(json!({"Id": "partner", "ProductArn": "arn:aws:securityhub:eu-west-1::product/partner/scanner"}));
    subsequence(all, 1..=5)
}

/// How many requests each set of policies is asked.
const CASES: u32 = 40;

fn holds(mut setting: Setting) {
    let keys = prop::sample::select(vec![SECURITY, PAYMENTS, SEARCH, BLUNT]);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let setting = std::cell::RefCell::new(&mut setting);
    TestRunner::new(config)
        .run(&(keys, findings(), updates()), |(key, findings, members)| {
            setting.borrow_mut().check(&key, &update(&findings, members))
        })
        .unwrap();
    setting.borrow().gate.log();
}

#[test]
fn only_allowed_changes_get_through_the_baseline() {
    holds(Setting::pack("baseline"));
}

#[test]
fn only_allowed_changes_get_through_the_strict_pack() {
    holds(Setting::pack("strict"));
}

#[test]
fn only_allowed_changes_get_through_policies_that_fail() {
    holds(Setting::own(POLICIES));
}

#[test]
fn only_allowed_changes_get_through_policies_about_each_other_s_fields() {
    holds(Setting::own(ENTANGLED));
}
