//! Timestamps as Security Hub takes and writes them: RFC 3339, with offsets also as `+HHMM` or `+HH`.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};
use serde_json::Value;

/// The pattern of the CloudFormation schema (`AWS::SecurityHub::AutomationRule`), as validation errors quote it.
pub const PATTERN: &str = r"^(\d\d\d\d)-([0][1-9]|[1][0-2])-([0][1-9]|[1-2](\d)|[3][0-1])[T](?:([0-1](\d)|[2][0-3]):[0-5](\d):[0-5](\d)|23:59:60)(?:\.(\d)+)?([Z]|[+-](\d\d)(:?(\d\d))?)$";

/// The instant that `text` names, or nothing.
///
/// More than [`PATTERN`] asks: the day exists, the fraction has at most nine digits, and the offset is within ±18:00.
/// A leap second, `23:59:60`, is the first second of the next day, as in POSIX time.
pub fn parse(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() {
        return None;
    }
    let (date_and_time, rest) = text.split_at_checked(19)?;
    let bytes = date_and_time.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, separator)| bytes[at] != separator) {
        return None;
    }
    let [year, month, day] = [(0, 4), (5, 7), (8, 10)].map(|(from, to)| digits(&date_and_time[from..to]));
    let [hour, minute, second] = [(11, 13), (14, 16), (17, 19)].map(|(from, to)| digits(&date_and_time[from..to]));
    let (hour, minute, second) = (hour?, minute?, second?);
    let leap = (hour, minute, second) == (23, 59, 60);
    let second = if leap { 59 } else { second };

    let (nanosecond, offset) = fraction(rest)?;
    let [month, day, hour, minute, second] =
        [month?, day?, hour, minute, second].map(|number| i8::try_from(number).unwrap_or(-1));
    let local = DateTime::new(i16::try_from(year?).ok()?, month, day, hour, minute, second, nanosecond).ok()?;
    let instant = offset_of(offset)?.to_timestamp(local).ok()?;
    if leap { instant.checked_add(SignedDuration::from_secs(1)).ok() } else { Some(instant) }
}

/// The form that the store compares: of fixed width, in UTC, in the order of time.
pub fn sortable(instant: Timestamp) -> String {
    format!("{instant:.9}")
}

/// The [`sortable`] form of a timestamp in a finding, or nothing if it is none.
pub fn sortable_of(value: &Value) -> Option<String> {
    value.as_str().and_then(parse).map(sortable)
}

/// How the service writes an instant of its own.
pub fn written(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

fn digits(text: &str) -> Option<i32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The nanoseconds, and what comes after them.
fn fraction(text: &str) -> Option<(i32, &str)> {
    let Some(text) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let (fraction, rest) = text.split_at(length);
    Some((digits(&format!("{fraction:0<9}"))?, rest))
}

fn offset_of(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let (sign, text) = match text.split_at_checked(1)? {
        ("+", text) => (1, text),
        ("-", text) => (-1, text),
        _ => return None,
    };
    let (hours, minutes) = match text.len() {
        2 => (text, "00"),
        4 => text.split_at(2),
        5 => text.split_once(':').filter(|(hours, _)| hours.len() == 2)?,
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let seconds = hours * 3600 + minutes * 60;
    (minutes < 60 && seconds <= 18 * 3600).then(|| Offset::from_seconds(sign * seconds).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_names_its_instant() {
        for (text, instant) in [
            ("2024-02-29T12:30:45Z", "2024-02-29T12:30:45.000000000Z"),
            ("2024-02-29T12:30:45.1Z", "2024-02-29T12:30:45.100000000Z"),
            ("2024-02-29T12:30:45.123456789Z", "2024-02-29T12:30:45.123456789Z"),
            ("2024-02-29T12:30:45+02:00", "2024-02-29T10:30:45.000000000Z"),
            ("2024-02-29T12:30:45+0200", "2024-02-29T10:30:45.000000000Z"),
            ("2024-02-29T12:30:45-02", "2024-02-29T14:30:45.000000000Z"),
            ("2024-02-29T12:30:45.5-18:00", "2024-03-01T06:30:45.500000000Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000000Z"),
            ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000000Z"),
        ] {
            assert_eq!(parse(text).map(sortable).as_deref(), Some(instant), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2024-02-29",
            "2024-02-30T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-02-29T24:00:00Z",
            "2024-02-29T12:59:60Z",
            "2024-02-29T12:30:45",
            "2024-02-29T12:30:45z",
            "2024-02-29t12:30:45Z",
            "2024-02-29 12:30:45Z",
            "2024-02-29T12:30:45.Z",
            "2024-02-29T12:30:45.1234567890Z",
            "2024-02-29T12:30:45+18:01",
            "2024-02-29T12:30:45+2:00",
            "2024-02-29T12:30:45+02:60",
            "2024-02-29T12:30:45+020",
            "2024-02-29T12:30:45Zx",
            "+024-02-29T12:30:45Z",
            "2024-02-29T12:30:4５Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_sortable_form_sorts_as_time_does(a in 0i64..253_000_000_000, b in 0i64..253_000_000_000, n in 0i32..1_000_000_000) {
            let (a, b) = (Timestamp::new(a, n).unwrap(), Timestamp::new(b, 0).unwrap());
            prop_assert_eq!(sortable(a).cmp(&sortable(b)), a.cmp(&b));
            prop_assert_eq!(parse(&sortable(a)), Some(a));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
