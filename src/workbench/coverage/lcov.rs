//! Coverage as lcov traces, which editors and CI show beside the lines of the `.cedar` files.
//!
//! A policy is a function, hit when it applies. The lines of its head are hit when its scope matches, those of an atom when it is
//! evaluated; and an atom is a branch two ways, true and false.

use super::{CoverageReport, FileCoverage};
use std::{collections::BTreeMap, fmt::Write as _};

impl CoverageReport {
    /// The report as an lcov trace file (`geninfo(1)`).
    pub fn lcov(&self) -> String {
        let mut out = String::from("TN:\n");
        for file in self.files.iter().filter(|file| !file.policies.is_empty()) {
            file.write_lcov(&mut out);
        }
        out
    }
}

impl FileCoverage {
    fn write_lcov(&self, out: &mut String) {
        let mut line = |text: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{text}");
        };
        line(format_args!("SF:{}", self.name));
        for policy in &self.policies {
            line(format_args!("FN:{},{}", policy.head.line, policy.id));
        }
        for policy in &self.policies {
            line(format_args!("FNDA:{},{}", policy.satisfied, policy.id));
        }
        let hit = self.policies.iter().filter(|policy| policy.satisfied > 0).count();
        line(format_args!("FNF:{}\nFNH:{hit}", self.policies.len()));

        let (mut branches, mut taken) = (0, 0);
        for (block, atom) in self.policies.iter().flat_map(|policy| &policy.atoms).enumerate() {
            let evaluated = atom.seen_true + atom.seen_false > 0;
            for (branch, seen) in [atom.seen_true, atom.seen_false].into_iter().enumerate() {
                branches += 1;
                taken += usize::from(seen > 0);
                let seen = if evaluated { seen.to_string() } else { "-".to_owned() };
                line(format_args!("BRDA:{},{block},{branch},{seen}", atom.span.line));
            }
        }
        line(format_args!("BRF:{branches}\nBRH:{taken}"));

        let lines = self.lines();
        for (number, hits) in &lines {
            line(format_args!("DA:{number},{hits}"));
        }
        let hit = lines.values().filter(|hits| **hits > 0).count();
        line(format_args!("LF:{}\nLH:{hit}\nend_of_record", lines.len()));
    }

    /// How often each line was looked at. Of several atoms in a line, the one that was looked at most often counts.
    fn lines(&self) -> BTreeMap<usize, u64> {
        let mut lines = BTreeMap::new();
        let mut add = |from: usize, to: usize, hits: u64| {
            for line in from..=to {
                let known = lines.entry(line).or_insert(hits);
                *known = hits.max(*known);
            }
        };
        for policy in &self.policies {
            add(policy.head.line, policy.head.end_line, policy.in_scope);
            for atom in &policy.atoms {
                add(atom.span.line, atom.span.end_line, atom.seen_true + atom.seen_false);
            }
        }
        lines
    }
}
