//! The table, the reference and the exposition say the same.

use super::{
    super::{cells::OPERATIONS, tests::full},
    *,
};
use crate::finding::Operation;
use std::{collections::BTreeSet, fmt::Write as _, path::Path};

const REFERENCE: &str = include_str!("../../../../docs/metrics.md");
const BEGIN: &str =
    "<!-- made from src/telemetry/metrics/names.rs by `cargo test telemetry::metrics::names`: begin -->\n";
const END: &str = "<!-- end -->\n";

fn descriptions() -> impl Iterator<Item = (&'static Description, String)> {
    let of = |(description, _): &'static (Description, _)| description;
    let own = METRICS.iter().map(of).map(|one| (one, format!("{PREFIX}_{}", one.name)));
    own.chain(PROCESS.iter().map(of).map(|one| (one, one.name.to_owned())))
}

fn suffixes(description: &Description) -> &'static [&'static str] {
    match description.kind {
        Counter => &["_total"],
        Histogram => &["_sum", "_count", "_bucket"],
        _ => &[""],
    }
}

/// The lines of a metric, without what stands before the labels, or before the value where there are none.
fn lines<'t>(text: &'t str, description: &Description, name: &str) -> Vec<&'t str> {
    let begins: Vec<String> = suffixes(description).iter().map(|suffix| format!("{name}{suffix}")).collect();
    let rest = |line: &'t str| {
        begins.iter().find_map(|begin| line.strip_prefix(&**begin)).filter(|rest| rest.starts_with(['{', ' ']))
    };
    text.lines().filter_map(rest).collect()
}

/// What the values of a label are.
fn values((label, values): Label) -> String {
    match label {
        "region" => "the Regions of the configuration".to_owned(),
        "operation" => "the operation's name, such as `GetFindings`".to_owned(),
        "policy" => "the `@id` of a policy that decides now".to_owned(),
        "field" => "the field's name, such as `Workflow`, or `finding`".to_owned(),
        "digest" => "64 hexadecimal digits".to_owned(),
        "version" => "of the program".to_owned(),
        "features" => "the optional parts that were built, with commas between".to_owned(),
        _ => values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
    }
}

/// The reference of every metric, as Markdown.
fn reference() -> String {
    let exposed = full().encode();
    let mut text = String::new();
    for (description, name) in descriptions() {
        let Description { kind, labels, help, .. } = description;
        let suffix = if *kind == Counter { "_total" } else { "" };
        writeln!(text, "\n### `{name}{suffix}`\n\n{help}.\n\n- {}", kind.as_str()).unwrap();
        for label in *labels {
            writeln!(text, "- `{}`: {}", label.0, values(*label)).unwrap();
        }
        let most = lines(&exposed, description, &name).len();
        let each = match labels.first() {
            Some(("region", _)) => " for each Region",
            Some(("policy", _)) if description.name.starts_with("shadow") => " for each `@shadow` policy",
            Some(("policy", _)) => " for each policy",
            _ => "",
        };
        writeln!(text, "- at most {most} series{each}").unwrap();
    }
    text.push('\n');
    text
}

#[test]
fn the_reference_describes_every_metric() {
    let (head, rest) = REFERENCE.split_once(BEGIN).expect("the reference begins");
    let (written, tail) = rest.split_once(END).expect("the reference ends");
    let expected = reference();
    if written != expected && std::env::var_os("UPDATE_REFERENCE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        std::fs::write(path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(written, expected, "run this test once with UPDATE_REFERENCE=1");
}

/// The queries of the reference are about metrics that there are, with labels that they have and values that these have.
#[test]
fn the_examples_ask_for_what_there_is() {
    let (head, _) = REFERENCE.split_once(BEGIN).expect("the reference begins");
    let mut asked = 0;
    for (at, _) in head.match_indices("findings_gate_") {
        let rest = &head[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap();
        let (metric, rest) = rest.split_at(end);
        let found = descriptions().find(|(description, name)| {
            let is_told = description.kind == Histogram && metric == name;
            is_told || suffixes(description).iter().any(|suffix| *metric == format!("{name}{suffix}"))
        });
        let (description, _) = found.unwrap_or_else(|| panic!("there is no {metric}"));
        asked += 1;
        let Some((matchers, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { continue };
        for matcher in matchers.split(',') {
            let end = matcher.find(['=', '!']).unwrap();
            let (label, value) = matcher.split_at(end);
            let (_, values) = description.labels.iter().find(|(name, _)| *name == label).expect(matcher);
            let value = value.trim_start_matches(['=', '!', '~']).trim_matches('"');
            for value in value.split('|').filter(|value| !values.is_empty() && !value.contains('.')) {
                assert!(values.contains(&value), "{metric}{{{matcher}}}");
            }
        }
    }
    assert!(asked > 20, "{asked}");
}

/// What is exposed is what is described: every name with its type, every series with exactly its labels and their values.
#[test]
fn the_exposition_is_as_described() {
    let text = full().encode();
    let types: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let described: BTreeSet<String> =
        descriptions().map(|(description, name)| format!("{name} {}", description.kind.as_str())).collect();
    assert_eq!(types, described.iter().map(String::as_str).collect());

    for (description, name) in descriptions() {
        let lines = lines(&text, description, &name);
        // What the system does not tell is left out.
        assert!(!lines.is_empty() || name.starts_with("process_"), "{name}");
        let mut seen = BTreeSet::new();
        for line in lines {
            let (series, _) = line.rsplit_once(' ').unwrap();
            assert!(description.kind == Histogram || seen.insert(series), "{name}{series} twice");
            let labels: Vec<(&str, &str)> = series
                .trim_matches(['{', '}'])
                .split("\",")
                .filter_map(|label| label.split_once("=\""))
                .filter(|(label, _)| *label != "le")
                .collect();
            let names: Vec<&str> = labels.iter().map(|(label, _)| *label).collect();
            let expected: Vec<&str> = description.labels.iter().map(|(label, _)| *label).collect();
            assert_eq!(names, expected, "{name}{line}");
            for ((_, value), (_, values)) in labels.iter().zip(description.labels) {
                let value = value.trim_matches('"');
                assert!(values.is_empty() || values.contains(&value), "{name}{line}");
            }
        }
    }
}

#[test]
fn names_keep_to_the_conventions() {
    let mut seen = BTreeSet::new();
    for (Description { name, kind, help, .. }, _) in descriptions() {
        assert!(seen.insert(name), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(!name.ends_with("_total") && !help.ends_with('.'), "{name}");
        let is_of_times = name.ends_with("_seconds");
        assert!(*kind != Histogram || is_of_times || name.starts_with("request_"), "{name}");
    }
}

#[test]
fn a_verdict_has_two_labels() {
    for (said, word) in VERDICTS.iter().enumerate() {
        let [verdict, enforcement] = verdict(said);
        assert_eq!((verdict, enforcement), if said == 0 { (*word, "none") } else { ("denied", *word) });
    }
    assert_eq!(Operation::ALL.len(), OPERATIONS);
}
