//! The findings-gate executable: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    findings_gate::cli::run(std::env::args_os())
}
