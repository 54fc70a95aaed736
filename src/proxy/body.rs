//! Reading a request's body, within a size and a time.

use crate::{finding::ApiError, net::body as bounded, upstream::bell::Bell};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::{
    error::Error,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client went away, or took the request back, before all of it was there. Nobody reads the answer.
    #[error("the client went away before its request's body was complete")]
    ClientGone,
    /// The body's framing is broken: a chunk that is none, for example.
    #[error("the request's body is not well-formed HTTP")]
    Malformed,
    /// It took the client too long.
    #[error("the request's body did not arrive within {} s (`limits.body_timeout`)", after.as_secs_f32())]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// It is more than the gate reads.
    #[error("the request's body is larger than {limit} bytes, the most that this gate reads (`limits.body`)")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::ClientGone | BodyError::Timeout { .. } => Self::request_timeout(message),
            BodyError::Malformed => Self::invalid_input(message),
            BodyError::TooLarge { .. } => Self::request_too_large(message),
        }
    }
}

/// Reads a body of up to `limit` bytes, within `timeout`.
///
/// A length that the client declares is checked before anything is read (so a client that waits for `100 Continue` does
/// not send it at all), and what really comes is checked again. A body that arrives in one piece is not copied, and one
/// that is there already costs no timer.
pub async fn read_body<B>(body: B, limit: usize, timeout: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let mut reading = pin!(bounded::read(body, limit));
    let there = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
    let read = match there {
        Poll::Ready(read) => read,
        Poll::Pending => match tokio::time::timeout(timeout, reading).await {
            Ok(read) => read,
            Err(_) => return Err(BodyError::Timeout { after: timeout }),
        },
    };
    read.map_err(|error| match error {
        bounded::ReadError::TooLarge => BodyError::TooLarge { limit },
        bounded::ReadError::Transport(error) => of_transport(&error),
    })
}

/// The body of a request, while it comes.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    /// Of the connection that drives itself by this bell; nothing for a stream of HTTP/2.
    bell: Option<Arc<Bell>>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, bell: Option<Arc<Bell>>) -> Self {
        Self { incoming, bell }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { incoming, bell } = &mut *self;
        let Some(bell) = bell else { return Pin::new(incoming).poll_frame(cx) };
        let rings = bell.rings();
        let frame = Pin::new(&mut *incoming).poll_frame(cx);
        // To take a piece rings for the connection to bring the next. After the last there is none to bring.
        if incoming.is_end_stream() {
            bell.hush_after(rings);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// hyper says no more than "body error" and keeps the rest as the source.
fn of_transport(error: &hyper::Error) -> BodyError {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => BodyError::Malformed,
        _ => BodyError::ClientGone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_status_and_names_its_limit() {
        let cases = [
            (BodyError::ClientGone, 408, "went away"),
            (BodyError::Malformed, 400, "well-formed"),
            (BodyError::Timeout { after: Duration::from_millis(1500) }, 408, "1.5 s (`limits.body_timeout`)"),
            (BodyError::TooLarge { limit: 1024 }, 413, "1024 bytes"),
        ];
        for (error, status, text) in cases {
            let answer = ApiError::from(error);
            assert_eq!(answer.status, status);
            assert!(answer.message.contains(text), "{}", answer.message);
        }
    }
}
