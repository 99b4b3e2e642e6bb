//! The fields of generated contents, and how a content is shown to a viewer.

use serde_json::{Map, Value, json};

use super::World;
use super::contents::{Api, ApiKind, Body, Content, Viewer, content_id};
use super::schema::Kind;
use crate::mix::{Noise, salt};
use crate::times::{FIRST_CREATED_MS, iso};

impl World {
    /// The content as the Content API shows it: id (not for object APIs), times, fields.
    pub(crate) fn render(
        &self,
        api: &Api,
        content: &Content,
        body: &Body,
        viewer: Viewer<'_>,
        depth: u8,
    ) -> Value {
        let mut out = Map::new();
        if api.kind == ApiKind::List {
            out.insert("id".into(), content.id.clone().into());
        }
        out.insert("createdAt".into(), iso(content.created_ms).into());
        out.insert("updatedAt".into(), iso(content.updated_ms).into());
        if let Some(ms) = content.published_ms {
            out.insert("publishedAt".into(), iso(ms).into());
        }
        if let Some(ms) = content.revised_ms {
            out.insert("revisedAt".into(), iso(ms).into());
        }
        for (name, value) in self.fields(api, content, body) {
            let value = match api
                .fields
                .iter()
                .find(|field| field.id == name)
                .map(|field| &field.kind)
            {
                Some(Kind::Relation(to)) => self
                    .relation(to, &value, viewer, depth)
                    .unwrap_or(Value::Null),
                Some(Kind::RelationList(to)) => {
                    let targets = value.as_array().map(Vec::as_slice).unwrap_or_default();
                    targets
                        .iter()
                        .filter_map(|target| self.relation(to, target, viewer, depth))
                        .collect()
                }
                Some(_) | None => value,
            };
            out.insert(name, value);
        }
        Value::Object(out)
    }

    /// A related content, embedded to `depth`; `None` when the viewer may not read it.
    fn relation(
        &self,
        endpoint: &str,
        target: &Value,
        viewer: Viewer<'_>,
        depth: u8,
    ) -> Option<Value> {
        let id = target.get("id")?.as_str()?;
        let api = self.api(endpoint)?;
        let content = api.get(id)?;
        let body = content.visible(viewer)?;
        match depth.checked_sub(1) {
            None => Some(json!({ "id": id })),
            Some(rest) => Some(self.render(api, content, body, viewer, rest)),
        }
    }

    /// The user's fields, relations as `{"id": …}`.
    pub(crate) fn fields(&self, api: &Api, content: &Content, body: &Body) -> Map<String, Value> {
        match body {
            Body::Given(fields) => fields.as_ref().clone(),
            Body::Made { version } => self.made_fields(api, content.serial, *version),
        }
    }

    fn made_fields(&self, api: &Api, serial: u32, version: u32) -> Map<String, Value> {
        let seed = self.seed;
        let mut noise = Noise::new(&[seed, salt(&api.endpoint), u64::from(serial), salt("body")]);
        let mut out = Map::new();
        let mark = if version == 0 {
            String::new()
        } else {
            format!(" (版 {version})")
        };
        out.insert(
            "title".into(),
            format!(
                "{}{serial}{mark}",
                noise.pick(&["お知らせ", "News ", "ブログ"])
            )
            .into(),
        );
        out.insert("body".into(), self.rich_text(&mut noise, version).into());
        for field in &api.fields {
            // Each field has its own noise, so that a new field changes no other.
            let mut noise = Noise::new(&[
                seed,
                salt(&api.endpoint),
                u64::from(serial),
                salt(&field.id),
            ]);
            let value = match &field.kind {
                Kind::Relation(to) => self.made_relation(to, &mut noise),
                Kind::RelationList(to) => (0..noise.below(3))
                    .map(|_| self.made_relation(to, &mut noise))
                    .filter(|v| !v.is_null())
                    .collect(),
                Kind::Media => self.made_image(&mut noise),
                Kind::MediaList => (0..noise.below(3))
                    .map(|_| self.made_image(&mut noise))
                    .filter(|v| !v.is_null())
                    .collect(),
                Kind::File => self.made_file(&mut noise),
                Kind::Number => json!(noise.below(1_000_000)),
                Kind::Boolean => json!(noise.one_in(2)),
                Kind::Select(values) => values
                    .get(noise.index(values.len()))
                    .map_or_else(|| json!([]), |value| json!([value])),
                Kind::Date => {
                    iso(FIRST_CREATED_MS + i64::try_from(noise.below(100_000_000_000)).unwrap_or(0))
                        .into()
                }
                // The service returns only `data` of an extension field.
                Kind::Iframe => json!({"data": {"lat": 35, "label": "東京"}}),
                Kind::Custom => {
                    json!({"fieldId": "section", "heading": "見出し", "lead": "A <lead> & more"})
                }
                Kind::Repeater => (0..noise.below(3))
                    .map(|n| json!({"fieldId": "section", "heading": format!("{n}"), "lead": ""}))
                    .collect(),
                Kind::Text | Kind::RichEditorV2 => continue,
            };
            // Fields that were never filled can be missing: a missing key is no signal.
            if !(value.is_null() && noise.one_in(2)) {
                out.insert(field.id.clone(), value);
            }
        }
        out
    }

    fn rich_text(&self, noise: &mut Noise, version: u32) -> String {
        let mut text = format!(
            "<h2 id=\"h{:010x}\">見出し</h2>",
            noise.below(0x100_0000_0000)
        );
        while text.len() < self.body_bytes {
            text.push_str("<p>すべての画像と文章を\"手元\"に残す。 Keep it all.\u{3000}</p>\n");
        }
        text.push_str(&format!("<p>v{version}</p>"));
        text
    }

    fn made_relation(&self, endpoint: &str, noise: &mut Noise) -> Value {
        let Some(target) = self
            .api(endpoint)
            .filter(|api| api.kind == ApiKind::List && api.made > 0)
        else {
            return Value::Null;
        };
        let serial = u32::try_from(noise.below(u64::from(target.made))).unwrap_or(0);
        json!({"id": content_id(self.seed, endpoint, serial)})
    }

    fn made_image(&self, noise: &mut Noise) -> Value {
        let place = noise.index(usize::try_from(self.made_media).unwrap_or(0));
        match u32::try_from(place)
            .ok()
            .filter(|_| self.made_media > 0)
            .map(|serial| self.media.original(serial))
        {
            Some(medium) if medium.is_image() => match medium.size {
                super::medium::Dimensions::Known(width, height) => {
                    json!({"url": medium.url(&self.bases), "height": height, "width": width})
                }
                super::medium::Dimensions::Null | super::medium::Dimensions::Absent => {
                    json!({"url": medium.url(&self.bases)})
                }
            },
            Some(_) | None => Value::Null,
        }
    }

    fn made_file(&self, noise: &mut Noise) -> Value {
        let place = noise.index(usize::try_from(self.made_media).unwrap_or(0));
        match u32::try_from(place)
            .ok()
            .filter(|_| self.made_media > 0)
            .map(|serial| self.media.original(serial))
        {
            Some(medium) if !medium.is_image() => {
                json!({"url": medium.url(&self.bases), "fileSize": medium.bytes.len()})
            }
            Some(_) | None => Value::Null,
        }
    }
}
