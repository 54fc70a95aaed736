//! `[quota]`, `[retry]` and `[breaker]`.

use super::*;

/// Every key of the three sections, with a value that is not its default.
const KEYS: [(&str, &str); 15] = [
    ("quota.enforce", "on"),
    ("quota.wait", "0s"),
    ("quota.update_rate", "21"),
    ("quota.update_burst", "22"),
    ("quota.import_rate", "23"),
    ("quota.import_burst", "24"),
    ("quota.get_rate", "25"),
    ("quota.get_burst", "26"),
    ("quota.other_rate", "27"),
    ("quota.other_burst", "28"),
    ("retry.attempts", "1"),
    ("retry.updates", "idempotent"),
    ("retry.budget", "29"),
    ("breaker.failures", "30"),
    ("breaker.pause", "31s"),
];

/// Whether a key is tested here.
pub(super) fn has(path: &str) -> bool {
    KEYS.iter().any(|(key, _)| *key == path)
}

fn rate(rate: u32, burst: u32) -> QuotaRate {
    QuotaRate { rate: rate.try_into().unwrap(), burst: burst.try_into().unwrap() }
}

fn breaker(failures: usize, seconds: u64) -> Breaker {
    Breaker { failures: failures.try_into().unwrap(), pause: Duration::from_secs(seconds) }
}

#[test]
fn the_defaults_are_the_quotas_of_aws() {
    let expected = Conduct {
        quota: Quota {
            enforce: EnforceQuota::Auto,
            wait: Duration::from_secs(2),
            update: rate(10, 30),
            import: rate(10, 30),
            get: rate(3, 6),
            other: rate(10, 30),
        },
        attempts: 3.try_into().unwrap(),
        repeats_updates: false,
        retry_budget: 20,
        breaker: Some(breaker(10, 5)),
    };
    assert_eq!(Place::new(SMALLEST).load().unwrap().conduct, expected);
}

#[test]
fn a_wait_as_long_as_a_call_gets_a_warning() {
    for (enforce, wait, warns) in
        [("on", "30s", true), ("on", "29s", false), ("off", "30s", false), ("auto", "30s", false)]
    {
        let variables = [
            ("FINDINGS_GATE__QUOTA__ENFORCE", enforce),
            ("FINDINGS_GATE__QUOTA__WAIT", wait),
            ("FINDINGS_GATE__UPSTREAM__TIMEOUT", "30s"),
        ];
        let warnings = Place::new(SMALLEST).load_with(&variables, &Flags::default()).unwrap().warnings;
        let told = warnings.iter().any(|warning| warning.contains("`quota.wait` is not less than `upstream.timeout`"));
        assert_eq!(told, warns, "{enforce} {wait}: {warnings:?}");
    }
}

#[test]
fn every_key_counts() {
    let variables: Vec<_> = KEYS.iter().map(|(key, value)| (Setting::at(key).unwrap().variable(), *value)).collect();
    let environment: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let expected = Conduct {
        quota: Quota {
            enforce: EnforceQuota::On,
            wait: Duration::ZERO,
            update: rate(21, 22),
            import: rate(23, 24),
            get: rate(25, 26),
            other: rate(27, 28),
        },
        attempts: 1.try_into().unwrap(),
        repeats_updates: true,
        retry_budget: 29,
        breaker: Some(breaker(30, 31)),
    };
    let place = Place::new(SMALLEST);
    assert_eq!(place.load_with(&environment, &Flags::default()).unwrap().conduct, expected);
    let off = [("FINDINGS_GATE__BREAKER__FAILURES", "0"), ("FINDINGS_GATE__QUOTA__ENFORCE", "off")];
    let conduct = place.load_with(&off, &Flags::default()).unwrap().conduct;
    assert_eq!((conduct.breaker, conduct.quota.enforce), (None, EnforceQuota::Off));
}
