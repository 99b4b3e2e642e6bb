//! Which ids a walk has seen, at eight bytes an id.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

/// A set of ids, kept as keyed 64-bit hashes.
///
/// Two ids with one hash (about 3 in 100 million for a million ids) make the set one too small: a
/// walk then falls short of its count and is not proven. When asked about an absence it may answer
/// "seen" for one that was not: nothing is marked. Both errors are on the safe side.
#[derive(Clone, Debug, Default)]
pub struct IdSet {
    key: RandomState,
    seen: HashSet<u64, BuildHasherDefault<Ready>>,
}

/// Passes a number that already is a hash through.
#[derive(Clone, Debug, Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

impl IdSet {
    /// Adds an id and returns whether it is new.
    pub fn insert(&mut self, id: &str) -> bool {
        self.seen.insert(self.key.hash_one(id))
    }

    /// Returns whether the id was added.
    pub fn contains(&self, id: &str) -> bool {
        self.seen.contains(&self.key.hash_one(id))
    }

    /// Takes an id out and returns whether it was in.
    pub fn remove(&mut self, id: &str) -> bool {
        self.seen.remove(&self.key.hash_one(id))
    }

    /// Returns how many distinct ids were added.
    pub fn len(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Returns a number that is the same for sets of the same ids of one life, and mostly another for others.
    pub(super) fn sum(&self) -> u64 {
        self.seen
            .iter()
            .fold(0, |sum, hash| sum.wrapping_add(*hash))
    }

    /// Returns whether none was added.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_counted_once() {
        let mut ids = IdSet::default();
        assert!(ids.is_empty());
        assert!(ids.insert("a") && ids.insert("b") && !ids.insert("a"));
        assert!(ids.contains("b") && !ids.contains("c"));
        assert_eq!(ids.len(), 2);
        ids.clear();
        assert!(ids.is_empty());
    }
}
