//! Room on the disk: looked at before a file comes and while it comes.

use crate::mirror::{Mirror, Space};
use bytesize::ByteSize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// What stays free unless the configuration says otherwise: this, or a fiftieth of a small disk. A disk
/// that is full to the last byte stops the database and everything else on it, too.
const KEEP_FREE: u64 = 256 * 1024 * 1024;
const KEEP_INODES: u64 = 1_000;
const FRACTION: u64 = 50;
/// From so many times that on, a person is warned.
const WARN_AT: u64 = 4;
/// How long an answer of the disk is good for; what is written meanwhile is known here.
const FRESH: Duration = Duration::from_millis(100);

/// What a person can do where there is no room.
pub(super) const HINT: &str = "the file system is full (check free inodes too); free space, then run again. What stays free is \
     `storage.keep_free`";

/// The mirror's file system, shared by all downloads.
#[derive(Debug)]
pub(super) struct Room {
    mirror: Arc<Mirror>,
    keep_free: Option<u64>,
    /// Announced by hosts and not written yet.
    coming: AtomicU64,
    seen: Mutex<Option<Seen>>,
    /// All bytes that were promised room and are not coming any more.
    used: AtomicU64,
    is_warned: AtomicBool,
    is_tight: AtomicBool,
}

/// What the disk said.
#[derive(Clone, Copy, Debug)]
struct Seen {
    space: Space,
    at: Instant,
    /// Bytes that were written since, or that were to be.
    used: u64,
}

impl Seen {
    fn now(&self) -> Space {
        Space {
            bytes: self.space.bytes.saturating_sub(self.used),
            ..self.space
        }
    }
}

/// There is no room for a file, or none at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mirror's disk has no room left: {left}, and {keep} are to stay free")]
pub(super) struct NoRoom {
    left: String,
    keep: String,
    /// How long the file is that was refused, where that is known.
    pub(super) bytes: Option<u64>,
    /// Whether no other file would fit either.
    pub(super) is_for_all: bool,
}

impl NoRoom {
    /// Says what a person can do about it.
    #[expect(clippy::unused_self, reason = "asked like every other error")]
    pub(super) fn hint(&self) -> &'static str {
        HINT
    }
}

/// Room that is promised to one file until it is written, or dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    left: u64,
}

impl Room {
    pub(super) fn new(mirror: Arc<Mirror>, keep_free: Option<u64>) -> Self {
        Self {
            mirror,
            keep_free,
            coming: AtomicU64::new(0),
            seen: Mutex::new(None),
            used: AtomicU64::new(0),
            is_warned: AtomicBool::new(false),
            is_tight: AtomicBool::new(false),
        }
    }

    /// Promises room for a file of so many bytes (0 where nobody said how long it is).
    ///
    /// # Errors
    /// As [`Self::fits`].
    pub(super) async fn promise(self: &Arc<Self>, bytes: u64) -> Result<Place, NoRoom> {
        self.ask().await;
        // At once, or two files would be promised the same room.
        let seen = self.seen();
        self.judge(seen.map(|seen| seen.now()), bytes)?;
        self.coming.fetch_add(bytes, Ordering::Relaxed);
        drop(seen);
        Ok(Place {
            room: Arc::clone(self),
            left: bytes,
        })
    }

    /// Says that many files did not fit.
    pub(super) fn tighten(&self) {
        self.is_tight.store(true, Ordering::Relaxed);
    }

    /// Returns whether a file should be known to fit before it is asked for.
    pub(super) fn is_tight(&self) -> bool {
        self.is_tight.load(Ordering::Relaxed)
    }

    /// Returns whether more may be asked for, as far as is known: what is coming takes half of the room that is left, at
    /// most. Otherwise it has to be written first, or files would be refused that fit. Asks no disk.
    pub(super) fn is_ample(&self) -> bool {
        let Some(seen) = *self.seen() else {
            return true;
        };
        let space = seen.now();
        let coming = self.coming.load(Ordering::Relaxed);
        let left = space.bytes.saturating_sub(keep(&space, self.keep_free));
        coming.saturating_mul(2) <= left
    }

    /// Looks whether there still is room for what is coming and `more`. The disk is asked now and then, and by a thread
    /// that may wait: one that does not answer holds up nobody who heeds signals.
    ///
    /// # Errors
    /// Where there is not. A disk that does not say how full it is counts as one with room: writing will
    /// tell.
    pub(super) async fn fits(self: &Arc<Self>, more: u64) -> Result<(), NoRoom> {
        self.ask().await;
        let space = self.seen().map(|seen| seen.now());
        self.judge(space, more)
    }

    /// Asks the disk, if its last answer is old.
    async fn ask(self: &Arc<Self>) {
        if self.seen().is_some_and(|seen| seen.at.elapsed() < FRESH) {
            return;
        }
        let room = Arc::clone(self);
        // What is written while it is asked is perhaps in the answer, and is subtracted all the same.
        let asked = crate::blocking::run(move || {
            let before = room.used.load(Ordering::Relaxed);
            (room.mirror.free_space().ok(), before)
        });
        let (space, before) = asked.await.unwrap_or_default();
        *self.seen() = space.map(|space| Seen {
            space,
            at: Instant::now(),
            used: self.used.load(Ordering::Relaxed).saturating_sub(before),
        });
    }

    /// Returns whether there was room for what is coming when the disk was asked last.
    ///
    /// # Errors
    /// As [`Self::fits`].
    pub(super) fn known(&self) -> Result<(), NoRoom> {
        let space = self.seen().map(|seen| seen.space);
        self.judge(space, 0)
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn use_up(&self, bytes: u64) {
        self.coming.fetch_sub(bytes, Ordering::Relaxed);
        self.used.fetch_add(bytes, Ordering::Relaxed);
        if let Some(seen) = self.seen().as_mut() {
            seen.used = seen.used.saturating_add(bytes);
        }
    }

    fn judge(&self, space: Option<Space>, more: u64) -> Result<(), NoRoom> {
        let Some(space) = space else {
            return Ok(());
        };
        let coming = self.coming.load(Ordering::Relaxed).saturating_add(more);
        let finding = judge(&space, coming, self.keep_free);
        if finding.is_low && !self.is_warned.swap(true, Ordering::Relaxed) {
            warn!(
                free_bytes = space.bytes,
                "the mirror's disk fills up: {} left, and {} are to stay free",
                ByteSize(space.bytes),
                ByteSize(finding.keep)
            );
        }
        match finding.refusal {
            Some(refusal) => Err(NoRoom {
                bytes: (more > 0).then_some(more),
                ..refusal
            }),
            None => Ok(()),
        }
    }
}

impl Place {
    /// Notes bytes that are written: the disk itself counts them now.
    pub(super) fn written(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.room.use_up(bytes);
    }

    /// Goes on to promise room for so many bytes, which came and are not written.
    pub(super) fn keep_for(&mut self, bytes: u64) {
        match self.left.checked_sub(bytes) {
            Some(written) => self.room.use_up(written),
            None => {
                let more = bytes.saturating_sub(self.left);
                self.room.coming.fetch_add(more, Ordering::Relaxed);
            }
        }
        self.left = bytes;
    }

    /// Looks whether there still is room.
    ///
    /// # Errors
    /// As [`Room::fits`].
    pub(super) async fn look(&self) -> Result<(), NoRoom> {
        self.room.fits(0).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Written by now, or never: the disk tells soon.
        self.room.use_up(self.left);
    }
}

struct Judgement {
    keep: u64,
    is_low: bool,
    refusal: Option<NoRoom>,
}

fn keep(space: &Space, keep_free: Option<u64>) -> u64 {
    keep_free.unwrap_or_else(|| KEEP_FREE.min(space.total_bytes / FRACTION))
}

fn judge(space: &Space, coming: u64, keep_free: Option<u64>) -> Judgement {
    let keep = keep(space, keep_free);
    let keep_inodes = KEEP_INODES.min(space.total_inodes.unwrap_or(0) / FRACTION);
    let left = space.bytes.saturating_sub(coming);
    let has_inodes = space.inodes.is_none_or(|inodes| inodes > keep_inodes);
    let refusal = if !has_inodes {
        Some(NoRoom {
            left: format!("{} inodes", space.inodes.unwrap_or(0)),
            keep: keep_inodes.to_string(),
            bytes: None,
            is_for_all: true,
        })
    } else if left <= keep && (coming > 0 || space.bytes <= keep) {
        Some(NoRoom {
            left: format!(
                "{} for {} that are coming",
                ByteSize(space.bytes),
                ByteSize(coming)
            ),
            keep: ByteSize(keep).to_string(),
            bytes: None,
            is_for_all: space.bytes <= keep,
        })
    } else {
        None
    };
    Judgement {
        keep,
        is_low: left < keep.saturating_mul(WARN_AT),
        refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn space(free: u64, total: u64, inodes: Option<u64>) -> Space {
        Space {
            bytes: free,
            total_bytes: total,
            inodes,
            total_inodes: inodes.map(|_| 100_000),
        }
    }

    #[test]
    fn what_is_to_stay_free_follows_the_disk_or_the_person() {
        let refused = |free, total, coming, keep| {
            judge(&space(free, total, None), coming, keep)
                .refusal
                .is_some()
        };
        assert!(!refused(300 * MIB, 100_000 * MIB, 0, None));
        assert!(refused(300 * MIB, 100_000 * MIB, 50 * MIB, None));
        assert!(refused(200 * MIB, 100_000 * MIB, 0, None));
        assert!(!refused(2 * MIB, 64 * MIB, 0, None), "a small disk");
        assert!(refused(MIB, 64 * MIB, 0, None));
        assert!(!refused(MIB, 64 * MIB, MIB / 2, Some(0)));
        assert!(refused(MIB, 64 * MIB, MIB, Some(0)));
    }

    #[test]
    fn a_file_that_does_not_fit_is_told_from_a_disk_that_is_full() {
        let large = judge(&space(500 * MIB, 100_000 * MIB, None), 400 * MIB, None);
        assert_eq!(large.refusal.map(|no| no.is_for_all), Some(false));
        let full = judge(&space(100 * MIB, 100_000 * MIB, None), 0, None);
        assert_eq!(full.refusal.map(|no| no.is_for_all), Some(true));
        let no_inodes = judge(&space(90_000 * MIB, 100_000 * MIB, Some(900)), 0, None);
        let refusal = no_inodes.refusal.expect("no file can be made");
        assert!(refusal.is_for_all);
        assert!(refusal.to_string().contains("900 inodes"), "{refusal}");
    }

    #[test]
    fn a_person_hears_of_it_before_it_is_too_late() {
        let low = judge(&space(900 * MIB, 100_000 * MIB, None), 0, None);
        assert!(low.is_low && low.refusal.is_none());
        assert!(!judge(&space(2_000 * MIB, 100_000 * MIB, None), 0, None).is_low);
    }
}
