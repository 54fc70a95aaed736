//! Reading policies and properties, and settling each with the solver.

use super::{
    ProveArgs,
    report::{Report, Settled},
};
use crate::{
    cli::{Failure, policies, proving::on_a_large_stack, solver},
    config,
    policy::{self, PROPERTIES, Property, built_in, load_properties, pack_properties},
    workbench::prove::{Claim, Claims, Prover},
};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// Reads everything, and settles every claim.
pub(super) fn settle(args: &ProveArgs) -> Result<Report, Failure> {
    let (properties, paths): (Vec<&String>, Vec<&String>) =
        args.paths.iter().partition(|path| path.ends_with(PROPERTIES));
    let paths: Vec<String> = paths.into_iter().cloned().collect();
    if paths.is_empty() {
        let named = properties.first().map_or("", |path| path.as_str());
        return Err(Failure::invalid(format!("`{named}` has properties: name the policies that they are about, too")));
    }
    let loaded = policies::load(&paths, args.default_enforcement)?;
    let properties = self::properties(&paths, &properties)?;
    let mut claims: Vec<Claim> = Claim::BUILT_IN.to_vec();
    claims.extend(properties.into_iter().map(|property| Claim::Property(Box::new(property))));
    let claims = only(claims, &args.only)?;
    let settings = solver::Settings::new(args.solver.clone(), Duration::from_secs(args.timeout.into()));
    on_a_large_stack(|| on_this_thread(claims, args, &loaded, settings))?
}

/// The properties beside the policies, those of packs, those that are named, and those built in.
fn properties(paths: &[String], named: &[&String]) -> Result<Vec<Property>, Failure> {
    let mut texts = vec![built_in()];
    let (packs, paths): (Vec<&String>, Vec<&String>) = paths.iter().partition(|path| path.starts_with("pack:"));
    texts.extend(packs.iter().filter_map(|pack| pack_properties(pack.trim_start_matches("pack:"))).flatten());
    let paths: Vec<PathBuf> = paths.into_iter().chain(named.iter().copied()).map(PathBuf::from).collect();
    texts.extend(config::read_properties(&paths)?);
    let properties = load_properties(&texts).map_err(|error| Failure::Invalid(Box::new(error)))?;
    for property in &properties {
        if Claim::BUILT_IN.iter().any(|claim| *claim.id() == *property.id) {
            let origin = &property.origin;
            let place = format!("{}:{}:{}", origin.file, origin.line, origin.column);
            return Err(Failure::invalid(format!(
                "{place}: `{}` is always proved: give the property another @id",
                property.id
            )));
        }
    }
    Ok(properties)
}

/// The claims that are asked for. One that nobody makes must not pass for proved.
fn only(claims: Vec<Claim>, ids: &[String]) -> Result<Vec<Claim>, Failure> {
    if let Some(unknown) = ids.iter().find(|id| claims.iter().all(|claim| claim.id() != *id)) {
        let known: Vec<&str> = claims.iter().map(Claim::id).collect();
        let near = policy::nearest(unknown, known.iter().copied()).map(|near| format!(": did you mean `{near}`?"));
        let near = near.unwrap_or_else(|| format!(", expected one of {}", known.join(", ")));
        return Err(Failure::invalid(format!("there is no property `{unknown}`{near}")));
    }
    Ok(claims.into_iter().filter(|claim| ids.is_empty() || ids.iter().any(|id| id == claim.id())).collect())
}

fn on_this_thread(
    claims: Vec<Claim>,
    args: &ProveArgs,
    loaded: &policies::Loaded,
    settings: solver::Settings,
) -> Result<Report, Failure> {
    let mut set = Claims::new(loaded.policies.rules(), loaded.default_enforcement, args.with_shadow);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
    runtime.block_on(async {
        let solver = settings.introduce().await;
        // A solver that is none is not asked again and again.
        let absent = solver.as_ref().err().cloned();
        let mut prover = Prover::new(move || match &absent {
            Some(why) => Err(why.clone()),
            None => settings.start(),
        });
        let mut settled = Vec::with_capacity(claims.len());
        for claim in claims {
            let (began, asked) = (Instant::now(), prover.asked());
            let verdict = set.settle(&mut prover, &claim).await;
            let (took, asked) = (began.elapsed(), prover.asked() - asked);
            settled.push(Settled::new(&claim, &verdict, &mut set, took, asked));
        }
        Ok(Report::new(set.rules().len(), solver, settled))
    })
}
