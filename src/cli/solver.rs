//! The solver: cvc5 as a child process that reads SMT-LIB and can be killed.

use cedar_policy_symcc::solver::{Decision, DecisionWithModel, Solver, SolverError};
use std::{
    ffi::OsString,
    fmt,
    io::ErrorKind,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    process::{ChildStderr, ChildStdin, ChildStdout},
};

/// The oldest cvc5 whose answers were compared with a newer one's.
const OLDEST: [u32; 3] = [1, 0, 3];
/// How much longer than the solver's own limit is waited for its answer.
const GRACE: Duration = Duration::from_secs(2);
/// How much of what a solver says of its end is told, in bytes.
const TOLD: usize = 300;

/// Which solver, and how long it may think about one question.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The program.
    pub(super) program: OsString,
    /// For each question.
    pub(super) limit: Duration,
}

/// A solver that runs. It is killed, and no zombie stays, when this is dropped.
pub(super) struct Running {
    child: Child,
    /// What goes to the solver with the next question.
    input: Vec<u8>,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    limit: Duration,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("child", &self.child.id()).finish_non_exhaustive()
    }
}

impl Settings {
    /// The program that is named, or that `CVC5` names, or `cvc5`.
    pub(super) fn new(program: Option<OsString>, limit: Duration) -> Self {
        let named = || std::env::var_os("CVC5").filter(|path| !path.is_empty());
        Self { program: program.or_else(named).unwrap_or_else(|| "cvc5".into()), limit }
    }

    /// Starts the solver. Within a runtime.
    pub(super) fn start(&self) -> Result<Running, String> {
        let name = self.program.display();
        // `--tlimit` counts from the start, idle time included. `--strings-exp` is what `like` needs.
        let spawned = Command::new(&self.program)
            .args(["--lang", "smt", "--strings-exp"])
            .arg(format!("--tlimit-per={}", self.limit.as_millis()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!(
                "there is no solver `{name}`: install cvc5 1.0.3 or later (Debian: `apt-get install cvc5`), or name one with \
                 CVC5"
            ),
            _ => format!("the solver `{name}` cannot be started: {error}"),
        })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let opened = match pipes {
            (Some(stdin), Some(stdout), Some(stderr)) => ChildStdin::from_std(stdin)
                .and_then(|stdin| Ok((stdin, ChildStdout::from_std(stdout)?, ChildStderr::from_std(stderr)?))),
            _ => Err(ErrorKind::BrokenPipe.into()),
        };
        match opened {
            Ok((stdin, stdout, stderr)) => {
                let stdout = BufReader::new(stdout);
                Ok(Running { child, input: Vec::new(), stdin, stdout, stderr, limit: self.limit })
            }
            Err(error) => {
                end(&mut child);
                Err(format!("the solver `{name}` cannot be talked to: {error}"))
            }
        }
    }

    /// Whether there is a solver that answers, and is not too old; what it calls itself.
    pub(super) async fn introduce(&self) -> Result<String, String> {
        let mut running = self.start()?;
        running.input.extend_from_slice(b"(get-info :name)\n(get-info :version)\n");
        let (name, version) = running
            .within(async |running| {
                running.send().await?;
                Ok((running.line().await?, running.line().await?))
            })
            .await
            .map_err(|error| error.to_string())?;
        let quoted = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
        let (name, version) = (quoted(&name), quoted(&version));
        if name == "cvc5" && is_too_old(&version) {
            let [major, minor, patch] = OLDEST;
            return Err(format!(
                "the solver `{}` is cvc5 {version}, which is too old: expected {major}.{minor}.{patch} or later",
                self.program.display()
            ));
        }
        Ok(format!("{name} {version}"))
    }
}

/// Whether a version is before [`OLDEST`]. What is no version is not.
fn is_too_old(version: &str) -> bool {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || parts.next().and_then(Result::ok);
    next().is_some_and(|major| [major, next().unwrap_or(0), next().unwrap_or(0)] < OLDEST)
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Kills a child and waits for its end, which is then near. One that has ended already is only waited for.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Running {
    /// Does something with the solver, which must be done in the time that a question may take.
    async fn within<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, SolverError>,
    ) -> Result<T, SolverError> {
        let limit = self.limit + GRACE;
        let timed = tokio::time::timeout(limit, work(&mut *self)).await;
        timed.unwrap_or_else(|_| {
            end(&mut self.child);
            let seconds = limit.as_secs_f64();
            Err(SolverError::Solver(format!("it did not answer within {seconds} seconds, and was killed")))
        })
    }

    /// Sends what was written.
    async fn send(&mut self) -> Result<(), SolverError> {
        let input = std::mem::take(&mut self.input);
        let sent = async {
            self.stdin.write_all(&input).await?;
            self.stdin.flush().await
        };
        match sent.await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(self.ended().await),
            Err(error) => Err(error.into()),
        }
    }

    /// The next line of an answer.
    async fn line(&mut self) -> Result<String, SolverError> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line).await? == 0 { Err(self.ended().await) } else { Ok(line) }
    }

    /// Why it no longer answers: how it ended, and the first that it said of that.
    async fn ended(&mut self) -> SolverError {
        let mut said = vec![0; TOLD];
        let read = tokio::time::timeout(GRACE, self.stderr.read(&mut said)).await;
        said.truncate(read.ok().and_then(Result::ok).unwrap_or(0));
        let said = String::from_utf8_lossy(&said);
        let said = said.lines().map(str::trim).find(|line| !line.is_empty()).map(|line| format!(": {line}"));
        // It closed its output; that it has not ended yet is a matter of moments, or of a kill.
        let mut status = self.child.try_wait();
        if let Ok(None) = status {
            tokio::time::sleep(Duration::from_millis(50)).await;
            status = self.child.try_wait();
        }
        let status =
            status.ok().flatten().map_or_else(|| "it closed its output".to_owned(), |status| status.to_string());
        SolverError::Solver(format!("it ended ({status}){}", said.unwrap_or_default()))
    }

    async fn decide(&mut self) -> Result<Decision, SolverError> {
        self.input.extend_from_slice(b"(check-sat)\n");
        self.send().await?;
        let line = self.line().await?;
        match line.trim() {
            "sat" => Ok(Decision::Sat),
            "unsat" => Ok(Decision::Unsat),
            "unknown" => Ok(Decision::Unknown),
            other => Err(unexpected(other)),
        }
    }

    async fn model(&mut self) -> Result<String, SolverError> {
        self.input.extend_from_slice(b"(get-model)\n");
        self.send().await?;
        let mut model = self.line().await?;
        if model.trim() != "(" {
            return Err(unexpected(model.trim()));
        }
        loop {
            let line = self.line().await?;
            model.push_str(&line);
            if line.trim() == ")" {
                return Ok(model);
            }
        }
    }
}

fn unexpected(line: &str) -> SolverError {
    match line.strip_prefix("(error \"") {
        Some(message) => SolverError::Solver(message.trim_end_matches("\")").to_owned()),
        None => SolverError::UnrecognizedSolverOutput(line.chars().take(TOLD).collect()),
    }
}

impl Solver for Running {
    fn smtlib_input(&mut self) -> &mut (dyn AsyncWrite + Unpin + Send) {
        &mut self.input
    }

    async fn enable_models(&mut self) -> Result<(), SolverError> {
        self.input.extend_from_slice(b"(set-option :produce-models true)\n");
        Ok(())
    }

    async fn check_sat(&mut self) -> Result<Decision, SolverError> {
        self.within(async |running| running.decide().await).await
    }

    async fn check_sat_with_model(&mut self) -> Result<DecisionWithModel, SolverError> {
        self.within(async |running| match running.decide().await? {
            Decision::Sat => Ok(DecisionWithModel::Sat { model: running.model().await? }),
            Decision::Unsat => Ok(DecisionWithModel::Unsat),
            Decision::Unknown => Ok(DecisionWithModel::Unknown),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for old in ["0.9", "1.0.2", "1.0", "1"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["1.0.3", "1.0.10-dev", "1.3.1", "2", "", "unknown"] {
            assert!(!is_too_old(new), "{new}");
        }
    }
}
