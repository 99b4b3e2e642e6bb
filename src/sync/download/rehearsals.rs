//! What would keep a file from being saved is found before its bytes are paid for.

use super::Download;
use super::unsaved::Unsaved;
use crate::mirror::{Mirror, MirrorError};
use crate::model::{AssetUrl, RelPath};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// What came of a try.
type Try<T> = OnceCell<Result<T, Arc<MirrorError>>>;

/// What was tried in this run: each folder of a host, and the archive.
#[derive(Debug, Default)]
pub(in crate::sync) struct Rehearsals {
    // A std mutex: look-ups under it, never held across an await.
    hosts: Mutex<HashMap<String, Arc<Try<()>>>>,
    /// Whether it has to copy.
    archive: Try<bool>,
}

impl Rehearsals {
    fn of(&self, host: &str) -> Arc<Try<()>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        match hosts.get(host) {
            Some(tried) => Arc::clone(tried),
            None => Arc::clone(hosts.entry(host.to_owned()).or_default()),
        }
    }
}

impl Download {
    /// Tries, once for each host, whether the mirror takes its files; and of a file whose bytes go to the archive, whether
    /// they have room there.
    pub(super) async fn rehearse(&self, url: &AssetUrl) -> Result<(), Unsaved> {
        let path = RelPath::for_url(&self.owed.listed_url).unwrap_or_else(|_| self.fallback(url));
        let tried = self.shared.rehearsals.of(path.host_folder());
        self.tried(&tried, move |mirror| mirror.rehearse(&path))
            .await?;
        let Some(bytes) = self.owed.row.bytes.filter(|_| self.superseded().is_some()) else {
            return Ok(());
        };
        let archive = &self.shared.rehearsals.archive;
        if self.tried(archive, Mirror::rehearse_archive).await? {
            let mirror = Arc::clone(&self.shared.mirror);
            let fits = crate::blocking::run(move || mirror.fits_archive(bytes)).await?;
            fits.map_err(|err| Unsaved::NoPlace(Arc::new(err)))?;
        }
        Ok(())
    }

    /// Returns what came of a try, which is made at the first question.
    async fn tried<T: Copy + Send + 'static>(
        &self,
        tried: &Try<T>,
        how: impl FnOnce(&Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, Unsaved> {
        let mirror = Arc::clone(&self.shared.mirror);
        let came = tried.get_or_try_init(|| async {
            let came = crate::blocking::run(move || how(&mirror)).await?;
            Ok::<_, Unsaved>(came.map_err(Arc::new))
        });
        came.await?.clone().map_err(Unsaved::NoPlace)
    }
}
