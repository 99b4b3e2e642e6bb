//! The one content of an object API, where its listing tells no id (microcms-facts 8.19).

use crate::model::{ContentId, Endpoint, EndpointKind, ServedContent};
use crate::remote::read_content;
use crate::store::{Store, StoreError};

/// Returns whether this is the content of an object API whose listing tells no id, so that it has the API's name.
pub(in crate::sync) fn is_nameless(
    endpoint: &Endpoint,
    kind: Option<EndpointKind>,
    content: &ServedContent,
) -> bool {
    kind == Some(EndpointKind::Object)
        && content.id.as_str() == endpoint.as_str()
        && read_content(&content.metadata, None).is_err()
}

/// Returns the id under which it is known from when its listing told one: an API of this kind has one content.
pub(in crate::sync) fn known_id(
    store: &Store,
    endpoint: &Endpoint,
) -> Result<Option<ContentId>, StoreError> {
    let others = store.absent_contents(endpoint, None, &|id| id == endpoint.as_str())?;
    let mut others = others.missing.into_iter();
    Ok(others.next().filter(|_| others.next().is_none()))
}
