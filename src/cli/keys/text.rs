//! Changing the text of a keys file at one place, and nowhere else.

/// The text with a table at its end, an empty line before it.
pub(super) fn appended(text: &str, table: &str) -> String {
    let mut out = text.trim_end_matches(['\n', '\r', ' ', '\t']).to_owned();
    if !out.is_empty() {
        out.push_str("\n\n");
    }
    out.push_str(table);
    out
}

/// The text without the table that begins at `tables[index]`, with the comments right above it. `tables` are where each table begins. Nothing
/// for a file of another layout, in which a table does not begin with a line of its own.
pub(super) fn without(text: &str, tables: &[usize], index: usize) -> Option<String> {
    let (begin, end) = (block(text, *tables.get(index)?)?, tables.get(index + 1));
    let end = match end {
        Some(next) => block(text, *next)?,
        None => text.len(),
    };
    let (before, after) = (text.get(..begin)?, text.get(end..)?);
    // Of what parted it from its neighbours, one part is left.
    let before = if after.is_empty() { before.trim_end_matches(['\n', '\r']) } else { before };
    let newline = if after.is_empty() && !before.is_empty() { "\n" } else { "" };
    Some(format!("{before}{newline}{after}"))
}

/// Where a table's block begins: with the comments right above its `[[key]]`.
fn block(text: &str, table: usize) -> Option<usize> {
    let mut begin = text.get(..table)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text[begin..].lines().next()?.trim();
    if !line.starts_with("[[") || !text[begin..table].trim().is_empty() {
        return None;
    }
    while let Some(above) = text[..begin].strip_suffix('\n') {
        let start = above.rfind('\n').map_or(0, |end| end + 1);
        if !above[start..].trim_start().starts_with('#') {
            break;
        }
        begin = start;
    }
    // What stands at the very top is about the file, unless nothing parts it from the table.
    Some(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Keys of the gate.\n\n# payments\n# on call\n[[key]] # the bot\nid = \"one\"\n\n# SOAR\n  [[key]]\nid = \"two\"\n\n\n[[key]]\nid = \"three\"\n# the end\n";

    fn tables(text: &str) -> Vec<usize> {
        text.match_indices("[[key]]").map(|(at, _)| at).collect()
    }

    #[test]
    fn one_table_goes_with_its_comments_and_all_else_stays() {
        for (index, left) in [
            (0, "# Keys of the gate.\n\n# SOAR\n  [[key]]\nid = \"two\"\n\n\n[[key]]\nid = \"three\"\n# the end\n"),
            (
                1,
                "# Keys of the gate.\n\n# payments\n# on call\n[[key]] # the bot\nid = \"one\"\n\n[[key]]\nid = \"three\"\n# the end\n",
            ),
            (
                2,
                "# Keys of the gate.\n\n# payments\n# on call\n[[key]] # the bot\nid = \"one\"\n\n# SOAR\n  [[key]]\nid = \"two\"\n",
            ),
        ] {
            assert_eq!(without(FILE, &tables(FILE), index).as_deref(), Some(left), "{index}");
        }
        assert_eq!(without("[[key]]\nid = \"one\"", &[0], 0).as_deref(), Some(""));
        assert_eq!(without("# top\r\n\r\n[[key]]\r\nid = \"one\"\r\n", &[9], 0).as_deref(), Some("# top\n"));
    }

    #[test]
    fn another_layout_is_left_alone() {
        let text = "key = [{ id = \"one\" }, { id = \"two\" }]\n";
        let tables: Vec<usize> = text.match_indices('{').map(|(at, _)| at).collect();
        assert_eq!(without(text, &tables, 0), None);
        assert_eq!(without(FILE, &[], 0), None);
    }

    #[test]
    fn a_table_comes_to_the_end() {
        for (text, whole) in [
            ("", "[[key]]\n"),
            ("\n\n", "[[key]]\n"),
            ("# top", "# top\n\n[[key]]\n"),
            ("[[key]]\nid = \"one\"\n\n\n", "[[key]]\nid = \"one\"\n\n[[key]]\n"),
        ] {
            assert_eq!(appended(text, "[[key]]\n"), whole);
        }
    }
}
