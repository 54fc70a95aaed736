//! Gathering the settings: the file, then the environment over it, then the options of the command line.

use super::{
    Config, ConfigError, FetchedBundle, Log, Policies, RemoteBundle, check,
    problem::{Origin, Problem, Problems, did_you_mean, shown},
    read,
    settings::{Absent, PREFIX, SETTINGS, Setting, Shape, is_index, is_section, variable},
    value::{self, Entry, Kind, Value},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The shorter name of `log.level`'s variable, for every verb.
const LOG_VARIABLE: &str = "FINDINGS_GATE_LOG";
/// The key of the admin listener.
const ADMIN: &str = "admin.address";

/// What the command line sets, in the same words as the file.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--listen`: `listen.address`.
    pub listen: Option<String>,
    /// `--upstream`: `upstream.url`.
    pub upstream: Option<String>,
    /// `--policies`: `policies.path`; nothing when empty.
    pub policies: Vec<String>,
    /// `--log-level`: `log.level`.
    pub log_level: Option<String>,
}

/// Reads and checks the whole configuration: `file`, and what it names, with the variables of `environment` over it and
/// `flags` over both. Policies are read by [`read_policies`](super::read_policies).
pub fn load(
    file: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
) -> Result<Config, ConfigError> {
    check::check(file, gathered(file, environment, flags))
}

/// The same, with a bundle that was fetched just now in the place of the copy that is kept of it: to know whether all is good with it.
pub fn load_trying(
    file: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
    fetched: FetchedBundle,
) -> Result<Config, ConfigError> {
    check::check(file, Settings { fetched: Some(fetched), ..gathered(file, environment, flags) })
}

/// The bundle that `policies.path` says to fetch, if it does: all that is to be known before there is a copy to load.
pub fn remote_bundle(
    file: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
) -> Result<Option<RemoteBundle>, ConfigError> {
    check::remote_alone(gathered(file, environment, flags))
}

fn gathered(file: &Path, environment: impl IntoIterator<Item = (OsString, OsString)>, flags: &Flags) -> Settings {
    let mut settings = Settings { file: file.to_owned(), ..Settings::default() };
    settings.add_file(file);
    settings.add_environment(environment);
    settings.add_flags(flags);
    settings.refuse_gaps();
    settings
}

/// What is logged by a verb that reads no configuration: `FINDINGS_GATE_LOG` or the defaults.
pub fn log_from(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Log, ConfigError> {
    let mut settings = Settings::default();
    settings.add_environment(environment.into_iter().filter(|(name, _)| name == LOG_VARIABLE));
    check::log_alone(settings)
}

/// Where a gate with this configuration has its admin listener, as `admin.address` says; nowhere if it does not.
///
/// Nothing else of the file counts: whoever asks how a gate is must be able to while a file is being edited that the gate has not
/// taken. What the variable says, the file is not read for.
pub fn admin_from(
    file: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Option<SocketAddr>, ConfigError> {
    let mut settings = Settings { file: file.to_owned(), ..Settings::default() };
    let name = variable(ADMIN);
    settings.add_environment(environment.into_iter().filter(|(given, _)| given.to_str() == Some(&name)));
    if settings.given(ADMIN).is_none() && settings.problems.count() == 0 {
        settings.add_file(file);
        if !settings.unread {
            settings.problems.forget();
        }
    }
    check::admin_alone(settings)
}

/// The policies that a verb without a configuration names: directories, files and packs, as `policies.path` has them.
/// `default_enforcement` is the configuration's default.
pub fn policies_from(paths: &[String]) -> Result<Policies, ConfigError> {
    let mut settings = Settings::default();
    settings.add_flags(&Flags { policies: paths.to_vec(), ..Flags::default() });
    check::policies_alone(settings)
}

/// The same, of arguments that are no option's value: messages name no key, for there is none.
pub fn policies_named(paths: &[String]) -> Result<Policies, ConfigError> {
    let mut policies = policies_from(paths)?;
    policies.paths = policies.paths.iter().map(|path| super::PolicyPath::from(path.path.clone())).collect();
    Ok(policies)
}

/// Values by path, such as `identity.0.keys`. Every path in it is one of [`SETTINGS`].
#[derive(Debug, Default)]
pub(super) struct Settings {
    values: BTreeMap<String, Value>,
    pub problems: Problems,
    file: PathBuf,
    /// Whether the file could not be read as one: what is missing then is not worth telling.
    pub unread: bool,
    /// How many identities there are.
    pub identities: usize,
    /// A bundle that is to be tried in the place of the copy that is kept of it.
    pub fetched: Option<FetchedBundle>,
}

impl Settings {
    fn add_file(&mut self, file: &Path) {
        let text = match read::text(file, read::LONGEST_FILE) {
            Ok(text) => text,
            Err(why) => {
                let help = "name the configuration file with `--config`; `findings-gate demo` needs none";
                self.problems.add(Problem::new(Origin::Default, why).help(help));
                self.unread = true;
                return;
            }
        };
        let source = self.problems.open(file, &text);
        match value::parse(&source, &text, &mut self.problems) {
            Some(entries) => self.add_entries("", entries),
            None => self.unread = true,
        }
    }

    fn add_entries(&mut self, section: &str, entries: Vec<Entry>) {
        for Entry { key, origin, value } in entries {
            let path = if section.is_empty() { key } else { format!("{section}.{key}") };
            self.add_entry(path, origin, value);
        }
    }

    fn add_entry(&mut self, path: String, key: Origin, value: Value) {
        if Setting::at(&path).is_some() {
            self.values.insert(path, value);
            return;
        }
        let is_identity = path == "identity";
        match value.kind {
            Kind::List(items) if is_identity => self.add_identities(items),
            Kind::Table(entries) if is_section(&path) => self.add_entries(&path, entries),
            Kind::Table(_) if is_identity => {
                let message = "`identity` is a table: expected one or more tables, written `[[identity]]`";
                self.problems.add(Problem::new(key, message));
                self.add_identities(vec![value]);
            }
            _ if is_identity => self.problems.add(value.mistyped(&path, "one or more tables, written `[[identity]]`")),
            _ if is_section(&path) => {
                self.problems.add(value.mistyped(&path, &format!("a table, written `[{path}]`")));
            }
            _ => self.problems.add(unknown(&path, key)),
        }
    }

    fn add_identities(&mut self, items: Vec<Value>) {
        self.identities = items.len();
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("identity.{index}");
            match item.kind {
                _ if !is_index(&index.to_string()) => {
                    let message = format!("`{path}` is one too many: expected at most 100 identities");
                    return self.problems.add(Problem::new(item.origin, message));
                }
                Kind::Table(entries) => {
                    for Entry { key, origin, value } in entries {
                        let path = format!("{path}.{key}");
                        if Setting::at(&path).is_some() {
                            self.values.insert(path, value);
                        } else {
                            self.problems.add(unknown(&path, origin));
                        }
                    }
                }
                _ => self.problems.add(item.mistyped(&path, "a table")),
            }
        }
    }

    fn add_environment(&mut self, environment: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut short = None;
        for (name, text) in environment {
            // A name that is not UTF-8 is not ours, and no variable of ours has one.
            let Ok(name) = name.into_string() else { continue };
            if name != LOG_VARIABLE && !name.starts_with(PREFIX) {
                continue;
            }
            let origin = Origin::Variable(name.clone());
            let Ok(text) = text.into_string() else {
                self.problems.add(Problem::new(origin, "its value is not UTF-8"));
                continue;
            };
            if name == LOG_VARIABLE {
                short = Some(Value { kind: Kind::Text(text), origin });
                continue;
            }
            let path = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            match Setting::at(&path) {
                // The exact name only: two spellings of one variable could contradict each other.
                Some(setting) if variable(&path) == name => {
                    self.values.insert(path, from_text(setting, text, origin));
                }
                _ => {
                    let problem = unknown_variable(&name, &path, origin);
                    self.problems.add(problem);
                }
            }
        }
        self.values.extend(short.map(|value| ("log.level".to_owned(), value)));
    }

    fn add_flags(&mut self, flags: &Flags) {
        let mut set = |path: &str, name, text: &Option<String>| {
            if let Some(text) = text {
                let value = Value { kind: Kind::Text(text.clone()), origin: Origin::Flag(name) };
                self.values.insert(path.to_owned(), value);
            }
        };
        set("listen.address", "--listen", &flags.listen);
        set("upstream.url", "--upstream", &flags.upstream);
        set("log.level", "--log-level", &flags.log_level);
        if !flags.policies.is_empty() {
            let origin = Origin::Flag("--policies");
            let items = flags.policies.iter().map(|path| Kind::Text(path.clone()));
            let items = items.map(|kind| Value { kind, origin: origin.clone() }).collect();
            self.values.insert("policies.path".to_owned(), Value { kind: Kind::List(items), origin });
        }
    }

    /// Identities are a list: the environment may set keys of those there are and add further ones at the end, and
    /// cannot set the third of one.
    fn refuse_gaps(&mut self) {
        let number = |path: &str| path.strip_prefix("identity.")?.split('.').next()?.parse::<usize>().ok();
        let numbers: BTreeSet<usize> = self.values.keys().filter_map(|path| number(path)).collect();
        while numbers.contains(&self.identities) {
            self.identities += 1;
        }
        let count = self.identities;
        for (path, value) in self.values.iter().filter(|(path, _)| number(path) >= Some(count)) {
            let message =
                format!("it sets `{path}`, and there is no `identity.{count}`: identities are counted from 0");
            self.problems.add(Problem::new(value.origin.clone(), message));
        }
    }

    /// The value at `path` or its default. When a value that must be there is missing, that is a problem.
    pub(super) fn value(&mut self, path: &str) -> Option<Value> {
        let setting = Setting::at(path)?;
        if let Some(value) = self.values.get(path) {
            return Some(value.clone());
        }
        match setting.absent {
            Absent::Default(text) => Some(from_text(setting, text.to_owned(), Origin::Default)),
            Absent::Optional => None,
            Absent::Invalid => {
                self.missing(path, setting.expected);
                None
            }
        }
    }

    /// The value at `path`, if somebody gave one.
    pub(super) fn given(&self, path: &str) -> Option<&Value> {
        self.values.get(path)
    }

    pub(super) fn missing(&mut self, path: &str, expected: &str) {
        if !self.unread {
            let message = format!("`{path}` is missing: expected {expected}");
            self.problems.add(Problem::new(Origin::Whole(self.file.clone()), message));
        }
    }
}

/// A value as text outside of a file has it.
fn from_text(setting: &Setting, text: String, origin: Origin) -> Value {
    let kind = match setting.shape {
        Shape::Text => Kind::Text(text),
        Shape::Integer => text.parse().map_or(Kind::Text(text), Kind::Integer),
        Shape::Table => value::parse_table(&text, &origin).unwrap_or(Kind::Other("not a TOML table")),
        Shape::Tables => {
            value::parse_tables(&text, &origin).map_or(Kind::Other("not a TOML list of tables"), Kind::List)
        }
        Shape::List if text.starts_with('[') => {
            value::parse_list(&text, &origin).map_or(Kind::Other("not a TOML list of strings"), Kind::List)
        }
        Shape::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let items = items.map(|item| Value { kind: Kind::Text(item.to_owned()), origin: origin.clone() });
            Kind::List(items.collect())
        }
    };
    Value { kind, origin }
}

fn unknown(path: &str, origin: Origin) -> Problem {
    let problem = Problem::new(origin, format!("`{}` is no key of the configuration", shown(path)));
    match (meant(path), known_in(path)) {
        (None, Some(known)) => problem.help(known),
        (meant, _) => problem.meant(meant),
    }
}

fn unknown_variable(name: &str, path: &str, origin: Origin) -> Problem {
    let problem = Problem::new(origin, "it sets no key of the configuration");
    let exact = Setting::at(path).is_some().then(|| variable(path));
    let all: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let meant = exact.or_else(|| did_you_mean(name, all.iter().map(String::as_str)).map(str::to_owned));
    problem.meant(meant)
}

/// The key or section that an unknown path probably meant.
fn meant(path: &str) -> Option<String> {
    let pattern = patterned(path);
    let (section, name) = pattern.rsplit_once('.').unwrap_or(("", &pattern));
    let here = SETTINGS.iter().filter(|setting| setting.section() == section).map(Setting::name);
    if let Some(name) = did_you_mean(name, here) {
        return Some(format!("{}{name}", &path[..path.len() - path.rsplit('.').next().map_or(0, str::len)]));
    }
    if section.is_empty() {
        let sections = SETTINGS.iter().map(|setting| setting.section().trim_end_matches(".*"));
        if let Some(section) = did_you_mean(name, sections) {
            return Some(section.to_owned());
        }
    }
    // A key that is in the wrong section, or in none.
    let name = did_you_mean(name, SETTINGS.iter().map(Setting::name))?;
    let named = SETTINGS.iter().filter(|setting| setting.name() == name);
    named.min_by_key(|setting| setting.path.matches('.').count()).map(|setting| setting.path.to_owned())
}

/// The path with `*` for numbers.
fn patterned(path: &str) -> String {
    path.split('.').map(|segment| if is_index(segment) { "*" } else { segment }).collect::<Vec<_>>().join(".")
}

fn known_in(path: &str) -> Option<String> {
    let pattern = patterned(path);
    let section = pattern.rsplit_once('.').map_or("", |(section, _)| section);
    let mut names: Vec<&str> = if section.is_empty() {
        SETTINGS.iter().map(|setting| setting.section().trim_end_matches(".*")).collect()
    } else {
        SETTINGS.iter().filter(|setting| setting.section() == section).map(Setting::name).collect()
    };
    names.dedup();
    (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
}
