//! Annotations of a GitHub workflow: commands on standard output, one a line.

use super::told::{Region, Told};
use crate::workbench::report::github::{data, property};
use std::fmt::Write;

/// A command for each.
pub(super) fn commands(told: &[Told]) -> String {
    let mut text = String::new();
    for one in told {
        let command = match one.severity {
            "note" => "notice",
            other => other,
        };
        let mut properties = Vec::new();
        if let Some(Region { file, line, column, end_line, end_column }) = &one.place {
            properties.push(format!("file={}", property(file)));
            properties.push(format!("line={line}"));
            // GitHub takes columns within one line only.
            if end_line.is_none_or(|end| end == *line) {
                properties.push(format!("col={column}"));
                properties.extend(end_column.map(|column| format!("endColumn={column}")));
            } else {
                properties.extend(end_line.map(|line| format!("endLine={line}")));
            }
        }
        properties.push(format!("title={}", property(&one.code.to_string())));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "::{command} {}::{}", properties.join(","), data(&one.text("\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::CONFIGURATION;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        let mut told = Told::of_message("100 %\r\nof, it: ::error::".into());
        let region =
            |end_line| Region { file: "a,b:c%.cedar".into(), line: 3, column: 4, end_line, end_column: Some(9) };
        told.place = Some(region(Some(3)));
        assert_eq!(
            commands(&[told.clone()]),
            "::error file=a%2Cb%3Ac%25.cedar,line=3,col=4,endColumn=9,title=FG012 configuration::100 %25%0D%0Aof, it: ::error::\n"
        );
        told.place = Some(region(Some(5)));
        assert!(commands(&[told]).contains("line=3,endLine=5,title="));
        assert_eq!(CONFIGURATION.id, "FG012");
    }
}
