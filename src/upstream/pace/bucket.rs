//! The quota of calls: so many a second, so many at once.

use std::{num::NonZeroU32, time::Duration};
use tokio::time::Instant;

/// How long nothing is called after the backend refused a call for its quota; twice as long each time it does so again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// A bucket of calls. It is counted in time rather than in calls (the "generic cell rate algorithm"), so nothing is rounded: each
/// call takes its interval from the time at which the bucket is full again.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// From one call to the next in the long run.
    interval: Duration,
    /// How far ahead of that pace the calls may be: what a full bucket holds, less one call.
    ahead: Duration,
    /// When the bucket is full again, if nothing is called until then.
    full: Instant,
    /// The latest pause began.
    paused: Option<Instant>,
    /// How often the backend refused in a row.
    refusals: u32,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(rate: NonZeroU32, burst: NonZeroU32, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / rate.get();
        Self { interval, ahead: interval * (burst.get() - 1), full: now, paused: None, refusals: 0 }
    }

    /// When the next call may be made.
    pub(crate) fn ready(&self, now: Instant) -> Instant {
        self.full.checked_sub(self.ahead).map_or(now, |ready| ready.max(now))
    }

    /// When a call may be made before which so many others are, if all are made as soon as they may be.
    pub(crate) fn ready_after(&self, now: Instant, others: u32) -> Instant {
        let full = self.full.max(now) + self.interval * others;
        full.checked_sub(self.ahead).map_or(now, |ready| ready.max(now))
    }

    /// Whether it is as one that was never used.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        self.full <= now && self.refusals == 0
    }

    /// Takes a call, or says when one may be made.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let ready = self.ready(now);
        if ready > now {
            return Err(ready);
        }
        self.full = self.full.max(now) + self.interval;
        Ok(())
    }

    /// Takes the next call that may be made, ahead of everybody who has not taken one yet: it goes out at the time that comes
    /// back. Nothing if that is not before `latest`.
    pub(crate) fn reserve(&mut self, now: Instant, latest: Instant) -> Option<Instant> {
        let at = self.ready(now);
        if at >= latest {
            return None;
        }
        self.full = self.full.max(now) + self.interval;
        Some(at)
    }

    /// The backend refused a call that went out at `sent`: the bucket is empty, and nothing goes out for a pause. Calls that
    /// went out before a pause say nothing new.
    pub(crate) fn refused(&mut self, sent: Instant, now: Instant) {
        if self.paused.is_some_and(|paused| sent <= paused) {
            return;
        }
        let pause = (FIRST_PAUSE * 2_u32.pow(self.refusals.min(8))).min(LONGEST_PAUSE);
        self.refusals += 1;
        self.paused = Some(now);
        self.full = self.full.max(now + pause + self.ahead);
    }

    /// The backend took a call that went out at `sent`.
    pub(crate) fn accepted(&mut self, sent: Instant) {
        if self.paused.is_none_or(|paused| sent > paused) {
            self.refusals = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn bucket(rate: u32, burst: u32, now: Instant) -> Bucket {
        Bucket::new(NonZeroU32::new(rate).unwrap(), NonZeroU32::new(burst).unwrap(), now)
    }

    fn granted(bucket: &mut Bucket, now: Instant) -> usize {
        (0..100).take_while(|_| bucket.take(now).is_ok()).count()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let now = Instant::now();
        let mut bucket = bucket(3, 6, now);
        assert_eq!(granted(&mut bucket, now), 6);
        assert_eq!(bucket.take(now), Err(now + Duration::from_secs(1) / 3));
        assert_eq!(granted(&mut bucket, now + 1000 * MS), 3);
        assert_eq!(granted(&mut bucket, now + 1000 * MS), 0);
        assert_eq!(granted(&mut bucket, now + 3600 * 1000 * MS), 6);
    }

    #[test]
    fn it_tells_when_each_of_those_in_line_may_go() {
        let now = Instant::now();
        let mut bucket = bucket(10, 3, now);
        assert!(bucket.is_fresh(now));
        for (others, millis) in [(0, 0), (2, 0), (3, 100), (5, 300)] {
            assert_eq!(bucket.ready_after(now, others), now + millis * MS, "after {others}");
        }
        assert_eq!(granted(&mut bucket, now), 3);
        assert!(!bucket.is_fresh(now) && bucket.is_fresh(now + 300 * MS));
        for (others, millis) in [(0, 100), (1, 200), (9, 1000)] {
            assert_eq!(bucket.ready_after(now, others), now + millis * MS, "after {others}");
        }
        bucket.refused(now, now);
        assert!(!bucket.is_fresh(now + 3_600_000 * MS), "a refusal is remembered until a call is accepted");
    }

    #[test]
    fn a_reserved_call_goes_out_before_those_who_wait() {
        let now = Instant::now();
        let mut bucket = bucket(10, 1, now);
        assert_eq!(bucket.reserve(now, now + MS), Some(now));
        assert_eq!(bucket.reserve(now, now + 100 * MS), None);
        assert_eq!(bucket.reserve(now, now + 101 * MS), Some(now + 100 * MS));
        assert_eq!(bucket.take(now + 100 * MS), Err(now + 200 * MS));
    }

    #[test]
    fn a_refusal_empties_the_bucket_and_pauses_longer_each_time() {
        let mut now = Instant::now();
        let mut bucket = bucket(10, 6, now);
        for pause in [500, 1000, 2000, 4000, 4000] {
            bucket.refused(now, now + 20 * MS);
            bucket.refused(now + 10 * MS, now + 30 * MS);
            assert_eq!(bucket.ready(now), now + (20 + pause) * MS, "the second one was under way already");
            now += (20 + pause) * MS;
            assert_eq!(granted(&mut bucket, now), 1);
        }
        bucket.accepted(now - 10_000 * MS);
        assert_eq!(bucket.refusals, 5, "an old call proves nothing");
        bucket.accepted(now);
        bucket.refused(now, now + MS);
        assert_eq!(bucket.ready(now), now + 501 * MS);
    }

    proptest! {
        /// Whatever is asked for when: of any calls in a row, all but a burst kept to the pace.
        #[test]
        fn never_more_than_the_quota(
            rate in 1u32..20, burst in 1u32..10,
            steps in prop::collection::vec((0u32..400, 0u8..3), 1..200),
        ) {
            let mut now = Instant::now();
            let mut bucket = bucket(rate, burst, now);
            let mut calls = Vec::new();
            for (wait, what) in steps {
                now += wait * MS;
                match what {
                    0 => calls.extend(bucket.reserve(now, now + 1000 * MS)),
                    1 => bucket.refused(now, now),
                    _ => calls.extend(bucket.take(now).ok().map(|()| now)),
                }
            }
            calls.sort_unstable();
            for (first, call) in calls.iter().enumerate() {
                for (count, later) in (0u32..).zip(&calls[first..]) {
                    let least = bucket.interval * (count + 1).saturating_sub(burst);
                    prop_assert!(*later - *call >= least, "{count} calls after {first}");
                }
            }
        }
    }
}
