//! What an attempt to walk the media has seen.

use super::MediaPage;
use crate::remote::idset::IdSet;
use crate::remote::wire::{OddMedium, serve_medium};
use tokio::sync::mpsc;
use tokio::task::yield_now;

/// How much of something that cannot be read is shown.
const SHOWN: usize = 60;

/// Reads pages, counts what is on them, and hands them on.
pub(super) struct Sight {
    out: mpsc::Sender<MediaPage>,
    /// The ids.
    pub(super) seen: IdSet,
    /// How many things had no id that can be read.
    pub(super) odd: u64,
    /// Items seen twice.
    pub(super) duplicates: u64,
}

/// The run is ending: nobody takes pages any more.
pub(super) struct NobodyReads;

impl Sight {
    pub(super) fn new(out: mpsc::Sender<MediaPage>) -> Self {
        Self {
            out,
            seen: IdSet::default(),
            odd: 0,
            duplicates: 0,
        }
    }

    /// Forgets what the attempt before has seen.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.odd = 0;
        self.duplicates = 0;
    }

    /// Reads what is listed on a page and hands it on. Returns whether there was anything new on it.
    pub(super) async fn read(
        &mut self,
        listed: Vec<String>,
        total_count: u64,
    ) -> Result<bool, NobodyReads> {
        if listed.is_empty() {
            return Ok(false);
        }
        // The request for the next page, which was handed to the connection just now, is written first.
        yield_now().await;
        let before = self.seen.len();
        let (mut media, mut odd) = (Vec::with_capacity(listed.len()), Vec::new());
        for text in listed {
            match serve_medium(text) {
                Ok(medium) => {
                    self.count(medium.id.as_str());
                    media.push(medium);
                }
                Err(OddMedium { text, why }) => {
                    // It is one of the things that the service counts, too, known by its text. No id has a blank at its
                    // beginning.
                    self.count(&format!(" {text}"));
                    self.odd += 1;
                    odd.push((text.chars().take(SHOWN).collect(), why));
                }
            }
        }
        let page = MediaPage {
            media,
            odd,
            total_count,
        };
        self.out.send(page).await.map_err(|_page| NobodyReads)?;
        Ok(self.seen.len() > before)
    }

    fn count(&mut self, name: &str) {
        if !self.seen.insert(name) {
            self.duplicates += 1;
        }
    }
}
