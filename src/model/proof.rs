//! The words of tamper evidence: versions, the log of what was recorded, and what a check finds.
//!
//! A version's digest is over its own columns; an entry of the log is over the version's key and that
//! digest; a run's root is over the root before it, the run's own record and the head of the log. All
//! of them are hashed as lists of fields in one form, in which two lists never look alike.

use super::merkle::Hash;
use sha2::{Digest as _, Sha256};

/// A value of the database, as it is hashed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A floating-point number. No column should hold one; somebody may have written it.
    Real(f64),
    /// A text. Bytes, because somebody may have written what is no UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.as_bytes())
    }
}

impl<'a> From<Option<&'a str>> for Field<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

/// Hashes a list of fields: each with its kind, and with its length where that is not fixed.
#[derive(Clone, Debug)]
pub struct Digester(Sha256);

impl Default for Digester {
    fn default() -> Self {
        // As a leaf of RFC 6962, so that no list of fields can pass for an inner node.
        Self(Sha256::new_with_prefix([0]))
    }
}

impl Digester {
    /// Adds a field.
    pub fn add<'a>(&mut self, field: impl Into<Field<'a>>) {
        match field.into() {
            Field::Null => self.0.update([0]),
            Field::Int(number) => {
                self.0.update([1]);
                self.0.update(number.to_be_bytes());
            }
            Field::Real(number) => {
                self.0.update([2]);
                self.0.update(number.to_bits().to_be_bytes());
            }
            Field::Text(bytes) => self.bytes(3, bytes),
            Field::Blob(bytes) => self.bytes(4, bytes),
        }
    }

    fn bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.0.update([kind]);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Returns the hash of all fields.
    pub fn finish(self) -> Hash {
        let bytes: [u8; 32] = self.0.finalize().into();
        Hash::from_bytes(&bytes).unwrap_or(Hash::ZERO)
    }
}

/// Hashes a list of fields at once.
pub fn digest<'a>(fields: impl IntoIterator<Item = Field<'a>>) -> Hash {
    let mut digester = Digester::default();
    for field in fields {
        digester.add(field);
    }
    digester.finish()
}

/// Which table a version stands in; its word in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `assets`.
    Asset,
    /// `contents`.
    Content,
    /// `endpoints`.
    Endpoint,
    /// `media`.
    Medium,
}

impl Kind {
    /// All of them, in the order of their words.
    pub const ALL: [Self; 4] = [Self::Asset, Self::Content, Self::Endpoint, Self::Medium];

    /// Returns the word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Content => "content",
            Self::Endpoint => "endpoint",
            Self::Medium => "medium",
        }
    }
}

/// One version of a thing. The texts are as they stand in the database, whoever wrote them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Version {
    /// Which table.
    pub kind: Kind,
    /// The API of a content; empty for everything else.
    pub scope: String,
    /// The thing's id.
    pub id: String,
    /// When the version began.
    pub valid_from: String,
}

/// What an entry of the log says of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It was written.
    Recorded,
    /// It was there when the log began. Its digest is also over when it ended.
    Adopted,
    /// `prune` removed it.
    Removed,
}

impl Deed {
    /// Returns the word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Adopted => "adopted",
            Self::Removed => "removed",
        }
    }

    /// Reads the word in the log.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Recorded, Self::Adopted, Self::Removed]
            .into_iter()
            .find(|deed| deed.as_str() == text)
    }
}

/// An entry of the log, without what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// What happened.
    pub deed: Deed,
    /// The version's digest; [`Hash::ZERO`] for a removal.
    pub digest: Hash,
}

/// Hashes an entry of the log, from the columns that hold it.
pub fn leaf(
    deed: Field<'_>,
    kind: Field<'_>,
    scope: Field<'_>,
    id: Field<'_>,
    valid_from: Field<'_>,
    digest_column: Field<'_>,
) -> Hash {
    digest([deed, kind, scope, id, valid_from, digest_column])
}

/// A version as it lies in the database now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When it ended; `None` for a current one.
    pub valid_to: Option<String>,
    /// Its digest.
    pub digest: Hash,
    /// Its digest as that of a version that was adopted while it was current; `None` where the log has
    /// no adoption of it.
    pub digest_adopted: Option<Hash>,
    /// Its digest as that of a version that was adopted after its end; `None` for others.
    pub digest_with_end: Option<Hash>,
    /// What its digest may have been before bodies arrived that are there now; only where the log has
    /// more than one entry of the version.
    pub digests_before: Vec<Hash>,
}

/// All that there is of one version: in the log, and in the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which version.
    pub version: Version,
    /// What the log says of it, oldest first.
    pub entries: Vec<Entry>,
    /// Its rows: one, or none after its removal.
    pub rows: Vec<Row>,
}

/// What a run proved, as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenRun {
    /// Its number.
    pub id: i64,
    /// When it ended, as the row says.
    pub finished_at: String,
    /// How many entries the log had.
    pub log_size: u64,
    /// The head of the log at that length.
    pub log_head: Hash,
    /// The root, as the row says.
    pub root: Hash,
    /// The hash of the run's own record: all that its root is over, but for the root before it.
    pub record: Hash,
}

impl ProvenRun {
    /// Returns the root that the run must have, given the one before it.
    pub fn root_after(&self, previous: Hash) -> Hash {
        chain(previous, self.record)
    }
}

/// Adds a run to the chain of roots.
pub fn chain(previous: Hash, record: Hash) -> Hash {
    digest([
        Field::from("microcms-backup root 1"),
        Field::Blob(previous.as_bytes()),
        Field::Blob(record.as_bytes()),
    ])
}

/// What a run committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Proof {
    /// The root, over everything that was ever proven here.
    pub root: Hash,
    /// How many entries of the log it is over.
    pub log_size: u64,
}

/// The newest proof, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LastProof {
    /// The run's number.
    pub run_id: i64,
    /// What it committed to.
    #[serde(flatten)]
    pub proof: Proof,
}

/// The beginning of a root, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootPrefix(String);

/// A text that cannot be the beginning of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a root is written in 8 to 64 hexadecimal digits")]
pub struct NoRoot;

impl RootPrefix {
    /// Reads 8 to 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, NoRoot> {
        let text = text.trim();
        let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hex && (8..=64).contains(&text.len()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NoRoot)
        }
    }

    /// Returns whether a root begins so.
    pub fn fits(&self, root: &Hash) -> bool {
        root.to_string().starts_with(&self.0)
    }

    /// Returns the digits, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = (u8, Vec<u8>, i64)> {
        (0_u8..4, prop::collection::vec(0_u8..3, 0..4), -2_i64..3)
    }

    fn as_field((kind, bytes, number): &(u8, Vec<u8>, i64)) -> Field<'_> {
        match kind {
            0 => Field::Null,
            1 => Field::Int(*number),
            2 => Field::Text(bytes),
            _ => Field::Blob(bytes),
        }
    }

    proptest! {
        #[test]
        fn two_lists_have_one_digest_only_if_they_are_the_same(
            a in prop::collection::vec(field(), 0..4), b in prop::collection::vec(field(), 0..4),
        ) {
            let fields = |list: &'_ [(u8, Vec<u8>, i64)]| list.iter().map(|f| format!("{:?}", as_field(f))).collect::<Vec<_>>();
            let same = fields(&a) == fields(&b);
            prop_assert_eq!(digest(a.iter().map(as_field)) == digest(b.iter().map(as_field)), same);
        }
    }

    #[test]
    fn a_boundary_between_two_texts_cannot_be_moved() {
        let of = |a: &str, b: &str| digest([Field::from(a), Field::from(b)]);
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_ne!(of("", "x"), of("x", ""));
        assert_ne!(digest([Field::Null]), digest([Field::from("")]));
        assert_ne!(digest([Field::Int(0)]), digest([Field::Real(0.0)]));
        assert_ne!(digest([Field::from("x")]), digest([Field::Blob(b"x")]));
    }

    #[test]
    fn the_form_of_hashing_never_changes() {
        // Roots that people keep depend on these bytes.
        let fields = [
            Field::Null,
            Field::Int(-1),
            Field::from("é"),
            Field::Blob(b"z"),
        ];
        let mut expected = Sha256::new();
        expected.update([0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 3, 0, 0]);
        expected.update([0, 0, 0, 0, 0, 2, 0xC3, 0xA9, 4, 0, 0, 0, 0, 0, 0, 0, 1]);
        expected.update(b"z");
        let expected: [u8; 32] = expected.finalize().into();
        assert_eq!(digest(fields).as_bytes(), expected);
    }

    #[test]
    fn a_root_is_named_by_its_beginning() {
        let root = Hash::leaf(b"x");
        let text = root.to_string();
        let begin: String = text.chars().take(20).collect();
        for good in [&root.short(), &begin, &text, &text.to_uppercase()] {
            assert!(RootPrefix::parse(good).unwrap().fits(&root), "{good}");
        }
        for bad in [
            "",
            "1234567",
            "xyzxyzxy",
            &format!("{text}0"),
            "12345678\u{e9}",
        ] {
            assert_eq!(RootPrefix::parse(bad), Err(NoRoot), "{bad}");
        }
        assert!(!RootPrefix::parse("00000000").unwrap().fits(&root));
    }
}
