//! `[audit]`

use super::*;
use crate::audit::{Files, Masked, Masks, OnFull, Sync};

/// The keys that this test overrides by the environment.
pub(super) fn has(path: &str) -> bool {
    path.starts_with("audit.")
}

const SET: [(&str, &str); 12] = [
    ("FINDINGS_GATE__AUDIT__FILE", "/var/log/audit.jsonl"),
    ("FINDINGS_GATE__AUDIT__STDOUT", "on"),
    ("FINDINGS_GATE__AUDIT__ROTATE", "5KiB"),
    ("FINDINGS_GATE__AUDIT__KEEP", "3"),
    ("FINDINGS_GATE__AUDIT__KEY", "audit.key"),
    ("FINDINGS_GATE__AUDIT__FSYNC", "2s"),
    ("FINDINGS_GATE__AUDIT__ON_FULL", "shed"),
    ("FINDINGS_GATE__AUDIT__QUEUE", "7"),
    ("FINDINGS_GATE__AUDIT__WAIT", "3s"),
    ("FINDINGS_GATE__AUDIT__MASK", "Note.UpdatedBy, Resources.Tags"),
    ("FINDINGS_GATE__AUDIT__CALLERS", "all"),
    ("FINDINGS_GATE__AUDIT__RECENT", "9"),
];

#[test]
fn every_key_counts() {
    let known = SETTINGS.iter().filter(|setting| has(setting.path)).map(Setting::variable);
    assert_eq!(known.collect::<Vec<_>>(), SET.map(|(name, _)| name));
    let place = Place::new(SMALLEST);
    place.write("audit.key", "0123456789abcdefghijklmnopqrstuv").private("audit.key");
    let key = place.at("audit.key").display().to_string();
    let set = SET.map(|(name, value)| (name, if value == "audit.key" { &*key } else { value }));
    let audit = place.load_with(&set, &Flags::default()).unwrap().audit.unwrap();
    let files = Files { path: "/var/log/audit.jsonl".into(), limit: 5120, keep: std::num::NonZeroUsize::new(3) };
    assert_eq!(audit.log.files, Some(files));
    assert_eq!((audit.log.stdout, audit.log.sync), (true, Sync::Within(Duration::from_secs(2))));
    assert_eq!((audit.log.on_full, audit.log.queue.get()), (OnFull::Shed, 7));
    assert_eq!((audit.log.wait, audit.log.recent), (Duration::from_secs(3), 9));
    assert_eq!(audit.masks, Masks::of([Masked::NoteUpdatedBy, Masked::ResourceTags]));
    assert!(audit.unidentified && format!("{:?}", audit.log.seal).contains("keyed"));
}

#[test]
fn without_a_place_there_is_none() {
    let place = Place::new(SMALLEST);
    assert_eq!(place.load_with(&[], &Flags::default()).unwrap().audit, None);
    let set = [("FINDINGS_GATE__AUDIT__STDOUT", "on")];
    let audit = place.load_with(&set, &Flags::default()).unwrap().audit.unwrap();
    assert_eq!((audit.log.files, audit.log.sync, audit.log.on_full), (None, Sync::Always, OnFull::Block));
    assert_eq!(audit.masks, Masks::of([Masked::NoteText, Masked::UserDefinedFields]));
}

#[test]
fn mistakes_say_what_was_expected() {
    let place = Place::new(SMALLEST);
    for (name, value, expected) in [
        (
            "MASK",
            "Note",
            "`audit.mask[0]` is \"Note\": expected `Note.Text`, `Note.UpdatedBy`, `Resources.Tags` or `UserDefinedFields`\n",
        ),
        (
            "FSYNC",
            "sometimes",
            "`audit.fsync` is \"sometimes\": expected `always`, `never` or a duration from `100ms` to `1h`\n",
        ),
        ("ON_FULL", "drop", "`audit.on_full` is \"drop\": expected `block`, `shed` or `refuse`\n"),
        ("ROTATE", "1", "`audit.rotate` is \"1\": expected a size from `4KiB` to `1024GiB`\n"),
        ("FILE", "", "`audit.file` is empty: expected the path of a file to write\n"),
    ] {
        let name = format!("FINDINGS_GATE__AUDIT__{name}");
        let set = [("FINDINGS_GATE__AUDIT__STDOUT", "on"), (&*name, value)];
        let told = place.told(place.load_with(&set, &Flags::default()));
        assert_eq!(told, format!("environment variable {name}: {expected}"));
    }
}
