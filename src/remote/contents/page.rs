//! One page of contents: asked for in a size that the service can make.

use super::{Broken, PAGE_SIZE, Walk, again, same_total};
use crate::remote::api::Ask;
use crate::remote::error::{Refusal, RemoteError};
use crate::remote::wire::ContentsItem;
use crate::remote::{retry, wire};
use tracing::warn;

/// Tries for a page of another size where one was broken or late: that had all the patience there is.
const TRIES_OF_ANOTHER_SIZE: u32 = 2;
/// After so many pages of a smaller size a larger one is tried again: what broke may have been the service,
/// and one content at a time would take a hundred times as many requests.
const PAGES_BEFORE_LARGER: u32 = 10;

/// How many contents are asked for at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize {
    pub(super) limit: u64,
    /// How often a page is asked for.
    pub(super) tries: u32,
    /// What was not refused for its size.
    most: u64,
    /// Pages in a row since the size moved.
    had: u32,
}

impl Default for PageSize {
    fn default() -> Self {
        Self {
            limit: PAGE_SIZE,
            tries: retry::ATTEMPTS,
            most: PAGE_SIZE,
            had: 0,
        }
    }
}

impl PageSize {
    /// Makes pages smaller where this error may be about their size. Returns whether it may, and whether they
    /// can be. A page over 5 MB is refused (microcms-facts 1.5), in words that may change: the rest of the walk keeps
    /// below it. One that is too heavy to make in time is broken or late: that costs more patience, so that
    /// fewer sizes are tried, and may pass.
    fn shrink(&mut self, err: &RemoteError) -> bool {
        let (divided_by, is_refused) = match err {
            RemoteError::Refused {
                refusal: Refusal::TooLarge,
                ..
            }
            | RemoteError::Refused {
                refusal: Refusal::Other,
                status: 400,
                ..
            } => (2, true),
            RemoteError::Broken {
                retry_after: None, ..
            }
            | RemoteError::TimedOut { .. } => (4, false),
            RemoteError::Refused { .. }
            | RemoteError::Setup(_)
            | RemoteError::Unreachable { .. }
            | RemoteError::Untrusted { .. }
            | RemoteError::Lost { .. }
            | RemoteError::Unreadable { .. }
            | RemoteError::NoAddress { .. }
            | RemoteError::Busy { .. }
            | RemoteError::Broken {
                retry_after: Some(_),
                ..
            }
            | RemoteError::Redirected { .. }
            | RemoteError::HostNotAllowed { .. }
            | RemoteError::RedirectLoop { .. } => return false,
        };
        if self.limit == 1 {
            return false;
        }
        self.limit = (self.limit / divided_by).max(1);
        self.had = 0;
        if is_refused {
            self.most = self.limit;
        } else {
            self.tries = TRIES_OF_ANOTHER_SIZE;
        }
        true
    }

    /// Takes note of a page that came.
    fn had(&mut self) {
        self.had += 1;
        self.tries = retry::ATTEMPTS;
        if self.limit < self.most && self.had >= PAGES_BEFORE_LARGER {
            self.limit = (self.limit * 4).min(self.most);
            self.tries = TRIES_OF_ANOTHER_SIZE;
            self.had = 0;
        }
    }
}

impl Walk<'_> {
    /// Reads on from a position, together with the item before it.
    pub(super) async fn seam_page(
        &mut self,
        position: u64,
        total: u64,
    ) -> Result<Vec<ContentsItem>, Broken> {
        if self.size.limit > 1 {
            let (contents, now_total) = self.list_page(position - 1).await?;
            same_total(total, now_total)?;
            // Pages may have become smaller just now.
            if self.size.limit > 1 {
                return Ok(contents);
            }
        }
        // One at a time, the seam is a page of its own. It is asked for afterwards: a list that moved
        // since that item was read here, or while the next one was, then has another one there.
        let (next, now_total) = self.list_page(position).await?;
        same_total(total, now_total)?;
        let (mut contents, now_total) = self.list_page(position - 1).await?;
        same_total(total, now_total)?;
        contents.truncate(1);
        contents.extend(next);
        Ok(contents)
    }

    pub(super) async fn list_page(
        &mut self,
        offset: u64,
    ) -> Result<(Vec<ContentsItem>, u64), Broken> {
        match self.page(offset).await? {
            wire::ContentsAnswer::Page {
                contents,
                total_count,
            } => Ok((contents, total_count)),
            wire::ContentsAnswer::Object(_) => Err(again(
                "the API turned from a list into an object".to_owned(),
            )),
        }
    }

    pub(super) async fn page(&mut self, offset: u64) -> Result<wire::ContentsAnswer, Broken> {
        loop {
            let endpoint = self.endpoint;
            let ask = Ask {
                target: format!(
                    "api/v1/contents/{endpoint}?limit={}&offset={offset}",
                    self.size.limit
                ),
                what: format!("the contents of `{endpoint}` at offset {offset}"),
                timeout: self.timeout,
            };
            match self
                .api
                .get_read(&ask, self.size.tries, |body| {
                    wire::contents_list(body, endpoint.as_str(), self.kind)
                })
                .await
            {
                Ok(mut answer) => {
                    self.size.had();
                    self.end.pages += 1;
                    self.tally.pages.add(1);
                    answer.begin_at(offset);
                    return Ok(answer);
                }
                Err(err) => {
                    if !self.size.shrink(&err) {
                        return Err(Broken::Never(err));
                    }
                    let smaller = self.size.limit;
                    let why = err.chain();
                    warn!(
                        endpoint = %endpoint, limit = smaller,
                        "{why}; asking for {smaller} at a time"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> RemoteError {
        RemoteError::Broken {
            api: "Management API",
            status: 504,
            what: "a page".to_owned(),
            retry_after: None,
        }
    }

    fn refused(status: u16, refusal: Refusal) -> RemoteError {
        RemoteError::Refused {
            api: "Management API",
            status,
            message: None,
            what: "a page".to_owned(),
            refusal,
        }
    }

    #[test]
    fn a_page_that_is_refused_is_halved_down_to_one_for_the_rest_of_the_walk() {
        let mut size = PageSize::default();
        let mut sizes = vec![size.limit];
        while size.shrink(&refused(400, Refusal::Other)) {
            sizes.push(size.limit);
        }
        assert_eq!(sizes, [100, 50, 25, 12, 6, 3, 1]);
        for _page in 0..100 {
            size.had();
        }
        assert_eq!(size.limit, 1);
        assert!(!PageSize::default().shrink(&refused(403, Refusal::Forbidden)));
    }

    #[test]
    fn an_outage_does_not_leave_pages_small_for_ever() {
        let mut size = PageSize::default();
        while size.shrink(&broken()) {}
        assert_eq!((size.limit, size.tries), (1, TRIES_OF_ANOTHER_SIZE));
        let mut sizes = Vec::new();
        for _page in 0..41 {
            size.had();
            if sizes.last() != Some(&size.limit) {
                sizes.push(size.limit);
            }
        }
        assert_eq!(sizes, [1, 4, 16, 64, 100]);
        assert_eq!(size.tries, retry::ATTEMPTS);
    }

    #[test]
    fn a_larger_page_that_is_too_heavy_after_all_costs_few_tries() {
        let mut size = PageSize::default();
        assert!(size.shrink(&broken()));
        for _page in 0..PAGES_BEFORE_LARGER {
            size.had();
        }
        assert_eq!((size.limit, size.tries), (100, TRIES_OF_ANOTHER_SIZE));
        assert!(size.shrink(&broken()));
        assert_eq!(size.limit, 25);
        assert!(size.shrink(&refused(413, Refusal::TooLarge)));
        for _page in 0..100 {
            size.had();
        }
        assert_eq!(size.limit, 12, "what was refused is not tried again");
    }
}
