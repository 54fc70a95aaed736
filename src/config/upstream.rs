//! `[upstream]`: the findings backend.

use super::{
    Backend, Upstream, Url,
    load::Settings,
    problem::{Problem, did_you_mean},
    reader::resolved,
};
use std::{num::NonZeroUsize, time::Duration};

const LEAST: Duration = Duration::from_millis(10);
const MINUTE: Duration = Duration::from_mins(1);

/// `[upstream]`
pub(super) fn read(settings: &mut Settings) -> Option<Upstream> {
    sign(settings);
    let backend = backend(settings);
    let region = settings.text("upstream.region", |text| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_region = (3..=32).contains(&text.len()) && text.contains('-') && text.bytes().all(fits);
        is_region.then(|| text.to_owned())
    });
    let connect_timeout = settings.duration("upstream.connect_timeout", LEAST..=MINUTE);
    let timeout = settings.duration("upstream.timeout", LEAST..=10 * MINUTE);
    let concurrency = settings.count("upstream.concurrency", 1..=100).and_then(NonZeroUsize::new);
    Some(Upstream {
        backend: backend?,
        region: region?,
        connect_timeout: connect_timeout?,
        timeout: timeout?,
        concurrency: concurrency?,
    })
}

fn sign(settings: &mut Settings) {
    const SIGN: &str = "upstream.sign";
    let Some(value) = settings.value(SIGN) else { return };
    match value.text() {
        Some("none") => {}
        Some(later @ ("gateway" | "assume-role")) => {
            let message = format!("`{SIGN}` is \"{later}\", which is not in this version: expected `none`");
            settings.problems.add(Problem::new(value.origin, message));
        }
        _ => settings.misspelt(SIGN, &value),
    }
}

fn backend(settings: &mut Settings) -> Option<Backend> {
    const URL: &str = "upstream.url";
    let value = settings.value(URL)?;
    let data = settings.unless_moot("upstream.data", &value);
    let ca = settings.unless_moot("upstream.ca", &value);
    if value.text() == Some("embedded") {
        if let Some(ca) = ca {
            let message = "`upstream.ca` is for an `https://` backend, and `upstream.url` is `embedded`";
            settings.problems.add(Problem::new(ca.origin, message).help("remove it"));
        }
        let Some(data) = data else { return Some(Backend::Embedded { data: None }) };
        return match data.text() {
            Some(text) if !text.is_empty() => Some(Backend::Embedded { data: Some(resolved(text, &data.origin)) }),
            _ => {
                settings.misspelt("upstream.data", &data);
                None
            }
        };
    }
    if let Some(data) = data {
        let message = "`upstream.data` is for the embedded backend, and `upstream.url` is another one";
        let help = "remove it, or set `upstream.url` to `embedded`";
        settings.problems.add(Problem::new(data.origin, message).help(help));
    }
    let url = match value.text().map(str::parse::<Url>) {
        Some(Ok(url)) => url,
        // The value may hold a password where it has an `@`.
        Some(Err(expected)) if value.text().is_some_and(|text| text.contains('@')) => {
            let message = format!("`{URL}` has an `@`: expected {expected}");
            settings.problems.add(Problem::new(value.origin, message));
            return None;
        }
        Some(Err(expected)) => {
            let problem = value.misspelt(URL, &format!("`embedded`, or {expected}"));
            let meant = value.text().and_then(|text| did_you_mean(text, ["embedded"]));
            settings.problems.add(problem.meant(meant));
            return None;
        }
        None => {
            settings.misspelt(URL, &value);
            return None;
        }
    };
    let ca = match ca {
        Some(ca) if !url.is_https() => {
            let message = "`upstream.ca` is for an `https://` backend, and `upstream.url` is an `http://` one";
            settings.problems.add(Problem::new(ca.origin, message).help("remove it, or write `https://`"));
            return None;
        }
        Some(ca) => Some(settings.pem_of("upstream.ca", &ca, "CERTIFICATE")?),
        None => None,
    };
    Some(Backend::Remote { url, ca })
}
