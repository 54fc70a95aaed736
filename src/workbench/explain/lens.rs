//! Looking at the policies behind a verdict: which of them decided, by what, and what the others lack.

use super::{
    report::{AtomLook, ChangeLook, Lack, Part, PolicyLook, PolicySource, VerdictLook},
    watch::Watch,
};
use crate::{
    finding::{Change, Identifier},
    policy::{Answer, Asked, Atom, Probe, Reason, Recorded, Rule, Snapshot, Span, Truth, Verdict},
    workbench::Answered,
};
use cedar_policy::Effect;
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

/// All policies, taken apart.
pub(super) struct Lens {
    policies: BTreeMap<Arc<str>, (Rule, Probe)>,
    /// Those that were spoken of.
    spoken_of: BTreeSet<Arc<str>>,
}

impl Lens {
    pub(super) fn new(snapshot: &Snapshot) -> Result<Self, String> {
        let part = |rule: &Rule| Ok((rule.id.clone(), (rule.clone(), Probe::new(rule)?)));
        let policies = snapshot.rules().iter().map(part).collect::<Result<_, String>>()?;
        Ok(Self { policies, spoken_of: BTreeSet::new() })
    }

    /// The sources of those that were spoken of.
    pub(super) fn sources(self) -> Vec<PolicySource> {
        let spoken_of = self.spoken_of;
        let policies = self.policies.into_iter().filter(|(id, _)| spoken_of.contains(id));
        policies
            .map(|(id, (rule, _))| PolicySource {
                id,
                effect: effect(&rule),
                shadow: rule.shadow,
                file: rule.origin.file.clone(),
                line: rule.origin.line,
                column: rule.origin.column,
                text: rule.origin.text.clone(),
                rule,
            })
            .collect()
    }

    /// A change of a finding, with what the policies made of it.
    pub(super) fn look(
        &mut self,
        watch: &Watch,
        identifier: &Identifier<'_>,
        change: &Change<'_>,
        verdict: &Rc<Verdict>,
    ) -> ChangeLook {
        let answered = Answered::of(change, verdict);
        let mut look = ChangeLook {
            action: answered.action.as_str(),
            element: answered.element,
            change: answered.shown,
            verdict: VerdictLook::of(&verdict.enforced),
            shadow: verdict.shadow.as_ref().map(VerdictLook::of),
            depends_on_finding: verdict.open,
            decided_by: Vec::new(),
            shadowed_by: Vec::new(),
            otherwise_permitted_by: Vec::new(),
            nearest: Vec::new(),
            not_forbidden_by: Vec::new(),
        };
        if let Some(question) = watch.asked(identifier, change) {
            self.look_at(question, verdict, &mut look);
        }
        // Where it was not asked in full, they are named all the same.
        self.spoken_of.extend(look.verdict.policies.iter().cloned());
        look
    }

    fn look_at(&mut self, question: &Recorded, verdict: &Verdict, look: &mut ChangeLook) {
        let reason = verdict.enforced.denial().map(|denial| denial.reason);
        for (id, (rule, probe)) in &self.policies {
            if !probe.speaks_of(question.role, question.action) {
                continue;
            }
            let seen = policy_look(rule, probe, question);
            let decided = look.verdict.policies.contains(id);
            let applies = seen.applies == Truth::True;
            match (rule.effect, rule.shadow) {
                _ if decided => look.decided_by.push(seen),
                (_, true) if applies => look.shadowed_by.push(seen),
                (Effect::Permit, false) if applies && reason == Some(Reason::Forbidden) => {
                    look.otherwise_permitted_by.push(id.clone());
                }
                (Effect::Permit, false) if !applies && reason == Some(Reason::NoGrant) => look.nearest.push(seen),
                (Effect::Forbid, false) if !applies => look.not_forbidden_by.push(seen),
                _ => continue,
            }
            self.spoken_of.insert(id.clone());
        }
        for looks in [&mut look.nearest, &mut look.not_forbidden_by] {
            looks.sort_by_key(PolicyLook::distance);
        }
    }
}

const fn effect(rule: &Rule) -> &'static str {
    match rule.effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}

impl VerdictLook {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Allowed { by } => {
                Self { allowed: true, reason: None, enforcement: None, policies: by.clone(), advice: Vec::new() }
            }
            Answer::Denied(denial) => Self {
                allowed: false,
                reason: Some(denial.reason.as_str()),
                enforcement: Some(denial.enforcement.as_str()),
                policies: denial.policies.clone(),
                advice: denial.advice.clone(),
            },
        }
    }
}

/// What a policy made of a question.
fn policy_look(rule: &Rule, probe: &Probe, question: &Recorded) -> PolicyLook {
    let condition = probe.condition();
    let trace = probe.trace(question);
    let asked = probe.ask(question);
    let of = |span: &Span| rule.origin.text[span.start - rule.origin.offset..span.end - rule.origin.offset].to_owned();
    let atom = |at: &usize| condition.atoms.get(*at).map(|atom| atom_look(&asked, *at, atom));
    let mut look = PolicyLook {
        policy: rule.id.clone(),
        applies: trace.applies,
        scope: Vec::new(),
        lacks: Vec::new(),
        decisive: Vec::new(),
    };
    let scope = condition.scope.iter().zip(asked.scope()).zip(asked.scope_reads()).filter(|((_, matches), _)| !matches);
    look.scope.extend(scope.map(|((span, _), is)| Part { text: of(span), span: *span, is }));
    for (tree, wanted) in condition.conjuncts() {
        let is = asked.holds(tree);
        let atoms = || asked.decisive(tree).iter().filter_map(atom).collect::<Vec<AtomLook>>();
        if is.is(wanted) {
            if trace.applies == Truth::True {
                look.decisive.extend(atoms());
            }
        } else if is != Truth::Failed || look.lacks.is_empty() {
            // What cannot be evaluated behind something that is false was never reached: it is guarded by that.
            look.lacks.push(Lack { text: of(&tree.span), span: tree.span, wanted, is, atoms: atoms() });
        }
    }
    look.decisive.sort_by_key(|atom| atom.span);
    look
}

fn atom_look(asked: &Asked<'_>, at: usize, atom: &Atom) -> AtomLook {
    AtomLook { text: atom.text.clone(), span: atom.span, is: asked.atom(at), reads: asked.reads(atom) }
}
