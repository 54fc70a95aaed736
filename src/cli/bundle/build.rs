//! `findings-gate bundle build`

use crate::{
    bundle::{Bundle, Draft},
    cli::{Exit, Failure, Printer, files},
    config,
    finding::Enforcement,
    policy::{self, PolicyText, Snapshot},
    workbench::Fleet,
};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub(super) const ABOUT: &str = "\
Make a bundle of policies and accounts.

The policies are checked as a gate checks them, and the accounts file, too: what could not be loaded is not built. The same contents always \
make the same bytes, whenever and wherever they are built, so that a bundle can be built again to see what is in it.

Files keep their names: of a directory, the files directly in it that end in `.cedar`; those of a pack are in a directory of the pack's name. \
Tests and properties are left out.";

const EXAMPLES: &str = "\
Examples:
  findings-gate bundle build --output prod.tar pack:baseline policies/
  findings-gate bundle build --output prod.tar --name prod --number 7 \\
      --revision \"$(git rev-parse HEAD)\" --accounts accounts.toml policies/

Exit codes: 0 built · 1 broke · 3 the policies or the accounts invalid · 64 usage";

/// Arguments of `bundle build`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BuildArgs {
    /// The bundle to write, with a name that ends in `.tar`
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,

    /// The accounts file to put in; gates then need none of their own
    #[arg(long, value_name = "FILE")]
    pub accounts: Option<PathBuf>,

    /// What it is for, such as `prod`: gates with `policies.bundle.name` take no other
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// What to call it, such as a commit; without one, a digest of its files
    #[arg(long, value_name = "TEXT")]
    pub revision: Option<String>,

    /// Its number, higher than that of the one before: gates that fetch it take no lower one afterwards
    #[arg(long, value_name = "NUMBER")]
    pub number: Option<u64>,

    /// Directories of policies, `.cedar` files, or packs such as `pack:baseline`
    #[arg(value_name = "POLICIES", required = true)]
    pub policies: Vec<String>,
}

pub(super) fn run(args: &BuildArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    if args.output.extension().is_none_or(|extension| extension != "tar") {
        let message =
            format!("error: `{}` does not end in `.tar`, by which a gate knows a bundle\n", args.output.display());
        printer.err(&message)?;
        return Ok(Exit::Usage);
    }
    let named = config::policies_named(&args.policies)?;
    if let Some(bundle) = &named.bundle {
        let why = format!("`{}` is a bundle itself: name what it is to be built of", bundle.source);
        return Err(Failure::invalid(why));
    }
    let mut policies = Vec::new();
    for pack in &named.packs {
        let texts = policy::pack(pack).ok_or_else(|| Failure::broke(format_args!("no pack `{pack}`")))?;
        policies
            .extend(texts.into_iter().map(|file| PolicyText { name: format!("{pack}/{}", base(&file.name)), ..file }));
    }
    if !named.paths.is_empty() {
        let texts = config::read_policies(&named.paths)?;
        for file in texts {
            let name = base(&file.name).to_owned();
            if let Some(first) = policies.iter().find(|known: &&PolicyText| known.name == name) {
                return Err(Failure::invalid(format_args!(
                    "two files would be `policies/{}` in the bundle, `{}` among them: rename one of them",
                    first.name, file.name
                )));
            }
            policies.push(PolicyText { name, ..file });
        }
    }
    let accounts = args.accounts.as_deref().map(files::read).transpose()?;
    let draft =
        Draft { name: args.name.clone(), revision: args.revision.clone(), number: args.number, policies, accounts };
    let bytes = draft.build().map_err(|why| Failure::invalid(format_args!("this makes no bundle: {why}")))?;
    let bundle = Bundle::open(&bytes).map_err(Failure::broke)?;
    loadable(&args.output, &bundle)?;
    files::write_bytes(&args.output, &bytes)?;
    printer.out(&format!("{}: {}\n", args.output.display(), summary(&bundle)))?;
    Ok(Exit::Fine)
}

/// Whether this version of the gate can load what is in a bundle, alone.
pub(super) fn loadable(path: &Path, bundle: &Bundle) -> Result<usize, Failure> {
    let texts: Vec<PolicyText> = bundle
        .policies()
        .iter()
        .map(|file| PolicyText { name: format!("{}:{}", path.display(), file.name), text: file.text.clone() })
        .collect();
    let loaded = policy::load(&texts).map_err(|error| Failure::Invalid(Box::new(error)))?;
    let accounts = config::bundled_accounts(&path.display().to_string(), bundle)?;
    // They answer the known questions for any accounts, or for none.
    let accounts = Arc::new(accounts.unwrap_or_else(|| Fleet::default().accounts()));
    Snapshot::new(loaded.rules().to_vec(), accounts, Enforcement::Reject).map_err(Failure::invalid)?;
    Ok(loaded.rules().len())
}

/// `revision 4f2a, number 7, 3 policy files, accounts, sha256:…`
pub(super) fn summary(bundle: &Bundle) -> String {
    let mut parts = Vec::new();
    parts.extend(bundle.name().map(|name| format!("for {name}")));
    parts.push(format!("revision {}", bundle.revision()));
    parts.extend(bundle.number().map(|number| format!("number {number}")));
    let count = bundle.policies().len();
    parts.push(format!("{count} policy file{}", if count == 1 { "" } else { "s" }));
    parts.extend(bundle.accounts().map(|_| "accounts".to_owned()));
    parts.push(bundle.digest().to_string());
    parts.join(", ")
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
