//! `findings-gate keys revoke`

use super::{file::KeysFile, text};
use crate::cli::{Exit, Failure, Printer};
use clap::Args;
use std::path::PathBuf;

pub(super) const ABOUT: &str = "\
Take a key out.

Its table leaves the keys file, with the comments right above it. The gate refuses the key from when it has read the file anew.";

const EXAMPLES: &str = "\
Examples:
  findings-gate keys revoke FGAKQ3J5XM2T7ZB4WCDE
  findings-gate keys revoke AKIAPAYMENTS --file /etc/findings-gate/keys.toml

Exit codes: 0 revoked · 1 there is no such key, or it broke · 3 the keys file is invalid · 64 usage";

/// Arguments of `keys revoke`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RevokeArgs {
    /// The key's id
    #[arg(value_name = "ID")]
    pub id: String,

    /// The keys file
    #[arg(long, value_name = "FILE", default_value = "keys.toml")]
    pub file: PathBuf,

    /// Take from other users of the machine what they may do with the file, instead of refusing it
    #[arg(long)]
    pub fix_mode: bool,
}

/// Takes the key out.
pub(super) fn run(args: &RevokeArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let file = KeysFile::open(&args.file, args.fix_mode)?;
    let named = file.named().display();
    if !file.exists() {
        return Err(Failure::broke(format!("cannot read `{named}`: there is no such file")));
    }
    let keys = file.keys();
    let Some(index) = keys.iter().position(|issued| issued.key.id == args.id) else {
        return Err(Failure::broke(format!(
            "`{named}` has no key `{}`: `findings-gate keys list` shows those it has",
            args.id
        )));
    };
    let tables: Vec<usize> = keys.iter().map(|issued| issued.place).collect();
    let Some(text) = text::without(file.text(), &tables, index) else {
        return Err(Failure::broke(format!(
            "`{named}` is laid out in a way that this cannot change: take the key out by hand, or give each key a `[[key]]` table of its own"
        )));
    };
    let left: Vec<_> = keys.iter().filter(|issued| issued.key.id != args.id).collect();
    let ids: Vec<&str> = left.iter().map(|issued| issued.key.id.as_str()).collect();
    file.replace(&text, &ids)?;
    let key = &keys[index].key;
    let others = left.iter().filter(|issued| issued.key.account == key.account).count();
    let others = match others {
        0 => "; the account has no other key here".to_owned(),
        1 => "; the account has another key here".to_owned(),
        _ => format!("; the account has {others} other keys here"),
    };
    printer
        .out(&format!("revoked key {} of account {}, principal {}{others}\n", key.id, key.account, key.principal))?;
    printer.err(&format!("The gate refuses it when it has read {named} anew.\n"))?;
    if left.is_empty() {
        printer.warn(&format!("no key is left in {named}: nobody can call by it any more"))?;
    }
    Ok(Exit::Fine)
}
