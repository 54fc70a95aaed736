//! `findings-gate bundle`: policies, and accounts perhaps, as one signed file.

mod build;
mod fetch;
mod keygen;
mod sign;
mod verify;

pub use build::BuildArgs;
pub use fetch::FetchArgs;
pub use keygen::KeygenArgs;
pub use sign::SignArgs;
pub use verify::BundleVerifyArgs;

use super::{Exit, Failure, Printer};
use crate::bundle::{LARGEST, LARGEST_SIGNATURES, SIGNATURES};
use clap::{Args, Subcommand};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

pub(super) const ABOUT: &str = "\
Build, sign and check bundles of policies.

A bundle is policies, and accounts perhaps, as one tar file, with its signatures (Ed25519) in a file beside it that ends in `.sig`. A gate takes one for its policies only if a key \
that it trusts has signed it, from a file or from a URL that it asks again and again. docs/bundles.md has all of it.";

const EXAMPLES: &str = "\
Examples:
  findings-gate bundle keygen --output release
  findings-gate bundle build --output prod.tar --name prod --number 7 \\
      --accounts accounts.toml pack:baseline policies/
  findings-gate bundle sign --key release.key prod.tar
  findings-gate bundle verify --key release.pub prod.tar

Exit codes: 0 done · 1 broke · 2 badly signed, or too old · 3 something invalid · 64 usage";

/// Arguments of `bundle`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BundleArgs {
    /// What to do
    #[command(subcommand)]
    pub command: BundleCommand,
}

/// What to do with bundles.
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Make a bundle of policies and accounts
    #[command(long_about = build::ABOUT)]
    Build(BuildArgs),
    /// Add a signature to a bundle
    #[command(long_about = sign::ABOUT)]
    Sign(SignArgs),
    /// Tell who signed a bundle and what is in it
    #[command(long_about = verify::ABOUT)]
    Verify(BundleVerifyArgs),
    /// Make a pair of keys
    #[command(long_about = keygen::ABOUT)]
    Keygen(KeygenArgs),
    /// Fetch the bundle of a configuration into its cache
    #[command(long_about = fetch::ABOUT)]
    Fetch(FetchArgs),
}

/// Does what is asked for.
pub(super) fn run(args: &BundleArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    match &args.command {
        BundleCommand::Build(args) => build::run(args, printer),
        BundleCommand::Sign(args) => sign::run(args, printer),
        BundleCommand::Verify(args) => verify::run(args, printer),
        BundleCommand::Keygen(args) => keygen::run(args, printer),
        BundleCommand::Fetch(args) => fetch::run(args, printer),
    }
}

/// The file of a bundle's signatures.
fn beside(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(SIGNATURES);
    name.into()
}

fn bundle_in(path: &Path) -> Result<Vec<u8>, Failure> {
    bytes(path, LARGEST)
}

fn signatures_in(path: &Path) -> Result<Vec<u8>, Failure> {
    bytes(path, LARGEST_SIGNATURES)
}

/// The bytes of a file. One that is too large is read only so far that it shows.
fn bytes(path: &Path, largest: usize) -> Result<Vec<u8>, Failure> {
    let refused = |error: std::io::Error| {
        Failure::broke(format_args!("cannot read `{}`: {}", path.display(), super::files::reason(&error)))
    };
    if !fs::metadata(path).map_err(refused)?.is_file() {
        return Err(Failure::broke(format_args!("cannot read `{}`: it is not a regular file", path.display())));
    }
    let mut bytes = Vec::new();
    let most = largest as u64 + 1;
    fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(refused)?;
    Ok(bytes)
}
