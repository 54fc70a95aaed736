//! For spreadsheets.

use super::{callers, only};
use crate::workbench::matrix::{Matrix, Plain};

/// The folded matrix, a line for each action: `caller,action,where,answer,reason,policies`.
pub fn csv(matrix: &Matrix) -> String {
    let mut text = String::from("caller,action,where,answer,reason,policies\n");
    for section in &matrix.sections {
        for line in &section.lines {
            for action in &line.actions {
                let mut policies = line.reply.policies.join(" ");
                if line.and_others {
                    policies.push_str(" ...");
                }
                let reason = line.reply.reason.unwrap_or_default();
                let fields =
                    [&callers(section), action.as_str(), &only(line), line.reply.effect.as_str(), reason, &policies];
                put(&mut text, fields);
            }
        }
    }
    text
}

/// Every cell by itself.
pub fn csv_of_cells(cells: &[Plain]) -> String {
    let mut text = String::from("caller,action,where,answer,reason,policies\n");
    for Plain { caller, action, classes, reply } in cells {
        let classes: Vec<String> = classes.iter().map(|(name, class)| format!("{name}: {class}")).collect();
        let policies = reply.policies.join(" ");
        let reason = reply.reason.unwrap_or_default();
        put(&mut text, [caller, action.as_str(), &classes.join("; "), reply.effect.as_str(), reason, &policies]);
    }
    text
}

fn put(text: &mut String, fields: [&str; 6]) {
    let quoted = fields.map(quoted);
    text.push_str(&quoted.join(","));
    text.push('\n');
}

/// A field as RFC 4180 has it; what a spreadsheet would take for a formula stays a text.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }
}
