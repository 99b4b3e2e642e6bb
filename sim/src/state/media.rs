//! The media of the service: an order of serial numbers plus what edits changed.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::medium::{Dimensions, Medium};
use crate::bytes::ByteSource;
use crate::form::Form;
use crate::mix::{Noise, mix_all, salt, scramble, unscramble};
use crate::names::{self, Layout};
use crate::times::FIRST_CREATED_MS;

/// What all generated media share.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) seed: u64,
    pub(crate) service_id: String,
    pub(crate) sizes: RangeInclusive<u64>,
}

/// All media. Cloning it is a snapshot; a walk holds one by `Arc`.
#[derive(Debug, Clone)]
pub(crate) struct MediaSet {
    recipe: Arc<Recipe>,
    order: Vec<u32>,
    next_serial: u32,
    changed: HashMap<u32, Medium>,
    gone: HashSet<u32>,
    /// Who was given a path of its own choice, the last one at the end.
    by_path: HashMap<Vec<u8>, Vec<u32>>,
    /// No medium's `updatedAt` is before this: the last time that all were touched.
    touched_ms: i64,
}

impl MediaSet {
    /// `count` generated media, listed in an arbitrary order that the seed decides.
    pub(crate) fn new(recipe: Recipe, count: u32, shuffled: bool) -> Self {
        let mut order: Vec<u32> = (0..count).collect();
        if shuffled {
            let mut noise = Noise::new(&[recipe.seed, salt("media order")]);
            for last in (1..order.len()).rev() {
                order.swap(last, noise.index(last + 1));
            }
        }
        Self {
            recipe: Arc::new(recipe),
            order,
            next_serial: count,
            changed: HashMap::new(),
            gone: HashSet::new(),
            by_path: HashMap::new(),
            touched_ms: i64::MIN,
        }
    }

    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The medium with this serial number, whether it is listed or not.
    pub(crate) fn medium(&self, serial: u32) -> Medium {
        let mut medium = self
            .changed
            .get(&serial)
            .cloned()
            .unwrap_or_else(|| self.generate(serial));
        medium.updated_ms = medium.updated_ms.max(self.touched_ms);
        medium
    }

    /// Moves the `updatedAt` of all media, at the cost of none.
    pub(crate) const fn touch_all(&mut self, now_ms: i64) {
        self.touched_ms = now_ms;
    }

    /// Lets all validators be true again.
    pub(crate) fn thaw(&mut self) {
        for medium in self.changed.values_mut() {
            medium.frozen = None;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Medium> + '_ {
        self.order.iter().map(|serial| self.medium(*serial))
    }

    fn is_live(&self, serial: u32) -> bool {
        serial < self.next_serial && !self.gone.contains(&serial)
    }

    /// The generated medium as it was before any edit.
    pub(crate) fn original(&self, serial: u32) -> Medium {
        self.generate(serial)
    }

    fn generate(&self, serial: u32) -> Medium {
        let seed = self.recipe.seed;
        let (name, layout) = names::name_of(seed, serial);
        let mut noise = Noise::new(&[seed, u64::from(serial), salt("medium")]);
        let form = Form::of_name(&name);
        let (width, height) = (pixels(noise.below(4000)), pixels(noise.below(3000)));
        let spread = self
            .recipe
            .sizes
            .end()
            .saturating_sub(*self.recipe.sizes.start());
        let bytes = ByteSource::Made {
            form,
            key: mix_all(&[seed, u64::from(serial), salt("bytes")]),
            version: 0,
            width,
            height,
            wanted: self.recipe.sizes.start() + noise.below(spread.saturating_add(1)),
        };
        let created_ms = FIRST_CREATED_MS + i64::from(serial) * 37_411;
        let edited_later = if noise.one_in(3) { 86_400_123 } else { 0 };
        let alt = noise.one_in(3).then(|| {
            format!(
                "{} {serial}",
                noise.pick(&["公園を散歩する犬", "a cat", "図"])
            )
        });
        let tags = ["drawings", "animals", "商品", "2025 春"];
        let tags = tags
            .iter()
            .filter(|_| noise.one_in(4))
            .map(|tag| (*tag).to_owned())
            .collect();
        let size = match form {
            Form::Png | Form::Jpeg | Form::Gif | Form::Webp => Dimensions::Known(width, height),
            Form::Svg | Form::Pdf | Form::Csv => Dimensions::Null,
            Form::Mp4 | Form::Zip | Form::Other => Dimensions::Absent,
        };
        Medium {
            id: self.id_of(serial),
            path: self.path_of(serial, 0, &name, layout),
            serial,
            name,
            layout,
            url_generation: 0,
            size,
            alt,
            tags,
            created_ms,
            updated_ms: created_ms + edited_later,
            bytes,
            bytes_ms: created_ms + edited_later,
            stale: None,
            frozen: None,
            hidden: false,
        }
    }

    fn key32(&self) -> u32 {
        let [a, b, c, d, ..] = mix_all(&[self.recipe.seed, salt("key32")]).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn id_of(&self, serial: u32) -> String {
        self.uuid(serial, "id", 0)
    }

    /// A version 4 UUID whose first group is the serial number, scrambled.
    fn uuid(&self, serial: u32, what: &str, generation: u32) -> String {
        let first = scramble(serial ^ self.key32());
        let mut noise = Noise::new(&[
            self.recipe.seed,
            u64::from(serial),
            salt(what),
            u64::from(generation),
        ]);
        format!(
            "{first:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            noise.below(0x1_0000),
            noise.below(0x1000),
            0x8000 + noise.below(0x4000),
            noise.below(0x1_0000_0000_0000)
        )
    }

    /// Thirty-two hexadecimal digits that start with the serial number, scrambled.
    fn hex32(&self, serial: u32, generation: u32) -> String {
        let first = scramble(serial ^ self.key32());
        let mut noise = Noise::new(&[
            self.recipe.seed,
            u64::from(serial),
            salt("url"),
            u64::from(generation),
        ]);
        format!(
            "{first:08x}{:08x}{:016x}",
            noise.below(0x1_0000_0000),
            noise.next()
        )
    }

    pub(crate) fn path_of(
        &self,
        serial: u32,
        generation: u32,
        name: &str,
        layout: Layout,
    ) -> String {
        let name = names::encode(name);
        match layout {
            Layout::Two => {
                let mut service = Noise::new(&[self.recipe.seed, salt("service")]);
                let service = format!("{:016x}{:016x}", service.next(), service.next());
                format!(
                    "/assets/{service}/{}/{name}",
                    self.hex32(serial, generation)
                )
            }
            Layout::One => format!("/assets/{}/{name}", self.hex32(serial, generation)),
            Layout::Legacy => format!(
                "/protected/ap-northeast-1:{}/service/{}/media/{name}",
                self.uuid(serial, "legacy", generation),
                self.recipe.service_id
            ),
        }
    }

    /// The serial number hidden in an id or a path segment.
    fn serial_in(&self, text: &str) -> Option<u32> {
        let first = text.get(..8)?;
        u32::from_str_radix(first, 16)
            .ok()
            .map(|hidden| unscramble(hidden) ^ self.key32())
    }

    /// The live medium with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Medium> {
        let serial = self.serial_in(id)?;
        let found = self.is_live(serial).then(|| self.medium(serial))?;
        (found.id == id).then_some(found)
    }

    /// The live medium at this URL path (percent-encoded, no query). Of several that
    /// share it, the one that got it last.
    pub(crate) fn at_path(
        &self,
        path: &str,
        is_wanted: impl Fn(&Medium) -> bool,
    ) -> Option<Medium> {
        let wanted = decoded(path);
        let claims = self.by_path.get(&wanted).map_or(&[][..], Vec::as_slice);
        let claims = claims.iter().rev().copied();
        claims.chain(self.serial_in_path(path)).find_map(|serial| {
            let found = self.is_live(serial).then(|| self.medium(serial))?;
            (is_wanted(&found) && decoded(&found.path) == wanted).then_some(found)
        })
    }

    /// The serial number in a path that was made from it.
    fn serial_in_path(&self, path: &str) -> Option<u32> {
        let legacy = path.split('/').find_map(|segment| {
            let (_, uuid) = segment.split_once(':')?;
            self.serial_in(uuid)
        });
        legacy.or_else(|| self.serial_in(path.rsplit('/').nth(1)?))
    }

    /// Lets a medium be found at a path that does not tell its serial number.
    pub(crate) fn claim(&mut self, path: &str, serial: u32) {
        let claims = self.by_path.entry(decoded(path)).or_default();
        claims.retain(|other| *other != serial);
        claims.push(serial);
    }

    /// The bytes that a medium's URL serves: perhaps those of another one that got its path later.
    pub(crate) fn bytes_at_url_of(&self, medium: &Medium) -> ByteSource {
        let can_be_shared =
            !self.by_path.is_empty() && self.by_path.contains_key(&decoded(&medium.path));
        let serving = can_be_shared
            .then(|| self.at_path(&medium.path, |other| other.is_served_at(medium.is_image())))
            .flatten();
        serving.map_or_else(|| medium.bytes.clone(), |serving| serving.bytes)
    }

    /// Puts a changed medium back.
    pub(crate) fn put(&mut self, medium: Medium) {
        self.changed.insert(medium.serial, medium);
    }

    /// Takes a medium off the list and off the asset host.
    pub(crate) fn remove(&mut self, serial: u32) {
        self.order.retain(|other| *other != serial);
        self.gone.insert(serial);
        self.changed.remove(&serial);
    }

    pub(crate) fn remove_all(&mut self) {
        self.gone.extend(self.order.drain(..));
        self.changed.clear();
    }

    /// Adds a medium under the next serial number. It enters the list at a place
    /// that the seed decides: the real order is undocumented.
    pub(crate) fn add(
        &mut self,
        name: &str,
        path: Option<String>,
        given: Option<bytes::Bytes>,
        now_ms: i64,
    ) -> Medium {
        let serial = self.next_serial;
        self.next_serial += 1;
        let mut medium = self.generate(serial);
        medium.name = name.to_owned();
        medium.layout = Layout::Two;
        let form = Form::of_name(name);
        medium.bytes = match (given, medium.bytes) {
            (Some(bytes), _) => ByteSource::Given { form, bytes },
            (
                None,
                ByteSource::Made {
                    key,
                    version,
                    width,
                    height,
                    wanted,
                    ..
                },
            ) => ByteSource::Made {
                form,
                key,
                version,
                width,
                height,
                wanted,
            },
            (None, given) => given,
        };
        medium.path = match path {
            Some(path) => {
                self.claim(&path, serial);
                path
            }
            None => self.path_of(serial, 0, name, Layout::Two),
        };
        medium.alt = None;
        medium.tags = Vec::new();
        medium.size = Dimensions::Absent;
        medium.created_ms = now_ms;
        medium.updated_ms = now_ms;
        medium.bytes_ms = now_ms;
        let place = Noise::new(&[self.recipe.seed, u64::from(serial), salt("place")])
            .index(self.order.len() + 1);
        self.order.insert(place.min(self.order.len()), serial);
        self.put(medium.clone());
        medium
    }
}

/// A path's bytes, by which paths are compared.
fn decoded(path: &str) -> Vec<u8> {
    percent_decode_str(path).collect()
}

fn pixels(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: u32) -> MediaSet {
        MediaSet::new(
            Recipe {
                seed: 7,
                service_id: "demo".into(),
                sizes: 100..=200,
            },
            count,
            true,
        )
    }

    #[test]
    fn every_medium_is_found_by_id_and_by_path() {
        let media = set(500);
        for medium in media.iter() {
            assert_eq!(
                media.find(&medium.id).map(|m| m.serial),
                Some(medium.serial)
            );
            assert_eq!(
                media.at_path(&medium.path, |_| true).map(|m| m.serial),
                Some(medium.serial),
                "{}",
                medium.path
            );
        }
        assert!(media.find(&set(501).id_of(500)).is_none());
    }

    #[test]
    fn ids_and_paths_are_unique() {
        let media = set(2_000);
        let ids: HashSet<_> = media.iter().map(|m| m.id).collect();
        let paths: HashSet<_> = media.iter().map(|m| m.path).collect();
        assert_eq!((ids.len(), paths.len()), (2_000, 2_000));
    }

    #[test]
    fn a_removed_medium_is_found_no_more() {
        let mut media = set(10);
        let medium = media.iter().next().unwrap();
        media.remove(medium.serial);
        assert!(media.find(&medium.id).is_none());
        assert!(media.at_path(&medium.path, |_| true).is_none());
        assert_eq!(media.order().len(), 9);
    }

    #[test]
    fn a_chosen_path_is_served_even_if_it_is_hostile() {
        let mut media = set(3);
        let path = "/assets/aa/bb/..%2F..%2Fetc%2Fpasswd";
        let added = media.add("passwd", Some(path.into()), None, 0);
        assert_eq!(media.at_path(path, |_| true).map(|m| m.id), Some(added.id));
    }

    #[test]
    fn a_shared_path_leads_to_who_got_it_last_and_still_has_it() {
        let mut media = set(3);
        let all: Vec<Medium> = media.iter().collect();
        let [a, b, _] = all.as_slice() else { panic!() };
        let (own, id_at) = (a.path.clone(), |media: &MediaSet, path: &str| {
            media.at_path(path, |_| true).map(|found| found.id)
        });
        media.claim(&own, b.serial);
        media.put(Medium {
            path: own.clone(),
            ..b.clone()
        });
        assert_eq!(id_at(&media, &own), Some(b.id.clone()));
        assert_eq!(media.bytes_at_url_of(a), b.bytes);
        media.put(b.clone());
        assert_eq!(id_at(&media, &own), Some(a.id.clone()));
        media.claim(&own, b.serial);
        media.remove(b.serial);
        assert_eq!(id_at(&media, &own), Some(a.id.clone()));
    }
}
