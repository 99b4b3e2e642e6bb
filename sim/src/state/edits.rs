//! What people do in the admin screen, as values: applied at once by
//! [`Sim::edit`](crate::Sim::edit), or in the middle of a walk by
//! [`Sim::on`](crate::Sim::on).

mod error;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::World;
use super::contents::{ApiKind, Status};
use super::rights::{ContentRights, ManagementRights};
use super::schema::SchemaFormat;
use crate::routes::asset_options::AssetOptions;

pub use error::EditError;

/// A change of the service.
///
/// Where a variant has `touch`, it says whether `updatedAt` moves: the real
/// service does not document it for media, so both must be survived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub enum Edit {
    /// Uploads a medium. Its kind follows the extension of `name`.
    AddMedium {
        /// The file name, not percent-encoded.
        name: String,
        /// The bytes; made from the seed when absent.
        #[serde(default, with = "payload")]
        bytes: Option<Vec<u8>>,
        /// The URL's path, percent-encoded, when it must be a certain one (hostile names).
        #[serde(default)]
        path: Option<String>,
        /// Alternative text.
        #[serde(default)]
        alt: Option<String>,
        /// Tags.
        #[serde(default)]
        tags: Vec<String>,
    },
    /// Deletes a medium: gone from the list, 404 at the asset host.
    DeleteMedium {
        /// The medium.
        id: String,
    },
    /// "Delete all media".
    DeleteAllMedia,
    /// Re-upload under the same URL (the default since 2025-11-04).
    ReplaceBytes {
        /// The medium.
        id: String,
        /// The new bytes; made from the seed when absent.
        #[serde(default, with = "payload")]
        bytes: Option<Vec<u8>>,
        /// Whether `updatedAt` moves.
        touch: bool,
        /// How many further requests a stale CDN answers with the old bytes.
        #[serde(default)]
        stale_requests: u32,
    },
    /// Re-upload with "新しいURLで差し替え": the URL changes, the old one dies.
    ReplaceUnderNewUrl {
        /// The medium.
        id: String,
        /// The new bytes; made from the seed when absent.
        #[serde(default, with = "payload")]
        bytes: Option<Vec<u8>>,
    },
    /// Renames the file: the URL changes, the bytes stay.
    RenameMedium {
        /// The medium.
        id: String,
        /// The new file name, not percent-encoded.
        name: String,
        /// Whether `updatedAt` moves.
        touch: bool,
    },
    /// Re-upload under the same URL of a file made from the seed that is so long:
    /// also gigabytes, for it is made while it is sent. (A huge PNG costs a pass over
    /// all its bytes when its end is read, for they have a checksum.)
    ResizeMedium {
        /// The medium.
        id: String,
        /// In bytes.
        size: u64,
        /// Whether `updatedAt` moves.
        touch: bool,
    },
    /// Gives the medium any URL path, as often as wanted; the bytes stay. Two media may
    /// have the same: their URL serves the one that got it last.
    SetMediumPath {
        /// The medium.
        id: String,
        /// The URL's path, percent-encoded, with its first slash.
        path: String,
        /// Whether `updatedAt` moves.
        touch: bool,
    },
    /// Sets or removes the alternative text.
    SetAlt {
        /// The medium.
        id: String,
        /// `None` removes the key from the list's answer.
        alt: Option<String>,
        /// Whether `updatedAt` moves.
        touch: bool,
    },
    /// Sets the tags.
    SetTags {
        /// The medium.
        id: String,
        /// All tags.
        tags: Vec<String>,
        /// Whether `updatedAt` moves.
        touch: bool,
    },
    /// Moves `updatedAt` and changes nothing else.
    TouchMedium {
        /// The medium.
        id: String,
    },
    /// Lets the asset host answer 404 for a medium that stays listed.
    HideAsset {
        /// The medium.
        id: String,
        /// On or off.
        hidden: bool,
    },
    /// Adds a content. It stands at the top unless `place` says otherwise.
    AddContent {
        /// The list API.
        endpoint: String,
        /// Its id; made from the seed when absent.
        #[serde(default)]
        id: Option<String>,
        /// Its state.
        status: Status,
        /// Its fields; made from the seed when absent.
        #[serde(default)]
        fields: Option<Map<String, Value>>,
        /// Position in the order, 0 being the top.
        #[serde(default)]
        place: usize,
    },
    /// Deletes a content.
    DeleteContent {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
    },
    /// Drags a content to another place; nothing in its metadata changes.
    MoveContent {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
        /// The new position, 0 being the top.
        place: usize,
    },
    /// Publishes the draft.
    Publish {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
    },
    /// Adds a draft to a published content, or saves a draft again. The draft key stays if there is one.
    AddDraft {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
        /// Fields laid over the newest body.
        fields: Map<String, Value>,
    },
    /// Throws the draft of a published content away.
    DiscardDraft {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
    },
    /// Ends the publication; a draft is lost with it.
    Close {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
    },
    /// Takes a published content back to draft.
    BackToDraft {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
    },
    /// Edits the published body and publishes it again.
    EditBody {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
        /// Fields laid over the published body.
        fields: Map<String, Value>,
    },
    /// Sets reservations; `updatedAt` stays.
    Reserve {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
        /// When to publish, RFC 3339.
        #[serde(default)]
        publish: Option<String>,
        /// When to stop, RFC 3339.
        #[serde(default)]
        stop: Option<String>,
    },
    /// Edits the publication date; `updatedAt` stays.
    SetPublishedAt {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
        /// The new date, RFC 3339.
        at: String,
    },
    /// Changes the creator; `updatedAt` stays.
    SetCreatedBy {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
        /// A member's id.
        member: String,
    },
    /// Sets or removes the custom status; `updatedAt` stays.
    SetCustomStatus {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
        /// The name of the status; `None` removes it.
        name: Option<String>,
    },
    /// Renames a content's id.
    RenameContent {
        /// The API.
        endpoint: String,
        /// The content.
        id: String,
        /// The new id.
        to: String,
    },
    /// Adds an API with generated contents.
    AddApi {
        /// The endpoint.
        endpoint: String,
        /// List or object.
        kind: ApiKind,
        /// How many contents (object: always one).
        #[serde(default)]
        contents: u32,
    },
    /// Deletes an API with its contents.
    DeleteApi {
        /// The endpoint.
        endpoint: String,
    },
    /// Changes the display name of an API.
    RenameApi {
        /// The endpoint.
        endpoint: String,
        /// The new name.
        name: String,
    },
    /// Adds a text field to an API's schema.
    AddField {
        /// The endpoint.
        endpoint: String,
        /// The field's id.
        field: String,
    },
    /// Changes the name of the service.
    RenameService {
        /// The new name.
        name: String,
    },
    /// Switches between the schema forms.
    SetSchemaFormat {
        /// The form from now on.
        format: SchemaFormat,
    },
    /// Switches the media list between the form before 2026-04-08 and the current one.
    SetOldMediaForm {
        /// True for the old form.
        on: bool,
    },
    /// Stops the service for its quota: 400 `API is stopped for … service. Please upgrade your plan.`
    StopService {
        /// On or off.
        on: bool,
    },
    /// Refuses every client address: 400 `IP address rejected.`
    RejectIp {
        /// On or off.
        on: bool,
    },
    /// Changes the main key's Management permissions.
    SetManagementRights {
        /// From now on.
        rights: ManagementRights,
    },
    /// Changes the main key's Content permissions.
    SetContentRights {
        /// `None`: the default for all endpoints.
        #[serde(default)]
        endpoint: Option<String>,
        /// From now on.
        rights: ContentRights,
    },
    /// Replaces the main key.
    ChangeKey {
        /// The new key.
        key: String,
    },
    /// Lets every page token expire at once.
    ExpireTokens,
    /// A custom domain begins or, applied again, ends. Begun, every listed URL and
    /// every one in generated bodies shows the custom hosts, and the service's own
    /// hosts answer 302 to them. Ended, the custom hosts answer 404.
    SwitchAssetHosts {
        /// Whether the `updatedAt` of all media moves.
        touch: bool,
    },
    /// Changes what the asset hosts support, and how they lie.
    SetAssetOptions {
        /// From now on.
        options: AssetOptions,
    },
    /// Changes how long an answer of the JSON APIs may be.
    SetMaxAnswerBytes {
        /// In bytes; the real service has about 5 MB.
        bytes: usize,
    },
}

impl World {
    /// Applies an edit: all of it or, on an error, nothing. Returns the id (or
    /// endpoint, or name) of what was edited; a new thing's id for the adding ones.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the chain's last link, `apply_to_metadata`, names every variant"
    )]
    pub(crate) fn apply(&mut self, edit: Edit) -> Result<String, EditError> {
        match edit {
            Edit::RenameService { name } => {
                self.service_name.clone_from(&name);
                Ok(name)
            }
            Edit::SetSchemaFormat { format } => {
                self.schema_format = format;
                Ok(String::new())
            }
            Edit::SetOldMediaForm { on } => {
                self.old_media_form = on;
                Ok(String::new())
            }
            Edit::StopService { on } => {
                self.stopped = on;
                Ok(String::new())
            }
            Edit::RejectIp { on } => {
                self.ip_rejected = on;
                Ok(String::new())
            }
            Edit::SetManagementRights { rights } => {
                if let Some(key) = self.keys.first_mut() {
                    key.management = rights;
                }
                Ok(String::new())
            }
            Edit::SetContentRights { endpoint, rights } => {
                if let Some(key) = self.keys.first_mut() {
                    match endpoint {
                        Some(endpoint) => {
                            key.per_endpoint.insert(endpoint, rights);
                        }
                        None => key.content = rights,
                    }
                }
                Ok(String::new())
            }
            Edit::ChangeKey { key: text } => {
                if let Some(key) = self.keys.first_mut() {
                    key.text.clone_from(&text);
                }
                Ok(text)
            }
            Edit::ExpireTokens => {
                self.tokens.expire_all();
                Ok(String::new())
            }
            Edit::SetAssetOptions { options } => {
                if self.assets.frozen_validators && !options.frozen_validators {
                    self.media_mut().thaw();
                }
                self.assets = options;
                Ok(String::new())
            }
            Edit::SetMaxAnswerBytes { bytes } => {
                self.max_answer_bytes = bytes;
                Ok(String::new())
            }
            other => self.apply_to_media(other),
        }
    }
}

/// Bytes in JSON: a text for its UTF-8 bytes, or an array of numbers.
mod payload {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Text(String),
        Bytes(Vec<u8>),
    }

    #[expect(
        clippy::ref_option,
        reason = "serde's `with` passes the field by reference"
    )]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes.as_deref().map(std::str::from_utf8) {
            Some(Ok(text)) => text.serialize(to),
            Some(Err(_)) | None => bytes.serialize(to),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(
            Option::<Given>::deserialize(from)?.map(|given| match given {
                Given::Text(text) => text.into_bytes(),
                Given::Bytes(bytes) => bytes,
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_survive_json() {
        let edits = [
            Edit::ReplaceBytes {
                id: "x".into(),
                bytes: Some(b"v2".to_vec()),
                touch: true,
                stale_requests: 0,
            },
            Edit::ReplaceBytes {
                id: "x".into(),
                bytes: Some(vec![0xff, 0]),
                touch: false,
                stale_requests: 2,
            },
            Edit::DeleteAllMedia,
            Edit::Publish {
                endpoint: "blog".into(),
                id: "a".into(),
            },
        ];
        for edit in edits {
            let text = serde_json::to_string(&edit).unwrap();
            assert_eq!(serde_json::from_str::<Edit>(&text).unwrap(), edit, "{text}");
        }
        let short = r#"{"edit":"add_medium","name":"a.png"}"#;
        assert!(matches!(
            serde_json::from_str(short),
            Ok(Edit::AddMedium { bytes: None, .. })
        ));
    }
}
