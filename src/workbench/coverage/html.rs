//! Coverage as one page that needs nothing else: the policies' text, shaded.

use super::{
    CoverageReport, FileCoverage, PolicyCoverage,
    report::{Shade, shown},
};
use std::fmt::Write as _;

const STYLE: &str = "\
:root{color-scheme:light dark;--whole:#c8ecc9;--part:#fbe8a6;--nothing:#f6c4c0;--line:#8884}
@media(prefers-color-scheme:dark){:root{--whole:#1f4d2b;--part:#5b4a10;--nothing:#6b2420}}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font:600 1rem ui-monospace,monospace;margin-top:2.5rem}
table{border-collapse:collapse;width:100%}
th,td{padding:.2rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td:first-child{font-family:ui-monospace,monospace}
pre{font:13px/1.55 ui-monospace,monospace;overflow-x:auto;border:1px solid var(--line);border-radius:4px;padding:.6rem 0;margin:.6rem 0}
.n{display:inline-block;width:3.5em;padding-right:1em;text-align:right;opacity:.45;user-select:none}
.whole{background:var(--whole)}.part{background:var(--part)}.nothing{background:var(--nothing)}
.key span{padding:.1rem .5rem;margin-right:.6rem;border-radius:3px}";

impl Shade {
    const fn class(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Part => "part",
            Self::Nothing => "nothing",
        }
    }
}

impl CoverageReport {
    /// The report as a page of HTML that loads nothing.
    pub fn html(&self) -> String {
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>Policy coverage: {percent}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n\
             <h1>Policy coverage: {percent}</h1>\n\
             <p>Policies that applied and decided: {} of {}. Atoms seen true and false: {} of {}.</p>\n\
             <p class=\"key\"><span class=\"whole\">seen both ways</span><span class=\"part\">seen one way</span>\
             <span class=\"nothing\">never seen</span> A policy's head: applied, and decided. An atom: true, and false. \
             Point at one to see what is missing.</p>\n",
            self.policies_covered,
            self.policies,
            self.atoms_covered,
            self.atoms,
            percent = shown(self.percent()),
        );
        for file in self.files.iter().filter(|file| !file.policies.is_empty()) {
            file.write_html(&mut page);
        }
        page.push_str("</body>\n</html>\n");
        page
    }
}

impl FileCoverage {
    fn write_html(&self, page: &mut String) {
        let name = escaped(&self.name);
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "<h2>{name}</h2>\n<table>\n<tr><th>policy</th><th>in scope</th><th>applied</th><th>decided</th><th>atoms</th></tr>"
        );
        for policy in &self.policies {
            let covered = policy.atoms.iter().filter(|atom| atom.missing().is_none()).count();
            let _ = writeln!(
                page,
                "<tr><td><span class=\"{}\">{}</span></td><td>{}</td><td>{}</td><td>{}</td><td>{covered} of {}</td></tr>",
                policy.shade().class(),
                escaped(&policy.id),
                policy.in_scope,
                policy.satisfied,
                policy.determining,
                policy.atoms.len(),
            );
        }
        page.push_str("</table>\n<pre>");
        self.write_text(page);
        page.push_str("</pre>\n");
    }

    /// The text, with its lines numbered and what was seen marked.
    fn write_text(&self, page: &mut String) {
        let mut marks: Vec<(usize, usize, String)> = self.policies.iter().flat_map(PolicyCoverage::marks).collect();
        marks.sort();
        let mut marks = marks.into_iter().peekable();
        let mut start = 0;
        for (number, line) in self.text.split_inclusive('\n').enumerate() {
            let end = start + line.len();
            let _ = write!(page, "<span class=\"n\">{}</span>", number + 1);
            let mut at = start;
            // A mark over several lines is opened anew in each, so that the numbers stay outside.
            while let Some((from, to, open)) = marks.peek().filter(|(from, ..)| *from < end) {
                let (from, until) = ((*from).max(at), (*to).min(end));
                page.push_str(&escaped(&self.text[at..from]));
                let marked = self.text[from..until].trim_end_matches(['\r', '\n']);
                let _ = write!(page, "{open}{}</span>", escaped(marked));
                page.push_str(&self.text[from + marked.len()..until]);
                at = until;
                if *to > end {
                    break;
                }
                marks.next();
            }
            page.push_str(&escaped(&self.text[at..end]));
            start = end;
        }
    }
}

impl PolicyCoverage {
    /// What is marked: from where to where in the file, and the tag that opens it.
    fn marks(&self) -> Vec<(usize, usize, String)> {
        let tag =
            |shade: Shade, title: &str| format!("<span class=\"{}\" title=\"{}\">", shade.class(), escaped(title));
        let (satisfied, determining) = (self.satisfied, self.determining);
        let told = self.missing().map(|missing| format!(" ({missing})")).unwrap_or_default();
        let title = format!("{}: applied {satisfied} times, decided {determining}{told}", self.id);
        let mut marks = vec![(self.head.start, self.head.end, tag(self.shade(), &title))];
        for atom in &self.atoms {
            let told = atom.missing().map(|missing| format!(" ({missing})")).unwrap_or_default();
            let title = format!("true {} times, false {} times{told}", atom.seen_true, atom.seen_false);
            marks.push((atom.span.start, atom.span.end, tag(atom.shade(), &title)));
        }
        marks
    }
}

/// The text as HTML shows it, in attributes as well.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
