//! The accounts file: one administrator and its members.

use super::{
    problem::{ConfigError, Origin, Problem, Problems},
    read,
    value::{self, Kind, Table, Value},
};
use crate::finding::{AccountId, Accounts, Member};
use std::{
    collections::{HashMap, hash_map},
    path::Path,
};

/// The most members: nearly twice what Security Hub lets one administrator have (11,000).
const MOST_MEMBERS: usize = 20_000;
/// The most groups of one member.
const MOST_GROUPS: usize = 64;
/// The longest name, of a member or a group, in bytes.
const LONGEST_NAME: usize = 256;

const AN_ACCOUNT: &str = "an account id of twelve digits in quotes, such as \"111122223333\"";
const A_NAME: &str = "a name of 1 to 256 bytes without control characters";

/// Reads an accounts file that no configuration names.
pub fn read_accounts(path: &Path) -> Result<Accounts, ConfigError> {
    let mut problems = Problems::default();
    let accounts = read(path, &Origin::Default, &mut problems);
    problems.into_result()?;
    accounts.ok_or_else(ConfigError::unexplained)
}

/// Reads the accounts file. `named_at` is where its path was given.
pub(super) fn read(path: &Path, named_at: &Origin, problems: &mut Problems) -> Option<Accounts> {
    let text = match read::text(path, read::LONGEST_FILE) {
        Ok(text) => text,
        Err(why) => {
            problems.add(Problem::new(named_at.clone(), format!("the accounts file: {why}")));
            return None;
        }
    };
    let source = problems.open(path, &text);
    let entries = value::parse(&source, &text, problems)?;
    let mut table = Table::new("", entries, Origin::File(source, 0..0));
    let before = problems.count();

    let administrator = table.require("administrator", AN_ACCOUNT, problems);
    let administrator = administrator.and_then(|value| account(&value, "administrator", problems));
    let items = table.take_list("member", problems);
    table.finish(&["administrator", "member"], problems);
    if let Some(one_too_many) = items.get(MOST_MEMBERS) {
        let message = format!("there are {} members: expected at most {MOST_MEMBERS}", items.len());
        problems.add(Problem::new(one_too_many.origin.clone(), message));
        return None;
    }

    let mut members: HashMap<AccountId, (usize, Member)> = HashMap::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let Some(mut table) = Table::of(format!("member.{index}"), item, problems) else { continue };
        let key = table.path("account");
        let value = table.require("account", AN_ACCOUNT, problems);
        let id = value.as_ref().and_then(|value| account(value, &key, problems));
        let member = Member { name: name(&mut table, problems), groups: groups(&mut table, problems) };
        table.finish(&["account", "name", "groups"], problems);
        let (Some(value), Some(id)) = (value, id) else { continue };
        if Some(id) == administrator {
            let message = format!("`{key}` is \"{id}\", which is the administrator: an account is never both");
            let help = "remove this member: the administrator updates its own findings too";
            problems.add(Problem::new(value.origin, message).help(help));
            continue;
        }
        match members.entry(id) {
            hash_map::Entry::Occupied(first) => {
                let message = format!("`{key}` is \"{id}\", as `member.{}.account` is already", first.get().0);
                problems.add(Problem::new(value.origin, message).help("remove one of the two members"));
            }
            hash_map::Entry::Vacant(place) => {
                place.insert((index, member));
            }
        }
    }
    if problems.count() > before {
        return None;
    }
    Some(Accounts::new(administrator?, members.into_iter().map(|(id, (_, member))| (id, member))))
}

/// An account id, as text: a number would have lost its leading zeros.
pub(super) fn account(value: &Value, key: &str, problems: &mut Problems) -> Option<AccountId> {
    let id = value.text().and_then(AccountId::parse);
    if id.is_none() {
        problems.add(value.misspelt(key, AN_ACCOUNT));
    }
    id
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains(char::is_control)
}

fn name(table: &mut Table, problems: &mut Problems) -> String {
    let Some(value) = table.take("name") else { return String::new() };
    match value.text() {
        Some(text) if is_name(text) => return text.to_owned(),
        _ => problems.add(value.misspelt(&table.path("name"), A_NAME)),
    }
    String::new()
}

fn groups(table: &mut Table, problems: &mut Problems) -> Vec<String> {
    let Some(value) = table.take("groups") else { return Vec::new() };
    let key = table.path("groups");
    let Kind::List(items) = &value.kind else {
        problems.add(value.mistyped(&key, "a list of names, such as [\"ou/prod\"]"));
        return Vec::new();
    };
    if items.len() > MOST_GROUPS {
        let message = format!("`{key}` has {} groups: expected at most {MOST_GROUPS}", items.len());
        problems.add(Problem::new(value.origin.clone(), message));
        return Vec::new();
    }
    let mut groups = Vec::with_capacity(items.len());
    for item in items {
        match item.text() {
            Some(text) if is_name(text) => groups.push(text.to_owned()),
            _ => problems.add(item.misspelt(&key, A_NAME)),
        }
    }
    groups
}
