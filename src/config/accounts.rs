//! The accounts file: one administrator and its members, or several fleets of them.

use super::{
    members_csv,
    problem::{ConfigError, Origin, Problem, Problems},
    read,
    value::{self, Entry, Kind, Table, Value},
};
use crate::bundle::Bundle;
use crate::finding::{AccountId, Accounts, Fleet, Member};
use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The most members of a fleet: nearly twice what Security Hub lets one administrator have (11,000).
pub(super) const MOST_MEMBERS: usize = 20_000;
/// The most fleets.
const MOST_FLEETS: usize = 64;
/// The most groups of one member.
pub(super) const MOST_GROUPS: usize = 64;
/// The longest name, of a member or a group, in bytes.
const LONGEST_NAME: usize = 256;

const AN_ACCOUNT: &str = "an account id of twelve digits in quotes, such as \"111122223333\"";
pub(super) const A_NAME: &str = "a name of 1 to 256 bytes without control characters";
/// The keys of a file with one fleet.
const OF_FILE: &[&str] = &["administrator", "member", "members_csv", "fleet"];
/// The keys of one of several fleets.
const OF_FLEET: &[&str] = &["administrator", "name", "member", "members_csv"];

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
    parse(path, &text, named_at, problems)
}

/// Reads the accounts file of a bundle, which names no other file. `path` is what messages call it.
pub(super) fn of_bundle(path: &Path, text: &str, problems: &mut Problems) -> Option<Accounts> {
    let before = problems.count();
    let source = problems.open(path, text);
    for Entry { key, origin, .. } in members_csv_in(&value::parse(&source, text, problems)?) {
        let message = format!("`{key}` names a file, and a bundle's accounts file has all members in it");
        problems.add(
            Problem::new(origin, message)
                .help("write them as `[[member]]` tables, or leave the accounts out of the bundle"),
        );
    }
    if problems.count() > before {
        return None;
    }
    parse(path, text, &Origin::Default, problems)
}

/// Where files of members are named: at the top, and in fleets.
fn members_csv_in(entries: &[Entry]) -> Vec<Entry> {
    let mut found = Vec::new();
    for entry in entries {
        match &entry.value.kind {
            _ if entry.key == "members_csv" => found.push(entry.clone()),
            Kind::List(items) if entry.key == "fleet" => {
                for item in items {
                    if let Kind::Table(entries) = &item.kind {
                        found.extend(members_csv_in(entries));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Checks the accounts file of a bundle. `source` is what messages call the bundle.
pub fn bundled_accounts(source: &str, bundle: &Bundle) -> Result<Option<Accounts>, ConfigError> {
    let Some((name, text)) = bundle.accounts() else { return Ok(None) };
    let mut problems = Problems::default();
    let accounts = of_bundle(Path::new(&format!("{source}:{name}")), text, &mut problems);
    problems.into_result()?;
    accounts.map(Some).ok_or_else(ConfigError::unexplained)
}

fn parse(path: &Path, text: &str, named_at: &Origin, problems: &mut Problems) -> Option<Accounts> {
    let source = problems.open(path, text);
    let entries = value::parse(&source, text, problems)?;
    let mut table = Table::new("", entries, Origin::File(source, 0..0));
    let before = problems.count();
    let items = table.take_list("fleet", problems);
    let (tables, known) =
        if items.is_empty() { (vec![table], OF_FILE) } else { (several(table, items, problems)?, OF_FLEET) };

    let mut reader = Reader { file: path, places: HashMap::new(), problems };
    // All administrators first: that a member is one of them is told at the member, whichever stands before.
    let tables: Vec<_> = tables.into_iter().map(|mut table| (reader.administrator(&mut table), table)).collect();
    let mut fleets = Vec::with_capacity(tables.len());
    for (administrator, mut table) in tables {
        let name = if known == OF_FLEET { name(&mut table, reader.problems) } else { String::new() };
        let members = reader.members(&mut table, administrator);
        table.finish(known, reader.problems);
        fleets.extend(administrator.zip(members).map(|(administrator, members)| Fleet {
            administrator,
            name,
            members,
        }));
    }
    if problems.count() > before {
        return None;
    }
    let accounts = Accounts::of(fleets);
    accounts.map_err(|error| problems.add(Problem::new(named_at.clone(), format!("the accounts file: {error}")))).ok()
}

/// The `[[fleet]]` tables of a file, which then has nothing else.
fn several(mut file: Table, items: Vec<Value>, problems: &mut Problems) -> Option<Vec<Table>> {
    for key in OF_FILE.iter().filter(|key| **key != "fleet") {
        if let Some(value) = file.take(key) {
            let message = format!("`{key}` stands beside `[[fleet]]`, and is no fleet's");
            let help = format!(
                "put `{key}` into one of the `[[fleet]]` tables, or remove them: a file without any is one fleet"
            );
            problems.add(Problem::new(value.origin, message).help(help));
        }
    }
    file.finish(&["fleet"], problems);
    if let Some(one_too_many) = items.get(MOST_FLEETS) {
        let message = format!("there are {} fleets: expected at most {MOST_FLEETS}", items.len());
        problems.add(Problem::new(one_too_many.origin.clone(), message));
        return None;
    }
    let tables = items.into_iter().enumerate();
    Some(tables.filter_map(|(index, item)| Table::of(format!("fleet.{index}"), item, problems)).collect())
}

/// Where an account has its place.
#[derive(Debug, Clone)]
enum Place {
    /// It administers a fleet, as this key says.
    Administrator(String),
    /// It is a member, as this key says.
    Key(String),
    /// It is a member, as this line of a CSV file says.
    Line(Arc<Path>, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator(key) | Self::Key(key) => write!(f, "`{key}`"),
            Self::Line(path, line) => write!(f, "line {line} of `{}`", path.display()),
        }
    }
}

/// What is read of a file so far.
struct Reader<'a> {
    /// Paths are relative to it.
    file: &'a Path,
    places: HashMap<AccountId, Place>,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn administrator(&mut self, table: &mut Table) -> Option<AccountId> {
        let key = table.path("administrator");
        let value = table.require("administrator", AN_ACCOUNT, self.problems)?;
        let id = account(&value, &key, self.problems)?;
        if let Some(first) = self.places.get(&id) {
            let message = format!("`{key}` is \"{id}\", as {first} is already");
            self.problems.add(Problem::new(value.origin, message).help("put the members of both into one `[[fleet]]`"));
            return None;
        }
        self.places.insert(id, Place::Administrator(key));
        Some(id)
    }

    /// The members of a fleet: those of its tables and those of its CSV file.
    fn members(&mut self, table: &mut Table, administrator: Option<AccountId>) -> Option<Vec<(AccountId, Member)>> {
        let named = table.take("members_csv");
        let items = table.take_list("member", self.problems);
        if let Some(one_too_many) = items.get(MOST_MEMBERS) {
            let message = format!("there are {} members: expected at most {MOST_MEMBERS}", items.len());
            self.problems.add(Problem::new(one_too_many.origin.clone(), message));
            return None;
        }
        let mut members = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let Some(mut table) = Table::of(format!("{}.{index}", table.path("member")), item, self.problems) else {
                continue;
            };
            let key = table.path("account");
            let value = table.require("account", AN_ACCOUNT, self.problems);
            let id = value.as_ref().and_then(|value| account(value, &key, self.problems));
            let member = Member { name: name(&mut table, self.problems), groups: groups(&mut table, self.problems) };
            table.finish(&["account", "name", "groups"], self.problems);
            let (Some(value), Some(id)) = (value, id) else { continue };
            let shown = format!("`{key}` is \"{id}\"");
            if self.is_free(id, administrator, &shown, value.origin) {
                self.places.insert(id, Place::Key(key));
                members.push((id, member));
            }
        }
        if let Some(named) = named {
            let path = self.csv(&table.path("members_csv"), &named)?;
            let rows = members_csv::read(&path, &named.origin, self.problems)?;
            if members.len() + rows.len() > MOST_MEMBERS {
                let message = format!(
                    "there are {} members, those of `{}` among them: expected at most {MOST_MEMBERS}",
                    members.len() + rows.len(),
                    path.display()
                );
                self.problems.add(Problem::new(named.origin, message));
                return None;
            }
            let path: Arc<Path> = path.into();
            for members_csv::Row { account, member, line, origin } in rows {
                // An export of an organization has the administrator, too. It is no member of its own, and nothing is lost.
                if Some(account) == administrator && member.groups.is_empty() {
                    continue;
                }
                if self.is_free(account, administrator, &format!("the account is \"{account}\""), origin) {
                    self.places.insert(account, Place::Line(path.clone(), line));
                    members.push((account, member));
                }
            }
        }
        Some(members)
    }

    fn csv(&mut self, key: &str, named: &Value) -> Option<PathBuf> {
        match named.text() {
            Some(text) if !text.is_empty() => Some(read::relative_to(self.file, text)),
            _ => {
                self.problems.add(named.misspelt(key, "the path of a CSV file with the fleet's members"));
                None
            }
        }
    }

    /// Whether an account has no place yet. If it has one, that is told, after what is `shown` of the second one.
    fn is_free(&mut self, id: AccountId, administrator: Option<AccountId>, shown: &str, origin: Origin) -> bool {
        let Some(first) = self.places.get(&id) else { return true };
        let (message, help) = match first {
            Place::Administrator(_) if Some(id) == administrator => (
                format!("{shown}, which is the administrator: an account is never both"),
                "remove this member: the administrator updates its own findings too",
            ),
            Place::Administrator(key) => (
                format!("{shown}, which is `{key}`: an account is in one fleet"),
                "remove this member, or the fleet that it administers",
            ),
            first => (format!("{shown}, as {first} is already"), "remove one of the two members"),
        };
        self.problems.add(Problem::new(origin, message).help(help));
        false
    }
}

/// An account id, as text: a number would have lost its leading zeros.
pub(super) fn account(value: &Value, key: &str, problems: &mut Problems) -> Option<AccountId> {
    let id = value.text().and_then(AccountId::parse);
    if id.is_none() {
        problems.add(value.misspelt(key, AN_ACCOUNT));
    }
    id
}

pub(super) fn is_name(text: &str) -> bool {
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
