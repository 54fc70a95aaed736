//! The string to sign, and the keys that sign it.

use super::parse::{ALGORITHM, AmzDate};
use aws_lc_rs::{digest, hmac};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The string to sign for a canonical request.
pub(super) fn string_to_sign(date: &AmzDate, region: &str, service: &str, canonical: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + region.len());
    for part in [ALGORITHM, "\n", date.as_str(), "\n", date.day(), "/", region, "/", service, "/aws4_request\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(&hex(digest::digest(&digest::SHA256, canonical).as_ref()));
    out
}

/// The signing key of a day, Region and service: a chain of HMACs from the key `"AWS4" + secret`.
pub(super) fn derive(secret: &hmac::Key, day: &str, region: &str, service: &str) -> hmac::Key {
    let mut key = secret.clone();
    for part in [day, region, service, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

/// 32 bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [b'0'; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

/// The derived signing keys of one issued key, for the days that are current.
///
/// Within the permitted skew of the clocks at most two days are current, and they follow each other: one place for even
/// days and one for odd ones holds all that can be asked for, and a new day takes the place of the one before yesterday's.
#[derive(Debug, Default)]
pub(super) struct DailyKeys([Mutex<Option<(i64, hmac::Key)>>; 2]);

impl DailyKeys {
    /// The key of a day, counted from any fixed one; `derive` makes it when it is not here.
    pub(super) fn get(&self, day: i64, derive: impl FnOnce() -> hmac::Key) -> hmac::Key {
        let place = &self.0[usize::from(day.rem_euclid(2) == 1)];
        if let Some((known, key)) = &*lock(place)
            && *known == day
        {
            return key.clone();
        }
        // Not under the lock: that two threads derive the same key at midnight costs less than a wait.
        let key = derive();
        *lock(place) = Some((day, key.clone()));
        key
    }
}

/// A panic elsewhere leaves a whole key or none, so a poisoned lock is as good as any.
fn lock<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_derived_once_and_the_day_before_yesterday_makes_room() {
        let daily = DailyKeys::default();
        let derived = std::cell::Cell::new(0);
        let get = |day: i64| {
            let key = daily.get(day, || {
                derived.set(derived.get() + 1);
                hmac::Key::new(hmac::HMAC_SHA256, &day.to_be_bytes())
            });
            let expected = hmac::Key::new(hmac::HMAC_SHA256, &day.to_be_bytes());
            hmac::verify(&key, b"x", hmac::sign(&expected, b"x").as_ref()).unwrap();
            derived.get()
        };
        assert_eq!([get(4), get(5), get(4), get(5)], [1, 2, 2, 2]);
        assert_eq!([get(6), get(5), get(6)], [3, 3, 3]);
        assert_eq!([get(-1), get(-1)], [4, 4]);
    }
}
