//! The keys file: the keys that the gate's owner issued to callers.

use super::{
    accounts,
    problem::{ConfigError, Origin, Problem, Problems},
    read,
    secret::Secret,
    value::{self, Kind, Table, Value},
};
use crate::finding::{AccountId, Enforcement};
use std::path::Path;

/// The most keys in one file.
const MOST_KEYS: usize = 20_000;
/// The longest secret, in bytes: a session token is the longest of them, and has no limit that AWS would state.
const LONGEST_SECRET: u64 = 16 << 10;
/// The longest key id: that of the API model of STS.
const LONGEST_ID: usize = 128;
/// The longest principal: that of an ARN in the API model of IAM.
const LONGEST_PRINCIPAL: usize = 2048;
/// Secrets that are shorter get a warning. AWS's have 40 characters.
const SHORT_SECRET: usize = 20;

pub(super) const AN_ENFORCEMENT: &str = "`strip`, `reject` or `refuse`";
pub(super) const A_PRINCIPAL: &str = "the ARN or the name of a principal, of 1 to 2048 bytes";

/// A key that a caller signs with.
#[derive(Debug, Clone)]
pub struct Key {
    /// The access key id: what a caller's signature names.
    pub id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The session token that must come with it, if there is one.
    pub session_token: Option<Secret>,
    /// The account that a caller with this key acts for.
    pub account: AccountId,
    /// The principal that a caller with this key is.
    pub principal: String,
    /// What a denial does to a caller with this key at the least.
    pub minimum_enforcement: Enforcement,
}

/// Reads a keys file. `named_at` is where its path was given, `key` under which key.
pub(super) fn read(
    path: &Path,
    (key, named_at): (&str, &Origin),
    warnings: &mut Vec<String>,
    problems: &mut Problems,
) -> Option<Vec<(Key, Origin)>> {
    let text = match read::text(path, read::LONGEST_FILE) {
        Ok(text) => text,
        Err(why) => {
            problems.add(Problem::new(named_at.clone(), format!("`{key}`: {why}")));
            return None;
        }
    };
    warn_if_open(path, warnings);
    let keys = keys(path, &text, problems, warnings)?;
    if keys.is_empty() {
        warnings.push(format!("`{}` has no key: nobody can call by `{key}`", path.display()));
    }
    Some(keys)
}

/// The keys in the text of a keys file. There may be none, as after the last one was revoked.
fn keys(path: &Path, text: &str, problems: &mut Problems, warnings: &mut Vec<String>) -> Option<Vec<(Key, Origin)>> {
    let source = problems.open_confidential(path, text);
    let entries = value::parse(&source, text, problems)?;
    let mut table = Table::new("", entries, Origin::File(source, 0..0));
    let before = problems.count();
    let items = table.take_list("key", problems);
    let origin = table.origin().clone();
    table.finish(&["key"], problems);
    if problems.count() == before && items.len() > MOST_KEYS {
        let message = format!("there are {} keys: expected at most {MOST_KEYS} `[[key]]` tables", items.len());
        problems.add(Problem::new(origin, message));
    }
    let read = |(index, item): (usize, Value)| {
        let origin = item.origin.clone();
        Some((issued(Table::of(format!("key.{index}"), item, problems)?, path, warnings, problems)?, origin))
    };
    let keys: Vec<_> = items.into_iter().take(MOST_KEYS).enumerate().filter_map(read).collect();
    (problems.count() == before).then_some(keys)
}

/// A key in the text of a keys file.
#[derive(Debug, Clone)]
pub struct IssuedKey {
    /// The key.
    pub key: Key,
    /// Where its table begins in the text, in bytes.
    pub place: usize,
}

/// The keys in the text of the keys file at `path`, in its order, checked as `serve` checks them; none is fine.
pub fn issued_keys(path: &Path, text: &str) -> Result<Vec<IssuedKey>, ConfigError> {
    let mut problems = Problems::default();
    // Whoever edits the file is told of doubts when the gate reads it.
    let keys = keys(path, text, &mut problems, &mut Vec::new());
    problems.into_result()?;
    let place = |origin: &Origin| if let Origin::File(_, span) = origin { span.start } else { 0 };
    let keys = keys.ok_or_else(ConfigError::unexplained)?;
    Ok(keys.into_iter().map(|(key, origin)| IssuedKey { key, place: place(&origin) }).collect())
}

const KNOWN: &[&str] = &["id", "secret", "secret_file", "session_token", "account", "principal", "minimum_enforcement"];

fn issued(mut table: Table, file: &Path, warnings: &mut Vec<String>, problems: &mut Problems) -> Option<Key> {
    const AN_ID: &str = "an access key id: 1 to 128 letters, digits, `_` or `-`";
    let id = table.require("id", AN_ID, problems);
    let id = id.and_then(|value| checked(&value, &table.path("id"), AN_ID, is_id, problems));
    let secret = secret(&mut table, file, warnings, problems);
    let token = table.take("session_token").map(|value| inline(&value, &table.path("session_token"), problems));
    let account = table.require("account", "an account id", problems);
    let account = account.and_then(|value| accounts::account(&value, &table.path("account"), problems));
    let principal = table.require("principal", A_PRINCIPAL, problems);
    let principal = principal.and_then(|value| self::principal(&value, &table.path("principal"), problems));
    let enforcement = table.take("minimum_enforcement").map(|value| {
        let parsed = value.text().and_then(Enforcement::parse);
        if parsed.is_none() {
            problems.add(value.misspelt(&table.path("minimum_enforcement"), AN_ENFORCEMENT));
        }
        parsed
    });
    table.finish(KNOWN, problems);
    Some(Key {
        id: id?,
        secret: secret?,
        session_token: token.map_or(Some(None), |token| token.map(Some))?,
        account: account?,
        principal: principal?,
        minimum_enforcement: enforcement.unwrap_or(Some(Enforcement::Strip))?,
    })
}

/// Exactly one of `secret` and `secret_file`.
fn secret(table: &mut Table, file: &Path, warnings: &mut Vec<String>, problems: &mut Problems) -> Option<Secret> {
    let key = table.path("secret");
    let secret = match (table.take("secret"), table.take("secret_file")) {
        (Some(value), None) => inline(&value, &key, problems),
        (None, Some(value)) => from_file(&value, &table.path("secret_file"), file, warnings, problems),
        (Some(_), Some(file)) => {
            let message = format!("`{key}` and `{key}_file` are both given: expected one of them");
            problems.add(Problem::new(file.origin, message));
            None
        }
        (None, None) => {
            let message = format!("`{key}` is missing: expected it or `{key}_file`");
            problems.add(Problem::new(table.origin().clone(), message));
            None
        }
    }?;
    if secret.expose().len() < SHORT_SECRET {
        warnings.push(format!(
            "{}: `{key}` is shorter than {SHORT_SECRET} characters: who sees one signed request may guess it",
            file.display()
        ));
    }
    Some(secret)
}

fn inline(value: &Value, key: &str, problems: &mut Problems) -> Option<Secret> {
    match &value.kind {
        Kind::Text(text) if !text.is_empty() && text.len() as u64 <= LONGEST_SECRET => Some(Secret::new(text.as_str())),
        Kind::Text(_) => {
            let message = format!("`{key}` is empty or too long: expected 1 to {LONGEST_SECRET} bytes");
            problems.add(Problem::new(value.origin.clone(), message));
            None
        }
        _ => {
            problems.add(value.mistyped(key, "a string"));
            None
        }
    }
}

/// A file that holds a secret and perhaps a newline at its end, as editors and `echo` leave one.
fn from_file(
    value: &Value,
    key: &str,
    file: &Path,
    warnings: &mut Vec<String>,
    problems: &mut Problems,
) -> Option<Secret> {
    let Some(path) = value.text().filter(|path| !path.is_empty()) else {
        problems.add(value.misspelt(key, "the path of a file that holds the secret"));
        return None;
    };
    let path = read::relative_to(file, path);
    let text = match read::text(&path, LONGEST_SECRET) {
        Ok(text) => text,
        Err(why) => {
            problems.add(Problem::new(value.origin.clone(), format!("`{key}`: {why}")));
            return None;
        }
    };
    warn_if_open(&path, warnings);
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if secret.is_empty() || secret.contains(['\n', '\r']) {
        let message = format!("`{key}`: `{}` must hold the secret, on one line", path.display());
        problems.add(Problem::new(value.origin.clone(), message));
        return None;
    }
    Some(Secret::new(secret))
}

pub(super) fn principal(value: &Value, key: &str, problems: &mut Problems) -> Option<String> {
    let fits = |text: &str| !text.is_empty() && text.len() <= LONGEST_PRINCIPAL && !text.contains(char::is_control);
    checked(value, key, A_PRINCIPAL, fits, problems)
}

/// What a signature can name: its parts stand between `/`, `,` and `=`.
fn is_id(text: &str) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.len() <= LONGEST_ID && text.as_bytes().iter().all(fits)
}

fn checked(
    value: &Value,
    key: &str,
    expected: &str,
    fits: impl Fn(&str) -> bool,
    problems: &mut Problems,
) -> Option<String> {
    let text = value.text().filter(|text| fits(text));
    if text.is_none() {
        problems.add(value.misspelt(key, expected));
    }
    text.map(str::to_owned)
}

/// A file of secrets that everybody on the machine can read gets a warning.
pub(super) fn warn_if_open(path: &Path, warnings: &mut Vec<String>) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o007 != 0 {
            warnings.push(format!(
                "`{0}` holds secrets and is open to every user of this machine: run `chmod o-rwx '{0}'`",
                path.display()
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = (path, warnings);
}
