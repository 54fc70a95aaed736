//! What is logged, and how to change that without a restart.

use super::{Admin, json, text};
use crate::proxy::{RequestBody, read_body};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use std::time::Duration;

/// Time for a level to arrive, and its bytes at the most.
pub(super) const BODY: (usize, Duration) = (1024, Duration::from_secs(5));

/// What is asked about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAsk<'a> {
    /// What is logged?
    Show,
    /// Log this from now on.
    Set {
        /// A level or directives.
        level: &'a str,
        /// For how long, such as `10m`; nothing for until it is changed again.
        length: Option<&'a str>,
    },
    /// Log what the configuration says.
    Reset,
}

/// What answers it; what was expected otherwise.
pub type AskLog = Box<dyn Fn(LogAsk<'_>) -> Result<LogShown, String> + Send + Sync>;

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogShown {
    /// The level, or the directives.
    pub level: String,
    /// What the configuration says.
    pub configured: String,
    /// When that counts again, RFC 3339; nothing if only somebody's word brings it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

impl Admin {
    pub(super) async fn log_level(&self, request: Request<RequestBody>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let show = |ask: LogAsk<'_>| match (self.views().log)(ask) {
            Ok(shown) => json(&shown),
            Err(why) => text(StatusCode::BAD_REQUEST, format!("not changed: {why}\n")),
        };
        if head.method == Method::DELETE {
            return show(LogAsk::Reset);
        }
        if !matches!(head.method, Method::PUT | Method::POST) {
            return show(LogAsk::Show);
        }
        let length = match head.uri.query() {
            None => None,
            Some(query) => {
                let Some(length) = query.strip_prefix("for=").filter(|length| !length.contains('&')) else {
                    let told = "not changed: expected no query string, or for how long, such as `?for=10m`\n";
                    return text(StatusCode::BAD_REQUEST, told);
                };
                Some(length)
            }
        };
        let body = match read_body(body, BODY.0, BODY.1).await {
            Ok(body) => body,
            Err(error) => return text(StatusCode::BAD_REQUEST, format!("not changed: {error}\n")),
        };
        match std::str::from_utf8(&body) {
            Ok(level) => show(LogAsk::Set { level, length }),
            Err(_) => text(StatusCode::BAD_REQUEST, "not changed: the level is not UTF-8\n"),
        }
    }
}
