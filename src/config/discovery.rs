//! `accounts.source`: whether Security Hub is asked who the members are.

use super::{Backend, Discovery, Upstream, load::Settings, problem::Problem, value::Value};
use std::time::Duration;

const SOURCE: &str = "accounts.source";
/// The keys that belong to asking.
const OF_ASKING: [&str; 2] = ["accounts.refresh", "accounts.wait"];
const SECOND: Duration = Duration::from_secs(1);

/// How members are asked for; nothing where the accounts file says them. The source is of use elsewhere before it is known what for.
pub(super) struct Source {
    value: Option<Value>,
    discovery: Option<Discovery>,
    is_asked: bool,
}

/// Reads the keys.
pub(super) fn read(settings: &mut Settings) -> Source {
    let is_asked = settings.text(SOURCE, |text| match text {
        "file" => Some(false),
        "security-hub" => Some(true),
        _ => None,
    });
    let value = settings.given(SOURCE).cloned();
    let refresh = settings.duration(OF_ASKING[0], 10 * SECOND..=Duration::from_hours(24));
    let wait = settings.duration(OF_ASKING[1], SECOND..=Duration::from_mins(10));
    if is_asked == Some(false) {
        for key in OF_ASKING {
            if let Some(given) = settings.given(key) {
                let message = format!("`{key}` is for `{SOURCE} = \"security-hub\"`, and `{SOURCE}` is `file`");
                let problem = Problem::new(given.origin.clone(), message);
                settings.problems.add(problem);
            }
        }
    }
    let discovery = refresh.zip(wait).map(|(refresh, wait)| Discovery { refresh, wait });
    Source { value, discovery, is_asked: is_asked == Some(true) }
}

impl Source {
    /// Whether members are more than the accounts file has.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// How to ask, of this backend.
    pub(super) fn of(self, upstream: Option<&Upstream>, settings: &mut Settings) -> Option<Discovery> {
        if !self.is_asked {
            return None;
        }
        if let (Some(Upstream { backend: Backend::Embedded { .. }, .. }), Some(value)) = (upstream, self.value) {
            let message = format!(
                "`{SOURCE}` is `security-hub`, and the findings backend is `embedded`, which has no ListMembers"
            );
            let help = "name the members in the accounts file, or another backend";
            settings.problems.add(Problem::new(value.origin, message).help(help));
        }
        self.discovery
    }
}
