//! A share of all files, and whose turn it is: how a month of small looks sees everything.

use std::fmt;
use std::str::FromStr;

/// How many places there are on the round.
const ROUND: u64 = 1 << 32;

/// A share, such as `5%` or `1/30`; more than nothing and at most all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: u64,
    of: u64,
}

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no share, such as 5% or 1/30")]
pub struct NoShare;

impl Share {
    /// Everything.
    pub const ALL: Self = Self { part: 1, of: 1 };

    /// Returns whether nothing is left out.
    pub fn is_all(self) -> bool {
        self.part == self.of
    }

    /// Returns how many places the share takes, rounded up: so many turns of it never fall short of
    /// the whole round.
    fn width(self) -> u64 {
        let places = u128::from(ROUND) * u128::from(self.part);
        u64::try_from(places.div_ceil(u128::from(self.of)))
            .unwrap_or(ROUND)
            .min(ROUND)
    }
}

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let (part, of) = match (text.strip_suffix('%'), text.split_once('/')) {
            (Some(percent), _) => {
                let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
                if whole.is_empty() || fraction.len() > 6 || percent.ends_with('.') {
                    return Err(NoShare);
                }
                let scale = 10_u64.pow(u32::try_from(fraction.len()).map_err(|_long| NoShare)?);
                (number(&format!("{whole}{fraction}"))?, 100 * scale)
            }
            (None, Some((part, of))) => (number(part)?, number(of)?),
            (None, None) => return Err(NoShare),
        };
        if part == 0 || part > of {
            return Err(NoShare);
        }
        Ok(Self { part, of })
    }
}

fn number(text: &str) -> Result<u64, NoShare> {
    // Digits alone: the parser of the standard library would take a sign as well.
    if text.is_empty() || text.len() > 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NoShare);
    }
    text.parse().map_err(|_not| NoShare)
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

/// The part of the round whose turn it is.
///
/// Each name has its place on the round for as long as it exists, whatever comes and goes beside it. So
/// turns that follow each other meet every name that is there all the while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its first place.
    pub from: u32,
    /// How many places; 2^32 are all.
    pub width: u64,
}

impl Slice {
    /// All names.
    pub const ALL: Self = Self {
        from: 0,
        width: ROUND,
    };

    /// Returns the turn of `share` after `last`; the first one without.
    pub fn after(last: Option<Self>, share: Share) -> Self {
        if share.is_all() {
            return Self::ALL;
        }
        Self {
            from: last.map_or(0, Self::end),
            width: share.width(),
        }
    }

    /// Returns whether the name has its place in this part.
    pub fn holds(self, name: &str) -> bool {
        u64::from(place(name).wrapping_sub(self.from)) < self.width
    }

    /// Returns whether every name does.
    pub fn is_all(self) -> bool {
        self.width >= ROUND
    }

    fn end(self) -> u32 {
        let end = (u64::from(self.from) + self.width) % ROUND;
        u32::try_from(end).unwrap_or(0)
    }
}

/// FNV-1a with a last mixing (that of `MurmurHash3`), whose upper half is as good as random.
fn place(name: &str) -> u32 {
    let mut hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    u32::try_from((hash ^ (hash >> 33)) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(text: &str) -> Share {
        text.parse().expect(text)
    }

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        assert_eq!(share("5%").to_string(), "5/100");
        assert_eq!(share("0.5%").to_string(), "5/1000");
        assert_eq!(share("1/30").to_string(), "1/30");
        assert!(share("100%").is_all() && share("7/7").is_all());
        for bad in [
            "",
            "%",
            "0%",
            "101%",
            "5",
            "-5%",
            "+5%",
            "5.%",
            ".5%",
            "1/0",
            "0/3",
            "4/3",
            "1/",
            "x%",
            "1/2/3",
            "0.0000001%",
        ] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_month_of_days_with_five_percent_meets_every_file_also_while_they_come_and_go() {
        let mut last = None;
        let mut unseen: Vec<String> = (0..5_000).map(|n| format!("medium-{n}")).collect();
        for day in 0..20 {
            let slice = Slice::after(last, share("5%"));
            let mut present = unseen.len();
            unseen.retain(|name| !slice.holds(name));
            present -= unseen.len();
            // A twentieth each day, give or take.
            assert!((150..=350).contains(&present), "{present} on day {day}");
            last = Some(slice);
        }
        assert_eq!(unseen, Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn so_many_turns_as_a_share_has_parts_meet_every_name(
            of in 1_u64..40, from in any::<u32>(), name in ".{0,12}",
        ) {
            let share = Share { part: 1, of };
            let mut slice = Slice { from, width: share.width() };
            let mut turns = 0;
            while !slice.holds(&name) {
                slice = Slice::after(Some(slice), share);
                turns += 1;
            }
            prop_assert!(turns < of);
        }
    }
}
