//! Which operation a request is for, and whether its door is open.
//!
//! A path is taken literally. What another server on the way might read as the same path (a trailing slash, an escaped letter, dot
//! segments, another case) is refused here, so gate and backend cannot disagree on what was asked.

use super::{
    operations::{ApiOperation, OPERATIONS},
    reasons::{Reason, meanwhile, reason},
};
use crate::finding::{ApiError, Operation};
use http::{HeaderMap, Method, Uri, header::HOST};

/// Headers with which some servers let a client replace the method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// What stands behind a method and a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// An operation that goes through this gate.
    Open(Operation),
    /// An operation of the API that does not.
    Closed(&'static ApiOperation),
    /// No operation of the API.
    Unknown,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// What to do.
    pub operation: Operation,
    /// The query string, as it came and without its `?`. Only an operation that has one ([`Operation::has_query`]) gets this far
    /// with it.
    pub query: Option<&'a str>,
}

/// The doors of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doors {
    open: Vec<Operation>,
}

impl Doors {
    /// The doors of a gate, of which these are open besides those that always are. What no gate can open stays closed, whoever
    /// asks for it.
    pub fn new(open: &[Operation]) -> Self {
        let always = Operation::ALL.iter().copied().filter(|operation| operation.is_always_open());
        Self { open: always.chain(Operation::openable().filter(|operation| open.contains(operation))).collect() }
    }

    /// The doors of a backend: it answers all that it knows.
    pub fn all() -> Self {
        Self { open: Operation::ALL.to_vec() }
    }

    /// The operation that a request is for. Fails with what the caller is told: 403 with the name of a closed operation, or
    /// with what is wrong with the method or path.
    pub fn find<'a>(&self, method: &Method, target: &'a Uri, headers: &HeaderMap) -> Result<Asked<'a>, ApiError> {
        if let Some(header) = method_override(headers) {
            return Err(ApiError::access_denied(format!(
                "the header `{header}` would replace the request's method: this gate takes no request that has it"
            )));
        }
        if let (Some(authority), Some(host)) = (target.authority(), headers.get(HOST))
            && !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
        {
            return Err(ApiError::access_denied(
                "the request's target names another host than its `Host` header: this gate is no forward proxy",
            ));
        }
        match (self.door(method.as_str(), target.path()), target.query()) {
            (Door::Open(operation), query) if query.is_none() || operation.has_query() => {
                Ok(Asked { operation, query })
            }
            // Many of those that cannot be opened do have parameters in the query, as `ListMembers` has.
            (Door::Closed(operation), query)
                if query.is_none() || Operation::named(operation.name).is_none_or(Operation::has_query) =>
            {
                Err(closed(operation))
            }
            (_, Some(query)) => Err(unknown(method, target.path(), &format!("it has a query string (`?{query}`)"))),
            (_, None) => Err(explain(method, target.path())),
        }
    }

    /// What stands behind a method and a path without query.
    pub fn door(&self, method: &str, path: &str) -> Door {
        let open = self.open.iter().find(|operation| path == operation.path() && method == operation.method());
        match open {
            Some(operation) => Door::Open(*operation),
            None => lookup(method, path).map_or(Door::Unknown, Door::Closed),
        }
    }
}

/// Runs over the names rather than looking three up: requests have few headers, and hashing costs more.
fn method_override(headers: &HeaderMap) -> Option<&str> {
    headers.keys().map(http::HeaderName::as_str).find(|name| METHOD_OVERRIDES.contains(name))
}

/// The operation of the API with this method and path. Where two fit, the one that spells more of the path out is meant, as
/// `/automationrulesv2/list` is not a rule called `list`.
fn lookup(method: &str, path: &str) -> Option<&'static ApiOperation> {
    let fits = |operation: &&ApiOperation| operation.method == method && matches(operation.uri, path);
    OPERATIONS.iter().filter(fits).max_by_key(|operation| operation.uri.split('{').next().map(str::len))
}

/// Whether a path is one of a template: `{Label}` stands for one segment, `{Label+}` for one or more.
fn matches(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for expected in template.split('/') {
        let Some(segment) = segments.next() else { return false };
        if expected.ends_with("+}") {
            return !segment.is_empty();
        }
        let fits = if expected.starts_with('{') { !segment.is_empty() } else { segment == expected };
        if !fits {
            return false;
        }
    }
    segments.next().is_none()
}

fn closed(operation: &ApiOperation) -> ApiError {
    let name = operation.name;
    let way = if let Some(openable) = Operation::openable().find(|openable| openable.name() == name) {
        let way = format!("the gate's owner opens it with `doors.open = [\"{name}\"]`");
        meanwhile(openable).map_or_else(|| way.clone(), |meanwhile| format!("{way}; {meanwhile}"))
    } else {
        let Reason { why, instead, .. } = reason(operation);
        format!("{why}; {instead}")
    };
    ApiError::access_denied(format!("{name} is closed at this gate: {way}"))
}

fn unknown(method: &Method, path: &str, why: &str) -> ApiError {
    ApiError::access_denied(format!("no operation of the Security Hub API is `{method} {path}`: {why}"))
}

/// Says which trap a path fell into, if it would be an operation's without it.
fn explain(method: &Method, path: &str) -> ApiError {
    type Repair = fn(&str) -> String;
    let repairs: [(&str, Repair); 5] = [
        ("it has percent-encoded characters", decode),
        ("it has dot segments", |path| resolve_dots(path)),
        ("it has an empty segment (`//`)", |path| collapse_slashes(path)),
        ("it ends in a slash", |path| path.strip_suffix('/').unwrap_or(path).to_owned()),
        ("its letters are not in the right case", |path| {
            let template = OPERATIONS.iter().find(|operation| operation.uri.eq_ignore_ascii_case(path));
            template.map_or_else(|| path.to_owned(), |operation| operation.uri.to_owned())
        }),
    ];
    let mut repaired = path.to_owned();
    let mut traps = Vec::new();
    for (trap, repair) in repairs {
        let next = repair(&repaired);
        if next != repaired {
            traps.push(trap);
            repaired = next;
        }
    }
    let upper = method.as_str().to_ascii_uppercase();
    if upper != method.as_str() {
        traps.push("its method is not in upper case");
    }
    let others: Vec<_> = OPERATIONS.iter().filter(|operation| matches(operation.uri, &repaired)).collect();
    match lookup(&upper, &repaired) {
        Some(meant) if !traps.is_empty() => {
            unknown(method, path, &format!("{}; {} is `{upper} {repaired}`", traps.join(", "), meant.name))
        }
        None if !others.is_empty() => {
            let names: Vec<_> = others.iter().map(|other| format!("{} is `{}`", other.name, other.method)).collect();
            unknown(method, path, &format!("of this path, {}", names.join(", ")))
        }
        _ => unknown(method, path, "check the endpoint that the client is configured with"),
    }
}

/// Decodes `%41` where it makes ASCII; leaves everything else.
fn decode(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii_graphic);
        if let Some(code) = code {
            decoded.push(char::from(code));
            rest = &after[2..];
        } else {
            decoded.push('%');
            rest = after;
        }
    }
    decoded.push_str(rest);
    decoded
}

fn resolve_dots(path: &str) -> String {
    if !path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return path.to_owned();
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

fn collapse_slashes(path: &str) -> String {
    let mut collapsed = path.to_owned();
    while collapsed.contains("//") {
        collapsed = collapsed.replace("//", "/");
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    /// A path that a client could send: greedy labels take an ARN with a slash in it.
    fn concrete(template: &str) -> String {
        let fill = |segment: &str| match segment {
            greedy if greedy.ends_with("+}") => "arn%3Aaws%3Asecurityhub%3Aeu-west-1%3A1%3Ax/y/z".to_owned(),
            label if label.starts_with('{') => "a1b2-c3".to_owned(),
            literal => literal.to_owned(),
        };
        template.split('/').map(fill).collect::<Vec<_>>().join("/")
    }

    fn ask(method: &str, target: &str, headers: &[(&'static str, &'static str)]) -> Result<Operation, String> {
        let headers =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let target = target.parse().unwrap();
        let found = Doors::all().find(&method, &target, &headers.collect());
        found.map(|asked| asked.operation).map_err(|error| {
            assert_eq!((error.status, error.code), (403, "AccessDeniedException"));
            error.message
        })
    }

    #[test]
    fn every_operation_is_found_by_its_own_path_and_no_other() {
        let doors = Doors::new(&[]);
        let mut names = std::collections::BTreeSet::new();
        for operation in &OPERATIONS {
            assert!(names.insert(operation.name), "{} is there twice", operation.name);
            let path = concrete(operation.uri);
            let expected = match operation.name {
                "BatchUpdateFindings" => Door::Open(Operation::BatchUpdateFindings),
                _ => Door::Closed(operation),
            };
            assert_eq!(doors.door(operation.method, &path), expected, "{path}");
            assert_eq!(doors.door(&operation.method.to_ascii_lowercase(), &path), Door::Unknown);
            assert_eq!(doors.door("PUT", &path), Door::Unknown);
            assert_eq!(doors.door(operation.method, &format!("/v1{path}")), Door::Unknown);
            assert_eq!(doors.door(operation.method, &path[1..]), Door::Unknown);
            if !operation.uri.ends_with("+}") {
                assert_eq!(doors.door(operation.method, &format!("{path}/")), Door::Unknown, "{path}/");
            }
        }
        assert_eq!(names.len(), 126);
    }

    #[test]
    fn what_can_be_opened_is_in_the_table_as_it_is() {
        for operation in Operation::ALL.iter().copied() {
            let found = lookup(operation.method(), operation.path()).unwrap();
            assert_eq!((found.name, found.uri), (operation.name(), operation.path()));
            assert_eq!(Doors::all().door(operation.method(), operation.path()), Door::Open(operation));
        }
        let doors = Doors::new(&[Operation::GetFindings]);
        assert_eq!(doors.door("POST", "/findings"), Door::Open(Operation::GetFindings));
        assert!(matches!(doors.door("POST", "/findings/import"), Door::Closed(_)));
        assert!(
            matches!(doors.door("PATCH", "/findings"), Door::Closed(operation) if operation.name == "UpdateFindings")
        );
    }

    #[test]
    fn a_gate_opens_what_it_is_told_and_can_open_and_nothing_else() {
        let told_all = Doors::new(Operation::ALL);
        for operation in Operation::ALL.iter().copied() {
            let can = Operation::openable().any(|openable| openable == operation);
            assert!(!(can && operation.is_always_open()), "{operation}");
            let door = |doors: &Doors| matches!(doors.door(operation.method(), operation.path()), Door::Open(_));
            assert_eq!(door(&told_all), can || operation.is_always_open(), "{operation}");
            assert_eq!(door(&Doors::new(&[])), operation.is_always_open(), "{operation}");
        }
    }

    #[test]
    fn traps_are_refused_and_named() {
        for (method, target, told) in [
            (
                "PATCH",
                "/findings/batchupdate/",
                "ends in a slash; BatchUpdateFindings is `PATCH /findings/batchupdate`",
            ),
            ("PATCH", "//findings/batchupdate", "empty segment"),
            ("PATCH", "/findings//batchupdate", "empty segment"),
            ("PATCH", "/findings/b%61tchupdate", "percent-encoded"),
            ("PATCH", "/findings%2Fbatchupdate", "percent-encoded"),
            ("PATCH", "/findings/./batchupdate", "dot segments"),
            ("PATCH", "/x/../findings/batchupdate", "dot segments"),
            ("PATCH", "/x/%2e%2e/findings/batchupdate", "percent-encoded characters, it has dot segments"),
            ("PATCH", "/findings/batchupdate?", "query string (`?`)"),
            ("PATCH", "/findings/batchupdate?x=1", "query string (`?x=1`)"),
            ("PATCH", "/Findings/BatchUpdate", "not in the right case; BatchUpdateFindings"),
            ("patch", "/findings/batchupdate", "method is not in upper case; BatchUpdateFindings"),
            ("POST", "/findings/batchupdate", "of this path, BatchUpdateFindings is `PATCH`"),
            ("PATCH", "/", "check the endpoint"),
            ("GET", "/healthz", "check the endpoint"),
            ("OPTIONS", "*", "check the endpoint"),
            ("PATCH", "/findings/batchupdate%00", "check the endpoint"),
        ] {
            let message = ask(method, target, &[]).unwrap_err();
            assert!(message.starts_with("no operation of the Security Hub API is `"), "{message}");
            assert!(message.contains(told), "{method} {target}: {message}");
        }
    }

    #[test]
    fn closed_operations_say_how_to_go_on() {
        let doors = Doors::new(&[]);
        let told = |method: Method, path: &str| {
            let target = path.parse().unwrap();
            doors.find(&method, &target, &HeaderMap::new()).unwrap_err().message
        };
        assert_eq!(
            told(Method::POST, "/findings/import"),
            "BatchImportFindings is closed at this gate: the gate's owner opens it with `doors.open = [\"BatchImportFindings\"]`"
        );
        for (path, name) in [("/findings", "UpdateFindings"), ("/findingsv2/batchupdatev2", "BatchUpdateFindingsV2")] {
            let message = told(Method::PATCH, path);
            assert!(
                message.starts_with(&format!("{name} is closed")) && message.contains("through BatchUpdateFindings")
            );
        }
        assert_eq!(
            told(Method::DELETE, "/accounts"),
            "DisableSecurityHub is closed at this gate: it decides which findings are made, gathered or seen, and no policy speaks \
             of that; let whoever runs Security Hub call AWS directly, with a role that IAM allows this"
        );
        // Operations with parameters in the query are told by their names, too; those without have none here.
        assert_eq!(
            told(Method::GET, "/members?OnlyAssociated=true"),
            "ListMembers is closed at this gate: the gate cannot hold its answer to what the caller's account may see; call AWS \
             directly, with a role that IAM allows this"
        );
        assert!(told(Method::POST, "/findings/import?x=1").contains("it has a query string (`?x=1`)"));
    }

    #[test]
    fn a_query_goes_through_where_the_operation_has_one() {
        let find = |doors: &Doors, target: &'static str| {
            let target = Uri::from_static(target);
            let found = doors.find(&Method::GET, &target, &HeaderMap::new());
            found.map(|asked| (asked.operation, asked.query.map(str::to_owned))).map_err(|error| error.message)
        };
        for (target, query) in [
            ("/automationrules/list", None),
            ("/automationrules/list?", Some("")),
            ("/automationrules/list?MaxResults=1", Some("MaxResults=1")),
        ] {
            let expected = (Operation::ListAutomationRules, query.map(str::to_owned));
            assert_eq!(find(&Doors::all(), target), Ok(expected));
            // Closed at a gate: told by its name, with a query or without.
            let told = find(&Doors::new(&[]), target).unwrap_err();
            assert!(told.starts_with("ListAutomationRules is closed at this gate: "), "{told}");
        }
        assert!(find(&Doors::all(), "/automationrules/list/?MaxResults=1").unwrap_err().contains("query string"));
    }

    #[test]
    fn headers_and_authorities_that_mislead_are_refused() {
        let path = "/findings/batchupdate";
        for header in METHOD_OVERRIDES {
            let message = ask("PATCH", path, &[(header, "PATCH")]).unwrap_err();
            assert!(message.contains(header), "{message}");
        }
        let absolute = "http://gate.example:8080/findings/batchupdate";
        assert_eq!(ask("PATCH", absolute, &[("host", "Gate.example:8080")]), Ok(Operation::BatchUpdateFindings));
        assert_eq!(ask("PATCH", absolute, &[]), Ok(Operation::BatchUpdateFindings));
        for host in ["other.example:8080", "gate.example", ""] {
            assert!(ask("PATCH", absolute, &[("host", host)]).unwrap_err().contains("another host"));
        }
        let with_user = "http://me@gate.example:8080/findings/batchupdate";
        assert!(ask("PATCH", with_user, &[("host", "gate.example:8080")]).is_err());
    }

    proptest! {
        #[test]
        fn only_the_exact_path_opens_a_door(path in "[/.%?a-zA-Z0-9]{0,12}(findings)?[/.%2fF]{0,4}(batchupdate|import)?[/.%?#]{0,3}") {
            let exact = Operation::ALL.iter().any(|operation| operation.path() == path);
            for method in ["PATCH", "POST"] {
                let open = matches!(Doors::all().door(method, &path), Door::Open(_));
                prop_assert!(!open || exact, "{path}");
            }
            let _ = explain(&Method::PATCH, &path);
        }
    }
}
