//! `findings-gate keys add`

use super::{
    file::KeysFile,
    new::{self, New},
    text,
};
use crate::{
    cli::{Exit, Failure, Printer},
    config,
    finding::{AccountId, Enforcement},
};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

pub(super) const ABOUT: &str = "\
Issue a key, and show its secret this once.

The key goes to the end of the keys file, which is made, for its owner only, where there is none. What a client needs is printed as a profile of \
~/.aws/credentials. An account may have any number of keys.";

const EXAMPLES: &str = "\
Examples:
  findings-gate keys add --account 222222222222 \\
      --principal arn:aws:iam::222222222222:role/triage
  findings-gate keys add --file /etc/findings-gate/keys.toml \\
      --account 222222222222 --principal soar --minimum-enforcement refuse
  findings-gate keys add --account 222222222222 --principal triage --json

Exit codes: 0 added · 1 broke · 3 the keys file is invalid · 64 usage";

/// Arguments of `keys add`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AddArgs {
    /// The keys file
    #[arg(long, value_name = "FILE", default_value = "keys.toml")]
    pub file: PathBuf,

    /// The account that a caller with the key acts for
    #[arg(long, value_name = "ID")]
    pub account: AccountId,

    /// The principal that a caller with the key is: an ARN or a name, which policies and logs show
    #[arg(long, value_name = "PRINCIPAL", value_parser = principal)]
    pub principal: String,

    /// The key's id; by default a random one
    #[arg(long, value_name = "ID", value_parser = id)]
    pub id: Option<String>,

    /// What a denial does to a caller with the key at the least
    #[arg(long, value_name = "ENFORCEMENT", default_value = "strip", value_enum)]
    pub minimum_enforcement: Enforcement,

    /// Take from other users of the machine what they may do with the file, instead of refusing it
    #[arg(long)]
    pub fix_mode: bool,

    /// Print one JSON object, with the secret
    #[arg(long)]
    pub json: bool,
}

fn id(text: &str) -> Result<String, &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    ((1..=128).contains(&text.len()) && text.bytes().all(fits))
        .then(|| text.to_owned())
        .ok_or("expected 1 to 128 letters, digits, `_` or `-`")
}

fn principal(text: &str) -> Result<String, &'static str> {
    ((1..=2048).contains(&text.len()) && !text.contains(char::is_control))
        .then(|| text.to_owned())
        .ok_or("expected 1 to 2048 bytes without control characters")
}

/// What `--json` prints.
#[derive(Serialize)]
struct Added<'a> {
    version: u32,
    file: String,
    id: &'a str,
    secret: &'a str,
    account: AccountId,
    principal: &'a str,
    minimum_enforcement: &'a str,
}

/// Adds a key and shows it.
pub(super) fn run(args: &AddArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let file = KeysFile::open(&args.file, args.fix_mode)?;
    let id = match &args.id {
        Some(id) => id.clone(),
        None => new::id()?,
    };
    let mut ids: Vec<&str> = file.keys().iter().map(|issued| issued.key.id.as_str()).collect();
    if ids.contains(&&*id) {
        return Err(Failure::broke(format!(
            "`{}` has a key `{id}` already: an id stands for one key; without `--id` the new one gets a random id",
            file.named().display()
        )));
    }
    ids.push(&id);
    let new = New {
        id: id.clone(),
        secret: new::secret()?,
        account: args.account,
        principal: args.principal.clone(),
        minimum_enforcement: args.minimum_enforcement,
    };
    file.replace(&text::appended(file.text(), &new.table()), &ids)?;
    show(&new, &file, args.json, printer).map_err(|error| {
        Failure::broke(format!(
            "the key `{id}` was added, and its secret could not be printed: {error}. Revoke it, and add another"
        ))
    })?;
    Ok(Exit::Fine)
}

/// The secret goes to standard output alone, as lines to be put where they belong; what is to be said about it to standard error.
fn show(new: &New, file: &KeysFile, json: bool, printer: &mut Printer) -> std::io::Result<()> {
    let New { id, secret, account, principal, minimum_enforcement } = new;
    let named = file.named().display();
    if json {
        printer.json(&Added {
            version: 1,
            file: named.to_string(),
            id,
            secret: secret.expose(),
            account: *account,
            principal,
            minimum_enforcement: minimum_enforcement.as_str(),
        })?;
    } else {
        printer.out(&format!(
            "[findings-gate]\naws_access_key_id = {id}\naws_secret_access_key = {}\n",
            secret.expose()
        ))?;
        let (made, others) = (if file.exists() { "" } else { ", which is new" }, of_account(file, *account));
        printer.err(&format!(
            "\nadded key {id} to {named}{made}: account {account}, principal {principal}{others}\n\
             Its secret is shown this once. The lines above are a profile of ~/.aws/credentials: give them to whoever calls, and to nobody \
             else.\nThe gate knows the key when it has read {named} anew.\n"
        ))?;
    }
    if let Some(doubt) = config::doubtful_principal(&format!("key `{id}`"), principal, *account) {
        printer.warn(&doubt)?;
    }
    Ok(())
}

fn of_account(file: &KeysFile, account: AccountId) -> String {
    match file.keys().iter().filter(|issued| issued.key.account == account).count() {
        0 => String::new(),
        1 => " (the account's second key)".to_owned(),
        more => format!(" (the account has {} keys now)", more + 1),
    }
}
