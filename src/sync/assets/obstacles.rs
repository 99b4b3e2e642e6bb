//! What keeps files from being saved in a run: what it says, and when it is in the way of all.

use crate::model::{MediaId, ProblemKind};
use crate::remote::IdSet;
use crate::sync::download::Failure;
use crate::sync::room::{self, Room};
use crate::sync::run::{FailedNow, Run};
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::debug;

/// After so many files that their hosts began to send and that do not fit, hosts are asked how long a file is
/// before they send it: what they begin to send is paid for.
const IN_VAIN: u32 = 16;
/// After so many files in a row that came and that the mirror did not take, nothing more is started: each was paid for.
const NOT_TAKEN: u32 = 16;

/// What was in the way so far.
pub(super) struct Obstacles<'a> {
    run: &'a Run,
    room: Arc<Room>,
    /// What a person can do, with one of the failures that it helps with and the media that failed so.
    hints: BTreeMap<String, (String, IdSet)>,
    /// Files whose hosts began to send them, and for which there was no room.
    in_vain: u32,
    /// Files in a row that came and were not taken.
    not_taken: u32,
    /// What helps against what is in the way of all: it was said when that was found.
    said: Option<String>,
    is_full: bool,
    is_blocked: bool,
}

impl<'a> Obstacles<'a> {
    pub(super) fn new(run: &'a Run, room: Arc<Room>) -> Self {
        Self {
            run,
            room,
            hints: BTreeMap::new(),
            in_vain: 0,
            not_taken: 0,
            said: None,
            is_full: false,
            is_blocked: false,
        }
    }

    /// Returns whether something is in the way of all: no room left, or a mirror that cannot be written. Nothing more
    /// is started then.
    pub(super) fn are_everywhere(&self) -> bool {
        self.is_blocked
    }

    /// Looks whether the disk is known to be full.
    pub(super) fn look(&mut self) {
        if let Err(no_room) = self.room.known()
            && no_room.is_for_all
        {
            self.is_full = true;
            self.block(no_room.to_string(), Some(no_room.hint()));
        }
    }

    /// Notes that a file was not saved.
    pub(super) fn met(&mut self, media_id: &MediaId, error: &str, failure: Failure) {
        let Failure {
            url,
            hint,
            is_lack_of_room,
            was_asked,
            is_of_the_mirror,
            trouble,
        } = failure;
        debug!(asset.id = %media_id, "`{url}` was not saved in this run and stays owed: {error}");
        if let Some(hint) = hint.clone() {
            let of_hint = || (error.to_owned(), IdSet::default());
            let (_, failed) = self.hints.entry(hint).or_insert_with(of_hint);
            failed.insert(media_id.as_str());
        }
        if is_lack_of_room {
            // It has not failed.
            self.in_vain += u32::from(was_asked);
        } else {
            self.run.tally.files_failed.add(1);
            self.run.failed_asset(FailedNow {
                media_id: media_id.clone(),
                url,
                error: error.to_owned(),
            });
        }
        if self.in_vain >= IN_VAIN {
            self.room.tighten();
        }
        if let Some(trouble) = trouble {
            self.is_full |= is_lack_of_room;
            self.block(crate::model::chain(&trouble), trouble.hint());
        } else if is_of_the_mirror {
            self.not_taken += 1;
            if self.not_taken >= NOT_TAKEN {
                self.block(error.to_owned(), hint.as_deref());
            }
        }
    }

    /// Notes that a file was saved: it may have been asked for in vain at an old URL, before the walk told the new one.
    pub(super) fn passed(&mut self, media_id: &MediaId) {
        self.not_taken = 0;
        self.forgive(media_id);
    }

    /// Takes what was said of a file back.
    pub(super) fn forgive(&mut self, media_id: &MediaId) {
        for (_, failed) in self.hints.values_mut() {
            failed.remove(media_id.as_str());
        }
        self.run.forgive_asset(media_id);
    }

    /// Says why nothing more is started, once.
    fn block(&mut self, message: String, hint: Option<&str>) {
        if !std::mem::replace(&mut self.is_blocked, true) {
            self.said = hint.map(str::to_owned);
            let hint = self.said.clone();
            self.run.problem(ProblemKind::Owed, "assets", message, hint);
        }
    }

    /// Says at the end what helps. Ten thousand files may fail of one cause: what helps is said once, and only here, for a
    /// file that failed at an old URL may have been had at its new one.
    pub(super) fn tell(mut self) {
        // That was said when it was found.
        if let Some(said) = &self.said {
            self.hints.remove(said);
        }
        if self.is_full {
            self.hints.remove(room::HINT);
        }
        for (hint, (error, failed)) in self.hints {
            if !failed.is_empty() {
                let message = format!("some files stay owed: {error}");
                self.run
                    .problem(ProblemKind::Owed, "assets", message, Some(hint));
            }
        }
    }
}
