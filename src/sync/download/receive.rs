//! Receiving a body, so that what came of a large one is not lost with the line or the process.

use super::Download;
use super::unsaved::Unsaved;
use crate::mirror::{Digest, Expect, Finished, Kept, MirrorError, Partial};
use crate::model::ending::{self, Format};
use crate::model::{AssetUrl, MediaId, PartialFile};
use crate::plan::{Lesson, may_try};
use crate::remote::{Ask, AssetBody};
use crate::sync::quota::Reserved;
use crate::sync::room::Place;
use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, info};

/// Bytes gathered before they go to the disk, on a thread where that may block. Up to this size a
/// partial file lives in memory and writing to it does not touch the disk.
const GATHER: usize = 256 * 1024;
/// A beginning shorter than this is not worth a row.
const WORTH_KEEPING: u64 = 1024 * 1024;
/// What a kill may cost of one large file: so many bytes, or what comes in so much time.
const KEEP_EACH: u64 = 16 * 1024 * 1024;
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// Bytes that a host has to repeat before it goes on. A part that does not fit to what is here is of
/// another version, or from another place, whatever its head says.
const OVERLAP: usize = 1024;
/// How often the disk is asked for its room while a file comes.
const LOOK_EACH: u64 = 8 * 1024 * 1024;

/// A file whose first bytes are here.
#[derive(Debug)]
pub(super) struct Beginning {
    partial: Partial,
    /// Names the version, for `If-Range`. `None`: nothing to go on with.
    validator: Option<String>,
    /// The length of the whole, where it is known.
    pub(super) total: Option<u64>,
    /// The bytes that the next answer must begin with.
    overlap: Vec<u8>,
    /// How much is on the disk for a later process.
    kept_bytes: u64,
    kept_at: Instant,
}

/// A file all of whose announced bytes are here.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) finished: Finished,
    pub(super) place: Place,
    /// Its format, if it does not end as that format does.
    pub(super) lacks_end: Option<Format>,
}

impl Beginning {
    /// Returns how to ask for the rest.
    pub(super) fn ask(&mut self) -> Result<Ask, MirrorError> {
        self.overlap = self.partial.tail(OVERLAP)?;
        Ok(Ask::From {
            offset: self.partial.bytes() - self.overlap.len() as u64,
            validator: self.validator.clone().unwrap_or_default(),
        })
    }

    /// Returns whether validators of an answer name the version that this is the beginning of.
    pub(super) fn is_of(&self, etag: Option<&str>, last_modified: Option<&str>) -> bool {
        let own = self.validator.as_deref();
        own.is_some() && (own == etag || own == last_modified)
    }

    fn may_go_on(&self) -> bool {
        self.validator.is_some() && self.partial.bytes() > 0
    }

    /// Takes off the front what repeats the end of what is here. `false`: it does not.
    fn repeats(&mut self, piece: &mut bytes::Bytes) -> bool {
        let repeated = piece.len().min(self.overlap.len());
        let front = piece.split_to(repeated);
        if self.overlap.get(..repeated) != Some(front.as_ref()) {
            return false;
        }
        self.overlap.drain(..repeated);
        true
    }
}

impl Download {
    /// Prepares for a body that comes from its first byte on.
    pub(super) fn begin(&self, host: &str, body: &AssetBody) -> Beginning {
        let traits = self.shared.hosts.traits(host);
        let may_go_on = body.is_plain && may_try(traits.range);
        // A weak `ETag` says nothing about single bytes (RFC 9110, 13.1.5).
        let etag = body
            .etag
            .clone()
            .filter(|etag| etag.starts_with('"') && may_try(traits.etag));
        let date = body
            .last_modified
            .clone()
            .filter(|_| may_try(traits.last_modified));
        let expected = body.length.unwrap_or(0);
        Beginning {
            partial: (self.shared.mirror).begin(self.owed.media_id.as_str(), expected),
            validator: etag.or(date).filter(|_| may_go_on),
            total: body.length,
            overlap: Vec::new(),
            kept_bytes: 0,
            kept_at: Instant::now(),
        }
    }

    /// Receives what comes behind the beginning into an invisible file, with the room that is promised to what is not
    /// written of it. With an error comes the beginning, as far as it is good for another answer. `got` counts what came.
    pub(super) async fn receive_into(
        &self,
        host: &str,
        mut beginning: Beginning,
        mut body: AssetBody,
        mut reserved: Reserved,
        got: &mut u64,
    ) -> Result<Whole, (Unsaved, Option<Beginning>)> {
        let promised = self.shared.room.promise(body.length.unwrap_or(0)).await;
        let mut place = match promised {
            Ok(place) => place,
            Err(no_room) => return Err((no_room.into(), None)),
        };
        let is_part = !beginning.overlap.is_empty();
        let has_told_end = body.has_told_end;
        let mut gathered: Vec<u8> = Vec::new();
        let done = loop {
            let piece = tokio::select! {
                biased;
                () = self.shared.halt.cancelled() => break Err(Unsaved::Halted),
                piece = body.chunk() => piece,
            };
            let mut piece = match piece {
                Ok(Some(piece)) => piece,
                Ok(None) => {
                    // The connection's own tasks put it back; a download that begins before opens another.
                    for _task in 0..2 {
                        tokio::task::yield_now().await;
                    }
                    break Ok(());
                }
                Err(err) => break Err(err.into()),
            };
            self.shared.tally.bytes.add(piece.len() as u64);
            reserved.arrived(piece.len() as u64);
            *got += piece.len() as u64;
            if !beginning.repeats(&mut piece) {
                self.shared.hosts.learn(host, &Lesson::RangeLied);
                self.forget_beginning(beginning).await;
                return Err((Unsaved::WrongPart, None));
            }
            // Only while nothing is gathered: a small piece must not overtake a large one.
            if gathered.is_empty()
                && beginning.partial.bytes() + piece.len() as u64 <= GATHER as u64
            {
                if let Err(err) = beginning.partial.write(&piece) {
                    return Err((err.into(), None));
                }
            } else {
                gathered.extend_from_slice(&piece);
            }
            if gathered.len() >= GATHER {
                (beginning, gathered) = match on_disk(beginning, gathered).await {
                    Ok(written) => written,
                    Err(err) => return Err((err, None)),
                };
                beginning = match self.look_up(beginning, &mut place, body.length).await {
                    Ok(beginning) => beginning,
                    Err(trouble) => return Err(trouble),
                };
            }
        };
        if is_part && beginning.overlap.is_empty() {
            self.shared.hosts.learn(host, &Lesson::RangeHeld);
        }
        let (beginning, _) = match on_disk(beginning, gathered).await {
            Ok(written) => written,
            Err(err) => return Err((err, None)),
        };
        match done {
            Ok(()) if !beginning.overlap.is_empty() => {
                self.forget_beginning(beginning).await;
                Err((Unsaved::WrongPart, None))
            }
            Ok(()) => {
                let (finished, lacks_end) = finish(beginning, has_told_end)
                    .await
                    .map_err(|err| (err, None))?;
                place.keep_for(finished.unflushed().0.min(finished.bytes()));
                Ok(Whole {
                    finished,
                    place,
                    lacks_end,
                })
            }
            Err(err) => Err((err, Some(beginning).filter(Beginning::may_go_on))),
        }
    }

    /// Looks up from receiving: whether there still is room, in the budget and on the disk, and whether
    /// it is time to keep what came.
    async fn look_up(
        &self,
        mut beginning: Beginning,
        place: &mut Place,
        announced: Option<u64>,
    ) -> Result<Beginning, (Unsaved, Option<Beginning>)> {
        let now = self.shared.clock.now();
        place.written(GATHER as u64);
        let bytes = beginning.partial.bytes();
        if bytes % LOOK_EACH < 2 * GATHER as u64
            && let Err(no_room) = place.look().await
        {
            return Err((no_room.into(), None));
        }
        if let Some(longest) = self.shared.longest.filter(|longest| bytes > *longest) {
            return Err((Unsaved::TooLong { bytes, longest }, None));
        }
        // What was announced has been set aside; what nobody announced may use up what is left.
        if announced.is_none() && self.shared.quota.left(now) == Some(0) {
            let announced = beginning.total;
            let err = Unsaved::OverBudget { announced };
            return Err((err, Some(beginning).filter(Beginning::may_go_on)));
        }
        let fresh = bytes - beginning.kept_bytes;
        let is_due = fresh >= KEEP_EACH
            || (fresh >= WORTH_KEEPING && beginning.kept_at.elapsed() >= KEEP_EVERY);
        if is_due && beginning.validator.is_some() {
            beginning = self.keep(beginning).await.map_err(|err| (err, None))?;
        }
        Ok(beginning)
    }

    /// Keeps what came on the disk, and then in the database.
    async fn keep(&self, mut beginning: Beginning) -> Result<Beginning, Unsaved> {
        let kept;
        (beginning, kept) = crate::blocking::run(move || {
            let kept = beginning.partial.keep()?;
            Ok::<_, MirrorError>((beginning, kept))
        })
        .await??;
        let row = PartialFile {
            media_id: self.owed.media_id.clone(),
            url: self.owed.listed_url.clone(),
            validator: beginning.validator.clone().unwrap_or_default(),
            bytes: kept.bytes,
            sha256: kept.sha256.to_string(),
            total: beginning.total,
            kept_at: self.shared.clock.now(),
        };
        self.shared
            .store
            .call(move |store| store.record_partial(&row))
            .await?;
        self.begun().insert(self.owed.media_id.clone());
        beginning.kept_bytes = kept.bytes;
        beginning.kept_at = Instant::now();
        Ok(beginning)
    }

    /// Takes up what an earlier run kept.
    pub(super) async fn resume(&self, url: &AssetUrl) -> Result<Option<Beginning>, Unsaved> {
        let id = &self.owed.media_id;
        if !self.is_begun() {
            return Ok(None);
        }
        let of = id.clone();
        let row = self
            .shared
            .store
            .call(move |store| store.partial_of(&of))
            .await?;
        let Some(row) = row else { return Ok(None) };
        let digest: Option<Digest> = row.sha256.parse().ok();
        // A host whose validators stand still could let the two grow together.
        let is_of_this =
            row.url == self.owed.listed_url && self.owed.owed_at.is_none_or(|at| at <= row.kept_at);
        let kept = digest.filter(|_| is_of_this);
        let partial = match kept {
            Some(sha256) => {
                let (mirror, hint) = (Arc::clone(&self.shared.mirror), id.to_string());
                let kept = Kept {
                    bytes: row.bytes,
                    sha256,
                };
                crate::blocking::run(move || mirror.resume(&hint, &kept)).await??
            }
            None => None,
        };
        let Some(partial) = partial else {
            self.forget_kept().await;
            return Ok(None);
        };
        info!(
            asset.id = %id, bytes = row.bytes,
            "`{url}` goes on behind the {} bytes that are here", row.bytes
        );
        Ok(Some(Beginning {
            partial,
            validator: Some(row.validator),
            total: row.total,
            overlap: Vec::new(),
            kept_bytes: row.bytes,
            kept_at: Instant::now(),
        }))
    }

    /// Lets go of a beginning that is no good.
    pub(super) async fn forget_beginning(&self, beginning: Beginning) {
        beginning.partial.discard();
        if self.is_begun() {
            self.forget_kept().await;
        }
    }

    /// After the last try in this run: keeps what came for the next one, unless it was in the way.
    pub(super) async fn keep_beginning(&self, beginning: Option<Beginning>, err: &Unsaved) {
        match beginning {
            Some(beginning) if beginning.partial.bytes() >= WORTH_KEEPING => {
                if beginning.partial.bytes() > beginning.kept_bytes
                    && let Err(also) = self.keep(beginning).await
                {
                    debug!("what came of `{}` is not kept: {also}", self.owed.media_id);
                }
            }
            Some(beginning) => self.forget_beginning(beginning).await,
            // A disk that is full, or a file that is too long: what is kept of it only takes room.
            None if err.is_about_the_file_or_disk() && self.is_begun() => {
                self.forget_kept().await;
            }
            None => {}
        }
    }

    pub(super) fn is_begun(&self) -> bool {
        self.begun().contains(&self.owed.media_id)
    }

    fn begun(&self) -> MutexGuard<'_, HashSet<MediaId>> {
        let begun = &self.shared.begun;
        begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forget_kept(&self) {
        self.begun().remove(&self.owed.media_id);
        let id = self.owed.media_id.clone();
        // What stays behind is cleared away by the next run.
        if let Err(err) = self.shared.mirror.drop_kept(id.as_str()) {
            debug!("{err}");
        }
        let forgotten = self
            .shared
            .store
            .call(move |store| store.drop_partial(&id))
            .await;
        if let Err(err) = forgotten {
            debug!("{err}");
        }
    }
}

/// Ends the file. Where nothing said where its body ends, it is looked whether its format's end is there.
async fn finish(
    beginning: Beginning,
    has_told_end: bool,
) -> Result<(Finished, Option<Format>), Unsaved> {
    let Beginning {
        mut partial, total, ..
    } = beginning;
    let expect = Expect { len: total };
    let is_in_memory = partial.bytes() <= GATHER as u64;
    let finish = move || {
        // Before the bytes are flushed: then the file is still open.
        let (head, bytes) = (partial.head().to_vec(), partial.bytes());
        let lacks_end = if has_told_end {
            None
        } else {
            ending::lacking(&head, bytes, |from, most| partial.read(from, most))?
        };
        Ok::<_, MirrorError>((partial.finish(expect)?, lacks_end))
    };
    if is_in_memory {
        return Ok(finish()?);
    }
    Ok(crate::blocking::run(finish).await??)
}

async fn on_disk(
    mut beginning: Beginning,
    bytes: Vec<u8>,
) -> Result<(Beginning, Vec<u8>), Unsaved> {
    if bytes.is_empty() {
        return Ok((beginning, bytes));
    }
    crate::blocking::run(move || {
        beginning.partial.write(&bytes)?;
        let mut emptied = bytes;
        emptied.clear();
        Ok((beginning, emptied))
    })
    .await?
}
