//! Edits of media. What moves `updatedAt` follows the edit's `touch`.

use bytes::Bytes;

use super::World;
use super::edits::{Edit, EditError};
use super::medium::{Medium, Stale, Validators};
use crate::bytes::ByteSource;
use crate::form::Form;
use crate::mix::mix_all;

impl World {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the chain's last link, `apply_to_metadata`, names every variant"
    )]
    pub(super) fn apply_to_media(&mut self, edit: Edit) -> Result<String, EditError> {
        let is_frozen = self.assets.frozen_validators;
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
                let (source, validators) = replace(medium, bytes, now, seed, is_frozen);
                medium.stale = (stale_requests > 0).then_some(Stale {
                    source,
                    validators,
                    left: stale_requests,
                });
                // A re-upload resets the alternative text.
                medium.alt = None;
            }),
            Edit::ReplaceUnderNewUrl { id, bytes } => {
                self.change(&id, true, |medium, now, seed| {
                    replace(medium, bytes, now, seed, is_frozen);
                    medium.url_generation += 1;
                    medium.alt = None;
                })?;
                self.move_to_new_url(&id)
            }
            Edit::RenameMedium { id, name, touch } => {
                self.change(&id, touch, |medium, _, _| medium.name = name)?;
                self.move_to_new_url(&id)
            }
            Edit::ResizeMedium { id, size, touch } => {
                self.change(&id, touch, |medium, now, seed| {
                    replace(medium, None, now, seed, is_frozen);
                    medium.bytes = medium.bytes.of_length(size);
                    medium.stale = None;
                    medium.alt = None;
                })
            }
            Edit::SetMediumPath { id, path, touch } => {
                let serial = self.medium(&id)?.serial;
                self.media_mut().claim(&path, serial);
                self.change(&id, touch, |medium, _, _| medium.path = path)
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
            Edit::SwitchAssetHosts { touch } => {
                let now = self.tick();
                std::mem::swap(&mut self.bases, &mut self.other_bases);
                self.has_custom_hosts = !self.has_custom_hosts;
                if touch {
                    self.media_mut().touch_all(now);
                }
                Ok(String::new())
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
        self.media_mut().claim(&medium.path, medium.serial);
        self.media_mut().put(medium);
        Ok(id.to_owned())
    }
}

/// Gives the medium other bytes; returns the old ones with their validators.
fn replace(
    medium: &mut Medium,
    bytes: Option<Vec<u8>>,
    now: i64,
    seed: u64,
    is_frozen: bool,
) -> (ByteSource, Validators) {
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
    let old = medium.validators();
    // Under this lie the host goes on to tell what it told when the lie began.
    medium.frozen = is_frozen.then(|| old.clone());
    medium.bytes_ms = now;
    (std::mem::replace(&mut medium.bytes, new), old)
}
