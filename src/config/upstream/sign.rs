//! `upstream.sign`: how requests to the backend are signed.

use super::endpoint::is_of_aws;
use crate::{
    config::{AssumeRole, Backend, Sign, Url, load::Settings, problem::Problem, settings::SETTINGS},
    finding::{CallerPart, CallerTemplate},
};
use std::{borrow::Cow, net::IpAddr, time::Duration};

const SIGN: &str = "upstream.sign";
const SECTION: &str = "upstream.assume_role";
const QUARTER: Duration = Duration::from_mins(15);
const HALF_DAY: Duration = Duration::from_hours(12);

/// AWS takes so many tags in a session (AssumeRole, API reference).
const MOST_TAGS: usize = 50;

/// Reads `sign`, and `[upstream.assume_role]` where it is that.
pub(super) fn read(settings: &mut Settings, backend: Option<&Backend>, warnings: &mut Vec<String>) -> Option<Sign> {
    let url = settings.given("upstream.url").cloned();
    let value = settings.value(SIGN)?;
    let is_embedded = matches!(backend, Some(Backend::Embedded { .. }));
    // With `--upstream embedded` the file's `sign` is for the file's backend.
    let is_moot = is_embedded && url.is_some_and(|url| settings.unless_moot(SIGN, &url).is_none());
    let kind = if is_moot { Some("none") } else { value.text() };
    match kind {
        Some("none") => {
            if !is_moot {
                refuse_section(settings);
            }
            if let Some(Backend::Remote { routes, .. }) = backend
                && let Some(route) = routes.iter().find(|route| is_of_aws(route.url.host()))
            {
                warnings.push(format!(
                    "`{SIGN}` is `none` and the findings backend is {}, which refuses requests without a signature: set it to \
                     `gateway` or `assume-role`",
                    route.url
                ));
            }
            return Some(Sign::None);
        }
        Some("gateway" | "assume-role") => {}
        _ => {
            settings.misspelt(SIGN, &value);
            return None;
        }
    }
    match backend {
        Some(Backend::Embedded { .. }) => {
            let message = format!("`{SIGN}` is for a backend that checks signatures, and `upstream.url` is `embedded`");
            settings.problems.add(Problem::new(value.origin.clone(), message).help("remove it, or set it to `none`"));
        }
        Some(Backend::Remote { routes, .. }) => {
            if let Some(route) = routes.iter().find(|route| !is_safe(&route.url)) {
                let message = format!(
                    "`{SIGN}` needs an `https://` backend, and `upstream.url` is {}: session tokens and findings would go over the \
                     network in plaintext",
                    route.url
                );
                let help = "write `https://`; plain `http://` is for loopback only";
                settings.problems.add(Problem::new(value.origin.clone(), message).help(help));
            }
        }
        None => {}
    }
    if kind == Some("gateway") {
        refuse_section(settings);
        return Some(Sign::Gateway);
    }
    assume_role(settings).map(|role| Sign::AssumeRole(Box::new(role)))
}

/// Whether nobody but the other end hears what is sent there. Names below `localhost` are this machine to the gate's own client.
fn is_safe(url: &Url) -> bool {
    let host = url.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    url.is_https() || host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

/// The SDK's client asks DNS for names below `localhost`, which may then be anywhere.
fn is_safe_for_sts(url: &Url) -> bool {
    is_safe(url) && (url.is_https() || !url.host().ends_with(".localhost"))
}

fn refuse_section(settings: &mut Settings) {
    for setting in SETTINGS.iter().filter(|setting| setting.section() == SECTION) {
        if let Some(value) = settings.given(setting.path) {
            let message = format!("`{}` is for `{SIGN} = \"assume-role\"`, and `{SIGN}` is another", setting.path);
            let problem = Problem::new(value.origin.clone(), message);
            settings.problems.add(problem);
        }
    }
}

fn assume_role(settings: &mut Settings) -> Option<AssumeRole> {
    settings.missing_if_absent("upstream.assume_role.arn");
    let arn = settings.text("upstream.assume_role.arn", arn);
    let external_id = optional(settings, "upstream.assume_role.external_id", external_id);
    let session_name = settings.text("upstream.assume_role.session_name", name);
    let source_identity = optional(settings, "upstream.assume_role.source_identity", name);
    let tags = tags(settings);
    let duration = settings.duration("upstream.assume_role.duration", QUARTER..=HALF_DAY);
    let endpoint =
        optional(settings, "upstream.assume_role.endpoint", |text| text.parse::<Url>().ok().filter(is_safe_for_sts));
    Some(AssumeRole {
        arn: arn?,
        external_id: external_id.ok()?,
        session_name: session_name?,
        source_identity: source_identity.ok()?,
        tags: tags?,
        duration: duration?,
        endpoint: endpoint.ok()?,
    })
}

/// A key's problem is noted.
struct Noted;

/// A key that may be absent.
fn optional<T>(settings: &mut Settings, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Noted> {
    if settings.given(key).is_none() {
        return Ok(None);
    }
    settings.text(key, parse).map(Some).ok_or(Noted)
}

/// `arn:aws:iam::{account}:role/findings-gate`: a template that names nothing but the account, and is a role's ARN with one.
fn arn(text: &str) -> Option<CallerTemplate> {
    let template: CallerTemplate = text.parse().ok()?;
    if template.parts().any(|part| part != CallerPart::Account) {
        return None;
    }
    let filled = template.fill(|_| Cow::Borrowed("222222222222"));
    let mut parts = filled.splitn(6, ':');
    let (arn, partition) = (parts.next()?, parts.next()?);
    let (service, region, account, role) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let name = role.strip_prefix("role/")?;
    let fits = arn == "arn" && partition.starts_with("aws") && service == "iam" && region.is_empty() && is_account;
    (fits && !name.is_empty() && name.chars().all(|c| fits_name(c) || c == '/') && !name.ends_with('/'))
        .then_some(template)
}

/// What STS lets a session name and a source identity have. What a template puts in is made to fit; what is written out must.
fn name(text: &str) -> Option<CallerTemplate> {
    let template: CallerTemplate = text.parse().ok()?;
    let fits = template.texts().all(|text| text.chars().all(fits_name));
    (fits && (template.parts().next().is_some() || (2..=64).contains(&text.len()))).then_some(template)
}

fn fits_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

fn external_id(text: &str) -> Option<String> {
    let fits = (2..=1224).contains(&text.len()) && text.chars().all(|c| fits_name(c) || c == ':' || c == '/');
    fits.then(|| text.to_owned())
}

fn tags(settings: &mut Settings) -> Option<Vec<(String, CallerTemplate)>> {
    const TAGS: &str = "upstream.assume_role.tags";
    let value = settings.value(TAGS)?;
    let items = settings.list(TAGS, &value)?;
    let mut tags: Vec<(String, CallerTemplate)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.text().and_then(tag) {
            // To AWS, two keys that differ in case only are one.
            Some((key, _)) if tags.iter().any(|(other, _)| other.eq_ignore_ascii_case(&key)) => {
                let message = format!("`{TAGS}` has the key `{key}` twice");
                settings.problems.add(Problem::new(item.origin.clone(), message));
            }
            Some(tag) => tags.push(tag),
            None => {
                let expected = "`key=template`, such as `principal={principal}`, with a key of letters, digits and `_.:/=+-@` that \
                                does not begin with `aws:`";
                settings.problems.add(item.misspelt(&format!("{TAGS}[{index}]"), expected));
            }
        }
    }
    if items.len() > MOST_TAGS {
        let message = format!("`{TAGS}` has {} tags: expected at most {MOST_TAGS}", items.len());
        settings.problems.add(Problem::new(value.origin, message));
    }
    Some(tags)
}

fn tag(text: &str) -> Option<(String, CallerTemplate)> {
    let (key, template) = text.split_once('=')?;
    let fits = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    let template: CallerTemplate = template.parse().ok()?;
    let key_fits =
        (1..=128).contains(&key.chars().count()) && fits(key) && !key.to_ascii_lowercase().starts_with("aws:");
    (key_fits && template.texts().all(fits)).then(|| (key.to_owned(), template))
}
