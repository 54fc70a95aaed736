//! Telling what became of the mutants.

use super::{Fate, Score, Scored, Settled, Tally};
use crate::workbench::Paint;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// For people: the survivors, each gap with a case to paste, then how many of what.
pub fn human(score: &Score, paint: Paint) -> String {
    let mut text = String::new();
    for Scored { mutant, fate } in &score.mutants {
        let Fate::Survived(settled) = fate else { continue };
        let (mark, told) = match settled {
            Settled::Equivalent => (paint.good("same"), "     allows and denies the same (proved)".to_owned()),
            Settled::Unsettled(why) => (paint.doubtful("open"), format!("     {why}")),
            Settled::Gap(gap) => {
                (paint.bad("GAP "), format!("     no test notices it; this one would:\n{}", gap.case.trim_end()))
            }
        };
        let place = paint.faint(mutant.place());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark} {}: {}  {place}\n{told}", mutant.policy, mutant.what);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let tally = score.tally();
    let Tally { killed, equivalent, gaps, unsettled } = tally;
    let _ = writeln!(
        text,
        "{} mutants: {killed} killed, {equivalent} change nothing, {gaps} gaps, {unsettled} open; score {}",
        tally.all(),
        paint.strong(shown(tally.percent()))
    );
    text
}

/// For programs: one JSON document, whose members stay as they are while `version` does.
pub fn json(score: &Score) -> Value {
    let tally = score.tally();
    let mutants = score.mutants.iter().map(|Scored { mutant, fate }| {
        let mut value = json!({
            "policy": &*mutant.policy, "what": mutant.what, "file": &*mutant.file,
            "line": mutant.span.line, "column": mutant.span.column,
        });
        let (word, more) = match fate {
            Fate::Killed(by) => ("killed", Some(("by", by))),
            Fate::Survived(Settled::Equivalent) => ("equivalent", None),
            Fate::Survived(Settled::Unsettled(why)) => ("unsettled", Some(("why", why))),
            Fate::Survived(Settled::Gap(gap)) => ("gap", Some(("case", &gap.case))),
        };
        value["fate"] = word.into();
        if let Some((name, text)) = more {
            value[name] = text.as_str().into();
        }
        value
    });
    json!({
        "version": 1, "score": tally.percent(),
        "counts": {
            "killed": tally.killed, "equivalent": tally.equivalent, "gaps": tally.gaps, "unsettled": tally.unsettled,
        },
        "mutants": mutants.collect::<Vec<_>>(),
    })
}

/// `92.3 %`, never rounded up.
fn shown(percent: f64) -> String {
    format!("{:.1} %", (percent * 10.0 + 1e-9).floor() / 10.0)
}
