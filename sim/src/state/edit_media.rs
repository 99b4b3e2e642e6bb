//! Edits of media. What moves `updatedAt` follows the edit's `touch`.

use bytes::Bytes;

use super::World;
use super::edits::{Edit, EditError};
use super::media::Medium;
use crate::bytes::{ByteSource, Form};
use crate::mix::mix_all;

impl World {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the chain's last link, `apply_to_metadata`, names every variant"
    )]
    pub(super) fn apply_to_media(&mut self, edit: Edit) -> Result<String, EditError> {
        match edit {
            Edit::AddMedium {
                name,
                bytes,
                path,
                alt,
                tags,
            } => {
                let now = self.tick();
                let mut medium = self
                    .media_mut()
                    .add(&name, path, bytes.map(Bytes::from), now);
                (medium.alt, medium.tags) = (alt, tags);
                let id = medium.id.clone();
                self.media_mut().put(medium);
                Ok(id)
            }
            Edit::DeleteMedium { id } => {
                let serial = self.medium(&id)?.serial;
                self.tick();
                self.media_mut().remove(serial);
                Ok(id)
            }
            Edit::DeleteAllMedia => {
                self.tick();
                self.media_mut().remove_all();
                Ok(String::new())
            }
            Edit::ReplaceBytes {
                id,
                bytes,
                touch,
                stale_requests,
            } => self.change(&id, touch, |medium, now, seed| {
                let old = replace(medium, bytes, now, seed);
                medium.stale = (stale_requests > 0).then_some((old, stale_requests));
                // A re-upload resets the alternative text.
                medium.alt = None;
            }),
            Edit::ReplaceUnderNewUrl { id, bytes } => {
                self.change(&id, true, |medium, now, seed| {
                    replace(medium, bytes, now, seed);
                    medium.url_generation += 1;
                    medium.alt = None;
                })?;
                self.move_to_new_url(&id)
            }
            Edit::RenameMedium { id, name, touch } => {
                self.change(&id, touch, |medium, _, _| medium.name = name)?;
                self.move_to_new_url(&id)
            }
            Edit::SetAlt { id, alt, touch } => {
                self.change(&id, touch, |medium, _, _| medium.alt = alt)
            }
            Edit::SetTags { id, tags, touch } => {
                self.change(&id, touch, |medium, _, _| medium.tags = tags)
            }
            Edit::TouchMedium { id } => self.change(&id, true, |_, _, _| {}),
            Edit::HideAsset { id, hidden } => {
                self.change(&id, false, |medium, _, _| medium.hidden = hidden)
            }
            other => self.apply_to_contents(other),
        }
    }

    fn medium(&self, id: &str) -> Result<Medium, EditError> {
        self.media
            .find(id)
            .ok_or_else(|| EditError::NoMedium(id.to_owned()))
    }

    fn change(
        &mut self,
        id: &str,
        touch: bool,
        edit: impl FnOnce(&mut Medium, i64, u64),
    ) -> Result<String, EditError> {
        let mut medium = self.medium(id)?;
        let now = self.tick();
        edit(&mut medium, now, self.seed);
        if touch {
            medium.updated_ms = now;
        }
        self.media_mut().put(medium);
        Ok(id.to_owned())
    }

    fn move_to_new_url(&mut self, id: &str) -> Result<String, EditError> {
        let mut medium = self.medium(id)?;
        medium.path = self.media.path_of(
            medium.serial,
            medium.url_generation,
            &medium.name,
            medium.layout,
        );
        self.media_mut().put(medium);
        Ok(id.to_owned())
    }
}

/// Gives the medium other bytes; returns the old ones.
fn replace(medium: &mut Medium, bytes: Option<Vec<u8>>, now: i64, seed: u64) -> ByteSource {
    let form: Form = medium.bytes.form();
    let new = match bytes {
        Some(bytes) => ByteSource::Given {
            form,
            bytes: Bytes::from(bytes),
        },
        None => medium.bytes.next_version(mix_all(&[
            seed,
            u64::from(medium.serial),
            now.unsigned_abs(),
        ])),
    };
    medium.bytes_ms = now;
    std::mem::replace(&mut medium.bytes, new)
}
