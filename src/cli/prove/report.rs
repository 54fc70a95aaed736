//! What became of each property, for people and as JSON.

use crate::{
    cli::Exit,
    policy::{Answer, Reason},
    workbench::{
        Decided, Paint,
        prove::{Claim, Claims, Verdict, Witness},
    },
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{fmt::Write, time::Duration};

/// The result. Its JSON form is versioned.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: u32,
    /// How many policies count.
    policies: usize,
    /// What the solver calls itself; nothing if there is none.
    solver: Option<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    solver_problem: Option<String>,
    proved: usize,
    refuted: usize,
    unproved: usize,
    properties: Vec<Settled>,
}

/// One property.
#[derive(Debug, Serialize)]
pub(super) struct Settled {
    id: String,
    verdict: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    /// Where it is written; nothing where it is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Value>,
    #[serde(skip)]
    case: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counterexample: Option<String>,
    queries: u64,
    milliseconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Proved,
    Refuted,
    Unproved,
}

impl Settled {
    /// What became of a claim. The set is asked once more what it says to the request that refutes.
    pub(super) fn new(claim: &Claim, verdict: &Verdict, set: &mut Claims, took: Duration, queries: u64) -> Self {
        let (expect, place) = match claim {
            Claim::Property(property) => {
                let origin = &property.origin;
                let written = &*origin.file != "built in";
                let place = written.then(|| format!("{}:{}:{}", origin.file, origin.line, origin.column));
                (Some(property.expect.as_str()), place)
            }
            _ => (None, None),
        };
        let mut settled = Self {
            id: claim.id().to_owned(),
            verdict: Word::Proved,
            expect,
            doc: claim.doc().map(str::to_owned),
            place,
            why: None,
            request: None,
            case: None,
            counterexample: None,
            queries,
            milliseconds: (took.as_secs_f64() * 1e6).round() / 1e3,
        };
        match verdict {
            Verdict::Proved => {}
            Verdict::Unproved { why, counterexample } => {
                settled.verdict = Word::Unproved;
                settled.why = Some(why.clone());
                settled.counterexample.clone_from(counterexample);
            }
            Verdict::Refuted { why, witness } => {
                settled.verdict = Word::Refuted;
                settled.why = Some(why.clone());
                if let Some(witness) = witness {
                    let expect = set.decided(witness).map(|decided| expectation(&decided)).unwrap_or_default();
                    settled.case = Some(case(&settled.id, witness, &expect));
                    settled.request = Some(request(witness, &expect));
                }
            }
        }
        settled
    }
}

/// What the gate says now, in the words of a suite.
fn expectation(decided: &Decided) -> Map<String, Value> {
    let mut expect = Map::from_iter([("outcome".to_owned(), json!(decided.outcome))]);
    for answered in &decided.answered {
        let answer = match &answered.verdict.enforced {
            Answer::Allowed { by } => json!({ "allow": by }),
            Answer::Denied(denial) if denial.reason == Reason::Forbidden => json!({ "deny": denial.policies }),
            Answer::Denied(denial) => json!(denial.reason.as_str()),
        };
        expect.insert(answered.to_string(), answer);
    }
    expect
}

fn case(name: &str, witness: &Witness, expect: &Map<String, Value>) -> String {
    let mut text = witness.example.to_case(name, expect);
    for other in &witness.others {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    # needs a caller in the suite, too: {}", json!(other));
    }
    text
}

fn request(witness: &Witness, expect: &Map<String, Value>) -> Value {
    let Witness { example, others, action, element } = witness;
    json!({
        "now": example.now.to_string(), "caller": example.caller, "others": others, "finding": example.finding,
        (example.call.key()): example.call.members(), "change": action, "element": element, "answer": expect,
    })
}

impl Report {
    pub(super) fn new(policies: usize, solver: Result<String, String>, properties: Vec<Settled>) -> Self {
        let count = |word| properties.iter().filter(|settled| settled.verdict == word).count();
        let (proved, refuted, unproved) = (count(Word::Proved), count(Word::Refuted), count(Word::Unproved));
        let (solver, solver_problem) = match solver {
            Ok(solver) => (Some(solver), None),
            Err(why) => (None, Some(why)),
        };
        Self { version: 1, policies, solver, solver_problem, proved, refuted, unproved, properties }
    }

    pub(super) fn exit(&self) -> Exit {
        if self.refuted + self.unproved == 0 { Exit::Fine } else { Exit::Failed }
    }

    pub(super) fn human(&self, paint: Paint, verbose: bool) -> String {
        let mut text = String::new();
        let width = self.properties.iter().map(|settled| settled.id.len()).max().unwrap_or(0);
        for settled in &self.properties {
            // Why there is no solver is told once.
            let told = self.solver_problem.as_deref();
            let why = settled.why.as_deref().filter(|why| told.is_none_or(|told| !why.ends_with(told)));
            settled.human(why, paint, width, verbose, &mut text);
        }
        let mut counts = vec![format!("{} proved", self.proved)];
        counts.extend((self.refuted > 0).then(|| format!("{} refuted", self.refuted)));
        counts.extend((self.unproved > 0).then(|| format!("{} unproved", self.unproved)));
        let policies = if self.policies == 1 { "1 policy".to_owned() } else { format!("{} policies", self.policies) };
        let _ = writeln!(text, "\n{policies}: {}", counts.join(", "));
        if let Some(why) = &self.solver_problem {
            let _ = writeln!(text, "{why}");
        }
        if let Some(solver) = self.solver.as_ref().filter(|_| verbose) {
            let _ = writeln!(text, "solver: {solver}");
        }
        text
    }
}

impl Settled {
    fn human(&self, why: Option<&str>, paint: Paint, width: usize, verbose: bool, text: &mut String) {
        let word = match self.verdict {
            Word::Proved => paint.good("proved  "),
            Word::Refuted => paint.bad("REFUTED "),
            Word::Unproved => paint.doubtful("UNPROVED"),
        };
        let _ = match self.doc.as_deref() {
            Some(doc) => writeln!(text, "{word}  {:width$}  {}", self.id, paint.faint(doc)),
            None => writeln!(text, "{word}  {}", self.id),
        };
        let mut line = |label: &str, what: &str| {
            for (place, part) in what.lines().enumerate() {
                let label = if place == 0 { label } else { "" };
                let _ = writeln!(text, "          {label}{part}");
            }
        };
        if self.verdict != Word::Proved
            && let Some(place) = &self.place
        {
            line("at ", place);
        }
        if let Some(why) = why {
            line("", why);
        }
        if let Some(counterexample) = self.counterexample.as_ref().filter(|_| verbose) {
            line("", counterexample);
        }
        if verbose {
            line("", &format!("{} queries, {:.0} ms", self.queries, self.milliseconds));
        }
        if let Some(case) = &self.case {
            text.push_str(case);
        }
    }
}
