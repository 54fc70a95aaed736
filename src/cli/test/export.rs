//! Writing what suites ask as tests of Cedar's own command line, which knows nothing of the gate: `cedar run-tests`.

use super::Failure;
use crate::{
    cli::policies::Loaded,
    policy::{Recorded, SCHEMA_TEXT},
    workbench::{export, suite::Suite},
};
use std::{fs, path::Path};

/// What a suite asked.
pub(super) struct Export {
    name: String,
    policies: String,
    tests: serde_json::Value,
}

impl Export {
    pub(super) fn new(suite: &Suite, loaded: &Loaded, recorded: &[Recorded]) -> Self {
        let name: String =
            suite.file.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        Self {
            name: name.trim_start_matches(['.', '-']).to_owned(),
            policies: export::policies(loaded.policies.rules()),
            tests: export::tests(&suite.name, recorded),
        }
    }
}

/// Writes `{suite}/policies.cedar`, `{suite}/schema.cedarschema` and `{suite}/tests.json` for each suite.
pub(super) fn write(directory: &Path, exports: &[Export]) -> Result<(), Failure> {
    for Export { name, policies, tests } in exports {
        let directory = directory.join(name);
        let broke = |error: std::io::Error| Failure::broke(format!("cannot write `{}`: {error}", directory.display()));
        fs::create_dir_all(&directory).map_err(broke)?;
        fs::write(directory.join("policies.cedar"), policies).map_err(broke)?;
        fs::write(directory.join("schema.cedarschema"), SCHEMA_TEXT).map_err(broke)?;
        fs::write(directory.join("tests.json"), format!("{tests:#}\n")).map_err(broke)?;
    }
    Ok(())
}
