//! Reading a request's body strictly, and saying where it goes wrong.

use serde::de::DeserializeSeed;
use serde_path_to_error::Segment;
use std::fmt;

/// Why a body is no request of its operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidBody {
    /// Where in the body, such as `Workflow.Status` or `FindingIdentifiers[3].Id`; empty for the body as a whole.
    pub path: String,
    /// What came and what was expected.
    pub problem: String,
}

impl fmt::Display for InvalidBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "body: {}", self.problem)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

/// Reads a body with the reader of its operation; nothing may follow.
pub(super) fn parse<'a, S: DeserializeSeed<'a> + Copy>(body: &'a [u8], reader: S) -> Result<S::Value, InvalidBody> {
    // Once for the whole body: to look at each string for itself costs more.
    let parsed = std::str::from_utf8(body).ok().and_then(|text| {
        let mut json = serde_json::Deserializer::from_str(text);
        let request = reader.deserialize(&mut json).ok()?;
        json.end().is_ok().then_some(request)
    });
    parsed.ok_or_else(|| explain(body, reader))
}

/// Reads a body that is no request once more, to learn where it goes wrong: the good ones need not pay for that.
fn explain<'a, S: DeserializeSeed<'a>>(body: &'a [u8], reader: S) -> InvalidBody {
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = serde_path_to_error::Track::new();
    let read = reader.deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track));
    match read.map(drop).and_then(|()| json.end()) {
        Err(error) => InvalidBody { path: shown(&track.path()), problem: error.to_string() },
        Ok(()) => InvalidBody { path: String::new(), problem: "not UTF-8".to_owned() },
    }
}

/// A path as a message shows it: keys are the client's own, so it is escaped, and cut where it is long.
pub(super) fn shown(path: &serde_path_to_error::Path) -> String {
    const MOST: usize = 160;
    // What broke off before it had a name is shown as `?`, which tells nobody anything.
    let unnamed = path.iter().rev().take_while(|segment| matches!(segment, Segment::Unknown)).count();
    if path.iter().len() == unnamed {
        return String::new();
    }
    let mut text = &*path.to_string();
    for _ in 0..unnamed {
        text = text.strip_suffix(".?").unwrap_or(text);
    }
    text.escape_debug().take(MOST).collect()
}
