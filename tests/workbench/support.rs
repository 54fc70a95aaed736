//! Running the program, and holding what it prints against what it printed before.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The same, if it ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.status, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// What was printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// A program that runs in `directory`, with nothing of this process's configuration but where programs are.
pub(crate) fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_findings-gate"));
    command.current_dir(directory).stdin(Stdio::null()).env_clear();
    for name in ["PATH", "CVC5"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    told(command.output().unwrap())
}

/// Runs the program in the repository's root.
pub(crate) fn run(arguments: &[&str]) -> Output {
    run_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}

/// Runs the program in a directory.
pub(crate) fn run_in(directory: &Path, arguments: &[&str]) -> Output {
    told(program(directory).args(arguments).output().unwrap())
}

/// Runs the program in the repository's root, with this on standard input.
pub(crate) fn run_with(arguments: &[&str], input: &str) -> Output {
    run_in_with(Path::new(env!("CARGO_MANIFEST_DIR")), arguments, input)
}

/// Runs the program in a directory, with this on standard input.
pub(crate) fn run_in_with(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = program(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that fails before it reads closes its end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    told(child.wait_with_output().unwrap())
}

fn told(output: std::process::Output) -> Output {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A directory with these files.
pub(crate) fn place(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    place
}

/// Holds a text against a file of `tests/data/workbench`; `UPDATE_GOLDEN=1` writes the file.
pub(crate) fn golden(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data/workbench", name].iter().collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; UPDATE_GOLDEN=1 writes it:\n{}",
        path.display(),
        similar::TextDiff::from_lines(expected.as_str(), text).unified_diff()
    );
}

/// Whether there is a solver. Where tests must not be left out, there has to be one.
pub(crate) fn has_solver() -> bool {
    let named = std::env::var_os("CVC5").filter(|path| !path.is_empty());
    let found = Command::new(named.unwrap_or_else(|| "cvc5".into())).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "there is no cvc5, and this is CI");
    if !found {
        let told = "skipped: there is no cvc5 (Debian: apt-get install cvc5), and CVC5 names none\n";
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    found && cfg!(feature = "prove")
}
