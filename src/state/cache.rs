//! What is kept of findings that were looked up.

use super::size;
use crate::finding::{Identifier, State};
use quick_cache::{
    Equivalent, OptionsBuilder, Weighter,
    sync::{Cache as Entries, DefaultLifecycle},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// What one of the configured entries stands for; a finding takes as many as it needs.
const UNIT: usize = 4 << 10;
/// A finding that takes more of them is not kept. AWS's findings have up to 240 KB, nearly all of it in what policies do not read.
const MOST_UNITS: u32 = 64;

/// Findings as they were a short while ago, at most so many, none older than so long.
pub(super) struct Cache {
    max_age: Duration,
    entries: Entries<Key, Entry, Units, foldhash::quality::RandomState>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key(Arc<Identifier<'static>>);

/// An identifier that borrows finds the key that owns: both hash and compare alike.
impl Equivalent<Key> for Identifier<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == *key.0
    }
}

#[derive(Clone)]
struct Entry {
    state: Arc<State>,
    /// When the call that brought it went out: it may be as old as that.
    asked: Instant,
    units: u32,
}

#[derive(Clone)]
struct Units;

impl Weighter<Key, Entry> for Units {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.units.into()
    }
}

impl Cache {
    pub(super) fn new(entries: usize, max_age: Duration) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(entries as u64)
            .build()
            .expect("both capacities are given");
        let hasher = foldhash::quality::RandomState::default();
        Self { max_age, entries: Entries::with_options(options, Units, hasher, DefaultLifecycle::default()) }
    }

    /// The finding as it was, unless that is too long ago.
    pub(super) fn get(&self, identifier: &Identifier<'_>, now: Instant) -> Option<Arc<State>> {
        let entry = self.entries.get(identifier)?;
        self.is_fresh(entry.asked, now).then_some(entry.state)
    }

    /// Keeps what a call that went out at `asked` has brought.
    pub(super) fn insert(&self, name: Arc<Identifier<'static>>, state: Arc<State>, asked: Instant, now: Instant) {
        let bytes = size::bytes(&state) + name.id.len() + name.product_arn.len();
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        if units > MOST_UNITS || !self.is_fresh(asked, now) {
            self.entries.remove(&*name);
        } else {
            self.entries.insert(Key(name), Entry { state, asked, units });
        }
    }

    pub(super) fn remove(&self, identifier: &Identifier<'_>) {
        self.entries.remove(identifier);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_fresh(&self, asked: Instant, now: Instant) -> bool {
        now.saturating_duration_since(asked) < self.max_age
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{finding, name},
        *,
    };
    use serde_json::json;

    fn insert(cache: &Cache, id: &str, tags: usize, asked: Instant) {
        let mut finding = finding(id, 1);
        let tags: serde_json::Map<_, _> = (0..tags).map(|key| (key.to_string(), json!(""))).collect();
        finding["Resources"] = json!([{"Id": "", "Type": "", "Tags": tags}]);
        let state = State::parse(finding.as_object().unwrap()).unwrap();
        cache.insert(Arc::new(name(id)), Arc::new(state), asked, asked);
    }

    #[test]
    fn findings_are_kept_until_they_are_too_old() {
        let (now, age) = (Instant::now(), Duration::from_secs(30));
        let cache = Cache::new(100, age);
        insert(&cache, "a", 0, now);
        assert!(cache.get(&name("a"), now + age - Duration::from_nanos(1)).is_some());
        assert!(cache.get(&name("a"), now + age).is_none());
        assert!(cache.get(&name("b"), now).is_none());
        cache.remove(&name("a"));
        assert!(cache.get(&name("a"), now).is_none() && cache.is_empty());
        let none = Cache::new(100, Duration::ZERO);
        insert(&none, "a", 0, now);
        assert!(none.is_empty());
    }

    #[test]
    fn both_their_number_and_their_size_are_bounded() {
        let now = Instant::now();
        let cache = Cache::new(1000, Duration::from_secs(30));
        for id in 0..5000 {
            insert(&cache, &id.to_string(), 0, now);
        }
        assert!((500..=1032).contains(&cache.len()), "{}", cache.len());
        // Of findings that take 20 units or so, a twentieth.
        let cache = Cache::new(1000, Duration::from_secs(30));
        for id in 0..1000 {
            insert(&cache, &id.to_string(), 100, now);
        }
        assert!((20..=60).contains(&cache.len()), "{}", cache.len());
        // What is too large takes nothing, and leaves nothing older behind.
        insert(&cache, "large", 0, now);
        insert(&cache, "large", 1000, now);
        assert!(cache.get(&name("large"), now).is_none());
    }
}
