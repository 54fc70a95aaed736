//! Policies of a path, of a pack, or of a git revision.

use super::Failure;
use crate::{
    cli::assemble,
    config,
    policy::{self, MAX_FILE, Policies, PolicyText},
};
use std::{path::Path, process::Command};

/// What names policies.
enum Named<'a> {
    /// A directory, a file or a pack.
    Here(&'a str),
    /// What a revision has under a path.
    At { revision: &'a str, path: &'a str },
    /// What a revision has under the other one's path.
    AtTheSamePath { revision: &'a str },
}

/// Reads and checks both sets.
pub(super) fn both(old: &str, new: &str) -> Result<(Policies, Policies), Failure> {
    let (old_named, new_named) = (named(old)?, named(new)?);
    let Some(path) = path(&old_named).or_else(|| path(&new_named)) else {
        return Err(Failure::broke(format!(
            "`{old}` and `{new}` are revisions, and it is not said of which policies; write `{old}:policies/`"
        )));
    };
    let read = |named: &Named<'_>| match *named {
        Named::Here(path) => assemble::texts(&config::policies_named(&[path.to_owned()])?),
        Named::At { revision, path } => texts(revision, path),
        Named::AtTheSamePath { revision } => texts(revision, path),
    };
    let load = |named: &Named<'_>| policy::load(&read(named)?).map_err(|error| Failure::Invalid(Box::new(error)));
    Ok((load(&old_named)?, load(&new_named)?))
}

fn path<'a>(named: &Named<'a>) -> Option<&'a str> {
    match named {
        Named::Here(path) | Named::At { path, .. } => Some(path),
        Named::AtTheSamePath { .. } => None,
    }
}

/// What there is counts for what it is; all else may be a revision.
fn named(text: &str) -> Result<Named<'_>, Failure> {
    if text.starts_with("pack:") || Path::new(text).exists() {
        return Ok(Named::Here(text));
    }
    if let Some((revision, path)) = text.split_once(':')
        && commit(revision).is_ok()
    {
        return Ok(Named::At { revision, path: if path.is_empty() { "." } else { path } });
    }
    match commit(text) {
        Ok(_) => Ok(Named::AtTheSamePath { revision: text }),
        Err(why) => Err(Failure::broke(format!(
            "`{text}` is no file or directory, no pack, and no git revision ({why}); expected such as `policies/`, \
             `pack:baseline`, `main` or `main:policies/`"
        ))),
    }
}

/// The commit that a revision names.
fn commit(revision: &str) -> Result<String, String> {
    let spec = format!("{revision}^{{commit}}");
    git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &spec]).map(|id| id.trim().to_owned())
}

/// The policy files that a revision has under a path: of a directory those directly in it, as of a directory on disk.
fn texts(revision: &str, path: &str) -> Result<Vec<PolicyText>, Failure> {
    let commit = commit(revision).map_err(Failure::broke)?;
    let at = |what: &str| format!("`{what}` of revision `{revision}`");
    if path.starts_with("pack:") {
        return Err(Failure::broke(format!("{} is a pack, which no revision has; name a directory", at(path))));
    }
    let clean = path.trim_end_matches('/');
    let names: Vec<String> = if is_policy(clean) {
        vec![clean.to_owned()]
    } else {
        let listed = git(&["ls-tree", "-z", "--name-only", &commit, "--", &format!("{clean}/")])
            .map_err(|why| Failure::broke(format!("cannot list {}: {why}", at(path))))?;
        listed.split('\0').filter(|name| is_policy(name)).map(str::to_owned).collect()
    };
    if names.is_empty() {
        return Err(Failure::broke(format!("{} has no file that ends in `.cedar`", at(path))));
    }
    let mut texts = Vec::with_capacity(names.len());
    for name in names {
        let text = git(&["cat-file", "blob", &format!("{commit}:./{name}")])
            .map_err(|why| Failure::broke(format!("cannot read {}: {why}", at(&name))))?;
        if text.len() > MAX_FILE {
            return Err(Failure::broke(format!("{} has more than {MAX_FILE} bytes", at(&name))));
        }
        texts.push(PolicyText { name: format!("{revision}:{name}"), text });
    }
    Ok(texts)
}

fn is_policy(name: &str) -> bool {
    config::is_policy(Path::new(name))
}

/// What git prints, or why it fails.
fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(arguments).output().map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let told = told.lines().next().unwrap_or_default().trim();
        return Err(if told.is_empty() { "git knows none of that name".to_owned() } else { told.to_owned() });
    }
    String::from_utf8(output.stdout).map_err(|_| "it is not UTF-8".to_owned())
}
