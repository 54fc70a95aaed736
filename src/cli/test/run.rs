//! Running the suites that were found, each with its policies.

use super::{Failure, TestArgs, export::Export, find};
use crate::{
    cli::policies::{self, Loaded},
    cli::proving::{Session, Settled, on_a_large_stack},
    finding::Enforcement,
    policy::{Engine, LoadError, PROPERTIES, PolicyText, Property, Recorded, Recorder, load_properties},
    workbench::{
        Coverage, CoverageReport,
        report::TestReport,
        suite::{Case, CaseReport, Mismatch, Status, Suite, SuiteError},
    },
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a run came to.
pub(super) struct Run {
    pub(super) report: TestReport,
    /// What was asked, where it is to be exported.
    pub(super) exports: Vec<Export>,
    /// What was seen of the policies, where that is asked for.
    pub(super) coverage: Option<CoverageReport>,
    /// The suites, and the files and directories of their policies.
    pub(super) files: Vec<PathBuf>,
}

/// Runs every suite.
pub(super) fn all(args: &TestArgs) -> Result<Run, Failure> {
    let find::Found { suites, problems } = find::suites(&args.paths)?;
    let mut run = Run {
        report: TestReport { problems, ..TestReport::default() },
        exports: Vec::new(),
        coverage: None,
        files: suites.clone(),
    };
    let mut policies = PolicyCache::default();
    let mut coverage = Coverages::default();
    for path in suites {
        let suite = match read(&path)? {
            Ok(suite) => suite,
            Err(error) => {
                run.report.broken.push(error);
                if args.fail_fast {
                    break;
                }
                continue;
            }
        };
        let paths = policy_paths(&path, &suite);
        run.files.extend(paths.iter().filter(|path| !path.starts_with("pack:")).map(PathBuf::from));
        let loaded = policies.get(&paths, suite.default_enforcement)?;
        one(args, &suite, &loaded, &mut run, &mut coverage)?;
        if args.fail_fast && run.report.counts().failed > 0 {
            break;
        }
    }
    run.coverage = args.coverage.wanted().then(|| coverage.report());
    let counts = run.report.counts();
    if counts == <_>::default() {
        let name = args.name.as_deref().unwrap_or_default();
        run.report.problems.push(format!("no case has `{name}` in its name: nothing was tested"));
    } else if counts.passed + counts.failed + counts.broken == 0 {
        run.report.problems.push("every case is skipped: nothing was tested".to_owned());
    }
    Ok(run)
}

fn one(
    args: &TestArgs,
    suite: &Suite,
    loaded: &Arc<Loaded>,
    run: &mut Run,
    coverage: &mut Coverages,
) -> Result<(), Failure> {
    let unknown = suite.unknown_policies(loaded.policies.rules());
    if !unknown.is_empty() {
        run.report.broken.push(SuiteError::new(&suite.file, unknown));
        return Ok(());
    }
    let snapshot = loaded.snapshot(suite.accounts())?;
    let wanted =
        |case: &Case| args.name.as_ref().is_none_or(|name| case.name.contains(&**name) || suite.name.contains(&**name));
    let properties = match properties(suite) {
        Ok(properties) => properties,
        Err(error) => {
            run.report.broken.push(SuiteError::new(&suite.file, error.problems().to_vec()));
            return Ok(());
        }
    };
    let mut engine = Engine::new(snapshot.clone());
    let mut report = suite.run(&mut engine, wanted, args.fail_fast);
    let wanted_property = |property: &Property| {
        let named = |name: &String| property.id.contains(&**name) || suite.name.contains(&**name);
        args.name.as_ref().is_none_or(named)
    };
    report.cases.extend(settled(loaded, properties.into_iter().filter(wanted_property).collect())?);
    if args.export.is_some() || args.coverage.wanted() {
        let mut recorder = Recorder::new(engine, snapshot);
        suite.ask(&mut recorder, wanted);
        let asked = recorder.take();
        if args.export.is_some() {
            run.exports.push(Export::new(suite, loaded, &asked));
        }
        coverage.observe(loaded, &asked)?;
    }
    if !report.cases.is_empty() {
        run.report.policies.add(&suite.file, loaded.policies.rules());
        run.report.suites.push(report);
    }
    Ok(())
}

/// The properties that a suite names, relative to its own directory.
fn properties(suite: &Suite) -> Result<Vec<Property>, LoadError> {
    let directory = Path::new(&suite.file).parent().map(Path::to_owned).unwrap_or_default();
    let mut texts = Vec::with_capacity(suite.properties.len());
    for name in &suite.properties {
        let path = directory.join(name);
        let refused = |why: String| LoadError::new(vec![suite.problem(format!("`properties` names `{name}`: {why}"))]);
        if !name.ends_with(PROPERTIES) {
            return Err(refused(format!("its name does not end in `{PROPERTIES}`")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
        texts.push(PolicyText { name: path.display().to_string(), text });
    }
    load_properties(&texts)
}

/// What became of properties, as cases: proved, refuted, or without a solver skipped.
fn settled(loaded: &Loaded, properties: Vec<Property>) -> Result<Vec<CaseReport>, Failure> {
    if properties.is_empty() {
        return Ok(Vec::new());
    }
    let name = |property: &Property| format!("property {} ({})", property.id, property.origin.place());
    let names: Vec<String> = properties.iter().map(name).collect();
    let settled = on_a_large_stack(|| {
        Ok::<_, Failure>(
            Session::start()?
                .map(|mut solver| solver.settle(loaded.policies.rules(), loaded.default_enforcement, properties)),
        )
    })??;
    let statuses: Vec<Status> = match settled {
        Err(why) => names.iter().map(|_| Status::Skipped(why.clone())).collect(),
        Ok(settled) => settled.into_iter().map(status).collect(),
    };
    let case = |(name, status)| CaseReport { name, line: 1, status, decided: None };
    Ok(names.into_iter().zip(statuses).map(case).collect())
}

fn status(settled: Settled) -> Status {
    let failed = |got: String| Status::Failed(vec![Mismatch::new("property", "proved", got, Vec::new())]);
    match settled {
        Settled::Proved => Status::Passed,
        Settled::Refuted(why) => failed(format!("refuted: {why}")),
        Settled::Unproved(why) => failed(format!("unproved: {why}")),
    }
}

/// What is seen of each set of policies.
#[derive(Default)]
struct Coverages {
    by_set: Vec<(Arc<Loaded>, Coverage)>,
}

impl Coverages {
    fn observe(&mut self, loaded: &Arc<Loaded>, recorded: &[Recorded]) -> Result<(), Failure> {
        let known = self.by_set.iter().position(|(set, _)| Arc::ptr_eq(set, loaded));
        let at = known.unwrap_or(self.by_set.len());
        if known.is_none() {
            let coverage = Coverage::new(loaded.policies.rules()).map_err(Failure::broke)?;
            self.by_set.push((loaded.clone(), coverage));
        }
        self.by_set[at].1.observe(recorded);
        Ok(())
    }

    fn report(&self) -> CoverageReport {
        CoverageReport::merged(self.by_set.iter().map(|(set, coverage)| coverage.report(&set.texts)))
    }
}

/// Reads a suite from its file.
pub(in crate::cli) fn read(path: &Path) -> Result<Result<Suite, SuiteError>, Failure> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::broke(format!("cannot read `{name}`: {error}")))?;
    Ok(Suite::parse(&name, &text))
}

/// The policies that a suite is about: what it names, relative to its own directory, or what lies beside it.
pub(in crate::cli) fn policy_paths(path: &Path, suite: &Suite) -> Vec<String> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match &suite.policies {
        None => vec![directory.display().to_string()],
        Some(named) => {
            let relative = |named: &String| match named.strip_prefix("pack:") {
                Some(_) => named.clone(),
                None => directory.join(named).display().to_string(),
            };
            named.iter().map(relative).collect()
        }
    }
}

/// Policies by where they come from: suites that lie side by side share them.
#[derive(Default)]
pub(in crate::cli) struct PolicyCache {
    known: HashMap<(Vec<String>, Enforcement), Arc<Loaded>>,
}

impl PolicyCache {
    pub(in crate::cli) fn get(&mut self, paths: &[String], default: Enforcement) -> Result<Arc<Loaded>, Failure> {
        let key = (paths.to_vec(), default);
        if let Some(loaded) = self.known.get(&key) {
            return Ok(loaded.clone());
        }
        let loaded = Arc::new(policies::load(paths, default)?);
        self.known.insert(key, loaded.clone());
        Ok(loaded)
    }
}
