//! Replaying: a counterexample is believed when the live gate was asked it and said so.

use super::witness::{self, Witness};
use crate::{
    finding::{Accounts, Action, Enforcement, Field, FieldV2, RecordState},
    policy::{self, Engine, Reason, Recorded, Recorder, Rule, Snapshot},
    workbench::{Call, CallerFixture, Decided, FindingFixture, Fleet, Outcome, ask},
};
use cedar_policy::EvalResult;
use cedar_policy_symcc::Env;
use serde_json::Map;
use std::{collections::BTreeSet, sync::Arc};

/// A set of policies that witnesses are asked of.
#[derive(Debug)]
pub struct Live {
    rules: Vec<Rule>,
    default_enforcement: Enforcement,
    /// The engine for the accounts of the last witness: they are mostly the same.
    last: Option<(Vec<CallerFixture>, Recorder<Engine>)>,
}

/// What the live gate says of a witness.
pub(super) struct Seen {
    decided: Decided,
    recorded: Vec<Recorded>,
    action: Action,
    element: Option<String>,
}

impl Live {
    /// These policies. What no policy says is denied with `default_enforcement`.
    pub fn new(rules: impl IntoIterator<Item = Rule>, default_enforcement: Enforcement) -> Self {
        Self { rules: rules.into_iter().collect(), default_enforcement, last: None }
    }

    /// What becomes of a witness; nothing where it is no question, or the policies cannot be asked.
    pub fn decided(&mut self, witness: &Witness) -> Option<Decided> {
        self.ask(witness).map(|seen| seen.decided)
    }

    /// Asks; nothing where the witness is no question, or the policies cannot be asked.
    pub(super) fn ask(&mut self, witness: &Witness) -> Option<Seen> {
        if !witness.has_what_it_removes() {
            return None;
        }
        let callers: Vec<CallerFixture> =
            std::iter::once(&witness.example.caller).chain(&witness.others).cloned().collect();
        if self.last.as_ref().is_none_or(|(of, _)| *of != callers) {
            let accounts = Arc::new(accounts(&callers)?);
            let snapshot = Snapshot::new(self.rules.clone(), accounts, self.default_enforcement).ok()?;
            let snapshot = Arc::new(snapshot);
            self.last = Some((callers, Recorder::new(Engine::new(snapshot.clone()), snapshot)));
        }
        let (_, engine) = self.last.as_mut()?;
        engine.take();
        let decided = ask(engine, &witness.example).ok()?;
        let recorded = engine.take();
        Some(Seen { decided, recorded, action: witness.action, element: witness.element.clone() })
    }
}

fn accounts(callers: &[CallerFixture]) -> Option<Accounts> {
    Fleet::of(callers).ok().map(|fleet| fleet.accounts())
}

impl Seen {
    /// Whether the change takes place: it is allowed, and what it is part of is forwarded.
    pub(super) fn takes_place(&self) -> bool {
        self.decided.outcome == Outcome::Forwarded && self.allows()
    }

    /// Whether the policies allow the change, whatever becomes of what comes with it.
    pub(super) fn allows(&self) -> bool {
        match self.answered() {
            Some(answer) => answer.denial().is_none(),
            // Where anything may be removed, nobody asks what there is.
            None => self.action.is_removal() && self.decided.outcome == Outcome::Forwarded && !self.decided.looked_up,
        }
    }

    /// Whether the policies deny the change, with all that comes with it still there, and for what they say: not because
    /// nobody knows how the finding is.
    pub(super) fn denies(&self) -> bool {
        let denial = self.first().and_then(|recorded| recorded.verdict.enforced.denial());
        denial.is_some_and(|denial| denial.reason != Reason::StateUnavailable)
    }

    /// Whether this policy fails on the change, which denies it.
    pub(super) fn fails(&self, id: &str) -> bool {
        let failed = |recorded: &Recorded| {
            let denial = recorded.verdict.enforced.denial();
            denial.is_some_and(|denial| {
                denial.reason == Reason::PolicyError && denial.policies.iter().any(|policy| **policy == *id)
            })
        };
        self.recorded.iter().any(failed)
    }

    /// What is forwarded of the witness, where something was stripped.
    fn kept(&self, witness: &Witness) -> Option<Witness> {
        if self.decided.outcome != Outcome::Stripped {
            return None;
        }
        let mut reduced = witness.clone();
        let kept = |name: &String| {
            let field = Field::parse(name).or_else(|| FieldV2::parse(name).map(FieldV2::field));
            field.is_none_or(|field| self.decided.kept.contains(&field))
        };
        members(&mut reduced.example.call).retain(|name, _| kept(name));
        (!reduced.example.call.members().is_empty() && reduced != *witness).then_some(reduced)
    }

    fn answered(&self) -> Option<&policy::Answer> {
        let same = |answered: &&crate::workbench::Answered| {
            answered.action == self.action && (self.element.is_none() || answered.element == self.element)
        };
        self.decided.answered.iter().find(same).map(|answered| &answered.verdict.enforced)
    }

    /// The question about the change, as it was first asked with all that is known of the finding.
    fn first(&self) -> Option<&Recorded> {
        self.recorded.iter().find(|recorded| {
            recorded.action == self.action
                && recorded.state_known == self.decided.looked_up
                && (self.element.is_none() || element(recorded) == self.element)
        })
    }
}

fn element(recorded: &Recorded) -> Option<String> {
    let name = match recorded.action {
        Action::UserDefinedFields | Action::UserDefinedFieldsRemove => "key",
        Action::RelatedFindings | Action::RelatedFindingsRemove => "id",
        _ => "value",
    };
    match recorded.request.context()?.get(name)? {
        EvalResult::String(text) => Some(text),
        EvalResult::EntityUid(uid) => Some(uid.id().unescaped().to_owned()),
        _ => None,
    }
}

fn members(call: &mut Call) -> &mut Map<String, serde_json::Value> {
    let (Call::Update(members) | Call::UpdateV2(members) | Call::Import(members)) = call;
    members
}

/// The request that a counterexample stands for, if `shows` says of one, asked of `live`, that it shows what it should; as small as
/// it can be.
pub(super) fn replay(
    env: &Env,
    live: &mut Live,
    shows: &mut impl FnMut(&mut Live, &Witness) -> bool,
) -> Option<Box<Witness>> {
    for candidate in witness::candidates(env) {
        let reduced = live.ask(&candidate).and_then(|seen| seen.kept(&candidate));
        for witness in std::iter::once(candidate).chain(reduced) {
            if shows(live, &witness) {
                return Some(Box::new(smallest(witness, live, shows)));
            }
        }
    }
    None
}

/// The witness without what it does not need.
fn smallest(mut witness: Witness, live: &mut Live, shows: &mut impl FnMut(&mut Live, &Witness) -> bool) -> Witness {
    let names: Vec<String> = witness.example.call.members().keys().cloned().collect();
    let keys: Vec<String> = witness.example.finding.user_defined_fields.keys().cloned().collect();
    let mut without = |step: &dyn Fn(&mut Witness)| {
        let mut simpler = witness.clone();
        step(&mut simpler);
        if simpler != witness && shows(live, &simpler) {
            witness = simpler;
        }
    };
    for name in names {
        without(&|witness| {
            members(&mut witness.example.call).remove(&name);
        });
    }
    for step in SIMPLER {
        without(step);
    }
    for key in keys {
        without(&|witness| {
            witness.example.finding.user_defined_fields.remove(&key);
        });
    }
    witness
}

/// Steps towards a plain example.
const SIMPLER: &[fn(&mut Witness)] = &[
    |witness| {
        let FindingFixture { account, exists, known, .. } = witness.example.finding;
        witness.example.finding = FindingFixture { exists, known, ..FindingFixture::plain(account) };
    },
    |witness| witness.others.clear(),
    |witness| witness.example.now = crate::workbench::Example::NOW,
    |witness| witness.example.caller.principal = None,
    |witness| witness.example.caller.groups.clear(),
    |witness| witness.example.caller.principal_groups.clear(),
    |witness| witness.example.caller.fleet.clear(),
    |witness| witness.example.finding.exists = true,
    |witness| witness.example.finding.id = None,
    |witness| witness.example.finding.product_arn = None,
    |witness| witness.example.finding.severity = None,
    |witness| {
        if let Some(severity) = &mut witness.example.finding.severity {
            *severity = crate::workbench::SeverityFixture::of(severity.label);
        }
    },
    |witness| witness.example.finding.workflow_status = None,
    |witness| witness.example.finding.record_state = None,
    |witness| {
        if witness.example.finding.record_state == Some(RecordState::Active) {
            witness.example.finding.record_state = None;
        }
    },
    |witness| witness.example.finding.verification_state = None,
    |witness| witness.example.finding.confidence = None,
    |witness| witness.example.finding.criticality = None,
    |witness| witness.example.finding.note = None,
    |witness| witness.example.finding.types = BTreeSet::new(),
    |witness| witness.example.finding.related_findings.clear(),
    |witness| witness.example.finding.resource_types = BTreeSet::new(),
    |witness| witness.example.finding.resource_ids = BTreeSet::new(),
    |witness| witness.example.finding.resource_tags.clear(),
    |witness| witness.example.finding.compliance_status = None,
    |witness| witness.example.finding.security_control_id = None,
    |witness| witness.example.finding.product_name = None,
    |witness| witness.example.finding.company_name = None,
    |witness| witness.example.finding.generator_id = None,
    |witness| witness.example.finding.region = None,
    |witness| witness.example.finding.created_at = None,
    |witness| witness.example.finding.updated_at = None,
    |witness| witness.example.finding.first_observed_at = None,
    |witness| witness.example.finding.last_observed_at = None,
    |witness| {
        if let Some(note) = members(&mut witness.example.call).get_mut("Note") {
            *note = serde_json::json!({ "Text": "example", "UpdatedBy": "ana" });
        }
    },
    |witness| {
        if let Some(comment) = members(&mut witness.example.call).get_mut("Comment") {
            *comment = "example".into();
        }
    },
];
