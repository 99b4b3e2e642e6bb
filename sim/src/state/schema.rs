//! API schemas in both forms that the service has shown (facts sheet 1.6).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The form of `GET /api/v1/apis/{endpoint}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchemaFormat {
    /// Until about July 2026: custom fields are known by `createdAt` and `idValue`.
    A,
    /// Since then: every property present, custom fields known by `fieldId`.
    B,
}

/// One field of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// The kind of a field with what the kind alone has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    RichEditorV2,
    Media,
    MediaList,
    File,
    Date,
    Number,
    Boolean,
    Select(Vec<String>),
    /// Refers to one content of the named endpoint.
    Relation(String),
    /// Refers to several.
    RelationList(String),
    Iframe,
    Custom,
    Repeater,
}

impl Kind {
    const fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::RichEditorV2 => "richEditorV2",
            Self::Media => "media",
            Self::MediaList => "mediaList",
            Self::File => "file",
            Self::Date => "date",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Select(_) => "select",
            Self::Relation(_) => "relation",
            Self::RelationList(_) => "relationList",
            Self::Iframe => "iframe",
            Self::Custom => "custom",
            Self::Repeater => "repeater",
        }
    }
}

const CUSTOM_CREATED_AT: &str = "2024-02-01T03:04:05.33Z";
const CUSTOM_ID: &str = "section";

/// The fields that every generated API has.
pub(crate) fn standard_fields(endpoint: &str, relates_to: &str) -> Vec<Field> {
    let field = |id: &str, name: &str, kind: Kind| Field {
        id: id.into(),
        name: name.into(),
        kind,
        required: false,
    };
    let mut fields = vec![
        field("title", "タイトル", Kind::Text),
        field("body", "本文", Kind::RichEditorV2),
        field("category", "カテゴリー", Kind::Relation(relates_to.into())),
        field("related", "関連記事", Kind::RelationList(endpoint.into())),
        field("eyecatch", "アイキャッチ", Kind::Media),
        field("gallery", "ギャラリー", Kind::MediaList),
        field("attachment", "添付ファイル", Kind::File),
        field("price", "価格", Kind::Number),
        field("featured", "注目", Kind::Boolean),
        field(
            "label",
            "ラベル",
            Kind::Select(vec!["お知らせ".into(), "news".into(), "event".into()]),
        ),
        field("eventDate", "開催日", Kind::Date),
        field("embed", "拡張", Kind::Iframe),
        field("seo", "SEO", Kind::Custom),
        field("sections", "セクション", Kind::Repeater),
    ];
    if let Some(first) = fields.first_mut() {
        first.required = true;
    }
    fields
}

/// The schema's JSON.
pub(crate) fn schema_json(fields: &[Field], format: SchemaFormat) -> Value {
    match format {
        SchemaFormat::A => json!({
            "apiFields": fields.iter().map(field_a).collect::<Vec<_>>(),
            "customFields": [{
                "createdAt": CUSTOM_CREATED_AT,
                "updatedAt": "2024-02-01T03:04:05.5Z",
                "fieldId": CUSTOM_ID,
                "name": "セクション",
                "fields": [
                    {"idValue": "a1B2", "fieldId": "heading", "name": "見出し", "kind": "text", "required": false},
                    {"idValue": "c3D4", "fieldId": "lead", "name": "リード", "kind": "textArea", "required": false},
                ],
                "position": [["a1B2", "c3D4"]],
            }],
        }),
        SchemaFormat::B => json!({
            "apiFields": fields.iter().map(field_b).collect::<Vec<_>>(),
            "customFields": [{
                "fieldId": CUSTOM_ID,
                "name": "セクション",
                "fields": [
                    {"fieldId": "heading", "name": "見出し", "kind": "text", "description": null, "required": false, "initialValue": null},
                    {"fieldId": "lead", "name": "リード", "kind": "textArea", "description": null, "required": false, "initialValue": null},
                ],
                "fieldOrderByColumn": [["heading", "lead"]],
                "listViewFieldId": "DEFAULT",
            }],
        }),
    }
}

fn common(field: &Field) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("fieldId".into(), field.id.clone().into());
    out.insert("name".into(), field.name.clone().into());
    out.insert("kind".into(), field.kind.name().into());
    out
}

fn field_a(field: &Field) -> Value {
    let mut out = common(field);
    out.insert("required".into(), field.required.into());
    match &field.kind {
        Kind::Select(values) => {
            let items = values
                .iter()
                .enumerate()
                .map(|(i, value)| json!({"id": format!("s{i}"), "value": value}));
            out.insert("selectItems".into(), items.collect());
            out.insert("selectInitialValue".into(), json!([]));
            out.insert("multipleSelect".into(), true.into());
        }
        Kind::Relation(to) | Kind::RelationList(to) => {
            out.insert("referencedApiEndpoint".into(), to.clone().into());
        }
        Kind::Custom => {
            out.insert("customFieldCreatedAt".into(), CUSTOM_CREATED_AT.into());
        }
        Kind::Repeater => {
            out.insert(
                "customFieldCreatedAtList".into(),
                json!([CUSTOM_CREATED_AT]),
            );
        }
        Kind::Text
        | Kind::RichEditorV2
        | Kind::Media
        | Kind::MediaList
        | Kind::File
        | Kind::Date
        | Kind::Number
        | Kind::Boolean
        | Kind::Iframe => {}
    }
    Value::Object(out)
}

fn field_b(field: &Field) -> Value {
    let mut out = common(field);
    out.insert("description".into(), Value::Null);
    out.insert("required".into(), field.required.into());
    match &field.kind {
        Kind::Text => {
            out.insert("isUnique".into(), false.into());
            out.insert("patternMatchValidation".into(), Value::Null);
            out.insert("textSizeLimitValidation".into(), Value::Null);
            out.insert("initialValue".into(), Value::Null);
        }
        Kind::Select(values) => {
            let items = values.iter().map(|value| json!({"value": value}));
            out.insert("selectItems".into(), items.collect());
            out.insert("multipleSelect".into(), true.into());
            out.insert("initialValue".into(), json!([]));
        }
        Kind::Relation(to) | Kind::RelationList(to) => {
            out.insert("referencedApiEndpoint".into(), to.clone().into());
            out.insert("listViewFieldId".into(), "DEFAULT".into());
        }
        Kind::Custom => {
            out.insert("customFieldId".into(), CUSTOM_ID.into());
        }
        Kind::Repeater => {
            out.insert("customFieldIds".into(), json!([CUSTOM_ID]));
        }
        Kind::Boolean => {
            out.insert("initialValue".into(), false.into());
        }
        Kind::RichEditorV2
        | Kind::Media
        | Kind::MediaList
        | Kind::File
        | Kind::Date
        | Kind::Number
        | Kind::Iframe => {
            out.insert("initialValue".into(), Value::Null);
        }
    }
    Value::Object(out)
}
