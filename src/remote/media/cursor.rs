//! Where an attempt to walk the media is.

use tokio::time::Instant;

/// Pages in a row that may bring nothing new before the listing counts as ended.
pub(super) const BARREN_PAGES: u64 = 2;
/// How much longer than its first page promises a listing may be, in pages: later ones may be shorter.
const LONGER: u64 = 4;

/// The cursor of one attempt.
#[derive(Default)]
pub(super) struct Cursor {
    pub(super) first_token: Option<String>,
    pub(super) newest_token: Option<String>,
    /// When the request was sent that brought (or last used) the token: its life counts from there.
    pub(super) token_since: Option<Instant>,
    pub(super) total: Option<u64>,
    /// What the service puts on a page, from its first one.
    pub(super) page_len: u64,
    pub(super) pages: u64,
    /// How many things were listed, those that were listed twice included.
    pub(super) listed: u64,
    pub(super) is_total_steady: bool,
    pub(super) has_lost_page: bool,
    /// The newest token was refused or led nowhere: the first one is used, as the documentation has it
    /// (microcms-facts 1.3, 8.2).
    pub(super) keeps_first: bool,
    /// Pages in a row that brought nothing new.
    pub(super) barren: u64,
}

impl Cursor {
    pub(super) fn token(&self) -> Option<&str> {
        let newest = self.newest_token.as_deref().filter(|_| !self.keeps_first);
        newest.or(self.first_token.as_deref())
    }

    /// Returns whether the first token is another one than the one in use.
    pub(super) fn may_go_back(&self) -> bool {
        self.first_token.is_some() && self.token() != self.first_token.as_deref()
    }

    /// Goes back to the first token for the rest of the attempt. Returns whether that is another one than
    /// the one in use.
    pub(super) fn go_back_to_first(&mut self) -> bool {
        let is_another = self.may_go_back();
        self.keeps_first |= is_another;
        is_another
    }

    /// Returns whether another page has to be asked for, whatever is on the newest one: fewer things were listed so far than
    /// there are, and nothing speaks against the chain.
    pub(super) fn goes_on(&self) -> bool {
        self.listed < self.total.unwrap_or(0)
            && self.barren == 0
            && self.token().is_some()
            && self.pages < self.longest()
    }

    /// How many pages a chain may have that comes to an end.
    pub(super) fn longest(&self) -> u64 {
        self.pages_needed().saturating_mul(LONGER) + BARREN_PAGES
    }

    pub(super) fn pages_needed(&self) -> u64 {
        self.total.unwrap_or(0).div_ceil(self.page_len.max(1))
    }

    pub(super) fn pages_left(&self) -> u64 {
        self.pages_needed().saturating_sub(self.pages)
    }
}
