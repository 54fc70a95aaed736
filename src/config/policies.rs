//! Finding the policy files.

use super::{
    problem::{ConfigError, Origin, Problem, Problems},
    read,
};
use crate::policy::{PROPERTIES, PolicyText};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The most policy files in all.
const MOST_FILES: usize = 1_000;
/// The longest policy file, in bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// A directory of policies, or one policy file.
#[derive(Debug, Clone)]
pub struct PolicyPath {
    /// Where it is.
    pub path: PathBuf,
    /// Where it was named, for messages.
    pub(super) origin: Origin,
}

impl From<PathBuf> for PolicyPath {
    /// A path that no configuration names.
    fn from(path: PathBuf) -> Self {
        Self { path, origin: Origin::Default }
    }
}

/// Reads the policies: of a directory the files directly in it that end in `.cedar`, sorted by name; all else there
/// (schemas, tests, notes) is passed over, and so are files of properties, which end in `.properties.cedar`: a property is a
/// permit, and would let through what it says must never be. A path that yields no policy file is an error: a gate that was
/// meant to have policies and has none must not start.
pub fn read_policies(paths: &[PolicyPath]) -> Result<Vec<PolicyText>, ConfigError> {
    let mut problems = Problems::default();
    let mut files: Vec<(PathBuf, &Origin)> = Vec::new();
    for PolicyPath { path, origin } in paths {
        match policy_files(path) {
            Ok(found) => files.extend(found.into_iter().map(|file| (file, origin))),
            Err(why) => problems.add(Problem::new(origin.clone(), format!("{}{why}", key(origin)))),
        }
    }
    if let Some((_, origin)) = files.get(MOST_FILES) {
        let message = format!("`policies.path` names {} files: expected at most {MOST_FILES}", files.len());
        problems.add(Problem::new((*origin).clone(), message));
        files.truncate(0);
    }
    let mut texts: Vec<PolicyText> = Vec::with_capacity(files.len());
    for (file, origin) in files {
        // As whoever calls from here would name it.
        let name = file.strip_prefix(".").unwrap_or(&file).display().to_string();
        if texts.iter().any(|known| known.name == name) {
            problems.add(Problem::new(origin.clone(), format!("`policies.path` names `{name}` twice")));
            continue;
        }
        match read::text(&file, LONGEST_FILE) {
            Ok(text) => texts.push(PolicyText { name, text }),
            Err(why) => problems.add(Problem::new(origin.clone(), format!("{}{why}", key(origin)))),
        }
    }
    problems.into_result().map(|()| texts)
}

/// The key that named a path, for messages; what no configuration names has none.
fn key(origin: &Origin) -> &'static str {
    if matches!(origin, Origin::Default) { "" } else { "`policies.path`: " }
}

/// Reads the properties that lie beside the policies: of a directory the files directly in it that end in `.properties.cedar`,
/// sorted by name, and those files that are named themselves. There need not be any.
pub fn read_properties(paths: &[PathBuf]) -> Result<Vec<PolicyText>, ConfigError> {
    let mut problems = Problems::default();
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        match property_files(path) {
            Ok(found) => files.extend(found.into_iter().filter(|file| !files.contains(file)).collect::<Vec<_>>()),
            Err(why) => problems.add(Problem::new(Origin::Default, why)),
        }
    }
    let mut texts = Vec::with_capacity(files.len());
    for file in files.iter().take(MOST_FILES) {
        match read::text(file, LONGEST_FILE) {
            Ok(text) => texts.push(PolicyText { name: file.display().to_string(), text }),
            Err(why) => problems.add(Problem::new(Origin::Default, why)),
        }
    }
    problems.into_result().map(|()| texts)
}

/// Whether a file of a directory of policies is one of them, by its name.
pub fn is_policy(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "cedar") && !is_property(path)
}

/// Whether a file has properties, by its name. `.properties.cedar` alone is no name for them, and for policies neither.
fn is_property(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(PROPERTIES))
}

fn property_files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let refused = |error: std::io::Error| format!("cannot read `{}`: {}", path.display(), read::reason(&error));
    read::record(path, None);
    if !std::fs::metadata(path).map_err(refused)?.is_dir() {
        return Ok(if is_property(path) { vec![path.to_owned()] } else { Vec::new() });
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(refused)? {
        let file = entry.map_err(refused)?.path();
        if is_property(&file) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Where, directly below a directory without policies, there are some: what was probably meant.
fn below(path: &Path) -> String {
    let holds_policies = |directory: &PathBuf| {
        let files = std::fs::read_dir(directory).into_iter().flatten().take(MOST_FILES).filter_map(Result::ok);
        files.map(|file| file.path()).any(|file| is_policy(&file))
    };
    let entries = std::fs::read_dir(path).into_iter().flatten().take(MOST_FILES).filter_map(Result::ok);
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(holds_policies).collect();
    found.sort();
    let named: Vec<String> = found.iter().take(5).map(|path| format!("`{}`", path.display())).collect();
    match &named[..] {
        [] => String::new(),
        [one] => format!("; {one} has: name that"),
        several => format!("; {} have: name one of them", several.join(", ")),
    }
}

fn policy_files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let refused = |error: std::io::Error| format!("cannot read `{}`: {}", path.display(), read::reason(&error));
    if !std::fs::metadata(path).map_err(refused)?.is_dir() {
        return if is_policy(path) {
            Ok(vec![path.to_owned()])
        } else if is_property(path) {
            Err(format!(
                "`{}` has properties, which are proved and never enforced: name it to `findings-gate prove`, and name \
                 policies here",
                path.display()
            ))
        } else {
            Err(format!("`{}` does not end in `.cedar`, and is no directory", path.display()))
        };
    }
    let (mut files, mut properties) = (Vec::new(), 0);
    // What comes to it later is to be seen, too.
    read::record(path, None);
    for entry in std::fs::read_dir(path).map_err(refused)? {
        let file = entry.map_err(refused)?.path();
        properties += usize::from(is_property(&file));
        if is_policy(&file) {
            files.push(file);
        }
        if files.len() > MOST_FILES {
            return Err(format!("`{}` has more than {MOST_FILES} files that end in `.cedar`", path.display()));
        }
    }
    if files.is_empty() && properties > 0 {
        return Err(format!("`{}` has no file that ends in `.cedar` besides properties", path.display()));
    }
    if files.is_empty() {
        return Err(format!("`{}` has no file that ends in `.cedar`{}", path.display(), below(path)));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn told(paths: &[PathBuf]) -> String {
        let paths: Vec<_> = paths.iter().cloned().map(PolicyPath::from).collect();
        let problems = read_policies(&paths).unwrap_err().problems().to_vec();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_directory_yields_its_policies_by_name_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(dir.path().join(name), format!("// {name}")).unwrap();
        for name in [
            "b.cedar",
            "a.cedar",
            "s.cedarschema",
            "README.md",
            "a.test.yaml",
            "cedar",
            "a.cedar.bak",
            "a.properties.cedar",
        ] {
            write(name);
        }
        fs::create_dir(dir.path().join("deeper")).unwrap();
        write("deeper/c.cedar");
        let texts = read_policies(&[dir.path().to_owned().into()]).unwrap();
        let names: Vec<_> = texts.iter().map(|file| Path::new(&file.name).file_name().unwrap()).collect();
        assert_eq!(names, ["a.cedar", "b.cedar"]);
        assert_eq!(texts[0].text, "// a.cedar");
        let one = read_policies(&[dir.path().join("deeper/c.cedar").into()]).unwrap();
        assert_eq!(one.len(), 1);
    }

    /// As Kubernetes mounts a `ConfigMap`: the names are links through a hidden directory.
    #[cfg(unix)]
    #[test]
    fn links_are_followed() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("..v1")).unwrap();
        fs::write(dir.path().join("..v1/a.cedar"), "permit").unwrap();
        symlink("..v1", dir.path().join("..data")).unwrap();
        symlink("..data/a.cedar", dir.path().join("a.cedar")).unwrap();
        let texts = read_policies(&[dir.path().to_owned().into()]).unwrap();
        assert_eq!(texts.iter().map(|file| file.text.as_str()).collect::<Vec<_>>(), ["permit"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("empty")).unwrap();
        fs::write(at("notes.txt"), "").unwrap();
        fs::write(at("latin.cedar"), b"\xff").unwrap();
        fs::create_dir(at("odd.cedar")).unwrap();
        fs::create_dir_all(at("holder/x.cedar")).unwrap();
        fs::create_dir(at("claims")).unwrap();
        fs::write(at("claims/a.properties.cedar"), "permit").unwrap();
        let paths =
            ["empty", "missing", "notes.txt", "latin.cedar", "holder", "claims", "claims/a.properties.cedar"].map(at);
        let told = told(&paths).replace(&format!("{}/", dir.path().display()), "");
        assert_eq!(
            told,
            "`empty` has no file that ends in `.cedar`\n\
             cannot read `missing`: there is no such file\n\
             `notes.txt` does not end in `.cedar`, and is no directory\n\
             `claims` has no file that ends in `.cedar` besides properties\n\
             `claims/a.properties.cedar` has properties, which are proved and never enforced: name it to \
             `findings-gate prove`, and name policies here\n\
             cannot read `latin.cedar`: it is not UTF-8\n\
             cannot read `holder/x.cedar`: it is a directory"
        );
    }

    #[test]
    fn properties_are_read_beside_the_policies_or_by_their_own_names() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("set")).unwrap();
        for name in ["set/b.properties.cedar", "set/a.properties.cedar", "set/a.cedar", "c.properties.cedar"] {
            fs::write(at(name), format!("// {name}")).unwrap();
        }
        let read = |paths: &[&str]| -> Vec<String> {
            let paths: Vec<PathBuf> = paths.iter().map(|path| at(path)).collect();
            read_properties(&paths).unwrap().into_iter().map(|text| text.text).collect()
        };
        assert_eq!(read(&["set"]), ["// set/a.properties.cedar", "// set/b.properties.cedar"]);
        assert_eq!(
            read(&["set", "set/b.properties.cedar", "c.properties.cedar"]),
            ["// set/a.properties.cedar", "// set/b.properties.cedar", "// c.properties.cedar"]
        );
        assert!(read(&["set/a.cedar"]).is_empty());
        assert!(read_properties(&[at("none")]).unwrap_err().to_string().contains("there is no such file"));
    }

    #[test]
    fn a_file_named_twice_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.cedar");
        fs::write(&file, "permit").unwrap();
        let told = told(&[dir.path().to_owned(), file.clone()]);
        assert_eq!(told, format!("`policies.path` names `{}` twice", file.display()));
    }
}
