//! `findings-gate bundle verify`

use super::{beside, build, bundle_in, signatures_in};
use crate::{
    bundle::{Signed, Trust, Untrusted},
    cli::{Exit, Failure, Format, Printer},
    config,
};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

pub(super) const ABOUT: &str = "\
Tell who signed a bundle and what is in it.

It does what a gate does before it takes a bundle: the signatures in the file beside it are held against the keys, then its files against its \
manifest, and then its policies and accounts are loaded.";

const EXAMPLES: &str = "\
Examples:
  findings-gate bundle verify --key release.pub prod.tar
  findings-gate bundle verify --key alice.pub --key bob.pub \\
      --signatures 2 prod.tar
  findings-gate bundle verify --format json --key release.pub prod.tar \\
      | jq .number

Exit codes: 0 good · 1 broke · 2 badly signed · 3 signed, and cannot be loaded · 64 usage";

/// Arguments of `bundle verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BundleVerifyArgs {
    /// A file with a public key whose signature counts; may be given again
    #[arg(long, value_name = "FILE", required = true)]
    pub key: Vec<PathBuf>,

    /// How many of these keys must have signed
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub signatures: usize,

    /// What the bundle must say that it is for
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,

    /// The bundle
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Serialize)]
struct Verified<'v> {
    version: u32,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'v str>,
    revision: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    /// Whether it was built by a version with the same schema.
    same_schema: bool,
    signed_by: Vec<String>,
    policies: usize,
    files: Vec<&'v str>,
}

pub(super) fn run(args: &BundleVerifyArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let keys = args.key.iter().map(|path| config::public_key(path).map_err(Failure::invalid));
    let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
    keys.dedup();
    if !(1..=keys.len()).contains(&args.signatures) {
        printer.err("error: --signatures must be from 1 to the number of keys\n")?;
        return Ok(Exit::Usage);
    }
    let trust = Trust { keys, required: args.signatures, name: args.name.clone() };
    let bytes = bundle_in(&args.file)?;
    let signatures = signatures_in(&beside(&args.file))?;
    let here = args.file.display();
    let Signed { bundle, signers } = match trust.open(&bytes, &signatures) {
        Ok(signed) => signed,
        Err(why @ Untrusted::Invalid(_)) => return Err(Failure::invalid(format_args!("{here}: {why}"))),
        Err(why) => {
            printer.err(&format!("{here}: {why}\n"))?;
            return Ok(Exit::Failed);
        }
    };
    let policies = build::loadable(&args.file, &bundle)?;
    let signed_by: Vec<String> = signers.iter().map(ToString::to_string).collect();
    let accounts = bundle.accounts().map(|(name, _)| name);
    let files: Vec<&str> = accounts.into_iter().chain(bundle.policies().iter().map(|file| &*file.name)).collect();
    if args.format == Format::Json {
        printer.json(&Verified {
            version: 1,
            digest: bundle.digest().to_string(),
            name: bundle.name(),
            revision: bundle.revision(),
            number: bundle.number(),
            same_schema: bundle.is_of_this_schema(),
            signed_by,
            policies,
            files,
        })?;
        return Ok(Exit::Fine);
    }
    if !bundle.is_of_this_schema() {
        printer.warn("it was built by a version with another schema; its policies are valid by this one's, too")?;
    }
    let mut text = format!("{here}: {}\nsigned by {}\n", build::summary(&bundle), signed_by.join(", "));
    for file in files {
        text.push_str("  ");
        text.push_str(file);
        text.push('\n');
    }
    printer.out(&text)?;
    Ok(Exit::Fine)
}
