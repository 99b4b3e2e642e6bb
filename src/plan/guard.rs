//! Whether a listing that lacks what we know may be believed.

/// What to do about known things that a proven walk did not list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// None is missing.
    Whole,
    /// Few enough to follow up by the rules of deletion.
    FollowUp,
    /// A person confirmed them.
    Confirmed,
    /// A person must look first.
    Guard(String),
}

/// Examines a proven walk that announced `listed` things while we know `live` ones, of which it lacked
/// `missing`. `allowed` is how many deletions a person confirmed for this run.
///
/// A listing that is suddenly empty, or lacks more than a tenth and more than ten, is not believed:
/// a wrong key, a stopped plan or a fault of the service looks like that.
pub fn examine(live: u64, missing: u64, listed: u64, allowed: u64) -> Finding {
    if missing == 0 {
        return Finding::Whole;
    }
    let why = if listed == 0 {
        format!("the listing is suddenly empty, where {live} are known")
    } else if missing > 10 && missing.saturating_mul(10) > live {
        format!("the listing lacks {missing} of the {live} that are known")
    } else {
        // Nobody has to confirm these: they do not use up what was confirmed for others.
        return Finding::FollowUp;
    };
    if missing <= allowed {
        Finding::Confirmed
    } else {
        Finding::Guard(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_trips_on_empty_and_on_shrunken_listings_only() {
        let is_guard = |live, missing, listed, allowed| {
            matches!(examine(live, missing, listed, allowed), Finding::Guard(_))
        };
        assert_eq!(examine(100, 0, 100, 0), Finding::Whole);
        assert!(is_guard(1, 1, 0, 0), "suddenly empty");
        assert!(is_guard(100, 11, 89, 0));
        assert_eq!(examine(100, 10, 90, 0), Finding::FollowUp, "a tenth");
        assert_eq!(
            examine(20, 9, 11, 0),
            Finding::FollowUp,
            "not more than ten"
        );
        assert_eq!(examine(1000, 100, 900, 0), Finding::FollowUp);
        assert!(is_guard(1000, 101, 899, 0));
        assert_eq!(examine(1000, 500, 500, 500), Finding::Confirmed);
        assert!(is_guard(1000, 501, 499, 500));
        assert_eq!(examine(3, 3, 0, 3), Finding::Confirmed);
        assert_eq!(examine(100, 3, 97, 3), Finding::FollowUp, "uses up nothing");
    }
}
