//! `findings-gate bundle sign`

use super::{beside, bundle_in, signatures_in};
use crate::{
    bundle::{Bundle, KeyPair, Signatures},
    cli::{Exit, Failure, Printer, files},
    config::Secret,
};
use clap::Args;
use std::path::{Path, PathBuf};

pub(super) const ABOUT: &str = "\
Add a signature to a bundle.

It goes into the file beside the bundle that ends in `.sig`, besides those of other keys on the same bundle: while a key is being replaced, sign \
with both. Signatures on another bundle than FILE is now are dropped.

The key is a PEM file with an Ed25519 private key (PKCS #8), as `bundle keygen` and `openssl genpkey -algorithm ed25519` make it.";

const EXAMPLES: &str = "\
Examples:
  findings-gate bundle sign --key release.key prod.tar
  findings-gate bundle sign --key old.key --key new.key prod.tar

Exit codes: 0 signed · 1 broke · 3 the bundle or the key invalid · 64 usage";

/// Arguments of `bundle sign`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SignArgs {
    /// The file with the private key; may be given again
    #[arg(long, value_name = "FILE", required = true)]
    pub key: Vec<PathBuf>,

    /// The bundle
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

pub(super) fn run(args: &SignArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let bytes = bundle_in(&args.file)?;
    let bundle = Bundle::open(&bytes)
        .map_err(|why| Failure::invalid(format_args!("`{}` is no bundle: {why}", args.file.display())))?;
    let file = beside(&args.file);
    let invalid = |why: &dyn std::fmt::Display| Failure::invalid(format_args!("`{}`: {why}", file.display()));
    let mut signatures = if file.exists() {
        let there = Signatures::parse(&signatures_in(&file)?).map_err(|why| invalid(&why))?;
        if there.digest() == bundle.digest() {
            there
        } else {
            printer.warn(&format!("`{}` was of another bundle, and its signatures are dropped", file.display()))?;
            Signatures::of(bundle.digest())
        }
    } else {
        Signatures::of(bundle.digest())
    };
    let mut signed = Vec::with_capacity(args.key.len());
    for path in &args.key {
        let key = signatures.sign(&pair(path, printer)?).map_err(|why| invalid(&why))?;
        signed.push(key.to_string());
    }
    files::write(&file, &signatures.to_text())?;
    let digest = bundle.digest();
    printer.out(&format!("{}: {digest} is signed by {}\n", file.display(), signed.join(", ")))?;
    Ok(Exit::Fine)
}

fn pair(path: &Path, printer: &mut Printer) -> Result<KeyPair, Failure> {
    let pem = Secret::new(files::read(path)?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            printer.warn(&format!(
                "`{0}` is a private key and open to others on this machine: run `chmod 600 '{0}'`",
                path.display()
            ))?;
        }
    }
    KeyPair::from_pem(pem.expose()).map_err(|why| Failure::invalid(format_args!("`{}` {why}", path.display())))
}
