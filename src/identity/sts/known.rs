//! What is known of tokens: kept for as long as it holds, and asked for once at a time.

use super::answer::Signer;
use crate::{finding::ApiError, identity::flights::Flights};
use jiff::{SignedDuration, Timestamp};
use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};
use std::sync::Arc;

/// The SHA-256 of a token: what is known is kept under it, so that no token is, and so that looking one up takes no time that depends on it.
pub(super) type Digest = [u8; 32];

/// How many tokens are kept that were found good. A caller has one or two at a time.
const MOST_PROVEN: usize = 10_000;
/// How many are kept that STS refused.
const MOST_REFUSED: usize = 1_000;
/// How long a refusal is kept. What STS refused once it refuses again, but for clocks that differ.
const REFUSED_FOR: SignedDuration = SignedDuration::from_secs(60);
/// How many tokens STS may be asked about, or waits to be asked about, at a time. Each is a request that somebody waits for.
const MOST_FLIGHTS: usize = 1_000;

/// What STS said of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Who signed it.
    Proven(Arc<Signer>),
    /// That it is not good.
    Refused(ApiError),
    /// Nothing. It is asked again at the next request.
    Unanswered(ApiError),
}

#[derive(Debug)]
struct Kept<T>(Cache<Digest, (T, Timestamp), UnitWeighter, foldhash::quality::RandomState>);

impl<T: Clone> Kept<T> {
    fn new(most: usize) -> Self {
        let hasher = foldhash::quality::RandomState::default();
        Self(Cache::with(most, most as u64, UnitWeighter, hasher, DefaultLifecycle::default()))
    }

    fn get(&self, digest: &Digest, now: Timestamp) -> Option<T> {
        let (value, until) = self.0.get(digest)?;
        (now <= until).then_some(value)
    }
}

/// What is known of tokens, by all workers together.
#[derive(Debug)]
pub(super) struct Known {
    proven: Kept<Arc<Signer>>,
    refused: Kept<ApiError>,
    /// The tokens that STS is being asked about.
    flights: Flights<Digest, Outcome>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self { proven: Kept::new(MOST_PROVEN), refused: Kept::new(MOST_REFUSED), flights: Flights::new(MOST_FLIGHTS) }
    }

    /// What STS said of a token, as long as that holds.
    pub(super) fn get(&self, digest: &Digest, now: Timestamp) -> Option<Result<Arc<Signer>, ApiError>> {
        self.proven.get(digest, now).map(Ok).or_else(|| self.refused.get(digest, now).map(Err))
    }

    /// What STS says of a token. Of all who ask at a time one asks STS, and if that one goes away another does; nothing if too many ask.
    /// `until` is when the token stops being good.
    pub(super) async fn find(
        &self,
        digest: Digest,
        now: Timestamp,
        until: Timestamp,
        ask: impl AsyncFnOnce() -> Outcome,
    ) -> Option<Outcome> {
        let flown = self.flights.answer(digest, async || {
            // Between the look at the head and now, another flight may have landed.
            if let Some(known) = self.get(&digest, now) {
                return known.map_or_else(Outcome::Refused, Outcome::Proven);
            }
            let outcome = ask().await;
            match &outcome {
                Outcome::Proven(signer) => self.proven.0.insert(digest, (Arc::clone(signer), until)),
                Outcome::Refused(error) => {
                    let over = now.saturating_add(REFUSED_FOR).unwrap_or(now);
                    self.refused.0.insert(digest, (error.clone(), over));
                }
                Outcome::Unanswered(_) => {}
            }
            outcome
        });
        flown.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use tokio::sync::Notify;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const DIGEST: Digest = [7; 32];

    fn until() -> Timestamp {
        NOW + SignedDuration::from_mins(15)
    }

    fn proven() -> Outcome {
        let account = "222222222222".parse().unwrap();
        Outcome::Proven(Arc::new(Signer { account, principal: "p".into(), user_id: "u".into(), session: None }))
    }

    #[tokio::test]
    async fn what_sts_said_is_kept_as_long_as_it_holds() {
        let known = Known::new();
        let asked = AtomicUsize::new(0);
        let find = async |outcome: Outcome, now: Timestamp| {
            known
                .find(DIGEST, now, until(), async || {
                    asked.fetch_add(1, SeqCst);
                    outcome
                })
                .await
                .unwrap()
        };
        let down = || Outcome::Unanswered(ApiError::unavailable("down"));
        let refused = || Outcome::Refused(ApiError::unrecognized_client("no"));
        assert_eq!(find(down(), NOW).await, down());
        assert_eq!(known.get(&DIGEST, NOW), None, "that nobody answered is not kept");
        assert_eq!(find(refused(), NOW).await, refused());
        assert_eq!(find(proven(), NOW).await, refused(), "a refusal is kept");
        assert_eq!(asked.load(SeqCst), 2);
        let later = NOW + REFUSED_FOR + SignedDuration::from_secs(1);
        assert_eq!(find(proven(), later).await, proven());
        assert_eq!(find(down(), until()).await, proven());
        assert_eq!(asked.load(SeqCst), 3);
        assert!(known.get(&DIGEST, until()).unwrap().is_ok());
        assert_eq!(known.get(&DIGEST, until() + SignedDuration::from_nanos(1)), None);
        assert_eq!(known.flights.len(), 0);
    }

    #[tokio::test]
    async fn all_who_ask_at_once_are_one_question() {
        let (known, asked, answer) = (Known::new(), AtomicUsize::new(0), Notify::new());
        let find = || {
            known.find(DIGEST, NOW, until(), async || {
                asked.fetch_add(1, SeqCst);
                answer.notified().await;
                Outcome::Unanswered(ApiError::unavailable("down"))
            })
        };
        let open = async {
            while known.flights.waiting(&DIGEST) < 3 {
                tokio::task::yield_now().await;
            }
            answer.notify_one();
        };
        let (one, two, three, ()) = tokio::join!(find(), find(), find(), open);
        assert!(one == two && two == three && matches!(one, Some(Outcome::Unanswered(_))));
        assert_eq!(asked.load(SeqCst), 1, "they share a failure, too");
        assert_eq!(known.flights.len(), 0);
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_when_the_one_who_asks_goes_away() {
        let (known, asked) = (Known::new(), AtomicUsize::new(0));
        let mut first = Box::pin(known.find(DIGEST, NOW, until(), async || {
            asked.fetch_add(1, SeqCst);
            std::future::pending().await
        }));
        assert!(futures_poll(&mut first).await.is_none());
        let second = known.find(DIGEST, NOW, until(), async || {
            asked.fetch_add(1, SeqCst);
            proven()
        });
        let mut second = Box::pin(second);
        assert!(futures_poll(&mut second).await.is_none(), "it waits for the first");
        drop(first);
        assert_eq!(second.await, Some(proven()));
        assert_eq!(asked.load(SeqCst), 2);
        assert_eq!(known.flights.len(), 0);
    }

    /// Polls once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn everything_is_bounded() {
        let known = Known::new();
        let digest = |number: usize| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            digest
        };
        for number in 0..2 * MOST_PROVEN {
            known.find(digest(number), NOW, until(), async || proven()).await.unwrap();
            let refusal = async || Outcome::Refused(ApiError::unrecognized_client("no"));
            known.find(digest(number + 3 * MOST_PROVEN), NOW, until(), refusal).await.unwrap();
        }
        assert!(known.proven.0.len() <= MOST_PROVEN && known.refused.0.len() <= MOST_REFUSED);
    }
}
