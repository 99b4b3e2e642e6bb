//! The admin listener: the library's control as JSON over HTTP, loopback only.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::body::SimBody;
use crate::faults::{EditRule, FaultRule};
use crate::server::Shared;
use crate::state::edits::Edit;

/// Answers one request of the admin listener.
pub(crate) async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<SimBody> {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let (status, value) = match dispatch(shared, &method, &path, &body) {
        Ok(value) => (StatusCode::OK, value),
        Err((status, message)) => (status, json!({ "message": message })),
    };
    let mut response = Response::new(SimBody::plain(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

type Refusal = (StatusCode, String);

fn dispatch(shared: &Shared, method: &str, path: &str, body: &[u8]) -> Result<Value, Refusal> {
    match (method, path) {
        ("POST", "/faults") => {
            let rule: FaultRule = read(body)?;
            shared.world().faults.add_fault(rule);
        }
        ("DELETE", "/faults") => shared.world().faults.clear(),
        ("POST", "/triggers") => {
            let rule: EditRule = read(body)?;
            shared.world().faults.add_edit(rule);
        }
        ("POST", "/edits") => {
            let edit: Edit = read(body)?;
            let edited = shared.world().apply(edit);
            let id = edited.map_err(|error| (StatusCode::CONFLICT, error.to_string()))?;
            return Ok(json!({ "id": id }));
        }
        ("POST", "/forget") => shared.ledger().forget(),
        ("GET", "/counters") => return show(&shared.counters()),
        ("GET", "/requests") => return show(&shared.records()),
        ("GET", "/truth") => {
            let truth = shared.world().truth();
            return show(&truth);
        }
        _ => {
            return Err((
                StatusCode::NOT_FOUND,
                format!("there is no {method} {path}"),
            ));
        }
    }
    Ok(json!({}))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn show<T: serde::Serialize>(value: &T) -> Result<Value, Refusal> {
    serde_json::to_value(value)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
