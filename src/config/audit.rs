//! `[audit]`: where decisions are recorded, and what becomes of requests if they cannot be.

use super::{load::Settings, problem::Problem, secret_file, unit};
use crate::audit::{Files, LogSettings, Masked, Masks, OnFull, Seal, Sync};
use std::{num::NonZeroUsize, time::Duration};

const HOUR: Duration = Duration::from_hours(1);
const TENTH: Duration = Duration::from_millis(100);

/// `[audit]`
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// How records are kept.
    pub log: LogSettings,
    /// `mask`
    pub masks: Masks,
    /// `callers` is `all`: requests that prove no caller are on record, too.
    pub unidentified: bool,
}

/// Reads it: nothing where there is no log, a problem where there is a key of one all the same. The outer nothing is a problem.
#[expect(clippy::option_option, reason = "absent is not invalid")]
pub(super) fn read(settings: &mut Settings, warnings: &mut Vec<String>) -> Option<Option<Audit>> {
    let stdout = settings.text("audit.stdout", |text| match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    });
    let file = settings.path("audit.file");
    let is_given = settings.given("audit.file").is_some() || stdout != Some(false);
    let audit = rest(settings, warnings, file.map(|(path, _)| path), stdout);
    if is_given {
        return audit.map(Some);
    }
    for path in KEYS {
        if let Some(value) = settings.given(path) {
            let message = format!("`{path}` is for a log of decisions, and there is none");
            let help = "set `audit.file`, or `audit.stdout = \"on\"`";
            let origin = value.origin.clone();
            settings.problems.add(Problem::new(origin, message).help(help));
        }
    }
    Some(None)
}

/// The keys that nobody needs without a log.
const KEYS: [&str; 10] = [
    "audit.rotate",
    "audit.keep",
    "audit.key",
    "audit.fsync",
    "audit.on_full",
    "audit.queue",
    "audit.wait",
    "audit.mask",
    "audit.callers",
    "audit.recent",
];

fn rest(
    settings: &mut Settings,
    warnings: &mut Vec<String>,
    file: Option<std::path::PathBuf>,
    stdout: Option<bool>,
) -> Option<Audit> {
    let limit = settings.size("audit.rotate", 4096..=1 << 40);
    let keep = settings.count("audit.keep", 0..=1_000_000);
    let seal = match settings.given("audit.key") {
        Some(_) => secret_file::read("audit.key", settings, warnings).map(|key| Seal::keyed(key.expose())),
        None => Some(Seal::open()),
    };
    let sync = settings.text("audit.fsync", |text| match text {
        "always" => Some(Sync::Always),
        "never" => Some(Sync::Never),
        text => unit::duration(text).filter(|within| (TENTH..=HOUR).contains(within)).map(Sync::Within),
    });
    let on_full = settings.text("audit.on_full", |text| match text {
        "block" => Some(OnFull::Block),
        "shed" => Some(OnFull::Shed),
        "refuse" => Some(OnFull::Refuse),
        _ => None,
    });
    let queue = settings.count("audit.queue", 1..=1_000_000).and_then(NonZeroUsize::new);
    let wait = settings.duration("audit.wait", TENTH..=Duration::from_mins(10));
    let recent = settings.count("audit.recent", 0..=10_000);
    let unidentified = settings.text("audit.callers", |text| match text {
        "identified" => Some(false),
        "all" => Some(true),
        _ => None,
    });
    let masks = masks(settings);
    let (limit, keep) = (limit?, keep?);
    let files = file.map(|path| Files { path, limit: limit as u64, keep: NonZeroUsize::new(keep) });
    let log = LogSettings {
        files,
        stdout: stdout?,
        seal: seal?,
        sync: sync?,
        on_full: on_full?,
        queue: queue?,
        wait: wait?,
        recent: recent?,
    };
    Some(Audit { log, masks: masks?, unidentified: unidentified? })
}

fn masks(settings: &mut Settings) -> Option<Masks> {
    const PATH: &str = "audit.mask";
    let value = settings.value(PATH)?;
    let items = settings.list(PATH, &value)?;
    let mut masked = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.text().and_then(|text| text.parse::<Masked>().ok()) {
            Some(one) => masked.push(one),
            None => settings.problems.add(item.misspelt(
                &format!("{PATH}[{index}]"),
                "`Note.Text`, `Note.UpdatedBy`, `Resources.Tags` or `UserDefinedFields`",
            )),
        }
    }
    (masked.len() == items.len()).then(|| Masks::of(masked))
}
