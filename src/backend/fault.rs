//! Faults, made on purpose: for tests of clients and of the gate.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How often a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Rate {
    /// Not at all.
    #[default]
    Never,
    /// At every Nth occasion, the first time at the Nth.
    Every(NonZeroU32),
    /// At random, with this probability from 0 to 1. The same seed gives the same sequence.
    Probability(f64),
}

impl Rate {
    /// At every occasion.
    pub const ALWAYS: Self = Self::Every(NonZeroU32::MIN);
}

/// Which faults happen, and how often. None by default.
///
/// A fault of a whole call happens before anything is done: nothing of the call takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// What [`Rate::Probability`] starts from.
    pub seed: u64,
    /// Whole calls: 429 TooManyRequestsException.
    pub throttle: Rate,
    /// Whole calls: 500 InternalException.
    pub internal: Rate,
    /// Whole calls that are slow, and by how much: see `Backend::delay`.
    pub slow: (Rate, Duration),
    /// Findings of BatchUpdateFindings: ConcurrentUpdateError; of BatchUpdateFindingsV2: ConflictException.
    pub concurrent_update: Rate,
    /// Findings of BatchUpdateFindings: InternalFailure; of BatchUpdateFindingsV2: InternalServerException.
    pub internal_failure: Rate,
}

/// The kinds of occasion, each counted for itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Occasion {
    Throttle,
    Internal,
    Slow,
    ConcurrentUpdate,
    InternalFailure,
}

/// Draws faults.
#[derive(Debug, Default)]
pub(super) struct Dice {
    counts: [AtomicU64; 5],
}

impl Dice {
    /// Counts one occasion, and says whether its fault happens.
    pub(super) fn strikes(&self, faults: &Faults, occasion: Occasion) -> bool {
        let rate = match occasion {
            Occasion::Throttle => faults.throttle,
            Occasion::Internal => faults.internal,
            Occasion::Slow => faults.slow.0,
            Occasion::ConcurrentUpdate => faults.concurrent_update,
            Occasion::InternalFailure => faults.internal_failure,
        };
        let kind = occasion as usize;
        if rate == Rate::Never {
            return false;
        }
        let count = self.counts[kind].fetch_add(1, Ordering::Relaxed) + 1;
        match rate {
            Rate::Never => false,
            Rate::Every(n) => count.is_multiple_of(n.get().into()),
            Rate::Probability(probability) => unit(faults.seed ^ ((kind as u64) << 56), count) < probability,
        }
    }
}

/// A number from 0 to below 1: the `count`th of the sequence that `seed` starts (SplitMix64).
fn unit(seed: u64, count: u64) -> f64 {
    let mut bits = seed.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
    let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(faults: Faults, occasion: Occasion, times: usize) -> Vec<bool> {
        let dice = Dice::default();
        (0..times).map(|_| dice.strikes(&faults, occasion)).collect()
    }

    #[test]
    fn every_nth_occasion_strikes() {
        let faults = Faults { throttle: Rate::Every(NonZeroU32::new(3).unwrap()), ..Faults::default() };
        assert_eq!(drawn(faults, Occasion::Throttle, 6), [false, false, true, false, false, true]);
        assert_eq!(drawn(faults, Occasion::Internal, 3), [false; 3]);
        let faults = Faults { internal_failure: Rate::ALWAYS, ..Faults::default() };
        assert_eq!(drawn(faults, Occasion::InternalFailure, 2), [true; 2]);
    }

    #[test]
    fn chance_repeats_with_its_seed_and_keeps_its_odds() {
        let faults = |seed| Faults { seed, internal: Rate::Probability(0.25), ..Faults::default() };
        let first = drawn(faults(1), Occasion::Internal, 10_000);
        assert_eq!(first, drawn(faults(1), Occasion::Internal, 10_000));
        assert_ne!(first, drawn(faults(2), Occasion::Internal, 10_000));
        let struck = first.iter().filter(|struck| **struck).count();
        assert!((2_300..2_700).contains(&struck), "{struck} of 10000");
        let never = Faults { internal: Rate::Probability(0.0), ..Faults::default() };
        assert!(!drawn(never, Occasion::Internal, 1000).contains(&true));
        let always = Faults { internal: Rate::Probability(1.0), ..Faults::default() };
        assert!(!drawn(always, Occasion::Internal, 1000).contains(&false));
    }
}
