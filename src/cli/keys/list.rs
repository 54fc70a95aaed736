//! `findings-gate keys list`

use super::file;
use crate::{
    cli::{Exit, Failure, Printer, files},
    config::{self, IssuedKey},
    finding::AccountId,
};
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::{fs, path::PathBuf};

pub(super) const ABOUT: &str = "\
List the keys, without their secrets.

It shows each key's id, whom it stands for, and whether a session token must come with it.";

const EXAMPLES: &str = "\
Examples:
  findings-gate keys list
  findings-gate keys list --file /etc/findings-gate/keys.toml --json

Exit codes: 0 listed · 1 broke · 3 the keys file is invalid · 64 usage";

/// Arguments of `keys list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {
    /// The keys file
    #[arg(long, value_name = "FILE", default_value = "keys.toml")]
    pub file: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Listed<'a> {
    version: u32,
    file: String,
    keys: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    account: AccountId,
    principal: &'a str,
    session_token: bool,
    minimum_enforcement: &'a str,
}

impl<'a> Entry<'a> {
    fn of(IssuedKey { key, .. }: &'a IssuedKey) -> Self {
        Self {
            id: &key.id,
            account: key.account,
            principal: &key.principal,
            session_token: key.session_token.is_some(),
            minimum_enforcement: key.minimum_enforcement.as_str(),
        }
    }
}

/// Lists the keys.
pub(super) fn run(args: &ListArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let keys = config::issued_keys(&args.file, &files::read(&args.file)?)?;
    let entries: Vec<Entry<'_>> = keys.iter().map(Entry::of).collect();
    if args.json {
        printer.json(&Listed { version: 1, file: args.file.display().to_string(), keys: entries })?;
    } else if entries.is_empty() {
        printer.out(&format!("{} has no keys\n", args.file.display()))?;
    } else {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["key", "account", "principal", "session token", "at the least"]);
        for Entry { id, account, principal, session_token, minimum_enforcement } in &entries {
            let token = if *session_token { "yes" } else { "no" };
            table.add_row([id, account.as_str(), principal, token, minimum_enforcement]);
        }
        printer.out(&format!("{table}\n"))?;
    }
    if fs::metadata(&args.file).is_ok_and(|metadata| file::open_to_others(&metadata)) {
        let file = args.file.display();
        printer.warn(&format!(
            "`{file}` holds secrets and is open to every user of this machine: run `chmod o-rwx '{file}'`"
        ))?;
    }
    Ok(Exit::Fine)
}
