//! The rest of a list that moves too often to be proven: it is read all the same, once, so that what
//! stands far down is saved. Nothing is concluded from what is not seen.

use super::{Broken, Walk};
use tracing::info;

/// Items that are read again before the place where the last attempt broke off: as many may have been
/// deleted above it.
const OVERLAP: u64 = 10;
/// Pages in a row with nothing new on them: the list repeats itself.
const MOST_IN_VAIN: u32 = 2;

impl Walk<'_> {
    /// Reads on from where the last attempt broke off, to the end of the list or the first page that cannot
    /// be had.
    pub(super) async fn read_on(&mut self) {
        let Some(total) = self.end.total_count.filter(|total| self.position < *total) else {
            return;
        };
        let endpoint = self.endpoint;
        info!(
            "the list of `{endpoint}` moves too often to be proven: the rest of it is read as it is, from {} of {total}",
            self.position
        );
        let mut offset = self.position.saturating_sub(OVERLAP);
        let mut in_vain = 0;
        // A list may grow while it is read, but not for ever. Pages may be small, of one content.
        for _page in 0..total.saturating_mul(2) {
            let (contents, total) = match self.list_page(offset).await {
                Ok(page) => page,
                Err(Broken::Again(why)) => return self.notes.add(why),
                Err(Broken::Never(err)) => return self.notes.add(err.chain()),
            };
            let read = contents.len() as u64;
            let before = self.end.seen.len();
            if self.take(contents, None).await.is_err() {
                return;
            }
            offset += read;
            // What is read again because it may have moved is known.
            let is_known = offset <= self.position;
            in_vain = match self.end.seen.len() == before {
                true if !is_known => in_vain + 1,
                true | false => 0,
            };
            if read == 0 || offset >= total || in_vain >= MOST_IN_VAIN {
                return;
            }
        }
    }
}
