//! What is logged, while the gate runs.

use super::events::{LevelChange, LogLevelChanged};
use crate::config::Level;
use jiff::{SignedDuration, Timestamp};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tracing_subscriber::{filter::Targets, reload};

/// The longest time for which another level may be asked.
const LONGEST: Duration = Duration::from_hours(24);

/// What is logged, and the way to change it. Clones are one.
#[derive(Clone)]
pub struct LogLevel(Arc<Inner>);

struct Inner {
    apply: Box<dyn Fn(Targets) + Send + Sync>,
    configured: Level,
    now: Mutex<Now>,
}

#[derive(Debug, Clone)]
struct Now {
    level: Level,
    until: Option<Timestamp>,
    /// How often it was changed: what ends a level must not end a later one.
    changes: u64,
}

/// What is logged now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The level, or the directives.
    pub level: String,
    /// What the configuration says.
    pub configured: String,
    /// When what the configuration says counts again; nothing if only somebody's word ends this.
    pub until: Option<Timestamp>,
}

/// A level that ends by itself: to be [`ended`](LogLevel::end) after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// From now.
    pub after: Duration,
    change: u64,
}

impl LogLevel {
    /// What the configuration says, in force by this filter.
    pub(super) fn new<S: 'static>(configured: Level, filter: reload::Handle<Targets, S>) -> Self {
        let apply = Box::new(move |targets| {
            // It fails only where the process has no log any more.
            let _ = filter.reload(targets);
        });
        let now = Mutex::new(Now { level: configured.clone(), until: None, changes: 0 });
        Self(Arc::new(Inner { apply, configured, now }))
    }

    /// What is logged now.
    pub fn shown(&self) -> Shown {
        self.0.shown(&self.0.now())
    }

    /// Logs this from now on, for as long as it says; without that until it is changed again, or the process ends. Whoever calls
    /// this has to [`end`](Self::end) what ends.
    ///
    /// # Errors
    ///
    /// What was expected. Then nothing is changed.
    pub fn set(&self, level: &str, length: Option<&str>) -> Result<(Shown, Option<Limited>), String> {
        let level: Level = level.trim().parse().map_err(|expected| format!("expected {expected}"))?;
        let length = length.map(|text| {
            let length = crate::config::duration(text).filter(|length| !length.is_zero() && *length <= LONGEST);
            length.ok_or_else(|| format!("for={text}: expected a time of at most 24 hours, such as `10m`"))
        });
        let length = length.transpose()?;
        let until = length.and_then(|length| Timestamp::now().checked_add(SignedDuration::try_from(length).ok()?).ok());
        let mut now = self.0.now();
        let change = self.0.change(&mut now, level, until, LevelChange::Asked);
        Ok((self.0.shown(&now), length.map(|after| Limited { after, change })))
    }

    /// Logs what the configuration says, from now on.
    pub fn reset(&self) -> Shown {
        let mut now = self.0.now();
        self.0.change(&mut now, self.0.configured.clone(), None, LevelChange::Reset);
        self.0.shown(&now)
    }

    /// Ends a level whose time is over, if no other one came since.
    pub fn end(&self, limited: Limited) {
        let mut now = self.0.now();
        if now.changes == limited.change {
            self.0.change(&mut now, self.0.configured.clone(), None, LevelChange::Ended);
        }
    }
}

impl Inner {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, now: &mut Now, level: Level, until: Option<Timestamp>, why: LevelChange) -> u64 {
        // By the level that ends: one that says less would keep it back.
        LogLevelChanged { level: &level.to_string(), until, why }.emit();
        (self.apply)(level.targets().clone());
        *now = Now { level, until, changes: now.changes + 1 };
        now.changes
    }

    fn shown(&self, now: &Now) -> Shown {
        Shown { level: now.level.to_string(), configured: self.configured.to_string(), until: now.until }
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevel").field("now", &*self.0.now()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    /// Which of error, info, debug and trace would be logged by a module of the gate.
    fn logged() -> [bool; 4] {
        [
            tracing::enabled!(target: "findings_gate::x", tracing::Level::ERROR),
            tracing::enabled!(target: "findings_gate::x", tracing::Level::INFO),
            tracing::enabled!(target: "findings_gate::x", tracing::Level::DEBUG),
            tracing::enabled!(target: "findings_gate::x", tracing::Level::TRACE),
        ]
    }

    fn with_level(configured: &str, act: impl FnOnce(LogLevel)) {
        let configured: Level = configured.parse().unwrap();
        let (filter, handle) = reload::Layer::new(configured.targets().clone());
        let subscriber = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || act(LogLevel::new(configured, handle)));
    }

    #[test]
    fn a_level_is_changed_and_comes_back() {
        with_level("info", |level| {
            assert_eq!(logged(), [true, true, false, false]);
            let (shown, limited) = level.set("warn,findings_gate=debug\n", None).unwrap();
            assert_eq!(
                (shown.level.as_str(), shown.configured.as_str(), limited),
                ("findings_gate=debug,warn", "info", None)
            );
            assert_eq!(logged(), [true, true, true, false]);
            level.set("off", None).unwrap();
            assert_eq!(logged(), [false; 4]);
            let shown = level.reset();
            assert_eq!((shown.level.as_str(), logged()), ("info", [true, true, false, false]));
        });
    }

    #[test]
    fn a_level_with_an_end_ends_unless_another_came() {
        with_level("info", |level| {
            let (shown, first) = level.set("trace", Some("10m")).unwrap();
            let left = shown.until.unwrap().duration_since(Timestamp::now());
            assert!(left > SignedDuration::from_mins(9) && left <= SignedDuration::from_mins(10), "{left}");
            let (_, second) = level.set("debug", Some("1h")).unwrap();
            level.end(first.unwrap());
            assert_eq!(level.shown().level, "debug");
            level.end(second.unwrap());
            assert_eq!(level.shown(), Shown { level: "info".into(), configured: "info".into(), until: None });
            assert_eq!(logged(), [true, true, false, false]);
        });
    }

    #[test]
    fn what_is_no_level_changes_nothing() {
        with_level("info", |level| {
            let before = level.shown();
            for (text, length, told) in [
                ("debgu", None, "did you mean `debug`"),
                ("", None, "expected a level"),
                ("findings_gate=loud", None, "expected a level"),
                ("debug", Some("10"), "for=10: expected a time"),
                ("debug", Some("0s"), "for=0s: expected a time"),
                ("debug", Some("25h"), "at most 24 hours"),
            ] {
                let error = level.set(text, length).unwrap_err();
                assert!(error.contains(told), "{error}");
            }
            assert_eq!(level.shown(), before);
        });
    }
}
