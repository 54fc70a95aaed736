//! W3C Trace Context, level 1 with the flag of level 2: which trace a request belongs to, read and written.
//!
//! What does not keep to the letter is not guessed at: then the request begins a trace of its own, as the recommendation asks.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::{fmt, sync::Arc};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A `traceparent` of version 00.
const LENGTH: usize = 55;
/// What is passed on of `tracestate` at the most, in characters and in members (section 3.3.1.5, "Limits").
const MOST_STATE: usize = 512;
const MOST_MEMBERS: usize = 32;
/// A longer member is the first to be left out.
const LONG_MEMBER: usize = 128;

const SAMPLED: u8 = 1;
/// The trace id is random in its lower half (level 2): true of it wherever it is passed on.
const RANDOM: u8 = 2;

/// The id of a trace: 32 hexadecimal digits that are not all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of a span: 16 hexadecimal digits that are not all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The id with these bits, if there are any.
    pub fn new(bits: u128) -> Option<Self> {
        (bits != 0).then(|| Self(bits.to_be_bytes()))
    }

    /// Its bits.
    pub const fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl SpanId {
    /// The id with these bits; of none, one that there is.
    pub const fn new(bits: u64) -> Self {
        Self(if bits == 0 { 1 } else { bits }.to_be_bytes())
    }
}

/// Which trace a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span; nothing where the trace begins here.
    pub parent: Option<SpanId>,
    flags: u8,
    /// What tracing systems on the way keep in it, as a list.
    pub state: Option<Arc<str>>,
}

/// A request says which trace it belongs to, and not in the way that it has to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl TraceContext {
    /// What a request's headers say; nothing if they say nothing.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, Unreadable> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let Some(parent) = parents.next() else { return Ok(None) };
        if parents.next().is_some() {
            return Err(Unreadable);
        }
        let (trace, parent, flags) = read_parent(parent.as_bytes()).ok_or(Unreadable)?;
        Ok(Some(Self { trace, parent: Some(parent), flags, state: read_state(headers) }))
    }

    /// A trace that begins here.
    pub const fn begun(trace: TraceId, sampled: bool) -> Self {
        Self { trace, parent: None, flags: if sampled { SAMPLED } else { 0 }, state: None }
    }

    /// Whether the trace is recorded.
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What somebody is told who is asked within a span.
    #[expect(clippy::missing_panics_doc, reason = "hexadecimal digits and hyphens may stand in a header")]
    pub fn told(&self, span: SpanId) -> Outgoing {
        let parent = format!("00-{}-{span}-{:02x}", self.trace, self.flags);
        Outgoing {
            parent: HeaderValue::from_str(&parent).expect("hexadecimal digits and hyphens"),
            state: self.state.as_deref().and_then(|state| HeaderValue::from_str(state).ok()),
        }
    }
}

/// What the findings backend is told of the trace that a call belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    parent: HeaderValue,
    state: Option<HeaderValue>,
}

impl Outgoing {
    /// Adds it to a request.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.parent.clone());
        if let Some(state) = &self.state {
            headers.insert(TRACESTATE, state.clone());
        }
    }
}

fn read_parent(text: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let (known, more) = text.split_at_checked(LENGTH)?;
    let [version] = hexadecimal::<1>(&known[..2])?;
    // A later version may say more behind a hyphen; version ff is none.
    let may_go_on = version != 0 && more.first() == Some(&b'-');
    if version == 0xff || !more.is_empty() && !may_go_on {
        return None;
    }
    if [2, 35, 52].iter().any(|at| known[*at] != b'-') {
        return None;
    }
    let trace = TraceId::new(u128::from_be_bytes(hexadecimal(&known[3..35])?))?;
    let parent = hexadecimal(&known[36..52])?;
    let [flags] = hexadecimal::<1>(&known[53..])?;
    (parent != [0; 8]).then_some((trace, SpanId(parent), flags & (SAMPLED | RANDOM)))
}

/// Lower-case digits, two a byte.
fn hexadecimal<const BYTES: usize>(text: &[u8]) -> Option<[u8; BYTES]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; BYTES];
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

/// The list that all headers of the name make together, within its bounds; nothing if it is not one. The trace goes on without it.
fn read_state(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut members: Vec<&str> = Vec::new();
    for header in headers.get_all(TRACESTATE) {
        for member in header.to_str().ok()?.split(',').map(|member| member.trim_matches([' ', '\t'])) {
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=').filter(|(key, value)| is_key(key) && is_value(value))?;
            let is_known = |known: &&str| known.split_once('=').is_some_and(|(known, _)| known == key);
            if members.len() == MOST_MEMBERS || members.iter().any(is_known) || value.is_empty() {
                return None;
            }
            members.push(member);
        }
    }
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    while length(&members) > MOST_STATE {
        let long = members.iter().rposition(|member| member.len() > LONG_MEMBER);
        members.remove(long.unwrap_or(members.len() - 1));
    }
    (!members.is_empty()).then(|| members.join(",").into())
}

/// Lower-case letters, digits and `_-*/@`, up to 256, of which the first is a letter or a digit.
fn is_key(key: &str) -> bool {
    let first = key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    first && key.len() <= 256 && key.bytes().all(fits)
}

/// Printable characters but `,` and `=`, up to 256.
fn is_value(value: &str) -> bool {
    value.len() <= 256 && value.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b',' && byte != b'=')
}

fn write_digits(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(lines: &[(&'static str, &str)]) -> Result<Option<TraceContext>, Unreadable> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        TraceContext::read(&headers)
    }

    fn told(lines: &[(&'static str, &str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        read(lines).unwrap().unwrap().told(SpanId::new(0xab)).write(&mut headers);
        let text = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        headers.iter().map(text).collect()
    }

    #[test]
    fn a_context_is_read_and_passed_on_with_another_span() {
        assert_eq!(read(&[]), Ok(None));
        let context = read(&[("traceparent", GOOD)]).unwrap().unwrap();
        assert_eq!(context.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled());
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ab-01";
        assert_eq!(told(&[("traceparent", GOOD)]), [("traceparent".to_owned(), parent.to_owned())]);
        let unsampled = GOOD.replace("-01", "-00");
        assert!(!read(&[("traceparent", &unsampled)]).unwrap().unwrap().is_sampled());
        // Flags that are not known are not passed on; that the id is random is.
        let flags = told(&[("traceparent", &GOOD.replace("-01", "-ff"))]);
        assert!(flags[0].1.ends_with("-03"), "{flags:?}");
    }

    #[test]
    fn a_later_version_may_say_more() {
        let later = GOOD.replacen("00", "cc", 1);
        for text in [later.clone(), format!("{later}-what the future will be like")] {
            assert!(read(&[("traceparent", &text)]).unwrap().unwrap().is_sampled(), "{text}");
        }
        for text in [format!("{later}."), format!("{later}00"), GOOD.replacen("00", "ff", 1), format!("{GOOD}-00")] {
            assert_eq!(read(&[("traceparent", &text)]), Err(Unreadable), "{text}");
        }
    }

    #[test]
    fn what_is_not_to_the_letter_is_not_read() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        ] {
            assert_eq!(read(&[("traceparent", bad)]), Err(Unreadable), "{bad}");
        }
        assert_eq!(read(&[("traceparent", GOOD), ("traceparent", GOOD)]), Err(Unreadable));
    }

    #[test]
    fn the_state_is_one_list_within_bounds() {
        let state = |values: &[&str]| {
            let mut lines = vec![("traceparent", GOOD)];
            lines.extend(values.iter().map(|value| ("tracestate", *value)));
            read(&lines).unwrap().unwrap().state.map(|state| state.to_string())
        };
        assert_eq!(state(&["a=1, b@c=2 ,,", "d/e=x y"]).as_deref(), Some("a=1,b@c=2,d/e=x y"));
        for bad in ["a", "A=1", "a=1,a=2", "=1", "a=", "-a=1", "a=b=c", "a=x\ty"] {
            assert_eq!(state(&[bad]), None, "{bad}");
        }
        assert_eq!(state(&[&(0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",")]), None);
        // First go the long ones, then the last.
        let long = format!("long={}", "x".repeat(200));
        let short: Vec<String> = (0..9).map(|n| format!("k{n}={}", "x".repeat(60))).collect();
        let kept = state(&[&format!("{},{long},{}", short[..4].join(","), short[4..].join(","))]).unwrap();
        assert_eq!(kept, short[..8].join(",")[..kept.len()]);
        assert!(kept.len() <= 512 && !kept.contains("long"), "{kept}");
        assert_eq!(told(&[("traceparent", GOOD), ("tracestate", "a=1")])[1].1, "a=1");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_readers(parent in "[ -~]{0,70}", state in "[ -~]{0,600}") {
            let lines = [("traceparent", parent.as_str()), ("tracestate", state.as_str())];
            if let Ok(Some(context)) = read(&lines) {
                let length = context.state.as_ref().map_or(0, |state| state.len());
                prop_assert!(length <= MOST_STATE);
                let mut again = HeaderMap::new();
                context.told(SpanId::new(7)).write(&mut again);
                let read = TraceContext::read(&again).unwrap().unwrap();
                prop_assert_eq!((read.trace, read.state, read.flags), (context.trace, context.state, context.flags));
            }
        }
    }
}
