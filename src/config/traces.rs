//! `[traces]`: which traces requests belong to, and who is told of their spans.

use super::{Certificates, Secret, Url, issued, load::Settings, problem::Problem, read};
use http::{HeaderName, HeaderValue};
use std::path::PathBuf;

const ENDPOINT: &str = "traces.endpoint";
const HEADERS: &str = "traces.headers";
const ATTRIBUTES: &str = "traces.attributes";
/// Keys that are about nothing where nothing is exported.
const OF_EXPORT: [&str; 5] = [HEADERS, ATTRIBUTES, "traces.service", "traces.sample", "traces.ca"];
/// Bytes of the file of headers, which are a token or two.
const MOST: u64 = 16 * 1024;

/// `[traces]`
#[derive(Debug, Clone)]
pub struct Traces {
    /// `backend`: whether the findings backend is told which trace a call belongs to.
    pub backend: TellBackend,
    /// Who is told of spans; nobody without `endpoint`.
    pub export: Option<TraceExport>,
}

/// `traces.backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TellBackend {
    /// Any but AWS, which would make nothing of it.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Where spans are sent.
#[derive(Debug, Clone)]
pub struct TraceExport {
    /// `endpoint`: the collector, to which `/v1/traces` is added.
    pub endpoint: Url,
    /// `ca`: whom to trust there instead of the system's authorities.
    pub ca: Option<Certificates>,
    /// `sample`: the share of the traces that begin here that are recorded, from 0 to 1.
    pub sample: f64,
    /// `headers`: what every export carries besides, such as a token: names and values.
    pub headers: Vec<(String, Secret)>,
    /// The file that they are from.
    pub headers_file: Option<PathBuf>,
    /// `service`: `service.name` of the resource.
    pub service: String,
    /// `attributes`: more of the resource, names and values.
    pub attributes: Vec<(String, String)>,
}

/// Reads `[traces]`.
pub(super) fn read(settings: &mut Settings, warnings: &mut Vec<String>) -> Option<Traces> {
    let backend = settings.text("traces.backend", |text| match text {
        "auto" => Some(TellBackend::Auto),
        "on" => Some(TellBackend::On),
        "off" => Some(TellBackend::Off),
        _ => None,
    });
    let endpoint = settings.text(ENDPOINT, |text| text.parse::<Url>().ok());
    if let Some(value) = settings.given(ENDPOINT).filter(|_| !cfg!(feature = "otlp")) {
        let message = format!("`{ENDPOINT}` is set, and this program was built without the export of traces");
        let problem = Problem::new(value.origin.clone(), message);
        let help = "build it with `cargo build --release --features otlp`, or remove `[traces]`; contexts of traces are carried without it";
        settings.problems.add(problem.help(help));
        return None;
    }
    let sample = settings.text("traces.sample", share)?;
    let Some(endpoint) = endpoint else {
        if settings.given(ENDPOINT).is_none() {
            refuse_without_endpoint(settings);
        }
        return Some(Traces { backend: backend?, export: None });
    };
    let (headers, headers_file) = headers(settings, warnings)?;
    let export = TraceExport {
        endpoint,
        ca: settings.certificates("traces.ca"),
        sample,
        headers,
        headers_file,
        service: settings.text("traces.service", |text| (!text.trim().is_empty()).then(|| text.to_owned()))?,
        attributes: attributes(settings)?,
    };
    Some(Traces { backend: backend?, export: Some(export) })
}

fn refuse_without_endpoint(settings: &mut Settings) {
    for key in OF_EXPORT {
        if let Some(value) = settings.given(key) {
            let message = format!("`{key}` is about spans that are sent to a collector, and `{ENDPOINT}` is not set");
            let problem = Problem::new(value.origin.clone(), message).help("set it, or remove this");
            settings.problems.add(problem);
        }
    }
}

/// A number from 0 to 1.
fn share(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|share| is_plain && (0.0..=1.0).contains(share))
}

/// Names and values.
type Headers = Vec<(String, Secret)>;

/// A line a header, `name: value`, as curl takes them with `-H @file`.
fn headers(settings: &mut Settings, warnings: &mut Vec<String>) -> Option<(Headers, Option<PathBuf>)> {
    if settings.given(HEADERS).is_none() {
        return Some((Vec::new(), None));
    }
    let (path, origin) = settings.path(HEADERS)?;
    let here = path.display();
    let read = read::text(&path, MOST).and_then(|text| {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        // Not the line itself, which may hold a secret.
        let wrong = |at| format!("line {} of `{here}` is no header: expected `name: value`", at + 1);
        lines.map(|(at, line)| header(line).ok_or_else(|| wrong(at))).collect::<Result<Vec<_>, _>>()
    });
    match read {
        Ok(headers) => {
            issued::warn_if_open(&path, warnings);
            Some((headers, Some(path)))
        }
        Err(why) => {
            settings.problems.add(Problem::new(origin, format!("`{HEADERS}`: {why}")));
            None
        }
    }
}

fn header(line: &str) -> Option<(String, Secret)> {
    let (name, value) = line.split_once(':')?;
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    let fits = HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok();
    fits.then(|| (name, Secret::new(value)))
}

/// `deployment.environment.name=prod`
fn attributes(settings: &mut Settings) -> Option<Vec<(String, String)>> {
    if settings.given(ATTRIBUTES).is_none() {
        return Some(Vec::new());
    }
    let names = settings.names(ATTRIBUTES)?;
    let pair = |text: &String| {
        let (name, value) = text.split_once('=')?;
        (!name.trim().is_empty()).then(|| (name.trim().to_owned(), value.trim().to_owned()))
    };
    let pairs: Option<Vec<_>> = names.iter().map(pair).collect();
    if pairs.is_none()
        && let Some(value) = settings.given(ATTRIBUTES).cloned()
    {
        settings.misspelt(ATTRIBUTES, &value);
    }
    pairs
}
