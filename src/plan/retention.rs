//! What is old enough to go, and whether bytes may go with it.

use crate::model::{Claims, Cutoffs, Timestamp};
use std::time::Duration;

/// Decides from which time on things stay. `None` keeps them for ever.
pub fn cutoffs(superseded: Option<Duration>, deleted: Option<Duration>, now: Timestamp) -> Cutoffs {
    Cutoffs {
        superseded_before: superseded.map(|age| now.minus(age)),
        deleted_before: deleted.map(|age| now.minus(age)),
    }
}

/// What becomes of bytes whose own row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They stay where they are.
    Keep,
    /// They go.
    Remove,
    /// They move to the archive: a row that stays needs them, and this is the only copy.
    Archive,
}

/// Decides about a file of the mirror, which was read and still has the doomed bytes. `is_elsewhere`
/// tells whether another copy was read and found whole: in the archive, or at one of the claims' paths.
/// It is asked only where the answer matters.
///
/// # Errors
/// Those of `is_elsewhere`: then nothing may be concluded.
pub fn mirrored_fate<E>(
    claims: &Claims,
    is_elsewhere: impl FnOnce() -> Result<bool, E>,
) -> Result<Fate, E> {
    Ok(if claims.is_path_owned {
        Fate::Keep
    } else if !claims.need_bytes() || is_elsewhere()? {
        Fate::Remove
    } else {
        Fate::Archive
    })
}

/// Decides about archived bytes. `is_mirrored` tells whether one of the claims' paths was read and found
/// to hold them; it is asked only where the answer matters.
///
/// The history is served from the archive, current files from the mirror. A row that only says that the
/// mirror has the bytes (its file may be lost, damaged, or already be the next version) is no proof.
///
/// # Errors
/// Those of `is_mirrored`: then nothing may be concluded.
pub fn archived_fate<E>(
    claims: &Claims,
    is_mirrored: impl FnOnce() -> Result<bool, E>,
) -> Result<Fate, E> {
    let may_go = !claims.has_history && (claims.current_paths.is_empty() || is_mirrored()?);
    Ok(if may_go { Fate::Remove } else { Fate::Keep })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(has_history: bool, has_current: bool, is_path_owned: bool) -> Claims {
        Claims {
            has_history,
            current_paths: has_current.then(|| "h/a".to_owned()).into_iter().collect(),
            is_path_owned,
        }
    }

    /// An answer; `None` where nobody may ask.
    fn told(answer: Option<bool>) -> impl FnOnce() -> Result<bool, &'static str> {
        move || answer.ok_or("asked without need")
    }

    #[test]
    fn ages_count_back_from_now_and_for_ever_has_no_end() {
        let now = Timestamp::from_unix_millis(1_000_000_000_000);
        let day = Duration::from_secs(86_400);
        assert!(cutoffs(None, None, now).keep_everything());
        let both = cutoffs(Some(day), Some(day * 2), now);
        assert_eq!(both.superseded_before, Some(now.minus(day)));
        assert_eq!(both.deleted_before, Some(now.minus(day * 2)));
        assert!(!cutoffs(Some(day), None, now).keep_everything());
        // An age that reaches behind the beginning of time takes nothing.
        let all = cutoffs(Some(Duration::MAX), None, now).superseded_before;
        assert_eq!(all, Some(Timestamp::from_unix_millis(i64::MIN)));
    }

    #[test]
    fn a_file_of_the_mirror_goes_only_if_its_bytes_are_not_needed_or_lie_elsewhere() {
        use Fate::{Archive, Keep, Remove};
        for (claims, is_elsewhere, expected) in [
            (claims(false, false, false), None, Remove),
            (claims(false, false, true), None, Keep),
            (claims(true, true, true), None, Keep),
            (claims(true, false, false), Some(true), Remove),
            (claims(true, false, false), Some(false), Archive),
            (claims(false, true, false), Some(true), Remove),
            (claims(false, true, false), Some(false), Archive),
            (claims(true, true, false), Some(false), Archive),
        ] {
            let fate = mirrored_fate(&claims, told(is_elsewhere));
            assert_eq!(fate, Ok(expected), "{claims:?} {is_elsewhere:?}");
        }
        assert!(mirrored_fate(&claims(true, false, false), told(None)).is_err());
    }

    #[test]
    fn archived_bytes_go_only_if_no_version_has_them_and_no_current_file_may_lack_them() {
        use Fate::{Keep, Remove};
        for (claims, is_mirrored, expected) in [
            (claims(false, false, false), None, Remove),
            (claims(false, false, true), None, Remove),
            (claims(true, false, false), None, Keep),
            (claims(true, true, false), None, Keep),
            (claims(false, true, false), Some(true), Remove),
            (claims(false, true, false), Some(false), Keep),
        ] {
            let fate = archived_fate(&claims, told(is_mirrored));
            assert_eq!(fate, Ok(expected), "{claims:?} {is_mirrored:?}");
        }
        assert!(archived_fate(&claims(false, true, false), told(None)).is_err());
    }
}
