//! The contents walk: offset paging, stitched page to page.
//!
//! Offset paging is no snapshot: an insert, a delete or a drag-and-drop shifts what follows
//! (microcms-facts 2.1), and a fitting count proves nothing: delete an item already read, add one at
//! the end, and one is lost while the count fits. So each page begins with the last item of the page
//! before it. A seam that does not match means that the list moved, and the walk begins again. New
//! contents appear at the top of the list, behind the walk's back: a walk of several pages therefore
//! closes with a second look at the first one. Several edits that make up for each other can slip
//! through a seam elsewhere; while a list is short, a second look at all of it costs little and betrays
//! them. In a longer one they must meet contents that nobody knew before to stay unseen until the next run.
//! A list that moves during each of several attempts is read to its end all the same, and proves nothing.

mod lookup;
mod page;
mod rest;

pub use self::lookup::Lookup;
pub(super) use self::lookup::lookup;
use self::page::PageSize;
use super::api::Api;
use super::error::RemoteError;
use super::idset::IdSet;
use super::notes::Notes;
use super::wire::{ContentsItem, OddContent};
use super::{retry, wire};
use crate::model::{Endpoint, EndpointKind, ServedContent, Tally, WalkVerdict};
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::warn;

/// The most that the service puts on a page (microcms-facts 1.5).
const PAGE_SIZE: u64 = 100;
/// Up to this many contents, every page but the last is looked at once more; of longer lists, the top.
const SHORT: u64 = 400;
/// How often a walk begins again before it is left unproven.
const RESTARTS: u64 = 5;

/// One page of contents. Also those of attempts that were begun again: what was seen is kept.
#[derive(Debug)]
pub struct ContentsPage {
    /// The contents on it.
    pub contents: Vec<ServedContent>,
    /// Items on it that have no id.
    pub odd: Vec<OddContent>,
}

/// What a contents walk found out.
#[derive(Debug)]
pub struct ContentsWalkEnd {
    /// Whether the answer had the form of a list or of an object.
    pub kind: Option<EndpointKind>,
    /// Answers with a page, over all attempts.
    pub pages: u64,
    /// What the first page of the last attempt announced.
    pub total_count: Option<u64>,
    /// The ids of the last attempt, and what stands for those of odd items.
    pub seen: IdSet,
    /// How many of these are odd items: what the listing lacks may be one of them.
    pub odd: u64,
    /// Items seen twice in the last attempt, seams not counted.
    pub duplicates: u64,
    /// An object API has no content, by words that the Management API also has for an address that does not exist
    /// (microcms-facts 6).
    pub is_elsewhere: bool,
    /// Attempts begun again.
    pub restarts: u64,
    /// The finding.
    pub verdict: WalkVerdict,
    /// What happened on the way.
    pub detail: Option<String>,
    /// Why the listing could not be read, where the verdict is `failed`.
    pub error: Option<RemoteError>,
}

enum Broken {
    Again(String),
    Never(RemoteError),
}

impl From<RemoteError> for Broken {
    fn from(err: RemoteError) -> Self {
        Self::Never(err)
    }
}

pub(super) struct Walk<'a> {
    api: &'a Api,
    tally: &'a Tally,
    endpoint: &'a Endpoint,
    kind: Option<EndpointKind>,
    out: mpsc::Sender<ContentsPage>,
    timeout: Duration,
    size: PageSize,
    /// How far down the list the attempt has read.
    position: u64,
    end: ContentsWalkEnd,
    notes: Notes,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        api: &'a Api,
        tally: &'a Tally,
        endpoint: &'a Endpoint,
        kind: Option<EndpointKind>,
        out: mpsc::Sender<ContentsPage>,
        timeout: Duration,
    ) -> Self {
        let end = ContentsWalkEnd {
            kind: None,
            pages: 0,
            total_count: None,
            seen: IdSet::default(),
            odd: 0,
            duplicates: 0,
            is_elsewhere: false,
            restarts: 0,
            verdict: WalkVerdict::Unproven,
            detail: None,
            error: None,
        };
        Self {
            api,
            tally,
            endpoint,
            kind,
            out,
            timeout,
            size: PageSize::default(),
            position: 0,
            end,
            notes: Notes::default(),
        }
    }

    /// Walks until proven, given up or refused.
    pub(super) async fn run(mut self) -> ContentsWalkEnd {
        loop {
            match self.attempt().await {
                Ok(()) => {
                    self.end.verdict = WalkVerdict::Proven;
                    break;
                }
                Err(Broken::Never(err)) => {
                    self.end.verdict = WalkVerdict::Failed;
                    self.end.error = Some(err);
                    break;
                }
                Err(Broken::Again(why)) => {
                    let endpoint = self.endpoint;
                    self.notes.add(why.clone());
                    if self.end.restarts >= RESTARTS {
                        self.read_on().await;
                        self.end.verdict = WalkVerdict::Unproven;
                        break;
                    }
                    self.end.restarts += 1;
                    self.tally.restarts.add(1);
                    let restart = self.end.restarts;
                    warn!(
                        endpoint = %endpoint, restart,
                        "the walk of `{endpoint}` begins again ({restart} of {RESTARTS}): {why}"
                    );
                    let attempt = u32::try_from(restart).unwrap_or(u32::MAX);
                    tokio::time::sleep(retry::backoff(attempt, fastrand::f64())).await;
                }
            }
        }
        self.end.detail = self.notes.told();
        self.end
    }

    async fn attempt(&mut self) -> Result<(), Broken> {
        self.end.seen.clear();
        self.end.odd = 0;
        self.end.duplicates = 0;
        self.end.is_elsewhere = false;
        self.position = 0;
        let first = match self.page(0).await {
            Err(Broken::Never(err))
                if self.kind == Some(EndpointKind::Object) && err.is_proof_of_absence() =>
            {
                // An object-type API whose content was never saved.
                self.end.is_elsewhere = err.is_wrong_address();
                self.end.total_count = Some(0);
                return Ok(());
            }
            other => other?,
        };
        let (contents, total) = match first {
            wire::ContentsAnswer::Object(object) => return self.object(object).await,
            wire::ContentsAnswer::Page {
                contents,
                total_count,
            } => (contents, total_count),
        };
        self.end.kind = Some(EndpointKind::List);
        self.end.total_count = Some(total);
        self.expect(pages_of(total));
        let mut position = contents.len() as u64;
        self.position = position;
        // What is looked at once more, by offset: the top, or all but the last page.
        let mut looked = vec![(0, keys_of(&contents))];
        let mut last = self.take(contents, None).await?;
        let is_single = position >= total;
        while position < total {
            let Some(seam) = last else {
                return Err(again(format!(
                    "the list ended at {position} of {total} contents"
                )));
            };
            let contents = self.seam_page(position, total).await?;
            if contents.first().map(ContentsItem::key) != Some(&seam) {
                return Err(again(format!(
                    "the list moved around position {position} of {total}"
                )));
            }
            let read = contents.len() as u64;
            if read < 2 {
                return Err(again(format!(
                    "the list ended at {position} of {total} contents"
                )));
            }
            let offset = position - 1;
            position += read - 1;
            self.position = position;
            if total <= SHORT && position < total {
                looked.push((offset, keys_of(&contents)));
            }
            let before = self.end.seen.len();
            last = self.take(contents, Some(&seam)).await?;
            // Whatever was announced: a list that repeats itself need not be read to its end.
            if self.end.seen.len() == before {
                return Err(again(format!(
                    "nothing new was listed at position {position} of {total}"
                )));
            }
        }
        if is_single {
            looked.clear();
        }
        for (offset, keys) in looked {
            let (contents, now_total) = self.list_page(offset).await?;
            same_total(total, now_total)?;
            // Pages may have become smaller on the way, or larger: what both looks saw counts.
            let mut both = contents.iter().map(ContentsItem::key).zip(&keys);
            let is_same = !contents.is_empty() && both.all(|(now, then)| now == then);
            self.hand_over(contents).await?;
            if !is_same {
                let place = match offset {
                    0 => "the top of the list".to_owned(),
                    _ => format!("the list around position {offset}"),
                };
                return Err(again(format!("{place} moved while the rest was read")));
            }
        }
        let unique = self.end.seen.len();
        if unique == total && position == total {
            Ok(())
        } else {
            Err(again(format!(
                "{unique} distinct contents at {position} positions where {total} were announced"
            )))
        }
    }

    /// Tells the progress display how many pages this attempt takes. Whoever planned the walk has
    /// counted one page of its first attempt already.
    fn expect(&self, pages: u64) {
        let counted = u64::from(self.end.restarts == 0);
        self.tally.pages_expected.add(pages.saturating_sub(counted));
    }

    async fn object(&mut self, object: ServedContent) -> Result<(), Broken> {
        self.end.kind = Some(EndpointKind::Object);
        self.end.total_count = Some(1);
        self.expect(1);
        self.take(vec![ContentsItem::Content(object)], None)
            .await
            .map(drop)
    }

    /// Counts a page in and hands it over; returns what tells its last item from others.
    async fn take(
        &mut self,
        contents: Vec<ContentsItem>,
        seam: Option<&str>,
    ) -> Result<Option<String>, Broken> {
        for item in contents.iter().skip(usize::from(seam.is_some())) {
            if !self.end.seen.insert(item.key()) {
                self.end.duplicates += 1;
            } else if matches!(item, ContentsItem::Odd(_)) {
                self.end.odd += 1;
            }
        }
        let last = contents.last().map(|item| item.key().to_owned());
        self.hand_over(contents).await?;
        Ok(last)
    }

    async fn hand_over(&mut self, items: Vec<ContentsItem>) -> Result<(), Broken> {
        if items.is_empty() {
            return Ok(());
        }
        let (mut contents, mut odd) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            match item {
                ContentsItem::Content(content) => contents.push(content),
                ContentsItem::Odd(item) => odd.push(item),
            }
        }
        // The reader is gone only when the run is ending, and the run knows why.
        self.out
            .send(ContentsPage { contents, odd })
            .await
            .map_err(|_gone| again("the run ended".to_owned()))
    }
}

/// Returns how many pages a list takes: stitched by one item, with a second look where there are several.
fn pages_of(total: u64) -> u64 {
    let rest = total.saturating_sub(PAGE_SIZE).div_ceil(PAGE_SIZE - 1);
    match rest {
        0 => 1,
        rest if total <= SHORT => 1 + rest + rest,
        rest => 1 + rest + 1,
    }
}

fn keys_of(contents: &[ContentsItem]) -> Vec<String> {
    contents.iter().map(|item| item.key().to_owned()).collect()
}

fn again(why: String) -> Broken {
    Broken::Again(why)
}

fn same_total(before: u64, now: u64) -> Result<(), Broken> {
    if before == now {
        Ok(())
    } else {
        Err(again(format!(
            "the announced total moved from {before} to {now} mid-walk"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_list_overlap_by_one_and_end_with_a_second_look() {
        let cases = [
            (0, 1),
            (100, 1),
            (101, 3),
            (199, 3),
            (200, 5),
            (400, 9),
            (450, 6),
        ];
        for (total, pages) in cases {
            assert_eq!(pages_of(total), pages, "{total}");
        }
    }
}
