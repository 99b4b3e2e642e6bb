//! Which APIs the service has, and how they are defined.

use super::api::{Api, Ask};
use super::error::RemoteError;
use super::wire::ApiEntry;
use super::{retry, wire};
use crate::model::{Endpoint, EndpointKind};
use std::collections::HashMap;
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

/// The APIs of the service, each read by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiList {
    /// Those that can be walked.
    pub apis: Vec<ApiInfo>,
    /// Those of a type that this program does not know.
    pub strange: Vec<StrangeApi>,
    /// Why an entry cannot be used, for each of which nobody can tell which API it is about. A list with
    /// such an entry is no evidence that an API was deleted.
    pub unusable: Vec<String>,
}

/// An API of a type that this program does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrangeApi {
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Its name for people.
    pub name: String,
    /// What the service calls its type; fit for a terminal.
    pub kind: String,
}

impl ApiList {
    /// Returns how many entries the list has.
    pub fn len(&self) -> usize {
        self.apis.len() + self.strange.len() + self.unusable.len()
    }

    /// Returns whether the list has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the endpoints that are listed.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let strange = self.strange.iter().map(|api| &api.endpoint);
        self.apis.iter().map(|api| &api.endpoint).chain(strange)
    }
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
pub(super) async fn list(api: &Api, timeout: Duration) -> Result<ApiList, RemoteError> {
    let ask = Ask {
        target: "api/v1/apis".to_owned(),
        what: "the list of APIs".to_owned(),
        timeout,
    };
    let entries = api.get_read(&ask, retry::ATTEMPTS, wire::apis).await?;
    let mut list = ApiList::default();
    let mut seen: HashMap<Endpoint, ApiEntry> = HashMap::new();
    for (n, entry) in (1..).zip(entries) {
        if let Ok(entry) = &entry {
            match seen.get(&entry.endpoint) {
                None => drop(seen.insert(entry.endpoint.clone(), entry.clone())),
                Some(first) if first == entry => continue,
                Some(_) => {
                    let endpoint = &entry.endpoint;
                    list.unusable.push(format!(
                        "entry {n} of the list of APIs cannot be used: `{endpoint}` stands there already, as another one"
                    ));
                    continue;
                }
            }
        }
        match entry {
            Ok(ApiEntry {
                endpoint,
                name,
                kind: Ok(kind),
            }) => list.apis.push(ApiInfo {
                endpoint,
                name,
                kind,
            }),
            Ok(ApiEntry {
                endpoint,
                name,
                kind: Err(kind),
            }) => list.strange.push(StrangeApi {
                endpoint,
                name,
                kind: kind.chars().take(40).flat_map(char::escape_debug).collect(),
            }),
            Err(why) => list.unusable.push(format!(
                "entry {n} of the list of APIs cannot be used: {why}"
            )),
        }
    }
    Ok(list)
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
