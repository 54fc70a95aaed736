//! Listing over a socket: pages, tries, what is no list, and what stays.

use super::{Discovered, DiscoveryError, Pace, Refresher, discover};
use crate::{
    finding::{AccountId, Accounts, Fleet, Member},
    upstream::{HttpSettings, Upstream},
};
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// The path of a request, and the account that it is for.
type Asked = (String, String);
type Script = Arc<Mutex<Box<dyn FnMut(&Asked) -> (u16, String) + Send>>>;

/// A backend that answers as its script says, and remembers what it was asked.
struct Server {
    upstream: Upstream,
    script: Script,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(script: impl FnMut(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script: Script = Arc::new(Mutex::new(Box::new(script)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let upstream = Upstream::http(HttpSettings::new(url.parse().unwrap())).unwrap();
        let server = Self { upstream, script: Arc::clone(&script), asked: Arc::clone(&asked) };
        // The threads end with their connections, or with the process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, asked) = (Arc::clone(&script), Arc::clone(&asked));
                thread::spawn(move || serve(&stream, &script, &asked));
            }
        });
        server
    }

    fn answers(&self, script: impl FnMut(&Asked) -> (u16, String) + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn paths(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap()).into_iter().map(|(path, _)| path).collect()
    }
}

fn serve(stream: &TcpStream, script: &Script, asked: &Mutex<Vec<Asked>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let account = head.iter().find_map(|line| line.strip_prefix("x-findings-gate-account: "));
        let method_and_path = first.strip_suffix(" HTTP/1.1").unwrap().to_owned();
        let path = method_and_path.strip_prefix("GET ").unwrap_or(&method_and_path).to_owned();
        let asking = (path, account.unwrap_or_default().to_owned());
        asked.lock().unwrap().push(asking.clone());
        let (status, body) = script.lock().unwrap()(&asking);
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if (&*stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

const PACE: Pace = Pace { deadline: Duration::from_secs(20), again_after: Duration::from_millis(1) };
const FIRST: &str = "111111111111";
const SECOND: &str = "666666666666";

fn id(text: &str) -> AccountId {
    text.parse().unwrap()
}

fn account(number: usize) -> String {
    format!("2{number:011}")
}

fn page(members: std::ops::Range<usize>, next: Option<&str>) -> String {
    let member = |number| format!(r#"{{"AccountId":"{}","MemberStatus":"Enabled"}}"#, account(number));
    let members: Vec<String> = members.map(member).collect();
    let next = next.map(|next| format!(r#","NextToken":"{next}""#)).unwrap_or_default();
    format!(r#"{{"Members":[{}]{next}}}"#, members.join(","))
}

fn on(runtime: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(runtime);
}

/// As many as Security Hub lets an administrator have: 220 pages of 50.
#[test]
fn a_large_fleet_is_listed_page_by_page() {
    let server = Server::start(|(path, _)| {
        if path == "/administrator" {
            return (200, "{}".to_owned());
        }
        let from = path.split_once("NextToken=at%2B").map_or(0, |(_, at)| at.parse::<usize>().unwrap());
        let to = from + 50;
        let next = format!("at+{to}");
        (200, page(from..to, (to < 11_000).then_some(&*next)))
    });
    on(async {
        let listed = discover(&server.upstream, [id(FIRST)], &PACE).await.unwrap();
        assert_eq!(listed[&id(FIRST)].len(), 11_000);
        assert!(listed[&id(FIRST)].contains(&id(&account(10_999))));
    });
    let paths = server.paths();
    assert_eq!(paths.len(), 221);
    assert_eq!(paths[..2], ["/administrator", "/members?MaxResults=50&OnlyAssociated=true"]);
    assert_eq!(paths[220], "/members?MaxResults=50&OnlyAssociated=true&NextToken=at%2B10950");
}

#[test]
fn each_administrator_is_asked_as_itself() {
    let server = Server::start(|(path, account)| match (&**path, &**account) {
        ("/administrator", _) => (200, "{}".to_owned()),
        // The administrator itself is in no list, and if it were it would be no member.
        (_, FIRST) => (200, page(0..2, None).replace("200000000001", FIRST)),
        _ => (200, page(2..3, None)),
    });
    on(async {
        let listed = discover(&server.upstream, [id(FIRST), id(SECOND)], &PACE).await.unwrap();
        let members = |of| listed[&id(of)].iter().copied().collect::<Vec<_>>();
        assert_eq!((members(FIRST), members(SECOND)), (vec![id(&account(0))], vec![id(&account(2))]));
    });
}

#[test]
fn what_passes_is_asked_again_and_what_does_not_is_told() {
    let throttled = r#"{"Code":"TooManyRequestsException","Message":"slow down"}"#;
    let mut left = 3;
    let server = Server::start(move |(path, _)| {
        left -= 1;
        match left {
            2 => (429, throttled.to_owned()),
            1 => (500, "{}".to_owned()),
            _ if path == "/administrator" => (200, "{}".to_owned()),
            _ => (200, page(0..1, None)),
        }
    });
    on(async {
        discover(&server.upstream, [id(FIRST)], &PACE).await.unwrap();
        assert_eq!(server.paths().len(), 4);

        server.answers(move |_| (429, throttled.to_owned()));
        let error = discover(&server.upstream, [id(FIRST)], &PACE).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "GetAdministratorAccount for account 111111111111 was refused with 429: TooManyRequestsException: slow down"
        );
        assert_eq!(server.paths().len(), 5);

        let denied =
            r#"{"Code":"AccessDeniedException","Message":"not authorized to perform: securityhub:ListMembers"}"#;
        server
            .answers(move |(path, _)| if path == "/administrator" { (200, "{}".into()) } else { (403, denied.into()) });
        let error = discover(&server.upstream, [id(FIRST)], &PACE).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "ListMembers for account 111111111111 was refused with 403: AccessDeniedException: not authorized to perform: \
             securityhub:ListMembers"
        );
        assert_eq!(server.paths().len(), 2);

        let of_another = r#"{"Administrator":{"AccountId":"666666666666","MemberStatus":"Enabled"}}"#;
        server.answers(move |_| (200, of_another.to_owned()));
        let error = discover(&server.upstream, [id(FIRST)], &PACE).await.unwrap_err();
        assert_eq!(error, DiscoveryError::NoAdministrator { account: id(FIRST), administrator: id(SECOND) });

        for (answer, told) in [
            ("<html>", "ListMembers for account 111111111111: the answer is none (expected value at line 1 column 1)"),
            (
                r#"{"Members":[],"NextToken":"same"}"#,
                "ListMembers for account 111111111111 has no end: more than 20000 members or \
              2000 pages, or a page twice",
            ),
        ] {
            server.answers(move |(path, _)| (200, if path == "/administrator" { "{}" } else { answer }.to_owned()));
            let error = discover(&server.upstream, [id(FIRST)], &PACE).await.unwrap_err();
            assert_eq!(error.to_string(), told);
        }

        let short = Pace { deadline: Duration::from_millis(1), again_after: Duration::from_mins(1) };
        server.answers(move |_| (500, String::new()));
        assert_eq!(discover(&server.upstream, [id(FIRST)], &short).await, Err(DiscoveryError::Late(short.deadline)));
    });
}

fn said(members: usize) -> Accounts {
    let member =
        |number| (id(&account(number)), Member { name: format!("team {number}"), groups: vec!["ou/prod".into()] });
    let members = (0..members).map(member).collect();
    Accounts::of([Fleet { administrator: id(FIRST), name: String::new(), members }]).unwrap()
}

fn refresher(server: &Server, said: &Accounts) -> (Refresher, Discovered) {
    let discovered = Discovered::new(said.clone());
    (Refresher::new(server.upstream.clone(), discovered.clone(), Duration::from_mins(5), PACE), discovered)
}

fn lists(server: &Server, members: std::ops::Range<usize>) {
    server.answers(move |(path, _)| {
        (200, if path == "/administrator" { "{}".to_owned() } else { page(members.clone(), None) })
    });
}

#[test]
fn what_was_listed_last_stays() {
    let server = Server::start(|_| (500, String::new()));
    on(async {
        let said = said(2);
        let (mut refresher, discovered) = refresher(&server, &said);
        let count = || discovered.accounts(&said).unwrap().members().count();
        lists(&server, 0..10);
        assert_eq!(refresher.once().await, Ok(true));
        discovered.changed().await;
        assert_eq!(count(), 10);
        let accounts = discovered.accounts(&said).unwrap();
        assert_eq!(
            (accounts.groups(id(&account(1))), accounts.groups(id(&account(2)))),
            (&["ou/prod".to_owned()][..], &[][..])
        );
        assert_eq!(refresher.once().await, Ok(false));

        server.answers(|_| (403, String::new()));
        assert!(refresher.once().await.is_err());
        assert_eq!(count(), 10);

        // Nobody is left: never believed.
        lists(&server, 0..0);
        for _ in 0..5 {
            assert_eq!(refresher.once().await, Ok(false));
        }
        assert_eq!(count(), 10);

        // A list as before ends the doubt; most are gone three times in a row: believed.
        lists(&server, 0..9);
        assert_eq!(refresher.once().await, Ok(true));
        lists(&server, 0..2);
        assert_eq!((refresher.once().await, refresher.once().await), (Ok(false), Ok(false)));
        assert_eq!(count(), 9);
        assert_eq!(refresher.once().await, Ok(true));
        assert_eq!(count(), 2);
    });
}

fn two_fleets() -> Accounts {
    let fleet = |administrator| Fleet { administrator: id(administrator), name: String::new(), members: Vec::new() };
    Accounts::of([fleet(FIRST), fleet(SECOND)]).unwrap()
}

fn list_each(server: &Server, first: std::ops::Range<usize>, second: std::ops::Range<usize>) {
    server.answers(move |(path, account)| {
        let members = if account == FIRST { first.clone() } else { second.clone() };
        (200, if path == "/administrator" { "{}".to_owned() } else { page(members, None) })
    });
}

#[test]
fn what_one_administrator_lists_is_believed_or_not_whatever_another_one_lists() {
    let server = Server::start(|_| (500, String::new()));
    on(async {
        let said = two_fleets();
        let (mut refresher, discovered) = refresher(&server, &said);
        let counts = || {
            let accounts = discovered.accounts(&said).unwrap();
            [FIRST, SECOND].map(|fleet| accounts.members_of(id(fleet)).count())
        };
        // What each fleet lists, and who is a member after it.
        for (number, (first, second, expected)) in [
            (0..10, 100..110, [10, 10]),
            // Most are gone from one, all from the other: only the first is believed in the end.
            (0..1, 0..0, [10, 10]),
            (0..1, 0..0, [10, 10]),
            (0..1, 0..0, [1, 10]),
            (0..1, 0..0, [1, 10]),
            // An empty list holds up nobody else's changes.
            (0..4, 0..0, [4, 10]),
            // Empty lists confirm no other list, and one fleet's doubts are not another's.
            (0..4, 100..101, [4, 10]),
            (0..4, 100..110, [4, 10]),
            (0..1, 100..110, [4, 10]),
            (0..1, 100..102, [4, 10]),
            (0..4, 100..102, [4, 10]),
            (0..1, 100..102, [4, 2]),
            (0..1, 100..102, [4, 2]),
            (0..1, 100..102, [1, 2]),
        ]
        .into_iter()
        .enumerate()
        {
            list_each(&server, first, second);
            refresher.once().await.unwrap();
            assert_eq!(counts(), expected, "list {number}");
        }
    });
}

#[test]
fn a_file_that_is_only_looked_at_changes_nothing_and_one_that_is_installed_does() {
    let server = Server::start(|_| (500, String::new()));
    on(async {
        let one = said(0);
        let (mut refresher, discovered) = refresher(&server, &one);
        list_each(&server, 0..3, 100..104);
        refresher.once().await.unwrap();
        server.paths();

        assert_eq!(discovered.accounts(&two_fleets()).unwrap().members().count(), 3);
        assert_eq!(refresher.once().await, Ok(false));
        assert_eq!(server.paths().len(), 2, "the second administrator is not asked");

        discovered.say(two_fleets());
        assert_eq!(refresher.once().await, Ok(true));
        assert_eq!(server.paths().len(), 4);
        assert_eq!(discovered.accounts(&two_fleets()).unwrap().members().count(), 7);
        // What was listed of the one that stays is not lost with the one that goes.
        discovered.say(one.clone());
        assert_eq!(discovered.accounts(&one).unwrap().members().count(), 3);
    });
}

#[test]
fn the_first_list_is_waited_for_or_the_file_s_members_are_what_there_is() {
    let server = Server::start(|_| (503, String::new()));
    on(async {
        let wait = Duration::from_millis(50);
        let (mut without_members, _) = refresher(&server, &said(0));
        let error = without_members.first(wait).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::Refused { status: 503, .. } | DiscoveryError::Late(_)), "{error}");

        let (mut with_members, discovered) = refresher(&server, &said(2));
        assert_eq!(with_members.first(wait).await, Ok(()));
        assert_eq!(discovered.accounts(&said(2)).unwrap().members().count(), 2);

        // It comes after a while.
        let mut left = 8;
        server.answers(move |(path, _)| {
            left -= 1;
            if left > 0 {
                (503, String::new())
            } else {
                (200, if path == "/administrator" { "{}".to_owned() } else { page(0..4, None) })
            }
        });
        assert_eq!(without_members.first(Duration::from_secs(20)).await, Ok(()));

        // Who is no administrator will be none a moment later.
        server.answers(|_| (200, r#"{"Administrator":{"AccountId":"666666666666"}}"#.to_owned()));
        let (mut refused, _) = refresher(&server, &said(2));
        let error = refused.first(Duration::from_secs(20)).await.unwrap_err();
        assert_eq!(error, DiscoveryError::NoAdministrator { account: id(FIRST), administrator: id(SECOND) });
    });
}

/// What a try after the first one may take is what is left of the time, not all of it again.
#[test]
fn a_second_try_has_what_is_left_of_the_time() {
    let server = Server::start(|_| (403, String::new()));
    on(async {
        let wait = Duration::from_secs(2);
        let (mut refresher, _) = refresher(&server, &said(0));
        // The first try is refused at once, and all further ones hang: the last one's deadline, which the error tells, is shorter.
        let mut is_first = true;
        let (_held, silence) = mpsc::channel::<()>();
        server.answers(move |_| {
            if std::mem::take(&mut is_first) {
                return (403, String::new());
            }
            // Until the test is over.
            let _ = silence.recv();
            (500, String::new())
        });
        let error = refresher.first(wait).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::Late(deadline) if deadline < wait), "{error:?}");
    });
}
