//! From an id to a file name that every file system takes, also those that know no capital letters.

use sha2::{Digest as _, Sha256};

/// Longer ids are cut: some file systems allow 143 bytes for a name, and endings follow.
const LONGEST: usize = 100;
/// How much of an unusual id stays readable.
const READABLE: usize = 48;
/// Names that mean devices on Windows, whatever their ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Returns the name for an id or an endpoint, without an ending.
///
/// Short ids of small letters, digits, `-` and `_` that begin with neither of these are their own names. Any other gets a readable part, `~` and
/// 16 digits of its SHA-256: so no two ids meet in one file, not even on a disk that takes `A` for `a`, and
/// the name of one does not depend on which others there are.
pub(super) fn file_name(id: &str) -> String {
    if is_plain(id) {
        return id.to_owned();
    }

    let mut readable = String::new();
    for c in id.chars() {
        if readable.len() + c.len_utf8() > READABLE {
            break;
        }
        let is_harmless = c.is_alphanumeric() || matches!(c, '-' | '_');
        readable.push(if is_harmless { c } else { '_' });
    }
    let digest = hex::encode(Sha256::digest(id.as_bytes()));
    let digits = digest.get(..16).unwrap_or(&digest);
    // A dash in front would be taken for a flag by many a program.
    format!("{}~{digits}", readable.trim_start_matches('-'))
}

fn is_plain(id: &str) -> bool {
    let is_small = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=LONGEST).contains(&id.len())
        && id.bytes().all(is_small)
        // `_schema.json` and its like are this program's own.
        && !id.starts_with(['-', '_'])
        && !is_device(id)
}

fn is_device(id: &str) -> bool {
    let numbered = id
        .strip_prefix("com")
        .or_else(|| id.strip_prefix("lpt"))
        .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()));
    numbered || DEVICES.contains(&id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_ids_are_their_own_names_and_unusual_ones_stay_readable() {
        for id in ["blog", "first-post", "a_b", "8xk2", "com10", "console"] {
            assert_eq!(file_name(id), id);
        }
        for (id, start) in [
            ("Blog", "Blog~"),
            ("_schema", "_schema~"),
            ("con", "con~"),
            ("com1", "com1~"),
            ("-rf", "rf~"),
            ("..", "__~"),
            ("a/../b", "a____b~"),
            ("日本語", "日本語~"),
            ("a.draft", "a_draft~"),
            ("", "~"),
        ] {
            let name = file_name(id);
            assert!(name.starts_with(start), "{id}: {name}");
            assert_eq!(name.len(), start.len() + 16, "{id}: {name}");
        }
    }

    proptest! {
        #[test]
        fn no_two_ids_meet_and_no_name_leaves_its_folder(
            a in "[a-cA-C./\\\\:~%_ \u{e9}日-]{0,6}", b in "[a-cA-C./\\\\:~%_ \u{e9}日-]{0,6}", any in "\\PC{0,300}",
        ) {
            let (x, y) = (file_name(&a), file_name(&b));
            prop_assert_eq!(x.to_lowercase() == y.to_lowercase(), a == b);
            for name in [x, y, file_name(&any)] {
                prop_assert!(name.len() <= LONGEST);
                prop_assert!(!name.starts_with(['.', '-']) && !name.is_empty());
                prop_assert!(!name.contains(['/', '\\', '.', ':', '\0', '?', '*', '<', '>', '|', '"', ' ']));
            }
        }
    }
}
