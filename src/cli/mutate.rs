//! `findings-gate mutate`

use super::{
    Exit, Failure, Format, Printer, diff,
    policies::Loaded,
    proving::{Session, Shown, Sought, on_a_large_stack},
    test::{self, PolicyCache},
};
use crate::{
    finding::Enforcement,
    policy::{Engine, Rule, Snapshot},
    workbench::{
        Fleet, Outcome, ask,
        diff::{Difference, Side, first_difference},
        mutate::{self, Fate, Gap, Mutant, Score, Scored, Settled, mutants},
        suite::{Status, Suite},
    },
};
use clap::Args;
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

pub(super) const ABOUT: &str = "\
Find the slips in policies that their tests would not notice.

Each policy is changed a little, one change at a time, as people slip: an operand is dropped, `<` becomes `<=`, a value becomes \
another one, a scope is widened, a clause is left out. If no test fails, the change has survived: it changes nothing, which is \
proved; or it is a gap in the tests, and then a case that would notice it is printed, ready to paste; or it is open which.";

const EXAMPLES: &str = "\
Examples:
  # With every suite below this directory
  findings-gate mutate
  findings-gate mutate policies/baseline --min-score 100
  findings-gate mutate --policy members-do-not-suppress
  findings-gate mutate --format json |
      jq '.mutants[] | select(.fate == \"gap\")'

Exit codes: 0 fine · 1 broke · 2 the tests fail, or the score is too low · 3 a policy is invalid · 64 usage";

/// Arguments of `mutate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MutateArgs {
    /// Directories that are searched for suites, and suites
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,

    /// Only slips of this policy; may be given again
    #[arg(long, value_name = "ID")]
    pub policy: Vec<String>,

    /// Fail if the tests notice less than this of the slips that change something, of a hundred
    #[arg(long, value_name = "PERCENT", value_parser = super::test::percent)]
    pub min_score: Option<f64>,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Suites that are about one set of policies.
struct Set {
    paths: Vec<String>,
    policies: Arc<Loaded>,
    suites: Vec<Suite>,
}

/// Runs the tests against every mutant, and prints what became of them.
pub(super) fn run(args: &MutateArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let sets = match sets(args)? {
        Ok(sets) => sets,
        Err(told) => {
            printer.err(&told)?;
            return Ok(Exit::Failed);
        }
    };
    for set in &sets {
        if let Some(failed) = first_failure(set.policies.policies.rules(), set) {
            printer.err(&format!("the tests fail as the policies are ({failed}): see `findings-gate test`\n"))?;
            return Ok(Exit::Failed);
        }
    }
    let score = on_a_large_stack(|| {
        let mut score = Score::default();
        let mut solver = Session::start()?;
        for set in &sets {
            of_set(args, set, &mut solver, &mut score)?;
        }
        Ok::<_, Failure>(score)
    })??;
    if score.mutants.is_empty() {
        printer.err("no slip was tried: there is no policy of that name\n")?;
        return Ok(Exit::Failed);
    }
    match args.format {
        Format::Human => printer.out(&mutate::human(&score, printer.paint()))?,
        Format::Json => printer.json(&mutate::json(&score))?,
    }
    let percent = score.tally().percent();
    match args.min_score.filter(|min| percent < *min) {
        Some(min) => {
            printer
                .err(&format!("the score is {:.1} %, expected at least {min} %\n", (percent * 10.0).floor() / 10.0))?;
            Ok(Exit::Failed)
        }
        None => Ok(Exit::Fine),
    }
}

/// The suites by the policies that they are about, or why they cannot be run.
fn sets(args: &MutateArgs) -> Result<Result<Vec<Set>, String>, Failure> {
    let found = test::suites(&args.paths)?;
    if let Some(problem) = found.problems.first() {
        return Ok(Err(format!("{problem}\n")));
    }
    let mut cache = PolicyCache::default();
    let mut sets: Vec<Set> = Vec::new();
    for path in &found.suites {
        let suite = match test::read(path)? {
            Ok(suite) => suite,
            Err(error) => return Ok(Err(format!("{error}: see `findings-gate test`\n"))),
        };
        // Suites may say different things of what no policy says, and be about the same policies.
        let paths = test::policy_paths(path, &suite);
        let policies = cache.get(&paths, suite.default_enforcement)?;
        match sets.iter_mut().find(|set| set.paths == paths) {
            Some(set) => set.suites.push(suite),
            None => sets.push(Set { paths, policies, suites: vec![suite] }),
        }
    }
    Ok(Ok(sets))
}

/// A solver, or why there is none.
type Solver = Result<Session, String>;

fn of_set(args: &MutateArgs, set: &Set, solver: &mut Solver, score: &mut Score) -> Result<(), Failure> {
    let rules = set.policies.policies.rules();
    let wanted = |mutant: &Mutant| args.policy.is_empty() || args.policy.iter().any(|id| **id == *mutant.policy);
    for mutant in mutants(rules).map_err(Failure::broke)?.into_iter().filter(wanted) {
        let changed = mutant.applied(rules);
        let fate = match first_failure(&changed, set) {
            Some(case) => Fate::Killed(case),
            None => Fate::Survived(settle(set, &mutant, &changed, solver)?),
        };
        score.mutants.push(Scored { mutant, fate });
    }
    Ok(())
}

/// The first case that fails with these policies; nothing if all pass. Policies that cannot be served with fail by themselves.
fn first_failure(rules: &[Rule], set: &Set) -> Option<String> {
    for suite in &set.suites {
        let accounts = Arc::new(suite.accounts());
        let snapshot = match Snapshot::new(rules.to_vec(), accounts, suite.default_enforcement) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(error) => return Some(error.to_string()),
        };
        let report = suite.run(&mut Engine::new(snapshot), |_| true, true);
        let failed = report.cases.into_iter().find(|case| matches!(case.status, Status::Failed(_)));
        if let Some(case) = failed {
            return Some(case.name);
        }
    }
    None
}

/// What is known of a mutant that no question tells apart.
const SOUGHT: &str = "no question that the policies distinguish tells it apart";

/// What a mutant that survived is: a gap, if there is a question that tells it apart; nothing, if it is proved that there is none.
fn settle(set: &Set, mutant: &Mutant, changed: &[Rule], solver: &mut Solver) -> Result<Settled, Failure> {
    let rules = set.policies.policies.rules();
    let default_enforcement = set.policies.default_enforcement;
    let side = |rules| Side { rules, default_enforcement };
    let original = rules.iter().find(|rule| rule.id == mutant.policy);
    let both = || original.into_iter().chain(&mutant.rule);
    let speaks = |role, action| both().any(|rule| rule.can_apply(role, action));
    if let Some(difference) = first_difference(side(rules), side(changed), speaks).map_err(diff::failure)? {
        return Ok(Settled::Gap(Box::new(gap(&difference, mutant))));
    }
    if original.zip(mutant.rule.as_ref()).is_some_and(|(old, new)| old.enforcement != new.enforcement) {
        let why = format!("{SOUGHT}; what a denial does is nothing that a proof could be about");
        return Ok(Settled::Unsettled(why));
    }
    let solver = match solver {
        Ok(solver) => solver,
        Err(why) => return Ok(Settled::Unsettled(format!("{SOUGHT}, and it is not proved that none does: {why}"))),
    };
    for kind in solver.compare(rules, changed, default_enforcement) {
        for sought in [kind.wider, kind.narrower] {
            match sought {
                Sought::None => {}
                Sought::Unproved(why) => {
                    return Ok(Settled::Unsettled(format!("{SOUGHT}, and it is not proved that none does: {why}")));
                }
                Sought::Shown(shown) => return shown_gap(set, mutant, &shown, rules),
            }
        }
    }
    // The same is allowed. A forbid also says by which policy something is denied, and what that does: so questions that it alone
    // matches are asked.
    let lone = |rule: Option<&Rule>| rule.and_then(mutate::as_permit).into_iter().collect::<Vec<_>>();
    for kind in solver.compare(&lone(original), &lone(mutant.rule.as_ref()), default_enforcement) {
        for sought in [kind.wider, kind.narrower] {
            if let Sought::Shown(shown) = sought
                && denied(&shown, rules, default_enforcement)? != denied(&shown, changed, default_enforcement)?
            {
                return shown_gap(set, mutant, &shown, rules);
            }
        }
    }
    Ok(Settled::Equivalent)
}

fn shown_gap(set: &Set, mutant: &Mutant, shown: &Shown, rules: &[Rule]) -> Result<Settled, Failure> {
    let (outcome, by) = denied(shown, rules, set.policies.default_enforcement)?;
    let case = shown.example.to_case(&case_name(mutant), &serde_json::json!({ "outcome": outcome, "by": by }));
    Ok(Settled::Gap(Box::new(Gap { example: shown.example.clone(), case })))
}

/// What becomes of a question by these policies, and by which of them it is denied.
fn denied(
    shown: &Shown,
    rules: &[Rule],
    default_enforcement: Enforcement,
) -> Result<(Outcome, BTreeSet<String>), Failure> {
    let fleet = Fleet::of(std::iter::once(&shown.example.caller).chain(&shown.others)).map_err(Failure::broke)?;
    let snapshot = Snapshot::new(rules.to_vec(), Arc::new(fleet.accounts()), default_enforcement);
    let mut engine = Engine::new(Arc::new(snapshot.map_err(Failure::invalid)?));
    let decided = ask(&mut engine, &shown.example).map_err(Failure::broke)?;
    Ok((decided.outcome, decided.denied_by()))
}

fn case_name(mutant: &Mutant) -> String {
    format!("{}, not: {}", mutant.policy, mutant.what)
}

fn gap(difference: &Difference, mutant: &Mutant) -> Gap {
    let case = difference.example.to_case(&case_name(mutant), &difference.expectation());
    Gap { example: difference.example.clone(), case }
}
