use super::*;
use crate::audit::{Answer, Event, Hash, Line, Link, Request, Seal, Start, VERSION};
use std::{fs, io::Write as _, path::Path};

fn line(event: Event<'_>, second: u64) -> Vec<u8> {
    let time = format!("2026-05-01T00:00:{second:02}Z").parse().unwrap();
    serde_json::to_vec(&Line { version: VERSION, time, event }).unwrap()
}

fn request(id: &str) -> Event<'_> {
    Event::Request(Box::new(Request {
        id: id.into(),
        caller: None,
        peer: None,
        operation: "BatchUpdateFindings".into(),
        snapshot: "digest".into(),
        update: None,
        masked: vec![],
        findings: vec![],
        rulings: vec![],
        calls: vec![],
        answer: Answer { status: 403, error: None, message: None },
        duration_us: 1,
    }))
}

fn start(repaired: Option<u64>) -> Event<'static> {
    Event::Start(Start { program: "0.1.0".into(), snapshot: "digest".into(), repaired })
}

/// Lines of a chain, with their line feeds.
fn chain(seal: &Seal, events: Vec<Event<'_>>) -> Vec<Vec<u8>> {
    let mut next = Link::FIRST;
    let sealed = events.into_iter().zip(1..).map(|(event, second)| {
        let mut out = Vec::new();
        seal.append(&line(event, second), &mut next, &mut out);
        out
    });
    sealed.collect()
}

fn five(seal: &Seal) -> Vec<Vec<u8>> {
    chain(seal, vec![start(None), request("a"), request("b"), request("c"), Event::Stop])
}

fn verified(seal: Seal, since: Option<u64>, text: &[u8]) -> Report {
    let mut verifier = Verifier::new(seal, since);
    let mut lines = Lines::of_reader("log", io::Cursor::new(text.to_vec())).longest(2_000);
    while let Some(item) = lines.next().unwrap() {
        verifier.read(item);
    }
    verifier.finish()
}

fn told(report: &Report) -> Vec<String> {
    let place = |problem: &Problem| problem.place.as_ref().map(ToString::to_string).unwrap_or_default();
    report.problems.iter().map(|problem| format!("{} {}", place(problem), problem.message)).collect()
}

#[test]
fn a_whole_log_is_whole() {
    for seal in [Seal::open(), Seal::keyed(b"a key of some length")] {
        let lines = five(&seal);
        let report = verified(seal, None, &lines.concat());
        assert_eq!(told(&report), Vec::<String>::new());
        assert_eq!((report.lines, report.requests, report.starts, report.stops, report.shed), (5, 3, 1, 1, 0));
        let (first, last) = (report.first.unwrap(), report.last.unwrap());
        assert_eq!((first.sequence, last.sequence, last.place.to_string().as_str()), (1, 5, "log:5"));
        assert!(String::from_utf8_lossy(&lines[4]).contains(&last.hash.to_string()));
    }
}

/// Whatever is done to a log, it is told where, once for each thing that was done.
#[test]
fn what_was_done_to_a_log_is_told_where() {
    type Done = fn(&mut Vec<Vec<u8>>);
    let cases: [(&str, Done, &[&str]); 14] = [
        ("edited", |log| edit(&mut log[2]), &["log:3 its hash is not that of its text"]),
        ("removed", |log| drop(log.remove(2)), &["log:3 it is line 4 of the chain, and 3 was expected: 1 missing"]),
        (
            "several removed",
            |log| drop(log.drain(1..4)),
            &["log:2 it is line 5 of the chain, and 2 was expected: 3 missing"],
        ),
        (
            "first removed",
            |log| drop(log.remove(0)),
            &["log:1 the log begins with line 2 of the chain: the 1 before it"],
        ),
        (
            "reordered",
            |log| log.swap(1, 2),
            &[
                "log:2 it is line 3 of the chain, and 2 was expected: 1 missing",
                "log:3 it is line 2 of the chain, which was here already; 4 was expected",
                "log:4 it is line 4 of the chain, and 3 was expected: 1 missing",
            ],
        ),
        (
            "duplicated",
            |log| log.insert(2, log[1].clone()),
            &["log:3 it is line 2 of the chain, which was here already; 3 was expected"],
        ),
        (
            "replaced by a line of another chain",
            |log| log[2] = chain(&Seal::open(), vec![request("x"), request("y"), request("z")]).remove(2),
            &["log:3 it does not follow on the line before it", "log:4 it does not follow on the line before it"],
        ),
        (
            "another log put behind",
            |log| log.extend(chain(&Seal::open(), vec![start(None)])),
            &["log:6 another chain begins here"],
        ),
        (
            "sealed with another key",
            |log| log[2] = chain(&Seal::keyed(b"other"), vec![request("x"), request("y"), request("z")]).remove(2),
            &["log:3 its hash is not that of its text"],
        ),
        ("no JSON", |log| log[2] = b"not a line\n".to_vec(), &["log:3 it does not end with the members"]),
        ("empty line", |log| log.insert(2, b"\n".to_vec()), &["log:3 it does not end with the members"]),
        ("no UTF-8", |log| log[2] = b"\xff\xfe{}\n".to_vec(), &["log:3 it does not end with the members"]),
        ("too long", |log| log[2] = [vec![b'x'; 9_000], b"\n".to_vec()].concat(), &["log:3 it is longer than"]),
        ("empty", Vec::clear, &[" there is no line"]),
    ];
    for (name, done, expected) in cases {
        let mut log = five(&Seal::open());
        done(&mut log);
        let found = told(&verified(Seal::open(), None, &log.concat()));
        let is_so =
            found.len() >= expected.len() && found.iter().zip(expected).all(|(found, part)| found.starts_with(part));
        assert!(is_so, "{name}: {found:#?}");
        // What stands in for a line leaves a gap of that line, and no more.
        assert!(found.len() <= expected.len() + 1, "{name}: {found:#?}");
    }
}

/// Another decision, with everything else as it was.
fn edit(line: &mut Vec<u8>) {
    let text = String::from_utf8(line.clone()).unwrap();
    let edited = text.replace(r#""status":403"#, r#""status":200"#);
    assert_ne!(text, edited);
    *line = edited.into_bytes();
}

#[test]
fn without_the_key_a_keyed_log_is_broken_from_its_first_line() {
    let lines = five(&Seal::keyed(b"a key"));
    assert_eq!(verified(Seal::open(), None, &lines.concat()).problem_count, 5);
    assert_eq!(verified(Seal::keyed(b"another"), None, &lines.concat()).problem_count, 5);
}

#[test]
fn a_log_may_begin_later_if_that_is_said() {
    let rest = five(&Seal::open())[2..].concat();
    for (since, expected) in [
        (None, &["log:1 the log begins with line 3 of the chain: the 2 before it are not here"][..]),
        (Some(2), &["log:1 the log begins with line 3 of the chain, and was to be whole since 2"]),
        (Some(3), &[]),
        (Some(u64::MAX), &[]),
    ] {
        assert_eq!(told(&verified(Seal::open(), since, &rest)), expected, "{since:?}");
    }
    // A line 1 that names another before it was not the first one.
    let mut next = Link { sequence: 1, previous: Hash::parse(&"ab".repeat(32)).unwrap() };
    let mut out = Vec::new();
    Seal::open().append(&line(Event::Stop, 1), &mut next, &mut out);
    assert_eq!(verified(Seal::open(), None, &out).problem_count, 1);
}

#[test]
fn what_is_cut_off_at_the_end_is_told_by_a_hash_that_was_kept() {
    let lines = five(&Seal::open());
    let hash = |line: &[u8]| Seal::open().check(line.strip_suffix(b"\n").unwrap()).unwrap();
    for (kept, problems) in [(5, 0), (4, 1), (1, 1)] {
        let mut verifier = Verifier::new(Seal::open(), None);
        verifier.expect(hash(&lines[4]));
        verifier.expect(hash(&lines[0]));
        let mut read = Lines::of_reader("log", io::Cursor::new(lines[..kept].concat()));
        while let Some(item) = read.next().unwrap() {
            verifier.read(item);
        }
        let report = verifier.finish();
        assert_eq!(report.problem_count, problems, "{:?}", told(&report));
    }
}

#[test]
fn a_torn_last_line_is_no_break() {
    let log = five(&Seal::open()).concat();
    for cut in 1..five(&Seal::open())[4].len() {
        let report = verified(Seal::open(), None, &log[..log.len() - cut]);
        assert_eq!((report.problem_count, report.lines), (0, 4), "{cut}");
        assert_eq!(report.torn.unwrap().to_string(), "log:5", "{cut}");
    }
}

#[test]
fn restarts_kills_and_lost_records_are_counted() {
    let events = vec![
        start(None),
        request("a"),
        Event::Stop,
        start(None),
        Event::Shed { records: 7 },
        start(Some(12)),
        Event::Shed { records: 2 },
    ];
    let report = verified(Seal::open(), None, &chain(&Seal::open(), events).concat());
    assert_eq!((report.starts, report.starts_after_a_kill, report.stops, report.shed), (3, 1, 1, 9));
    assert_eq!((report.repaired[0].place.to_string().as_str(), report.repaired[0].bytes), ("log:6", 12));
    assert_eq!(report.set_back, 0);
}

#[test]
fn a_clock_that_was_set_back_is_told_and_breaks_nothing() {
    let (mut next, mut out) = (Link::FIRST, Vec::new());
    for second in [5, 39, 3, 4] {
        Seal::open().append(&line(request("a"), second), &mut next, &mut out);
    }
    let report = verified(Seal::open(), None, &out);
    assert_eq!((report.problem_count, report.set_back), (0, 2));
    assert_eq!(report.first_set_back.unwrap().to_string(), "log:3");
}

/// A record has the time of its decision, and its line is where it was answered.
#[test]
fn a_slow_request_among_quick_ones_is_no_clock_that_was_set_back() {
    let lasting = |seconds: u64| {
        let Event::Request(mut request) = request("a") else { unreachable!() };
        request.duration_us = seconds * 1_000_000;
        Event::Request(request)
    };
    let set_back = |lines: Vec<(Event<'static>, u64)>| {
        let (mut next, mut out) = (Link::FIRST, Vec::new());
        for (event, second) in lines {
            Seal::open().append(&line(event, second), &mut next, &mut out);
        }
        verified(Seal::open(), None, &out).first_set_back.map(|place| place.to_string())
    };
    // Decided at 3 and answered at 33, after what was decided at 30.
    assert_eq!(set_back(vec![(start(None), 1), (lasting(0), 30), (lasting(30), 3), (lasting(0), 34)]), None);
    // Its body took half a minute to arrive before it was decided: what was decided next was not decided before it.
    assert_eq!(set_back(vec![(start(None), 1), (lasting(30), 31), (lasting(0), 32), (Event::Stop, 33)]), None);
    // Two of the same moment come to the log in either order.
    assert_eq!(set_back(vec![(start(None), 1), (lasting(0), 31), (lasting(0), 30), (Event::Stop, 31)]), None);
    // Even from its time on it did not last until then.
    assert_eq!(set_back(vec![(start(None), 1), (lasting(0), 50), (lasting(10), 3)]).as_deref(), Some("log:3"));
    assert_eq!(set_back(vec![(lasting(0), 50), (Event::Stop, 20)]).as_deref(), Some("log:2"));
    // No duration is too long to count with.
    assert_eq!(set_back(vec![(lasting(0), 50), (lasting(u64::MAX / 1_000_000), 3)]), None);
}

#[test]
fn a_line_of_another_version_is_not_taken_for_one_of_this() {
    let (mut next, mut out) = (Link::FIRST, Vec::new());
    for text in [
        r#"{"version":2,"time":"2026-05-01T00:00:00Z","kind":"stop"}"#,
        r#"{"version":1,"time":"2026-05-01T00:00:00Z","kind":"halt"}"#,
        r#"{"version":1,"time":"yesterday","kind":"stop"}"#,
    ] {
        Seal::open().append(text.as_bytes(), &mut next, &mut out);
    }
    let report = verified(Seal::open(), None, &out);
    assert_eq!(report.problem_count, 3);
    assert!(report.problems.iter().all(|problem| matches!(problem.fault, Fault::Unreadable { .. })));
}

#[test]
fn many_problems_are_counted_and_not_kept() {
    let report = verified(Seal::open(), None, &b"x\n".repeat(1_000));
    assert_eq!((report.problem_count, report.problems.len()), (1_000, 100));
}

// ---- files ----

fn names(files: Files) -> Vec<String> {
    let mut lines = Lines::of(files);
    let mut seen = Vec::new();
    while let Some(item) = lines.next().unwrap() {
        let (Item::Line { place, text } | Item::Torn { place, text, .. }) = item else { panic!("{item:?}") };
        let name = Path::new(&*place.file).file_name().unwrap().to_str().unwrap();
        seen.push(format!("{name}:{} {}", place.line, String::from_utf8_lossy(text)));
    }
    seen
}

fn folder(files: &[&str]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for name in files {
        fs::write(place.path().join(name), format!("{name}\n")).unwrap();
    }
    place
}

#[test]
fn rotated_files_come_before_the_current_one() {
    let all =
        ["audit.0000000000000042.jsonl", "audit.0000000000000007.jsonl", "audit.jsonl", "other.jsonl", "audit.7.jsonl"];
    let place = folder(&all);
    let at = |name: &str| place.path().join(name);
    let expected = [
        "audit.0000000000000007.jsonl:1 audit.0000000000000007.jsonl",
        "audit.0000000000000042.jsonl:1 audit.0000000000000042.jsonl",
        "audit.jsonl:1 audit.jsonl",
    ];
    assert_eq!(names(Files::find(&[at("audit.jsonl")]).unwrap()), expected);
    // As a shell's `audit.*` gives them; nothing is read twice.
    assert_eq!(names(Files::find(&[at(all[1]), at(all[0]), at("audit.jsonl")]).unwrap()), expected);
    assert_eq!(names(Files::find(&[at("audit.0000000000000042.jsonl")]).unwrap()), expected[1..2]);
    fs::remove_file(at("audit.jsonl")).unwrap();
    assert_eq!(names(Files::find(&[at("audit.jsonl")]).unwrap()), expected[..2]);
    assert!(matches!(Files::find(&[at("none.jsonl")]), Err(ReadError::Missing(_))));
    assert!(matches!(Files::find(&[at("no/such/audit.jsonl")]), Err(ReadError::Missing(_))));
}

#[test]
fn a_directory_is_the_one_log_in_it() {
    let place = folder(&["audit.0000000000000007.jsonl", "audit.jsonl", "readme.txt"]);
    assert_eq!(names(Files::find(&[place.path()]).unwrap()).len(), 2);
    fs::write(place.path().join("second.jsonl"), "").unwrap();
    let error = Files::find(&[place.path()]).unwrap_err().to_string();
    assert!(error.contains("(audit.jsonl, second.jsonl)"), "{error}");
    assert!(matches!(Files::find(&[folder(&["a.txt"]).path()]), Err(ReadError::Empty(_))));
}

#[test]
fn a_name_without_extension_rotates_too() {
    let place = folder(&["audit.0000000000000007", "audit"]);
    assert_eq!(names(Files::find(&[place.path().join("audit")]).unwrap()).len(), 2);
    assert!(
        is_rotated(Path::new("x/audit.0000000000000007")) && !is_rotated(Path::new("audit.000000000000000x.jsonl"))
    );
}

/// The writer rotates between the look at the directory and the reading: nothing is missed, and nothing read twice.
#[test]
fn a_file_that_is_rotated_meanwhile_is_read_once() {
    let place = folder(&["audit.0000000000000001.jsonl", "audit.jsonl"]);
    let at = |name: &str| place.path().join(name);
    let files = Files::find(&[at("audit.jsonl")]).unwrap();
    fs::rename(at("audit.jsonl"), at("audit.0000000000000002.jsonl")).unwrap();
    fs::write(at("audit.jsonl"), "new\n").unwrap();
    assert_eq!(
        names(files),
        [
            "audit.0000000000000001.jsonl:1 audit.0000000000000001.jsonl",
            "audit.0000000000000002.jsonl:1 audit.jsonl",
            "audit.jsonl:1 new",
        ]
    );
    // The oldest goes.
    let files = Files::find(&[at("audit.jsonl")]).unwrap();
    fs::remove_file(at("audit.0000000000000001.jsonl")).unwrap();
    assert_eq!(names(files).len(), 2);
}

#[test]
fn only_the_last_file_may_end_in_the_middle_of_a_line() {
    let seal = Seal::open();
    let log = five(&seal);
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let write = |name: &str, text: &[u8]| fs::File::create(at(name)).unwrap().write_all(text).unwrap();
    let read = || {
        let mut verifier = Verifier::new(Seal::open(), None);
        let mut lines = Lines::of(Files::find(&[at("audit.jsonl")]).unwrap());
        while let Some(item) = lines.next().unwrap() {
            verifier.read(item);
        }
        verifier.finish()
    };
    let first = log[..2].concat();
    write("audit.0000000000000001.jsonl", &first);
    write("audit.jsonl", &log[2..].concat());
    assert_eq!(read().problem_count, 0);
    write("audit.0000000000000001.jsonl", &first[..first.len() - 1]);
    let report = read();
    assert!(matches!(report.problems[0].fault, Fault::Torn) && report.torn.is_none(), "{:?}", told(&report));
    assert!(told(&report)[0].contains("audit.0000000000000001.jsonl:2"), "{:?}", told(&report));
}

#[test]
fn memory_does_not_grow_with_a_line_that_never_ends() {
    let endless = io::Read::take(io::repeat(b'x'), 50 << 20);
    let mut lines = Lines::of_reader("log", endless).longest(1_000);
    assert!(matches!(lines.next().unwrap(), Some(Item::TooLong { .. })));
    assert_eq!(lines.next().unwrap(), None);
}
