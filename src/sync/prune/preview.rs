//! The dry run: the same decisions about the same files, and nothing written.
//!
//! Files are counted as if all rows had gone first: the claims are those of the rows that would stay. A
//! real one comes to the same end, batch by batch.

use super::files::Done;
use super::{FILES, Hand, Prune};
use crate::model::DoomedFile;
use crate::store::DoomedCursor;
use crate::sync::PruneError;

impl Prune {
    pub(super) async fn preview(&mut self) -> Result<(), PruneError> {
        let cutoffs = self.cutoffs;
        self.sheet.rows = self
            .store
            .call(move |store| store.count_doomed_rows(cutoffs))
            .await?;
        self.count_waiting().await?;
        self.preview_queue().await?;
        self.preview_mirror().await?;
        self.preview_archive().await
    }

    /// What an earlier one left in the mirror. It goes before any row does.
    async fn preview_queue(&mut self) -> Result<(), PruneError> {
        let mut after = 0;
        while !self.is_stopping() {
            let doomed = self
                .store
                .call(move |store| store.doomed_files(after, FILES))
                .await?;
            let Some(last) = doomed.last() else { break };
            after = last.id;
            self.look(doomed, Hand::look_at_mirror).await?;
        }
        Ok(())
    }

    async fn preview_mirror(&mut self) -> Result<(), PruneError> {
        let cutoffs = self.cutoffs;
        let mut after = DoomedCursor::default();
        while !self.is_stopping() {
            let from = after.clone();
            let (doomed, next) = self
                .store
                .call(move |store| store.preview_mirror(&from, FILES, cutoffs))
                .await?;
            if doomed.is_empty() {
                break;
            }
            after = next;
            self.look(doomed, Hand::look_at_mirror).await?;
        }
        Ok(())
    }

    async fn preview_archive(&mut self) -> Result<(), PruneError> {
        let cutoffs = self.cutoffs;
        let mut after = String::new();
        while !self.is_stopping() {
            let from = after.clone();
            let doomed = self
                .store
                .call(move |store| store.preview_archive(&from, FILES, cutoffs))
                .await?;
            let Some(last) = doomed.last() else { break };
            after.clone_from(&last.sha256);
            self.look(doomed, Hand::look_at_archive).await?;
        }
        Ok(())
    }

    async fn look(
        &mut self,
        doomed: Vec<DoomedFile>,
        look: fn(&Hand, &[DoomedFile]) -> Done,
    ) -> Result<(), PruneError> {
        let hand = self.hand.clone();
        let done = crate::blocking::run(move || look(&hand, &doomed)).await?;
        self.sheet.files.add(done.files);
        self.note(done.failed);
        done.trouble.map_or(Ok(()), |trouble| Err(trouble.into()))
    }
}
