//! What a run is asked to do, and with what.

use crate::mirror::{Mirror, Reader};
use crate::model::backup::is_left_out;
use crate::model::{Endpoint, ExitCode, Timestamp};
use crate::remote::Remote;
use crate::store::{Begun, StoreError, StoreHandle};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Which parts of a run are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Only {
    /// The media listing and its rows.
    pub media: bool,
    /// Schemas, contents' metadata and bodies.
    pub contents: bool,
    /// Fetching the files that are owed.
    pub assets: bool,
}

impl Only {
    /// Everything.
    pub const ALL: Self = Self {
        media: true,
        contents: true,
        assets: true,
    };
}

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The service's id.
    pub service: String,
    /// Which parts.
    pub only: Only,
    /// APIs to back up; empty: every one that the key can list.
    pub endpoints: Vec<Endpoint>,
    /// APIs that the configuration names, whatever this run alone is asked for; empty: it names none.
    pub configured: Vec<Endpoint>,
    /// Decide, write nothing.
    pub is_dry_run: bool,
    /// Read every body and ask for every file again.
    pub is_full: bool,
    /// Deletions that a person confirmed for this run.
    pub allow_deletes: u64,
    /// Ask now for files whose next attempt is not due yet.
    pub is_impatient: bool,
    /// Files fetched at a time.
    pub downloads: usize,
    /// Bytes that may be transferred in a calendar month; `None`: any number.
    pub monthly_transfer: Option<u64>,
    /// Ask for the sizes of some files and say how much there is to fetch. Done anyway before the first
    /// download where the month's transfer is limited.
    pub wants_forecast: bool,
    /// Files that are longer are not fetched; `None`: any length.
    pub longest_asset: Option<u64>,
    /// Bytes that stay free on the mirror's disk; `None`: 256 MiB, or a fiftieth of a smaller disk.
    pub keep_free: Option<u64>,
    /// How many files and sockets the process may have open; `None`: any number. Fewer files go to their places at a
    /// time where it is few.
    pub open_files: Option<u64>,
    /// How old the check of a file may become before its host is asked again; `None`: any age.
    pub revalidate_every: Option<Duration>,
    /// How long downloads in flight may go on after a stop.
    pub grace: Duration,
    /// What started the run, for `runs.trigger`.
    pub trigger: String,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl Options {
    /// Returns whether what an API owes is none of this run's business: the configuration names others, and so does
    /// the run.
    pub(super) fn leaves_out(&self, endpoint: &Endpoint) -> bool {
        is_left_out(&self.configured, endpoint) && !self.endpoints.contains(endpoint)
    }

    /// Returns what the run is limited to, in words; `None` if it is about everything.
    pub(super) fn limits(&self) -> Option<String> {
        let parts: Vec<&str> = [
            (self.only.media, "media"),
            (self.only.contents, "contents"),
            (self.only.assets, "assets"),
        ]
        .iter()
        .filter_map(|(is_wanted, part)| is_wanted.then_some(*part))
        .collect();
        let endpoints: Vec<&str> = self.endpoints.iter().map(Endpoint::as_str).collect();
        match (self.only == Only::ALL, endpoints.as_slice()) {
            (true, []) => None,
            (true, endpoints) => Some(format!(
                "all media and the contents of {}",
                endpoints.join(", ")
            )),
            (false, []) => Some(parts.join(" and ")),
            (false, endpoints) => Some(format!(
                "{} ({})",
                parts.join(" and "),
                endpoints.join(", ")
            )),
        }
    }
}

/// The clock of one run. Where the machine's went back a little since the last one, it is ahead of that by as much, so that
/// what a later run records has a later time.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunClock {
    clock: fn() -> Timestamp,
    ahead: Duration,
}

impl From<RunClock> for Begun {
    fn from(run: RunClock) -> Self {
        let clock = (run.clock)();
        let at = clock.plus(run.ahead);
        Self { at, clock }
    }
}

impl RunClock {
    pub(super) async fn begin(
        clock: fn() -> Timestamp,
        store: &StoreHandle,
    ) -> Result<Self, StoreError> {
        let now = clock();
        let present = store.call(move |store| store.present(now)).await?;
        let ahead = present.since(now).unwrap_or_default();
        Ok(Self { clock, ahead })
    }

    pub(super) fn now(self) -> Timestamp {
        (self.clock)().plus(self.ahead)
    }
}

/// The rooms that a run works with.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// The service.
    pub remote: Arc<Remote>,
    /// The database.
    pub store: StoreHandle,
    /// The files.
    pub files: RunFiles,
}

/// The files of a run.
#[derive(Clone, Debug)]
pub enum RunFiles {
    /// A run saves.
    Save(Arc<Mirror>),
    /// A dry run looks; `None`: there is no mirror yet.
    Look(Option<Reader>),
}

impl RunFiles {
    /// Returns what saves; `None` for a dry run.
    pub fn mirror(&self) -> Option<&Arc<Mirror>> {
        match self {
            Self::Save(mirror) => Some(mirror),
            Self::Look(_) => None,
        }
    }

    /// Returns what looks; `None` where there is no mirror.
    pub fn reader(&self) -> Option<Reader> {
        match self {
            Self::Save(mirror) => Some((***mirror).clone()),
            Self::Look(reader) => reader.clone(),
        }
    }
}

/// A request to stop tidily, and what the program then exits with.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    code: Arc<OnceLock<ExitCode>>,
}

impl Stop {
    /// Asks the run to stop; the first caller's code counts.
    pub fn request(&self, code: ExitCode) {
        self.code.get_or_init(|| code);
        self.token.cancel();
    }

    /// Returns the code of the request, if there was one.
    pub fn requested(&self) -> Option<ExitCode> {
        self.code.get().copied()
    }

    /// Waits for a request.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }
}
