//! The pages that teach: their files are written, their commands are run, and what they show is what came.
//!
//! A block whose first line names a file after its language (```` ```cedar policies/a.cedar ````) is that file, from there on. A
//! `console` block is a session: each line after `$ ` is run in the directory of those files, and the lines up to the next one
//! are what it prints, standard error after standard output. ` console exit=2` says how the last command of the block ends;
//! without it, all end with 0. Of a page of which not everything can be run, only the sessions that say how they end are.
//! `UPDATE_DOCS=1` writes what came into the page.
#![expect(clippy::unwrap_used, reason = "what a test's helpers unwrap is part of the test")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Which sessions of a page are run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sessions {
    /// All.
    All,
    /// Those that say how they end.
    Marked,
}

/// A page, block by block.
struct Page {
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Block { info: String, body: String },
}

impl Page {
    fn read(text: &str) -> Self {
        let mut parts = vec![];
        let mut prose = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(info) = line.strip_prefix("```") else {
                prose.push_str(line);
                prose.push('\n');
                continue;
            };
            parts.push(Part::Text(std::mem::take(&mut prose)));
            let mut body = String::new();
            for line in lines.by_ref().take_while(|line| *line != "```") {
                body.push_str(line);
                body.push('\n');
            }
            parts.push(Part::Block { info: info.to_owned(), body });
        }
        parts.push(Part::Text(prose));
        Self { parts }
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Block { info, body } => write!(f, "```{info}\n{body}```\n")?,
            }
        }
        Ok(())
    }
}

/// Runs a session, and says what it shows now.
fn session(directory: &Path, body: &str, exit: i32) -> String {
    let mut commands: Vec<String> = Vec::new();
    for line in body.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push(command.to_owned()),
            // A long command goes on.
            None => {
                if let Some(command) = commands.last_mut().filter(|command| command.ends_with('\\')) {
                    command.push('\n');
                    command.push_str(line);
                }
            }
        }
    }
    let mut shown = String::new();
    let last = commands.len() - 1;
    for (at, command) in commands.iter().enumerate() {
        let binary = Path::new(env!("CARGO_BIN_EXE_findings-gate")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(directory)
            .env("PATH", format!("{}:{path}", binary.display()))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text =
            format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let expected = if at == last { exit } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "$ {command}\n{text}");
        let _ = writeln!(shown, "$ {command}");
        for line in text.lines() {
            let _ = writeln!(shown, "{}", line.trim_end());
        }
    }
    shown
}

fn follow(page: &str, which: Sessions) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), page].iter().collect();
    let text = fs::read_to_string(&path).unwrap();
    let mut read = Page::read(&text);
    assert_eq!(read.to_string(), text, "{page} has a block that does not end");
    let place = tempfile::tempdir().unwrap();
    let mut sessions = 0;
    for part in &mut read.parts {
        let Part::Block { info, body } = part else { continue };
        let mut words = info.split_whitespace();
        match (words.next(), words.next()) {
            (Some("console"), None) if which == Sessions::Marked => {}
            (Some("console"), exit) => {
                let exit = exit.map_or(0, |exit| exit.strip_prefix("exit=").unwrap().parse().unwrap());
                *body = session(place.path(), body, exit);
                sessions += 1;
            }
            (Some(_), Some(file)) => {
                let file = place.path().join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, &*body).unwrap();
            }
            _ => {}
        }
    }
    assert!(sessions > 0, "{page} shows no session");
    let now = read.to_string();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, now).unwrap();
        return;
    }
    assert!(
        now == text,
        "{page} shows something else than what comes; UPDATE_DOCS=1 writes it:\n{}",
        similar::TextDiff::from_lines(text.as_str(), now.as_str()).unified_diff()
    );
}

/// Whether there is a solver, which the pages use. Where tests must not be left out, there has to be one.
fn has_solver() -> bool {
    let named = std::env::var_os("CVC5").filter(|path| !path.is_empty());
    let found = Command::new(named.unwrap_or_else(|| "cvc5".into())).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "there is no cvc5, and this is CI");
    found && cfg!(feature = "prove")
}

#[test]
fn the_readme_shows_what_comes() {
    follow("README.md", Sessions::Marked);
}

#[test]
fn the_page_on_bundles_shows_what_comes() {
    follow("docs/bundles.md", Sessions::All);
}

#[test]
fn the_tutorial_shows_what_comes() {
    if has_solver() {
        follow("docs/policies.md", Sessions::All);
    }
}
