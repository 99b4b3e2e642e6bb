//! Which APIs the service has, and how they are defined.

use super::api::{Api, Ask};
use super::error::RemoteError;
use super::{retry, wire};
use crate::model::{Endpoint, EndpointKind};
use std::time::Duration;

/// One API of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiInfo {
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Its name for people.
    pub name: String,
    /// Whether it holds many contents or one.
    pub kind: EndpointKind,
}

/// The definition of one API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// The JSON text as served. Its form changed in 2026 (microcms-facts 1.6): it is kept as it is.
    Text(String),
    /// The service says that there is no such API.
    Absent,
}

/// Lists the APIs; not paged (microcms-facts 1.6).
pub(super) async fn list(api: &Api, timeout: Duration) -> Result<Vec<ApiInfo>, RemoteError> {
    let ask = Ask {
        target: "api/v1/apis".to_owned(),
        what: "the list of APIs".to_owned(),
        timeout,
    };
    api.get_read(&ask, retry::ATTEMPTS, |body| {
        wire::apis(body)?
            .into_iter()
            .map(|(endpoint, name, kind)| {
                let endpoint = Endpoint::parse(&endpoint).map_err(|err| err.to_string())?;
                Ok(ApiInfo {
                    endpoint,
                    name,
                    kind,
                })
            })
            .collect()
    })
    .await
}

/// Reads the definition of one API.
pub(super) async fn schema(
    api: &Api,
    endpoint: &Endpoint,
    timeout: Duration,
) -> Result<Schema, RemoteError> {
    let ask = Ask {
        target: format!("api/v1/apis/{endpoint}"),
        what: format!("the schema of `{endpoint}`"),
        timeout,
    };
    match api.get_read(&ask, retry::ATTEMPTS, wire::schema).await {
        Ok(text) => Ok(Schema::Text(text)),
        Err(err) if err.is_proof_of_absence() => Ok(Schema::Absent),
        Err(err) => Err(err),
    }
}
