//! Repeatable randomness: everything the simulator invents is a function of the
//! seed and a number, so a million media cost no memory and every run is alike.

/// Scrambles one number (the `SplitMix64` finalizer).
pub(crate) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Scrambles several numbers into one; the order counts.
pub(crate) fn mix_all(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |state, part| mix(state ^ mix(*part)))
}

/// Folds a text into a number, for use as a part of [`mix_all`].
pub(crate) fn salt(text: &str) -> u64 {
    text.bytes().fold(0x0cbf_29ce_4842_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Scrambles 32 bits so that [`unscramble`] can take it back: ids carry their
/// serial number without showing it, and need no table to be found again.
pub(crate) const fn scramble(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// The inverse of [`scramble`].
pub(crate) const fn unscramble(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7ed1_b41d);
    let x = (x ^ (x >> 13) ^ (x >> 26)).wrapping_mul(0xa5cb_9243);
    x ^ (x >> 16)
}

/// A stream of repeatable numbers.
#[derive(Debug, Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(parts: &[u64]) -> Self {
        Self(mix_all(parts))
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// True once in `n` draws.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// An index below `len`; 0 when `len` is 0.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// One of the choices; the empty text if there are none.
    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices
            .get(self.index(choices.len()))
            .copied()
            .unwrap_or("")
    }

    /// Fills a buffer with noise.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(bytes) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrambling_can_be_taken_back() {
        for x in (0..10_000).chain([u32::MAX, u32::MAX - 1, 0x8000_0000]) {
            assert_eq!(unscramble(scramble(x)), x);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_noise() {
        let (mut a, mut b, mut c) = ([0; 21], [0; 21], [0; 21]);
        Noise::new(&[1, 2]).fill(&mut a);
        Noise::new(&[1, 2]).fill(&mut b);
        Noise::new(&[2, 1]).fill(&mut c);
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
