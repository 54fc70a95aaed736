//! Looking for bytes eight at a time, in texts that are too short for a search made for long ones: that takes longer to begin than
//! this takes in all.

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x7f * ONES;

/// Where in eight bytes this one stands: the highest bit of each place is set where it does. The first byte is the lowest.
pub(super) const fn places_of(byte: u8, word: u64) -> u64 {
    let different = word ^ (ONES * byte as u64);
    // Without a carry from one place to the next, so that each is right by itself.
    !(((different & LOW) + LOW) | different | LOW)
}

/// The number of the first of these places.
pub(super) const fn first(places: u64) -> usize {
    (places.trailing_zeros() / 8) as usize
}

/// Each of these places, by its number.
pub(super) fn each(mut places: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let next = (places != 0).then(|| first(places));
        places &= places.wrapping_sub(1);
        next
    })
}

/// Eight bytes as one number. What is missing at the end of a text is zeros, so zeros cannot be looked for.
pub(super) fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(bytes in prop::collection::vec(prop_oneof![any::<u8>(), b'9'..b'<'], 0..=8), byte in b'9'..b'<') {
            let expected: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == byte).collect();
            let places = places_of(byte, word(&bytes));
            prop_assert_eq!(each(places).collect::<Vec<_>>(), expected.clone());
            if let Some(at) = expected.first() {
                prop_assert_eq!(first(places), *at);
            }
        }
    }
}
