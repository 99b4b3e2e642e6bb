//! Many files made visible together: the bytes of all are flushed at once, then each gets its name, then all names are
//! flushed at once. At every moment each path holds whole bytes, old or new, as when files are published one by one.

use std::collections::HashSet;

use super::{New, Published, Superseded, present};
use crate::mirror::archive::Linked;
use crate::mirror::digest::Digest;
use crate::mirror::error::MirrorError;
use crate::mirror::flush::side_by_side;
use crate::mirror::folders::Folder;
use crate::mirror::open::{Inner, Mirror};
use crate::mirror::partial::{Body, Finished};
use crate::model::path::RelPath;

/// A file to publish with others, as by [`Finished::publish`].
#[derive(Debug)]
pub struct Entry {
    /// Its bytes.
    pub finished: Finished,
    /// Where it goes.
    pub path: RelPath,
    /// What it takes the place of.
    pub old: Option<Superseded>,
}

/// An entry, and how far it came.
struct Slot<'a> {
    entry: &'a mut Entry,
    /// It has a path in common with one before it, and its turn is when those are done.
    is_later: bool,
    ready: Option<Ready>,
    result: Option<Result<Published, MirrorError>>,
}

/// A file whose bytes are written and wait to be flushed.
struct Ready {
    folder: Folder,
    change: Change,
    linked: Option<Linked>,
}

/// What giving a file its name means.
#[derive(Clone, Copy)]
enum Change {
    /// Its bytes are there already.
    Nothing,
    /// Nothing has the name.
    New,
    /// These bytes have it, and are in the archive by now.
    Replaced(Digest),
}

impl Mirror {
    /// Makes files visible, each as [`Finished::publish`] does, and returns once all of them will survive a power cut. The
    /// outcomes are in the order of the entries. One that cannot be saved does not keep the others from it.
    ///
    /// Entries that have a path in common are published in their order.
    pub fn publish_group(&self, group: &mut [Entry]) -> Vec<Result<Published, MirrorError>> {
        let inner = &self.inner;
        let mut slots = slots(group);
        let together = slots.iter().filter(|slot| !slot.is_later).count();
        if inner.flusher.is_whole(together) {
            inner.publish_whole(&mut slots);
        }
        // What anything unusual was met at gets all of the attention that a single file gets.
        let mut alone: Vec<&mut Slot<'_>> = slots
            .iter_mut()
            .filter(|slot| !slot.is_later && slot.result.is_none())
            .collect();
        side_by_side(&mut alone, |slot| slot.publish_alone());
        for slot in slots.iter_mut().filter(|slot| slot.is_later) {
            slot.publish_alone();
        }
        slots.into_iter().filter_map(|slot| slot.result).collect()
    }
}

fn slots(group: &mut [Entry]) -> Vec<Slot<'_>> {
    let mut taken: HashSet<RelPath> = HashSet::new();
    group
        .iter_mut()
        .map(|entry| {
            let old = entry.old.as_ref().map(|old| &old.path);
            let is_later =
                taken.contains(&entry.path) || old.is_some_and(|path| taken.contains(path));
            taken.insert(entry.path.clone());
            taken.extend(old.cloned());
            Slot {
                entry,
                is_later,
                ready: None,
                result: None,
            }
        })
        .collect()
}

impl Slot<'_> {
    fn publish_alone(&mut self) {
        let Entry {
            finished,
            path,
            old,
        } = &mut *self.entry;
        self.result = Some(finished.publish(path, old.as_ref()));
    }
}

impl Inner {
    /// Publishes what can be done together. A slot without a result is to be published alone, which is safe wherever it
    /// stopped here.
    fn publish_whole(&self, slots: &mut [Slot<'_>]) {
        let since = self.begun_after(slots);
        let prepare = |slot: &mut Slot<'_>| {
            if !slot.is_later {
                slot.ready = self.prepare(slot.entry).ok();
            }
        };
        if slots.iter().any(|slot| slot.entry.old.is_some()) {
            // What is there has to be read.
            side_by_side(slots, prepare);
        } else {
            slots.iter_mut().for_each(prepare);
        }
        if self.flusher.whole(since).is_err() {
            return;
        }
        for slot in slots.iter_mut() {
            slot.ready = slot
                .ready
                .take()
                .and_then(|ready| self.switch(slot.entry, ready));
        }
        let flushed = self.flusher.whole(since);
        let is_flushed = flushed.is_ok();
        let finish = |slot: &mut Slot<'_>| {
            if let Some(ready) = slot.ready.take() {
                slot.result = Some(self.conclude(slot.entry, ready, is_flushed));
            }
        };
        let has_more = |slot: &Slot<'_>| {
            let old = slot.entry.old.as_ref();
            old.is_some_and(|old| old.path != slot.entry.path)
        };
        if !is_flushed || slots.iter().any(has_more) {
            side_by_side(slots, finish);
        } else {
            slots.iter_mut().for_each(finish);
        }
    }

    /// Returns how many flushes had failed when the first of these files was begun.
    fn begun_after(&self, slots: &[Slot<'_>]) -> u64 {
        let begun = slots
            .iter()
            .filter_map(|slot| match &slot.entry.finished.body {
                Body::Temp(temp) => Some(temp.begun_after()),
                Body::Memory(_) => None,
            });
        begun.fold(self.temp.alarms().so_far(), u64::min)
    }

    /// Writes the bytes where they are not there yet, and keeps what they take the place of.
    fn prepare(&self, entry: &mut Entry) -> Result<Ready, MirrorError> {
        let (parent, name) = entry.path.split();
        let path = entry.path.as_str();
        let folder = self.tree.folder(parent, path)?;
        let present = if folder.is_new {
            None
        } else {
            present(&folder, name, path)?
        };
        let finished = &mut entry.finished;
        let mut linked = None;
        let change = match &present {
            Some((_, found)) if *found == finished.sha256() => Change::Nothing,
            Some((file, found)) => {
                self.spill(finished, path)?;
                let kept = self.archive.link(&folder.dir, name, file, *found)?;
                if kept.is_second_name {
                    linked = Some(kept);
                } else {
                    self.archive.settle(kept)?;
                }
                Change::Replaced(*found)
            }
            None => {
                self.spill(finished, path)?;
                Change::New
            }
        };
        Ok(Ready {
            folder,
            change,
            linked,
        })
    }

    /// Writes bytes that are in memory to a temporary file.
    fn spill(&self, finished: &mut Finished, path: &str) -> Result<(), MirrorError> {
        if let Body::Memory(bytes) = &finished.body {
            let temp = self
                .written(bytes, &finished.hint)
                .map_err(MirrorError::io("write a temporary file for", path))?;
            finished.body = Body::Temp(temp);
        }
        Ok(())
    }

    /// Gives a file, whose bytes are flushed by now, its name. `None`: that did not work.
    fn switch(&self, entry: &mut Entry, mut ready: Ready) -> Option<Ready> {
        if let Some(linked) = ready.linked.take() {
            self.archive.settled(linked);
        }
        let (_, name) = entry.path.split();
        let dir = &ready.folder.dir;
        let temp = match &mut entry.finished.body {
            Body::Temp(temp) => Some(temp),
            Body::Memory(_) => None,
        };
        let moved = match (ready.change, temp) {
            (Change::Nothing, _) => Ok(()),
            (Change::New, Some(temp)) => temp.flushed().and_then(|()| temp.move_to_free(dir, name)),
            (Change::Replaced(_), Some(temp)) => {
                temp.flushed().and_then(|()| temp.move_to(dir, name))
            }
            // Bytes that change something were written.
            (Change::New | Change::Replaced(_), None) => return None,
        };
        moved.is_ok().then_some(ready)
    }

    /// Does what is left once the names are flushed, or flushes this file's alone.
    fn conclude(
        &self,
        entry: &Entry,
        ready: Ready,
        is_flushed: bool,
    ) -> Result<Published, MirrorError> {
        let Ready { folder, change, .. } = ready;
        if is_flushed {
            self.tree.settled(folder);
        } else {
            self.tree.settle(folder, entry.path.as_str())?;
        }
        let new = New {
            path: &entry.path,
            sha256: entry.finished.sha256(),
            bytes: entry.finished.bytes(),
        };
        let archived = match change {
            Change::Replaced(found) => Some(found),
            Change::Nothing | Change::New => None,
        };
        let was_unchanged = matches!(change, Change::Nothing);
        self.published(new, entry.old.as_ref(), archived, was_unchanged)
    }
}
