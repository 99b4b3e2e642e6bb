//! One content, asked for by its id.

use crate::model::{ContentId, Endpoint, ServedContent};
use crate::remote::api::{Api, Ask};
use crate::remote::error::RemoteError;
use crate::remote::{retry, wire};
use percent_encoding::utf8_percent_encode;
use std::time::Duration;

/// What a look-up by id found.
#[derive(Debug)]
pub enum Lookup {
    /// It exists.
    Found(Box<ServedContent>),
    /// The service has no such content: the only evidence that makes a tombstone.
    Absent,
}

/// Asks for one content by id.
pub(in crate::remote) async fn lookup(
    api: &Api,
    endpoint: &Endpoint,
    id: &ContentId,
    timeout: Duration,
) -> Result<Lookup, RemoteError> {
    let ask = Ask {
        target: format!(
            "api/v1/contents/{endpoint}/{}",
            utf8_percent_encode(id.as_str(), wire::SEGMENT)
        ),
        what: format!("content `{id}` of `{endpoint}`"),
        timeout,
    };
    match api
        .get_read(&ask, retry::ATTEMPTS, |body| {
            let content = wire::content_detail(body, id.as_str())?;
            if content.id == *id {
                Ok(content)
            } else {
                Err(format!("it is about `{}`", content.id))
            }
        })
        .await
    {
        Ok(content) => Ok(Lookup::Found(Box::new(content))),
        Err(err) if err.is_proof_of_absence() => Ok(Lookup::Absent),
        Err(err) => Err(err),
    }
}
