//! `findings-gate bundle keygen`

use crate::{
    bundle::KeyPair,
    cli::{Exit, Failure, Printer, files},
};
use clap::Args;
use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

pub(super) const ABOUT: &str = "\
Make a pair of keys.

NAME.key is the private key, which signs: for the pipeline that builds bundles, and nowhere else. NAME.pub is the public key, which gates are \
given in `policies.bundle.keys`. Files that are there are not written over.

They are as OpenSSL has them: `openssl genpkey -algorithm ed25519 -out NAME.key` and `openssl pkey -in NAME.key -pubout -out NAME.pub` make \
the same.";

const EXAMPLES: &str = "\
Examples:
  findings-gate bundle keygen --output release

Exit codes: 0 made · 1 broke, or a file is there · 64 usage";

/// Arguments of `bundle keygen`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KeygenArgs {
    /// The name of both files, without their ends
    #[arg(long, short, value_name = "NAME")]
    pub output: PathBuf,
}

pub(super) fn run(args: &KeygenArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let named = |end: &str| {
        let mut name = args.output.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let (private, public) = (named(".key"), named(".pub"));
    if public.exists() {
        return Err(Failure::broke(format_args!(
            "`{}` is there already: remove it, or choose another name",
            public.display()
        )));
    }
    let (pair, pem) = KeyPair::generate().map_err(|why| Failure::broke(format_args!("a key {why}")))?;
    create(&private, &pem, 0o600)?;
    create(&public, &pair.public().to_pem(), 0o644)?;
    printer.out(&format!("{} and {}: key {}\n", private.display(), public.display(), pair.public().id()))?;
    Ok(Exit::Fine)
}

fn create(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AlreadyExists => "it is there already: remove it, or choose another name".to_owned(),
            _ => files::reason(&error),
        };
        Failure::broke(format_args!("cannot write `{}`: {why}", path.display()))
    })
}
