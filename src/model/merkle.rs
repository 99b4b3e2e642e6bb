//! A log that can only grow, in 32 bytes: Merkle tree heads in the manner of RFC 6962.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256. Its text is 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What stands before the first link of a chain.
    pub const ZERO: Self = Self([0; 32]);

    /// Wraps 32 bytes; `None` if there are more or fewer.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Returns its first eight digits: enough to tell it from others by eye, and to look it up.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }

    /// Hashes the data of a leaf.
    pub fn leaf(data: &[u8]) -> Self {
        Self::of(&[&[LEAF], data])
    }

    fn node(left: Self, right: Self) -> Self {
        Self::of(&[&[NODE], &left.0, &right.0])
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

/// What is hashed before a leaf's data and before two nodes, so that neither can pass for the other.
const LEAF: u8 = 0;
const NODE: u8 = 1;

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The tree over a log of any length, held as the heads of its perfect subtrees: at most 64 of them.
/// Adding a leaf takes a constant number of hashes on average, the head at most 64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// The largest subtree, which is over the oldest leaves, first: one for each bit of `size`.
    peaks: Vec<Hash>,
}

impl Tree {
    /// Takes up a tree that [`Tree::peaks`] wrote down. `None` where the bytes are not those of a tree
    /// of that size.
    pub fn resume(size: u64, peaks: &[u8]) -> Option<Self> {
        let peaks: Vec<Hash> = peaks
            .chunks(32)
            .map(Hash::from_bytes)
            .collect::<Option<_>>()?;
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Returns what [`Tree::resume`] needs beside the size.
    pub fn peaks(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|peak| peak.0).collect()
    }

    /// Returns how many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut peak = leaf;
        // Each bit that the carry of `size + 1` clears is a subtree that finds its like.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                peak = Hash::node(left, peak);
            }
        }
        self.peaks.push(peak);
        self.size += 1;
    }

    /// Returns the head over all leaves; that of no leaves is the hash of nothing.
    pub fn head(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Hash::of(&[]),
            Some(last) => peaks.fold(*last, |right, left| Hash::node(*left, right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6962, section 2.1, word for word.
    fn naive(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Hash::of(&[]),
            [leaf] => Hash::leaf(leaf),
            leaves => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                Hash::node(naive(&leaves[..k]), naive(&leaves[k..]))
            }
        }
    }

    /// The test data of Certificate Transparency's own implementations.
    const INPUTS: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const HEADS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn the_heads_are_those_of_certificate_transparency() {
        let mut tree = Tree::default();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(tree.head().to_string(), empty);
        for (input, head) in INPUTS.iter().zip(HEADS) {
            tree.push(Hash::leaf(&hex::decode(input).unwrap()));
            assert_eq!(tree.head().to_string(), head);
        }
    }

    #[test]
    fn a_head_is_read_as_it_is_written_and_nothing_else_is() {
        let head = Hash::leaf(b"x");
        assert_eq!(Hash::parse(&head.to_string()), Some(head));
        assert_eq!(Hash::from_bytes(head.as_bytes()), Some(head));
        assert_eq!(head.short().len(), 8);
        for wrong in ["", "00", &"g".repeat(64), &"0".repeat(65)] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Hash::from_bytes(&[0; 31]), None);
    }

    proptest! {
        #[test]
        fn growing_leaf_by_leaf_is_the_same_as_the_definition(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..130),
            cut in 0_usize..130,
        ) {
            let mut tree = Tree::default();
            for (n, leaf) in leaves.iter().enumerate() {
                if n == cut {
                    // Written down and taken up again: the same tree.
                    tree = Tree::resume(tree.size(), &tree.peaks()).unwrap();
                }
                tree.push(Hash::leaf(leaf));
            }
            prop_assert_eq!(tree.size(), leaves.len() as u64);
            prop_assert_eq!(tree.head(), naive(&leaves));
        }

        #[test]
        fn peaks_of_another_size_are_refused(size in 1_u64..1000, cut in 1_usize..32) {
            let mut tree = Tree::default();
            for n in 0..size {
                tree.push(Hash::leaf(&n.to_be_bytes()));
            }
            let peaks = tree.peaks();
            prop_assert!(Tree::resume(size, &peaks[..peaks.len() - cut]).is_none());
            let other = size ^ (1 << 12);
            prop_assert!(Tree::resume(other, &peaks).is_none());
        }
    }
}
