//! Automation rules: what a rule would do, to findings that nobody knows yet.
//!
//! A rule makes its update to every finding of the fleet that meets its criteria, for as long as it is there. So it is asked about as
//! that update would be, and allowed only where the answer is the same for all of them. It is one whole: nothing is stripped off it.

use super::{Asked, Decision, Fate, Ruling, explain, named::Findings};
use crate::{
    finding::{
        Action, Caller, Change, Enforcement, FieldSet, Identifier, Operation, Target, Update, UpdateRules,
        outcome_rules::{AnsweredRules, UnprocessedRule, write_rules_answer},
    },
    policy::{Answer, Denial, Judge, Question, Reason, Verdict},
};
use jiff::Timestamp;
use std::{collections::HashMap, rc::Rc};

/// What HTTP says of a denial, and `ErrorCode` of a rule that is denied.
const FORBIDDEN: i64 = 403;
/// `ErrorCode` of a rule of which it is not known what became of it.
const UNKNOWN: i64 = 500;

/// What was decided on one rule.
#[derive(Debug)]
pub struct RuleDecision<'u> {
    /// The verdicts, as on one finding; nothing where the policies could not be asked, which denies the rule.
    pub decision: Option<Decision<'u>>,
    /// The strictest enforcement that the rule met, at least [`Enforcement::Reject`]; nothing where it is allowed.
    pub enforcement: Option<Enforcement>,
}

impl<'u> RuleDecision<'u> {
    /// Decides on a rule with this update, for an administrator; nothing stands for a request that leaves out what the rule
    /// does.
    pub fn of(
        judge: &mut impl Judge,
        caller: &Caller,
        update: Option<&'u Update<'u>>,
        operation: Operation,
        now: Timestamp,
    ) -> Self {
        let Some(update) = update else {
            return Self { decision: None, enforcement: Some(Enforcement::Reject.max(caller.minimum_enforcement)) };
        };
        let asked = Asked {
            findings: Findings::Asff(&[]),
            changes: update.changes(),
            circumstances: update.circumstances(operation, now),
            fields: update.fields(),
            replaces: None,
        };
        let removals: Vec<Change<'u>> = update.may_remove().map(Change::any_removal).collect();
        let ruling = rule(judge, caller, &asked, &removals);
        let enforcement = ruling.enforcement;
        let fates = vec![Fate::Ruled(Rc::new(ruling))];
        Self { decision: Some(Decision { changes: asked.changes, fates }), enforcement }
    }

    /// Why the rule is denied, for the caller; nothing where it is allowed.
    pub fn denial(&self, decision_id: &str) -> Option<String> {
        self.enforcement.map(|_| explain::rule(self.ruling(), decision_id))
    }

    fn ruling(&self) -> Option<(&[Change<'u>], &Ruling<'u>)> {
        let decision = self.decision.as_ref()?;
        match decision.fates.first()? {
            Fate::Ruled(ruling) => Some((&decision.changes, ruling)),
            _ => None,
        }
    }
}

/// Asks about all that a rule would do, once: what is denied takes the whole rule with it.
fn rule<'u>(judge: &mut impl Judge, caller: &Caller, asked: &Asked<'u>, removals: &[Change<'u>]) -> Ruling<'u> {
    // No finding that there is. Policies that could tell by that are not asked.
    let stand_in = Identifier {
        id: "any finding that an automation rule meets".to_owned().into(),
        product_arn: "arn:aws:securityhub:::product/findings-gate/any".to_owned().into(),
    };
    let target = Target { identifier: &stand_in, owner: caller.account, state: None, is_new: Some(false) };
    let mut ask = |change: &Change<'u>| {
        if judge.tells_findings_apart(caller, change.action()) {
            return Rc::new(Verdict::settled(untellable(judge, caller, change.action())));
        }
        let circumstances = &asked.circumstances;
        let verdict = judge.verdict(&Question { caller, circumstances, change, kept: asked.fields, target: &target });
        if change.action().is_removal() { verdict.of_any_removal() } else { verdict }
    };
    let verdicts: Vec<Rc<Verdict>> = asked.changes.iter().map(&mut ask).collect();
    let removals: Vec<(Change<'u>, Rc<Verdict>)> = removals.iter().map(|change| (*change, ask(change))).collect();
    let denials = verdicts.iter().chain(removals.iter().map(|(_, verdict)| verdict));
    let denials = denials.filter_map(|verdict| verdict.enforced.denial());
    let enforcement = denials.map(|denial| denial.enforcement.max(Enforcement::Reject).max(caller.minimum_enforcement));
    let enforcement = enforcement.max();
    let kept = if enforcement.is_none() { asked.fields } else { FieldSet::EMPTY };
    Ruling { verdicts, removals, kept, enforcement, minimum: caller.minimum_enforcement }
}

/// The answer where the policies may say different things of two findings that the rule meets.
fn untellable(judge: &mut impl Judge, caller: &Caller, action: Action) -> Answer {
    Answer::Denied(Denial {
        reason: Reason::StateUnavailable,
        enforcement: Enforcement::Reject,
        policies: judge.policies_that_tell_findings_apart(caller, action),
        advice: Vec::new(),
    })
}

/// What becomes of a BatchUpdateAutomationRules request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesPlan {
    /// Nothing is forwarded, and the whole call is refused with this message.
    Refuse {
        /// Why, by which policy, and what to do.
        message: String,
    },
    /// Some rules are forwarded, perhaps none.
    Forward {
        /// Their places in the request, in its order.
        rules: Vec<usize>,
        /// The others, with what is told of them.
        denied: Vec<(usize, String)>,
    },
}

impl RulesPlan {
    /// Plans what was decided on each of the request's rules. `decision_id` goes into messages.
    pub fn new(request: &UpdateRules<'_>, decisions: &[RuleDecision<'_>], decision_id: &str) -> Self {
        let (mut rules, mut denied) = (Vec::new(), Vec::new());
        for (place, decision) in decisions.iter().enumerate() {
            match (decision.denial(decision_id), decision.enforcement) {
                (Some(why), Some(Enforcement::Refuse)) => {
                    return Self::Refuse { message: explain::rules_refusal(&request.rules[place].arn, &why) };
                }
                (Some(why), _) => denied.push((place, why)),
                (None, _) => rules.push(place),
            }
        }
        Self::Forward { rules, denied }
    }
}

/// The answer to a BatchUpdateAutomationRules request.
#[derive(Debug, PartialEq, Eq)]
pub struct MergedRules {
    /// `{"ProcessedAutomationRules":…,"UnprocessedAutomationRules":…}`
    pub body: Vec<u8>,
    /// Rules that upstream named and nobody had asked about. They are left out; it is worth a warning.
    pub not_asked: usize,
    /// Rules that upstream did not name. They are told as failed; it is worth a warning.
    pub not_answered: usize,
}

/// Merges what upstream said of the rules that were forwarded with what is told of the denied ones, in the order of the request.
/// Upstream's answer is empty if nothing was forwarded.
pub fn merge_rules(
    request: &UpdateRules<'_>,
    forwarded: &[usize],
    denied: Vec<(usize, String)>,
    answer: AnsweredRules,
) -> MergedRules {
    // A request may name a rule twice: what is said of it first is said of the first place, unless it is a failure.
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for place in forwarded.iter().rev() {
        places.entry(&request.rules[*place].arn).or_default().push(*place);
    }
    let mut not_asked = 0;
    let mut processed = Vec::new();
    let mut unprocessed: Vec<(usize, i64, String)> = Vec::new();
    for arn in &answer.processed_automation_rules {
        match places.get_mut(&**arn).and_then(Vec::pop) {
            Some(place) => processed.push(place),
            None => not_asked += 1,
        }
    }
    for entry in answer.unprocessed_automation_rules {
        let UnprocessedRule { rule_arn, error_code, error_message } = entry;
        match places.get_mut(rule_arn.as_deref().unwrap_or_default()).and_then(Vec::pop) {
            Some(place) => {
                let message = error_message.unwrap_or_else(|| "the findings backend did not say why".to_owned());
                unprocessed.push((place, error_code.unwrap_or(UNKNOWN), message));
            }
            None => not_asked += 1,
        }
    }
    let forgotten: Vec<usize> = places.into_values().flatten().collect();
    let not_answered = forgotten.len();
    let unknown = "the findings backend did not say what became of this rule; read it before trying again";
    unprocessed.extend(forgotten.into_iter().map(|place| (place, UNKNOWN, unknown.to_owned())));
    unprocessed.extend(denied.into_iter().map(|(place, message)| (place, FORBIDDEN, message)));
    processed.sort_unstable();
    unprocessed.sort_unstable_by_key(|(place, ..)| *place);
    let arn = |place: usize| request.rules[place].arn.as_str();
    let body = write_rules_answer(
        processed.into_iter().map(arn),
        unprocessed.iter().map(|(place, code, message)| (arn(*place), *code, &**message)),
    );
    MergedRules { body, not_asked, not_answered }
}
