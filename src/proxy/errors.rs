//! How a refusal looks on the wire.

use super::RequestId;
use crate::finding::ApiError;
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer to a call that fails as a whole, with the headers that SDKs read. `Content-Length` and `Date` are added on
/// the way out.
///
/// After 408, 413 and 431 the rest of the request is not read, so these announce that the connection closes.
pub fn error_response(error: &ApiError, request_id: &RequestId) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(error.body())));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(ERROR_TYPE, HeaderValue::from_static(error.code));
    headers.insert(REQUEST_ID, request_id.header_value());
    if let Some(seconds) = error.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if matches!(error.status, 408 | 413 | 431) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::RequestIds;

    #[test]
    fn a_refusal_carries_what_sdks_look_for() {
        let id = RequestIds::new().unwrap().next();
        let response = error_response(&ApiError::access_denied("no"), &id);
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["x-amzn-ErrorType"], "AccessDeniedException");
        assert_eq!(response.headers()["x-amzn-RequestId"], id.as_str());
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert!(!response.headers().contains_key(CONNECTION));
        assert!(!response.headers().contains_key(RETRY_AFTER));
        let later = ApiError::unavailable("x").after(std::time::Duration::from_secs(7));
        assert_eq!(error_response(&later, &id).headers()[RETRY_AFTER], "7");
        for error in [ApiError::request_too_large("x"), ApiError::request_timeout("x")] {
            assert_eq!(error_response(&error, &id).headers()[CONNECTION], "close");
        }
    }
}
