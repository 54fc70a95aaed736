//! Numbers of a request.

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use std::fmt;

/// Reads an integer from 0 to 100 (the API model's RatioScale, and the range of the two scores).
#[derive(Clone, Copy)]
pub(super) struct Ratio;

impl<'de> DeserializeSeed<'de> for Ratio {
    type Value = u8;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u8, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Ratio {
    type Value = u8;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer from 0 to 100")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u8, E> {
        match u8::try_from(number) {
            Ok(ratio @ 0..=100) => Ok(ratio),
            _ => Err(E::custom(format_args!("got {number}, expected an integer from 0 to 100"))),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u8, E> {
        Err(E::custom(format_args!("got {number}, expected an integer from 0 to 100")))
    }
}

/// Reads an integer from `min` to `max`.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    pub(super) min: u32,
    pub(super) max: u32,
}

impl<'de> DeserializeSeed<'de> for Whole {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Whole {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer from {} to {}", self.min, self.max)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u32, E> {
        match u32::try_from(number) {
            Ok(whole) if (self.min..=self.max).contains(&whole) => Ok(whole),
            _ => Err(E::custom(format_args!("got {number}, expected an integer from {} to {}", self.min, self.max))),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u32, E> {
        Err(E::custom(format_args!("got {number}, expected an integer from {} to {}", self.min, self.max)))
    }
}

/// `Severity.Product`: a product's own score, exact to four decimal places.
///
/// The API model has a double there. Cedar compares decimals of four places, so a number that has more is refused: the
/// gate never decides on one number and forwards another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductScore {
    ten_thousandths: i64,
}

impl ProductScore {
    /// Beyond this a double no longer tells ten-thousandths apart.
    const GREATEST: f64 = 100_000_000_000.0;

    /// The score, if `number` has at most four decimal places and a size of at most 100,000,000,000.
    pub fn exact(number: f64) -> Option<Self> {
        if number.is_nan() || number.abs() > Self::GREATEST {
            return None;
        }
        let scaled = (number * 10_000.0).round();
        #[expect(clippy::float_cmp, reason = "the question is whether nothing was lost")]
        let exact = scaled / 10_000.0 == number;
        #[expect(clippy::cast_possible_truncation, reason = "bounded above to 10^15")]
        exact.then_some(Self { ten_thousandths: scaled as i64 })
    }
}

/// The form that is both JSON's and Cedar's `decimal`: `7.5`, `-0.25`, `7.0`.
impl fmt::Display for ProductScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.ten_thousandths < 0 { "-" } else { "" };
        let (whole, part) =
            (self.ten_thousandths.unsigned_abs() / 10_000, self.ten_thousandths.unsigned_abs() % 10_000);
        let digits = format!("{part:04}");
        let digits = digits.trim_end_matches('0');
        write!(f, "{sign}{whole}.{}", if digits.is_empty() { "0" } else { digits })
    }
}

/// Reads a [`ProductScore`]. An integer token will do: JavaScript writes 1.0 as `1`.
#[derive(Clone, Copy)]
pub(super) struct ProductScoreReader;

impl<'de> DeserializeSeed<'de> for ProductScoreReader {
    type Value = ProductScore;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ProductScore, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ProductScoreReader {
    type Value = ProductScore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of at most four decimal places, between -100000000000 and 100000000000")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<ProductScore, E> {
        ProductScore::exact(number).ok_or_else(|| {
            E::custom(format_args!(
                "got {number}, expected a number of at most four decimal places, between -100000000000 and 100000000000"
            ))
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "`exact` refuses what a double cannot hold")]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ProductScore, E> {
        self.visit_f64(number as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "`exact` refuses what a double cannot hold")]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ProductScore, E> {
        self.visit_f64(number as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scores_are_written_as_json_and_cedar_both_read_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (7.0, "7.0"),
            (7.5, "7.5"),
            (-0.25, "-0.25"),
            (0.0001, "0.0001"),
            (1e10, "10000000000.0"),
        ] {
            assert_eq!(ProductScore::exact(number).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_compared_exactly_is_refused() {
        for number in [0.00001, 7.123_45, 1e12, f64::NAN, f64::INFINITY, -1e300, f64::MIN_POSITIVE] {
            assert_eq!(ProductScore::exact(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn the_number_written_is_the_number_read(ten_thousandths in -1_000_000_000_000_000i64..=1_000_000_000_000_000) {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let number = ten_thousandths as f64 / 10_000.0;
            let score = ProductScore::exact(number).unwrap();
            prop_assert_eq!(score.to_string().parse::<f64>().unwrap().to_bits(), (number + 0.0).to_bits());
        }
    }
}
