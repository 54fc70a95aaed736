//! `findings-gate schema`

use super::{Exit, Failure, Printer, files};
use crate::policy::SCHEMA_TEXT;
use cedar_policy::SchemaFragment;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

pub(super) const ABOUT: &str = "\
Print the schema that policies are written against.

It is everything that a policy can say, and part of the program. Cedar's editor extensions complete and check policies by a \
`.cedarschema` file beside them: write it there with `--out`, and again after each update of the program.";

const EXAMPLES: &str = "\
Examples:
  findings-gate schema
  findings-gate schema --out policies/schema.cedarschema
  findings-gate schema --format json |
      cedar check-parse --schema-format json --schema /dev/stdin

Exit codes: 0 printed · 1 broke · 64 usage";

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {
    /// In which of Cedar's two forms
    #[arg(long, value_enum, default_value_t = SchemaFormat::Cedar)]
    pub format: SchemaFormat,

    /// Write it to this file, in place of what is there
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A form of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaFormat {
    /// For people, with comments
    Cedar,
    /// For programs
    Json,
}

/// Prints or writes the schema.
pub(super) fn run(args: &SchemaArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let text = match args.format {
        SchemaFormat::Cedar => SCHEMA_TEXT.to_owned(),
        SchemaFormat::Json => json()?,
    };
    match &args.out {
        Some(file) => {
            files::write(file, &text)?;
            printer.out(&format!("wrote {}\n", file.display()))?;
        }
        None => printer.out(&text)?,
    }
    Ok(Exit::Fine)
}

fn json() -> Result<String, Failure> {
    let (schema, _) = SchemaFragment::from_cedarschema_str(SCHEMA_TEXT).map_err(Failure::broke)?;
    let json = schema.to_json_value().map_err(Failure::broke)?;
    serde_json::to_string_pretty(&json).map(|text| text + "\n").map_err(Failure::broke)
}
