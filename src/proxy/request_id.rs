//! The id that an answer carries, so that a caller and the gate's owner talk of the same request.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use http::HeaderValue;
use std::{cell::Cell, fmt};

/// The id of one request, in the form of a version 4 UUID: `8-4-4-4-12` lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 36]);

/// Hands out request ids: one source a worker, and no system call an id.
///
/// The ids of one source never repeat; those of two differ by the randomness that each starts from. They are names,
/// not secrets: whoever has seen some may guess others.
#[derive(Debug)]
pub struct RequestIds {
    seed: [u64; 2],
    issued: Cell<u64>,
}

impl RequestIds {
    /// A source with a random start. Fails when the system has no randomness to give.
    pub fn new() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes)?;
        let seed = u128::from_ne_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        Ok(Self { seed: [(seed >> 64) as u64, seed as u64], issued: Cell::new(0) })
    }

    /// The next id.
    pub fn next(&self) -> RequestId {
        let issued = self.issued.get();
        self.issued.set(issued.wrapping_add(1));
        let high = mix(self.seed[0].wrapping_add(issued));
        let low = mix(self.seed[1].wrapping_sub(issued));
        RequestId::from_bits((u128::from(high) << 64) | u128::from(low))
    }
}

/// The finaliser of SplitMix64: one to one, and neighbours come out unlike each other.
const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Where in the text each byte's two digits stand.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

impl RequestId {
    /// Version 4 and the common variant are put in, so that strict readers of UUIDs take it.
    fn from_bits(bits: u128) -> Self {
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let mut text = [b'-'; 36];
        for (byte, place) in bits.to_be_bytes().into_iter().zip(PLACES) {
            text[place] = DIGITS[usize::from(byte >> 4)];
            text[place + 1] = DIGITS[usize::from(byte & 0xf)];
        }
        Self(text)
    }

    /// The 128 bits that it spells.
    pub(super) fn bits(&self) -> u128 {
        let digits = self.0.iter().filter_map(|digit| char::from(*digit).to_digit(16));
        digits.fold(0, |bits, digit| bits << 4 | u128::from(digit))
    }

    /// Bits that look random, of which each depends on all of the id.
    pub(super) fn random(&self) -> u64 {
        let bits = self.bits();
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        mix((bits >> 64) as u64 ^ mix(bits as u64))
    }

    /// The 36 characters.
    #[expect(clippy::missing_panics_doc, reason = "hexadecimal digits and hyphens are UTF-8")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII")
    }

    /// As the value of a header.
    #[expect(clippy::missing_panics_doc, reason = "hexadecimal digits and hyphens may stand in a header")]
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("ASCII")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn an_id_is_a_version_4_uuid() {
        assert_eq!(RequestId::from_bits(0).as_str(), "00000000-0000-4000-8000-000000000000");
        assert_eq!(RequestId::from_bits(u128::MAX).as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let bits = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
        assert_eq!(RequestId::from_bits(bits).as_str(), "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(RequestId::from_bits(bits).bits(), 0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
        assert_eq!(RequestId::from_bits(bits).header_value(), "01234567-89ab-4def-8123-456789abcdef");
    }

    #[test]
    fn ids_do_not_repeat_within_or_across_sources() {
        let (one, other) = (RequestIds::new().unwrap(), RequestIds::new().unwrap());
        let ids: HashSet<_> = (0..10_000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ids.len(), 20_000);
    }
}
