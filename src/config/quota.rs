//! `[quota]`, `[retry]` and `[breaker]`: how calls to the findings backend are made.

use super::load::Settings;
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

const TENTH: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_mins(1);

/// How calls to the findings backend are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conduct {
    /// `[quota]`
    pub quota: Quota,
    /// `retry.attempts`: of a call in all.
    pub attempts: NonZeroU32,
    /// `retry.updates` is `idempotent`: an update that may have happened is made again, too.
    pub repeats_updates: bool,
    /// `retry.budget`: retries for a hundred calls.
    pub retry_budget: u32,
    /// `[breaker]`; nothing where `failures` is 0.
    pub breaker: Option<Breaker>,
}

/// `[breaker]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// `failures`: after so many it opens.
    pub failures: NonZeroUsize,
    /// `pause`: for so long.
    pub pause: Duration,
}

/// `[quota]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// `enforce`
    pub enforce: EnforceQuota,
    /// `wait`: how long a call waits for its turn.
    pub wait: Duration,
    /// `update_rate` and `update_burst`
    pub update: QuotaRate,
    /// `import_rate` and `import_burst`
    pub import: QuotaRate,
    /// `get_rate` and `get_burst`
    pub get: QuotaRate,
    /// `other_rate` and `other_burst`
    pub other: QuotaRate,
}

/// Whether the quotas are kept to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnforceQuota {
    /// Where the backend is AWS.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl EnforceQuota {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "on" => Some(Self::On),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

/// So many calls a second, so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaRate {
    /// Calls a second.
    pub rate: NonZeroU32,
    /// Calls at once.
    pub burst: NonZeroU32,
}

/// Reads all three.
pub(super) fn read(settings: &mut Settings) -> Option<Conduct> {
    let quota = quota(settings);
    let attempts = number(settings, "retry.attempts", 1..=10).and_then(NonZeroU32::new);
    let repeats_updates = settings.text("retry.updates", |text| match text {
        "safe" => Some(false),
        "idempotent" => Some(true),
        _ => None,
    });
    let retry_budget = number(settings, "retry.budget", 0..=1000);
    let failures = settings.count("breaker.failures", 0..=1000);
    let pause = settings.duration("breaker.pause", TENTH..=10 * MINUTE);
    let pause = pause?;
    Some(Conduct {
        quota: quota?,
        attempts: attempts?,
        repeats_updates: repeats_updates?,
        retry_budget: retry_budget?,
        breaker: NonZeroUsize::new(failures?).map(|failures| Breaker { failures, pause }),
    })
}

fn quota(settings: &mut Settings) -> Option<Quota> {
    let enforce = settings.text("quota.enforce", EnforceQuota::parse);
    let wait = settings.duration("quota.wait", Duration::ZERO..=MINUTE);
    let mut rate = |rate, burst| {
        let [rate, burst] = [rate, burst].map(|path| number(settings, path, 1..=10_000).and_then(NonZeroU32::new));
        Some(QuotaRate { rate: rate?, burst: burst? })
    };
    let update = rate("quota.update_rate", "quota.update_burst");
    let import = rate("quota.import_rate", "quota.import_burst");
    let get = rate("quota.get_rate", "quota.get_burst");
    let other = rate("quota.other_rate", "quota.other_burst");
    Some(Quota { enforce: enforce?, wait: wait?, update: update?, import: import?, get: get?, other: other? })
}

fn number(settings: &mut Settings, path: &str, range: std::ops::RangeInclusive<i64>) -> Option<u32> {
    settings.count(path, range)?.try_into().ok()
}
