//! One page that needs nothing besides itself.

use super::{LEGEND, actions, by, callers, continues, only, summary};
use crate::workbench::matrix::Matrix;
use std::fmt::Write as _;

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}\
table{border-collapse:collapse;width:100%;margin:0 0 2rem}\
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}\
th{border-bottom:2px solid #888}td.by{font-family:ui-monospace,monospace;font-size:.85em}\
.allow{color:#136b2b}.strip,.not-found{color:#8a5a00}.reject,.refuse{color:#a11616}\
td.allow,td.strip,td.reject,td.refuse,td.not-found{font-weight:600}\
@media (prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}th,td{border-color:#444}\
.allow{color:#67c987}.strip,.not-found{color:#e0b252}.reject,.refuse{color:#f08a8a}}";

/// The matrix as a page: no scripts, nothing loaded from elsewhere.
pub fn html(matrix: &Matrix, title: &str) -> String {
    let title = escaped(title);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}. {LEGEND}</p>\n",
        escaped(&summary(matrix))
    );
    for section in &matrix.sections {
        let _ = writeln!(text, "<h2>{}</h2>\n<table>", escaped(&callers(section)));
        text.push_str("<thead><tr><th>action</th><th>where</th><th>answer</th><th>by</th></tr></thead>\n<tbody>\n");
        for (at, line) in section.lines.iter().enumerate() {
            let what = if continues(section, at) { String::new() } else { escaped(&actions(line, section)) };
            let effect = line.reply.effect;
            let _ = writeln!(
                text,
                "<tr><td>{what}</td><td>{}</td><td class=\"{effect}\">{effect}</td><td class=\"by\">{}</td></tr>",
                escaped(&only(line)),
                escaped(&by(line))
            );
        }
        text.push_str("</tbody>\n</table>\n");
    }
    if !matrix.notes.is_empty() {
        text.push_str("<h2>Notes</h2>\n<ul>\n");
        for note in &matrix.notes {
            let _ = writeln!(text, "<li>{}</li>", escaped(note));
        }
        text.push_str("</ul>\n");
    }
    text.push_str("</body>\n</html>\n");
    text
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::matrix::{Matrix, Section};

    #[test]
    fn what_policies_say_is_text() {
        let section = Section { callers: vec!["member in <script>&\"'".into()], lines: Vec::new() };
        let page = html(&Matrix { sections: vec![section], notes: vec!["a < b".into()], cells: 0 }, "<t>");
        assert!(page.contains("member in &lt;script&gt;&amp;&quot;&#39;"), "{page}");
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("<li>a &lt; b</li>") && page.contains("<title>&lt;t&gt;</title>"));
    }
}
