//! Making a bundle of its contents, and its contents of a bundle.

use super::{
    ArchiveError, Digest, LARGEST, MOST_POLICIES, archive,
    manifest::{self, FORMAT, File, MANIFEST, Manifest, Root},
};
use crate::policy::{MAX_FILE, PROPERTIES, PolicyText, SCHEMA_TEXT};

/// The accounts file's name.
const ACCOUNTS: &str = "accounts.toml";
/// Where policies are.
const POLICIES: &str = "policies/";
/// What a policy file's name ends in.
const CEDAR: &str = ".cedar";
/// The longest name and the longest revision of a bundle, in bytes.
const LONGEST_NAME: usize = 128;
const LONGEST_REVISION: usize = 256;

/// Why something is no bundle: the rest of a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBundle {
    /// It is too large.
    #[error("it is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// It is no archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Its first file is not the manifest.
    #[error("its first file is not `{MANIFEST}`")]
    NoManifest,
    /// It is of another version of the format.
    #[error("it is in format {0}, and this version of findings-gate reads format {FORMAT}")]
    Format(u64),
    /// The manifest cannot be read.
    #[error("its `{MANIFEST}` is not as `findings-gate bundle build` writes it: {0}")]
    Manifest(String),
    /// The manifest says other things of the files than they are.
    #[error("its `{MANIFEST}` says other things of `{0}` than are in the bundle")]
    Mismatch(String),
    /// A file has no place in a bundle.
    #[error(
        "`{0}` is no name of a file in a bundle: expected `{ACCOUNTS}`, or `{POLICIES}` and a name of letters, digits, `.`, `_` and `-` that \
         ends in `{CEDAR}`, 100 characters at the most in all"
    )]
    Name(String),
    /// Two files have the same name.
    #[error("two of its files are `{0}`")]
    Repeated(String),
    /// A file is not text.
    #[error("`{0}` is not UTF-8")]
    NotText(String),
    /// A policy file is too large to be loaded.
    #[error("`{name}` is larger than {} MiB", MAX_FILE >> 20)]
    LargeFile {
        /// The file.
        name: String,
    },
    /// There is no policy.
    #[error("it has no policy file")]
    NoPolicies,
    /// There are too many policies.
    #[error("it has more than {MOST_POLICIES} policy files")]
    TooManyPolicies,
    /// The bundle's own name is none.
    #[error("its name is `{0}`: expected 1 to {LONGEST_NAME} letters, digits, `.`, `_`, `-`, `:` and `/`")]
    BundleName(String),
    /// The revision is none.
    #[error("its revision is `{0}`: expected 1 to {LONGEST_REVISION} bytes without control characters")]
    Revision(String),
}

/// What a bundle is to be made of.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What it is for, such as `prod`: a gate may insist on a name.
    pub name: Option<String>,
    /// What its makers call it, such as a commit; a digest of its files if they do not call it anything.
    pub revision: Option<String>,
    /// Its number in a row: a gate that fetches bundles takes none with a lower one.
    pub number: Option<u64>,
    /// The policy files. Their names are relative to `policies/`.
    pub policies: Vec<PolicyText>,
    /// The accounts file.
    pub accounts: Option<String>,
}

impl Draft {
    /// The bundle: the same bytes for the same contents.
    ///
    /// # Errors
    ///
    /// What would be no bundle.
    pub fn build(&self) -> Result<Vec<u8>, InvalidBundle> {
        let mut files: Vec<(String, &[u8])> =
            self.policies.iter().map(|file| (format!("{POLICIES}{}", file.name), file.text.as_bytes())).collect();
        files.extend(self.accounts.as_ref().map(|text| (ACCOUNTS.to_owned(), text.as_bytes())));
        files.sort();
        // A name that fits into no head would be told as something else.
        if let Some((path, _)) = files.iter().find(|(path, _)| path != ACCOUNTS && !is_policy(path)) {
            return Err(InvalidBundle::Name(path.clone()));
        }
        let listed: Vec<File> = files.iter().map(|(path, bytes)| File::of(path, bytes)).collect();
        let revision = match &self.revision {
            Some(revision) => revision.clone(),
            None => Digest::of(&serde_json::to_vec(&listed).unwrap_or_default()).to_string(),
        };
        let manifest = Manifest {
            format: FORMAT,
            name: self.name.clone(),
            revision,
            number: self.number,
            schema: schema(),
            roots: roots(&listed),
            files: listed,
        };
        let manifest = manifest.bytes().ok_or(InvalidBundle::NoManifest)?;
        let whole = std::iter::once((MANIFEST, &*manifest)).chain(files.iter().map(|(path, bytes)| (&**path, *bytes)));
        let bytes = archive::write(whole).ok_or(InvalidBundle::TooLarge)?;
        // One set of rules for those who make and those who take: what is wrong is known before it is signed.
        Bundle::open(&bytes)?;
        Ok(bytes)
    }
}

/// A bundle's contents. Whose they are is another matter: see [`Trust`](super::Trust).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    manifest: Manifest,
    policies: Vec<PolicyText>,
    accounts: Option<String>,
    digest: Digest,
}

impl Bundle {
    /// Reads a bundle, which is exactly what [`Draft::build`] makes.
    pub fn open(bytes: &[u8]) -> Result<Self, InvalidBundle> {
        if bytes.len() > LARGEST {
            return Err(InvalidBundle::TooLarge);
        }
        let mut files = archive::read(bytes)?.into_iter();
        let Some((MANIFEST, text)) = files.next() else { return Err(InvalidBundle::NoManifest) };
        let manifest = read(text)?;
        let files: Vec<(&str, &[u8])> = files.collect();
        for (at, (path, bytes)) in files.iter().enumerate() {
            if manifest.files.get(at) != Some(&File::of(path, bytes)) {
                return Err(InvalidBundle::Mismatch((*path).to_owned()));
            }
        }
        if let Some(missing) = manifest.files.get(files.len()) {
            return Err(InvalidBundle::Mismatch(missing.path.clone()));
        }
        if manifest.roots != roots(&manifest.files) {
            return Err(InvalidBundle::Mismatch("roots".to_owned()));
        }
        for pair in manifest.files.windows(2) {
            if pair[0].path == pair[1].path {
                return Err(InvalidBundle::Repeated(pair[0].path.clone()));
            }
            if pair[0].path > pair[1].path {
                return Err(InvalidBundle::Manifest("the files are not sorted".to_owned()));
            }
        }
        let (mut policies, mut accounts) = (Vec::new(), None);
        for (path, bytes) in files {
            let text = std::str::from_utf8(bytes).map_err(|_| InvalidBundle::NotText(path.to_owned()))?;
            if path == ACCOUNTS {
                accounts = Some(text.to_owned());
            } else if is_policy(path) {
                if text.len() > MAX_FILE {
                    return Err(InvalidBundle::LargeFile { name: path.to_owned() });
                }
                policies.push(PolicyText { name: path.to_owned(), text: text.to_owned() });
            } else {
                return Err(InvalidBundle::Name(path.to_owned()));
            }
        }
        match policies.len() {
            0 => Err(InvalidBundle::NoPolicies),
            1..=MOST_POLICIES => Ok(Self { manifest, policies, accounts, digest: Digest::of(bytes) }),
            _ => Err(InvalidBundle::TooManyPolicies),
        }
    }

    /// What it is for, if it says so.
    pub fn name(&self) -> Option<&str> {
        self.manifest.name.as_deref()
    }

    /// What its makers call it.
    pub fn revision(&self) -> &str {
        &self.manifest.revision
    }

    /// Its number in a row, if it has one.
    pub fn number(&self) -> Option<u64> {
        self.manifest.number
    }

    /// Whether it was made by a version with the same schema. Its policies are checked against this version's in any case.
    pub fn is_of_this_schema(&self) -> bool {
        self.manifest.schema == schema()
    }

    /// The policy files, named as in the bundle.
    pub fn policies(&self) -> &[PolicyText] {
        &self.policies
    }

    /// The accounts file, and what it is called.
    pub fn accounts(&self) -> Option<(&'static str, &str)> {
        self.accounts.as_deref().map(|text| (ACCOUNTS, text))
    }

    /// Of the bundle's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// The manifest in `bytes`, if they are its only spelling and it says nothing odd.
fn read(bytes: &[u8]) -> Result<Manifest, InvalidBundle> {
    match manifest::format(bytes) {
        Some(FORMAT) | None => {}
        Some(other) => return Err(InvalidBundle::Format(other)),
    }
    let manifest: Manifest =
        serde_json::from_slice(bytes).map_err(|error| InvalidBundle::Manifest(error.to_string()))?;
    if manifest.bytes().is_none_or(|expected| expected != bytes) {
        return Err(InvalidBundle::Manifest("it is laid out otherwise".to_owned()));
    }
    let is_name = |name: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte);
        (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(known)
    };
    if let Some(name) = manifest.name.as_deref().filter(|name| !is_name(name)) {
        return Err(InvalidBundle::BundleName(name.escape_debug().take(LONGEST_NAME).collect()));
    }
    let revision = &manifest.revision;
    if revision.is_empty() || revision.len() > LONGEST_REVISION || revision.contains(char::is_control) {
        return Err(InvalidBundle::Revision(revision.escape_debug().take(LONGEST_REVISION).collect()));
    }
    Ok(manifest)
}

/// The digest of this version's schema.
fn schema() -> String {
    Digest::of(SCHEMA_TEXT.as_bytes()).to_string()
}

fn roots(files: &[File]) -> Vec<Root> {
    let has = |is: fn(&str) -> bool| files.iter().any(|file| is(&file.path));
    let accounts = has(|path| path == ACCOUNTS).then_some(Root::Accounts);
    let policies = has(|path| path != ACCOUNTS).then_some(Root::Policies);
    accounts.into_iter().chain(policies).collect()
}

/// Whether a path is that of a policy file: `policies/`, a pack perhaps, and a name.
fn is_policy(path: &str) -> bool {
    let is_word = |word: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !word.is_empty() && !word.starts_with('.') && word.bytes().all(known)
    };
    let Some(rest) = path.strip_prefix(POLICIES) else { return false };
    let name = rest.rsplit('/').next().unwrap_or(rest);
    path.len() <= archive::LONGEST_NAME
        && rest.split('/').all(is_word)
        && rest.split('/').count() <= 2
        && name.len() > CEDAR.len()
        && name.ends_with(CEDAR)
        && !name.ends_with(PROPERTIES)
}
