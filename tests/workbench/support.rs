//! Running the program as its users do, and holding what it prints against files.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a run ended with.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code.
    pub(crate) status: i32,
    /// What it printed on standard output.
    pub(crate) stdout: String,
    /// What it printed on standard error.
    pub(crate) stderr: String,
}

/// Runs the program in the package's own directory, with nothing of this process's environment.
pub(crate) fn run(arguments: &[&str]) -> Output {
    run_with(arguments, "")
}

/// The same, with this on standard input.
pub(crate) fn run_with(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_findings-gate"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that fails before it reads closes its end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Holds a text against the golden file of that name, below `tests/data/workbench`. `UPDATE_GOLDEN=1` writes it anew.
pub(crate) fn golden(name: &str, text: &str) {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/workbench").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(
        text == expected,
        "{name} differs (UPDATE_GOLDEN=1 writes it anew)\n--- got\n{text}\n--- expected\n{expected}"
    );
}
