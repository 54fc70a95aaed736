//! Where the findings backend is, in each Region.

use super::endpoint::endpoint;
use crate::config::{
    Backend, Route, Url,
    load::Settings,
    problem::{Problem, did_you_mean},
    reader::resolved,
    value::Value,
};

const URL: &str = "upstream.url";
const REGIONS: &str = "upstream.regions";
/// What stands for a Region's name in `upstream.url`.
const REGION: &str = "{region}";

/// Reads `url` and what goes with it. `region` is the default one.
pub(super) fn read(settings: &mut Settings, region: Option<&str>) -> Option<Backend> {
    let value = settings.value(URL)?;
    match value.text() {
        Some("embedded") => embedded(settings, &value),
        Some("aws") => aws(settings, &value, region),
        _ => elsewhere(settings, &value, region),
    }
}

fn embedded(settings: &mut Settings, value: &Value) -> Option<Backend> {
    refuse(settings, value, "upstream.ca", "for an `https://` backend, and `upstream.url` is `embedded`", "remove it");
    refuse_regions(settings, value);
    refuse_endpoints(settings, value);
    let Some(data) = settings.unless_moot("upstream.data", value) else {
        return Some(Backend::Embedded { data: None });
    };
    match data.text() {
        Some(text) if !text.is_empty() => Some(Backend::Embedded { data: Some(resolved(text, &data.origin)) }),
        _ => {
            settings.misspelt("upstream.data", &data);
            None
        }
    }
}

fn aws(settings: &mut Settings, value: &Value, region: Option<&str>) -> Option<Backend> {
    refuse_data(settings, value);
    let fips = switch(settings, "upstream.fips", value);
    let dual_stack = switch(settings, "upstream.dual_stack", value);
    let regions = regions(settings, value, region)?;
    let (fips, dual_stack) = (fips?, dual_stack?);
    let ca = match settings.unless_moot("upstream.ca", value) {
        Some(ca) => Some(settings.pem_of("upstream.ca", &ca, "CERTIFICATE")?),
        None => None,
    };
    let mut routes = Vec::with_capacity(regions.len());
    for region in regions {
        let Some(url) = endpoint(&region, fips, dual_stack) else {
            let message = format!("`{URL}` is \"aws\", and no partition of AWS is known to have the Region `{region}`");
            let help =
                format!("check the Region's name, or write the endpoint's URL, with `{REGION}` for the Region's name");
            settings.problems.add(Problem::new(value.origin.clone(), message).help(&help));
            return None;
        };
        routes.push(Route { region, url });
    }
    Some(Backend::Remote { routes, ca, fips, dual_stack })
}

fn elsewhere(settings: &mut Settings, value: &Value, region: Option<&str>) -> Option<Backend> {
    refuse_data(settings, value);
    refuse_endpoints(settings, value);
    let Some(text) = value.text() else {
        settings.misspelt(URL, value);
        return None;
    };
    // Whether it is a URL does not depend on which Region.
    let sample = match text.replace(REGION, "eu-west-1").parse::<Url>() {
        Ok(url) => url,
        // The value may hold a password where it has an `@`.
        Err(expected) if text.contains('@') => {
            let message = format!("`{URL}` has an `@`: expected {expected}");
            settings.problems.add(Problem::new(value.origin.clone(), message));
            return None;
        }
        Err(expected) => {
            let problem = value.misspelt(URL, &format!("`aws`, `embedded`, or {expected}"));
            settings.problems.add(problem.meant(did_you_mean(text, ["aws", "embedded"])));
            return None;
        }
    };
    let ca = match settings.unless_moot("upstream.ca", value) {
        Some(ca) if !sample.is_https() => {
            let message = "`upstream.ca` is for an `https://` backend, and `upstream.url` is an `http://` one";
            settings.problems.add(Problem::new(ca.origin, message).help("remove it, or write `https://`"));
            return None;
        }
        Some(ca) => Some(settings.pem_of("upstream.ca", &ca, "CERTIFICATE")?),
        None => None,
    };
    let regions = if text.contains(REGION) {
        regions(settings, value, region)?
    } else {
        refuse_regions(settings, value);
        vec![region?.to_owned()]
    };
    let route = |region: String| Some(Route { url: text.replace(REGION, &region).parse().ok()?, region });
    let routes = regions.into_iter().map(route).collect::<Option<Vec<_>>>()?;
    Some(Backend::Remote { routes, ca, fips: false, dual_stack: false })
}

/// The default Region, and the others of `regions`.
fn regions(settings: &mut Settings, url: &Value, region: Option<&str>) -> Option<Vec<String>> {
    let default = region?;
    let Some(value) = settings.unless_moot(REGIONS, url) else { return Some(vec![default.to_owned()]) };
    let items = settings.list(REGIONS, &value)?;
    let mut regions = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.text().filter(|text| super::is_region(text)) {
            Some(text) if regions.iter().any(|region| region == text) => {
                let message = format!("`{REGIONS}` names `{text}` twice");
                settings.problems.add(Problem::new(item.origin.clone(), message));
            }
            Some(text) => regions.push(text.to_owned()),
            None => {
                settings
                    .problems
                    .add(item.misspelt(&format!("{REGIONS}[{index}]"), "an AWS Region, such as `eu-west-1`"));
            }
        }
    }
    let Some(at) = regions.iter().position(|region| region == default) else {
        let message = format!("`{REGIONS}` does not have `{default}`, which `upstream.region` is");
        let help =
            "add it, or make one of the list the `upstream.region`: it is for callers whose proof names no Region";
        settings.problems.add(Problem::new(value.origin, message).help(help));
        return None;
    };
    regions[..=at].rotate_right(1);
    Some(regions)
}

/// `on` or `off`.
fn switch(settings: &mut Settings, key: &str, url: &Value) -> Option<bool> {
    if settings.unless_moot(key, url).is_none() {
        return Some(false);
    }
    settings.text(key, |text| match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    })
}

fn refuse_data(settings: &mut Settings, url: &Value) {
    let why = "for the embedded backend, and `upstream.url` is another one";
    refuse(settings, url, "upstream.data", why, "remove it, or set `upstream.url` to `embedded`");
}

fn refuse_regions(settings: &mut Settings, url: &Value) {
    let why = "for a backend that is in several Regions, and `upstream.url` is one and the same for all";
    let help = "remove it, set `upstream.url` to `aws`, or write `{region}` for the Region's name in its host";
    refuse(settings, url, REGIONS, why, help);
}

fn refuse_endpoints(settings: &mut Settings, url: &Value) {
    for key in ["upstream.fips", "upstream.dual_stack"] {
        let off = settings.given(key).is_some_and(|value| value.text() == Some("off"));
        if !off {
            refuse(settings, url, key, "for `upstream.url = \"aws\"`", "remove it, and write the host that is meant");
        }
    }
}

/// A key that has no meaning here.
fn refuse(settings: &mut Settings, url: &Value, key: &str, why: &str, help: &str) {
    if let Some(value) = settings.unless_moot(key, url) {
        settings.problems.add(Problem::new(value.origin, format!("`{key}` is {why}")).help(help));
    }
}
