//! `policies.path` as a bundle, and `policies.bundle`: whose signatures count, and where a copy is kept.

use super::{
    Certificates,
    load::Settings,
    problem::{Origin, Problem},
    read,
    reader::resolved,
    value::{Kind, Value},
};
use crate::{
    bundle::{
        Bundle, Digest, Kept, KeyId, LARGEST, LARGEST_SIGNATURES, PublicKey, RolledBack, SIGNATURES, SUFFIX, Signed,
        Trust,
    },
    identity::fetchable,
    policy::PolicyText,
};
use bytes::Bytes;
use http::{Uri, uri::Scheme};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const PATH: &str = "policies.path";
const KEYS: &str = "policies.bundle.keys";
const REQUIRED: &str = "policies.bundle.signatures";
const NAME: &str = "policies.bundle.name";
const UNSIGNED: &str = "policies.bundle.unsigned";
const CACHE: &str = "policies.bundle.cache";
const REFRESH: &str = "policies.bundle.refresh";
const TIMEOUT: &str = "policies.bundle.timeout";
const CA: &str = "policies.bundle.ca";
/// The keys that are for a URL only.
const OF_URLS: [&str; 4] = [CACHE, REFRESH, TIMEOUT, CA];
/// All keys.
const ALL: [&str; 8] = [KEYS, REQUIRED, NAME, UNSIGNED, CACHE, REFRESH, TIMEOUT, CA];
/// The most keys.
const MOST_KEYS: usize = 16;
/// The longest file with a public key, in bytes.
const LONGEST_KEY: u64 = 16 << 10;
const SECOND: Duration = Duration::from_secs(1);

/// A bundle that was read.
#[derive(Debug, Clone)]
pub struct PolicyBundle {
    /// Its path or its URL, as messages name it.
    pub source: String,
    /// What is in it.
    pub bundle: Arc<Bundle>,
    /// Who signed it, of those whose signatures count; nobody where it need not be signed.
    pub signers: Vec<KeyId>,
    /// Where a copy of it is kept, if it comes from a URL.
    pub cache: Option<PathBuf>,
}

impl RemoteBundle {
    /// Whether a bundle may take the place of the last one: of the copy, or else of the one that a running gate uses.
    ///
    /// A copy that is gone, or cannot be read just now, is so no way back. What is used counts if it is of this URL and by keys that still
    /// count. Where there is a copy, that one counts: somebody may have gone back by hand.
    pub fn may_be_followed_by(&self, next: &Bundle, used: Option<&PolicyBundle>) -> Result<(), RolledBack> {
        if let Some((kept, _)) = &self.kept {
            return kept.may_become(next);
        }
        let is_last = |used: &&PolicyBundle| {
            used.cache.is_some() && used.source == self.shown && self.trust.still_opens(&used.bundle, &used.signers)
        };
        match used.filter(is_last) {
            Some(used) => Kept::new(&used.source, &used.bundle, String::new()).may_become(next),
            None => Ok(()),
        }
    }
}

impl PolicyBundle {
    /// Its policy files, with names that say that they are of this bundle.
    pub fn texts(&self) -> impl Iterator<Item = PolicyText> {
        let name = |name: &str| format!("{}:{name}", self.source);
        self.bundle.policies().iter().map(move |file| PolicyText { name: name(&file.name), text: file.text.clone() })
    }

    /// What is allowed and probably not meant about it, a sentence each.
    pub(super) fn doubts(&self) -> Vec<String> {
        let Self { source, bundle, signers, cache } = self;
        let mut doubts = Vec::new();
        if signers.is_empty() {
            doubts.push(format!("`{UNSIGNED}` is `allowed`: whoever can write `{source}` decides"));
        }
        if !bundle.is_of_this_schema() {
            doubts.push(format!(
                "the bundle `{source}` was built by a version of findings-gate with another schema; its policies are valid by this one's, \
                 too"
            ));
        }
        if let Some(cache) = cache.as_deref().filter(|cache| is_open(cache)) {
            doubts.push(format!(
                "others on this machine can write in `{CACHE}`, and put an earlier bundle there: run `chmod go-w '{}'`",
                cache.display()
            ));
        }
        doubts
    }

    /// Its accounts file, if it has one, with such a name.
    pub(super) fn accounts(&self) -> Option<(PathBuf, &str)> {
        self.bundle.accounts().map(|(name, text)| (PathBuf::from(format!("{}:{name}", self.source)), text))
    }
}

/// A bundle as it came from its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedBundle {
    /// The URL, without its query.
    pub url: String,
    /// The bundle.
    pub bundle: Bytes,
    /// Its file of signatures.
    pub signatures: Bytes,
}

/// A bundle that is to be fetched.
#[derive(Debug, Clone)]
pub struct RemoteBundle {
    /// `policies.path`
    pub url: Uri,
    /// The same without its query, for messages and for the copy.
    pub shown: String,
    /// `keys`, `signatures` and `name`
    pub trust: Trust,
    /// `cache`
    pub cache: PathBuf,
    /// `refresh`
    pub refresh: Duration,
    /// `timeout`: of one request.
    pub timeout: Duration,
    /// `ca`: who may vouch for the URL's host; the machine's authorities when there is none.
    pub ca: Option<Certificates>,
    /// The copy that is kept of it, if there is one that may be used. What is known of it is what the bundle says, which is signed.
    pub kept: Option<(Kept, FetchedBundle)>,
}

/// What reads a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A gate, which decides by it.
    Gate,
    /// A verb of the workbench, which looks at a file as it would at a directory.
    Workbench,
}

/// Whether others than its owner can write in a directory.
fn is_open(directory: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(directory).is_ok_and(|metadata| metadata.permissions().mode() & 0o022 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = directory;
        false
    }
}

/// Whether an item of `policies.path` names a bundle.
pub(super) fn is_named(text: &str) -> bool {
    is_url(text) || Path::new(text).extension().is_some_and(|extension| *extension == SUFFIX[1..])
}

fn is_url(text: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)))
}

/// Reads the bundle that `policies.path` names, if it names one. `path` is the value of that key, and `named` those of its items that name
/// a bundle. Nothing is a problem, which is told, or that none is named.
pub(super) fn read(settings: &mut Settings, path: &Value, named: &[Value], reader: Reader) -> Option<PolicyBundle> {
    let item = match named {
        [] => {
            for key in ALL {
                if let Some(value) = settings.unless_moot(key, path) {
                    let message = format!("`{key}` is for a bundle, and `{PATH}` names none");
                    settings.problems.add(Problem::new(value.origin, message));
                }
            }
            return None;
        }
        [one] => one,
        [_, second, ..] => {
            let message = format!("`{PATH}` names more than one bundle: expected one at the most");
            let help = "build one bundle of both; directories and packs may stand beside it";
            settings.problems.add(Problem::new(second.origin.clone(), message).help(help));
            return None;
        }
    };
    let text = item.text().unwrap_or_default();
    if reader == Reader::Workbench {
        return in_workbench(settings, item, text);
    }
    if is_url(text) {
        let remote = remote(settings, item)?;
        return of_url(settings, item, &remote);
    }
    of_file(settings, item, text)
}

/// The bundle that is to be fetched, if one is.
pub(super) fn to_fetch(settings: &mut Settings, named: &[Value]) -> Option<RemoteBundle> {
    let item = named.iter().find(|item| item.text().is_some_and(is_url))?;
    let mut remote = remote(settings, item)?;
    if let Ok((kept, copy)) = copy(&remote.cache, &shown(&remote.url))
        && let Ok(Signed { bundle, .. }) = remote.trust.open(&copy.bundle, &copy.signatures)
    {
        remote.kept = Some((kept.verified(&bundle), copy));
    }
    Some(remote)
}

fn in_workbench(settings: &mut Settings, item: &Value, text: &str) -> Option<PolicyBundle> {
    if is_url(text) {
        let message =
            format!("`{}` is a URL, and this verb reads files: fetch the bundle, and name its file", harmless(text));
        settings.problems.add(Problem::new(item.origin.clone(), message));
        return None;
    }
    let file = resolved(text, &item.origin);
    let opened = read::bytes(&file, LARGEST as u64).and_then(|bytes| {
        Bundle::open(&bytes).map_err(|why| format!("the bundle `{}` cannot be read: {why}", file.display()))
    });
    match opened {
        Ok(bundle) => Some(opened_of(file.display().to_string(), bundle, Vec::new(), None)),
        Err(why) => {
            settings.problems.add(Problem::new(item.origin.clone(), why));
            None
        }
    }
}

fn of_file(settings: &mut Settings, item: &Value, text: &str) -> Option<PolicyBundle> {
    for key in OF_URLS {
        if let Some(value) = settings.unless_moot(key, item) {
            let message = format!("`{key}` is for a bundle that is fetched, and `{text}` is a file");
            settings.problems.add(Problem::new(value.origin, message));
        }
    }
    let file = resolved(text, &item.origin);
    let trust = trust(settings, item);
    let is_unsigned_allowed = unsigned(settings)?;
    let source = file.display().to_string();
    let opened = if is_unsigned_allowed {
        if let Some(value) = settings.given(KEYS) {
            let message =
                format!("`{KEYS}` names keys, and `{UNSIGNED}` is `allowed`: no signature would be looked at");
            let problem = Problem::new(value.origin.clone(), message)
                .help(format!("remove one of the two: `{UNSIGNED}`, if the keys are meant"));
            settings.problems.add(problem);
            return None;
        }
        read::bytes(&file, LARGEST as u64).and_then(|bytes| match Bundle::open(&bytes) {
            Ok(bundle) => Ok(Signed { bundle, signers: Vec::new() }),
            Err(why) => Err(format!("the bundle `{source}` cannot be read: {why}")),
        })
    } else {
        let trust = trust?;
        let mut beside = file.clone().into_os_string();
        beside.push(SIGNATURES);
        let bundle = read::bytes(&file, LARGEST as u64);
        let signatures = read::bytes(Path::new(&beside), LARGEST_SIGNATURES as u64);
        bundle.and_then(|bundle| Ok((bundle, signatures?))).and_then(|(bundle, signatures)| {
            trust.open(&bundle, &signatures).map_err(|why| format!("the bundle `{source}` is not used: {why}"))
        })
    };
    match opened {
        Ok(Signed { bundle, signers }) => Some(opened_of(source, bundle, signers, None)),
        Err(why) => {
            settings.problems.add(Problem::new(item.origin.clone(), format!("`{PATH}`: {why}")));
            None
        }
    }
}

/// An item of `policies.path` as messages may have it: of a URL, whatever is wrong with it, neither its query nor its user, in which there may
/// be what nobody should see.
fn harmless(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://").filter(|_| is_url(text)) else { return text.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// A URL without its query, in which there may be what nobody should see; so the query has no part in what a copy is a copy of, either.
pub(super) fn shown(url: &Uri) -> String {
    let text = url.to_string();
    text.split_once('?').map_or(text.as_str(), |(before, _)| before).to_owned()
}

/// What was fetched just now and is to be tried, or the copy.
fn of_url(settings: &mut Settings, item: &Value, remote: &RemoteBundle) -> Option<PolicyBundle> {
    let url = shown(&remote.url);
    let tried = settings.fetched.clone().filter(|fetched| fetched.url == url);
    let found = match tried {
        Some(fetched) => Ok(fetched),
        None => copy(&remote.cache, &url).map(|(_, fetched)| fetched),
    };
    let opened = found.and_then(|FetchedBundle { bundle, signatures, .. }| {
        let opened = remote.trust.open(&bundle, &signatures);
        opened.map_err(|why| format!("the bundle of {url} is not used: {why}"))
    });
    match opened {
        Ok(Signed { bundle, signers }) => Some(opened_of(url, bundle, signers, Some(remote.cache.clone()))),
        Err(why) => {
            settings.problems.add(Problem::new(item.origin.clone(), format!("`{PATH}`: {why}")));
            None
        }
    }
}

fn opened_of(source: String, bundle: Bundle, signers: Vec<KeyId>, cache: Option<PathBuf>) -> PolicyBundle {
    PolicyBundle { source, bundle: Arc::new(bundle), signers, cache }
}

/// The copy that is kept of what this URL had.
fn copy(cache: &Path, url: &str) -> Result<(Kept, FetchedBundle), String> {
    let current = cache.join(Kept::FILE);
    let none = |why: &str| {
        format!(
            "there is no copy of {url} in `{}` ({why}); `findings-gate serve` fetches one at its start, and `findings-gate bundle fetch` \
             at any time",
            cache.display()
        )
    };
    let text = read::text(&current, LONGEST_KEY).map_err(|why| none(&why))?;
    let kept =
        Kept::parse(&text).ok_or_else(|| none(&format!("`{}` is not what the gate writes", current.display())))?;
    if kept.url != url {
        return Err(none(&format!("what is there is of {}", kept.url)));
    }
    let digest = kept.digest().ok_or_else(|| none("its digest is none"))?;
    let (bundle, signatures) = Kept::files(&digest);
    let path = cache.join(bundle);
    let bundle: Bytes = read::bytes(&path, LARGEST as u64).map_err(|why| none(&why))?.into();
    if Digest::of(&bundle) != digest {
        return Err(none(&format!("`{}` is another bundle than its name says, or damaged", path.display())));
    }
    let signatures = read::bytes(&cache.join(signatures), LARGEST_SIGNATURES as u64).map_err(|why| none(&why))?.into();
    Ok((kept, FetchedBundle { url: url.to_owned(), bundle, signatures }))
}

/// Everything about a bundle that is to be fetched but its copy.
fn remote(settings: &mut Settings, item: &Value) -> Option<RemoteBundle> {
    let text = item.text().unwrap_or_default();
    let url = fetchable(text);
    if url.is_none() {
        let expected = "a bundle's URL: `https://`, or `http://` on a loopback address, without a user and a fragment";
        let item = Value { kind: Kind::Text(harmless(text)), origin: item.origin.clone() };
        settings.problems.add(item.misspelt(PATH, expected));
    }
    let trust = trust(settings, item);
    if unsigned(settings)?
        && let Some(value) = settings.given(UNSIGNED)
    {
        let message =
            format!("`{UNSIGNED}` is `allowed`, and the bundle comes from a URL: whoever answers there would decide");
        let problem = Problem::new(value.origin.clone(), message)
            .help(format!("remove it, and name the keys that count in `{KEYS}`"));
        settings.problems.add(problem);
        return None;
    }
    settings.missing_if_absent(CACHE);
    let cache = settings.path(CACHE).map(|(path, _)| path);
    let refresh = settings.duration(REFRESH, SECOND..=Duration::from_hours(24));
    let timeout = settings.duration(TIMEOUT, SECOND..=Duration::from_mins(5));
    let ca = match (settings.value(CA), &url) {
        (Some(value), Some(url)) if url.scheme() != Some(&Scheme::HTTPS) => {
            let message = format!("`{CA}` is for an `https://` URL, and `{}` is none", shown(url));
            settings.problems.add(Problem::new(value.origin, message).help("remove it"));
            return None;
        }
        (Some(value), _) => Some(settings.pem_of(CA, &value, "CERTIFICATE")?),
        (None, _) => None,
    };
    Some(RemoteBundle {
        shown: shown(url.as_ref()?),
        url: url?,
        trust: trust?,
        cache: cache?,
        refresh: refresh?,
        timeout: timeout?,
        ca,
        kept: None,
    })
}

fn unsigned(settings: &mut Settings) -> Option<bool> {
    settings.text(UNSIGNED, |text| match text {
        "refused" => Some(false),
        "allowed" => Some(true),
        _ => None,
    })
}

/// Whose signatures count. Where it need not be said (an unsigned file is allowed), nothing is no problem.
fn trust(settings: &mut Settings, item: &Value) -> Option<Trust> {
    let is_optional = settings.given(UNSIGNED).is_some_and(|value| value.text() == Some("allowed"));
    let name = match settings.given(NAME) {
        Some(_) => Some(settings.text(NAME, |text| (!text.is_empty()).then(|| text.to_owned()))?),
        None => None,
    };
    let required = settings.count(REQUIRED, 1..=16);
    let Some(value) = settings.value(KEYS) else {
        if !is_optional {
            let message = format!(
                "`{PATH}` names the bundle `{}`, and `{KEYS}` is not set: whoever could write it would decide",
                harmless(item.text().unwrap_or_default())
            );
            let help = format!(
                "set `{KEYS}` to the files with the public keys of those who sign it; `findings-gate bundle keygen` makes a pair"
            );
            settings.problems.add(Problem::new(item.origin.clone(), message).help(help));
        }
        return None;
    };
    let items = settings.list(KEYS, &value)?;
    if items.is_empty() || items.len() > MOST_KEYS {
        let message = format!("`{KEYS}` names {} files: expected 1 to {MOST_KEYS}", items.len());
        settings.problems.add(Problem::new(value.origin.clone(), message));
        return None;
    }
    let mut keys: Vec<PublicKey> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = format!("{KEYS}[{index}]");
        let Some(text) = item.text().filter(|text| !text.is_empty()) else {
            settings.problems.add(item.misspelt(&at, "the path of a PEM file with an Ed25519 public key"));
            continue;
        };
        match public_key(&resolved(text, &item.origin)) {
            Ok(key) if keys.contains(&key) => {
                let message = format!("`{at}` is a key that `{KEYS}` names before: {}", key.id());
                settings.problems.add(Problem::new(item.origin.clone(), message));
            }
            Ok(key) => keys.push(key),
            Err(why) => settings.problems.add(Problem::new(item.origin.clone(), format!("`{at}`: {why}"))),
        }
    }
    if keys.len() < items.len() {
        return None;
    }
    let required = required?;
    if required > keys.len() {
        let origin = settings.given(REQUIRED).map_or(Origin::Default, |value| value.origin.clone());
        let message = format!(
            "`{REQUIRED}` is {required}, and `{KEYS}` names {} of them: no bundle could have that many",
            keys.len()
        );
        settings.problems.add(Problem::new(origin, message));
        return None;
    }
    Some(Trust { keys, required, name })
}

/// The public key in a file, or why there is none: the end of a sentence.
pub fn public_key(path: &Path) -> Result<PublicKey, String> {
    let pem = read::text(path, LONGEST_KEY)?;
    PublicKey::from_pem(&pem).map_err(|why| format!("`{}` {why}", path.display()))
}
