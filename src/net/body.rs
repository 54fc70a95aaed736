//! Reading a body with a bound.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum ReadError<E> {
    /// It is, or says it is, larger than the bound.
    TooLarge,
    /// The connection broke, or did not hold to its protocol.
    Transport(E),
}

/// Reads a body of up to `limit` bytes. A declared length is checked first, and what comes is checked too. A body in one piece
/// is not copied. Trailers are dropped.
pub(crate) async fn read<B>(mut body: B, limit: usize) -> Result<Bytes, ReadError<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        return Err(ReadError::TooLarge);
    }
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(ReadError::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = next(&mut body).await? else { return Ok(first) };
    // The declared length is only a promise: at the most this much is set aside on its strength.
    let mut whole = BytesMut::with_capacity(declared.min(256 * 1024).max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    drop(first);
    let mut piece = Some(second);
    while let Some(data) = piece {
        if whole.len() + data.len() > limit {
            return Err(ReadError::TooLarge);
        }
        whole.extend_from_slice(&data);
        piece = if body.is_end_stream() { None } else { next(&mut body).await? };
    }
    Ok(whole.freeze())
}

/// The next piece that has something in it.
async fn next<B>(body: &mut B) -> Result<Option<Bytes>, ReadError<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(ReadError::Transport)?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use hyper::body::Frame;
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    /// Pieces without a declared length.
    struct Pieces(Vec<&'static str>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let piece = (!self.0.is_empty()).then(|| self.0.remove(0));
            Poll::Ready(piece.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
        }
    }

    #[tokio::test]
    async fn pieces_are_joined_up_to_the_bound() {
        for (pieces, limit, expected) in [
            (vec![], 4, Some("")),
            (vec!["abcd"], 4, Some("abcd")),
            (vec!["abcde"], 4, None),
            (vec!["ab", "", "cd"], 4, Some("abcd")),
            (vec!["ab", "cd", "e"], 4, None),
            (vec!["", "ab"], 4, Some("ab")),
        ] {
            let read = read(Pieces(pieces.clone()), limit).await;
            assert_eq!(read.ok(), expected.map(Bytes::from), "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn one_piece_is_not_copied() {
        let bytes = Bytes::from(vec![7; 100]);
        let read = read(Full::new(bytes.clone()), 100).await.unwrap();
        assert_eq!(read.as_ptr(), bytes.as_ptr());
    }
}
