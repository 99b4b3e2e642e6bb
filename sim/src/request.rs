//! One request from arrival to its answer: counted, spoilt as asked, booked.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, Version};
use tokio::time::sleep;

use crate::body::{Dropped, Flow, SimBody, respond};
use crate::counters::{Arrival, Entry};
use crate::faults::Fault;
use crate::meter::Meter;
use crate::payload::Payload;
use crate::query::Query;
use crate::routes::{Answer, Ask, Length, Route, Site};
use crate::server::Shared;

/// Books the end of a request, however it ends.
#[derive(Debug)]
pub(crate) struct Closing {
    shared: Arc<Shared>,
    entry: Entry,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.shared.ledger().closed(&self.entry);
    }
}

/// One request: counted, met by its faults and edits, answered.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    site: Site,
    client: IpAddr,
    meter: &Meter,
    request: Request<Incoming>,
) -> Result<Response<SimBody>, Dropped> {
    let host =
        header(&request, "host").or_else(|| request.uri().authority().map(ToString::to_string));
    let host = host.unwrap_or_default();
    let site = if site == Site::ByHost {
        Site::of_host(&host, &shared.service_id)
    } else {
        site
    };
    let ask = read(&request, site, client);
    let full = ask.path_and_query.clone();
    let entry = shared.ledger().arrived(Arrival {
        site,
        route: ask.route,
        method: ask.method.clone(),
        path: full.clone(),
        host,
        has_key: ask.key.is_some(),
        range: ask.range.clone(),
        if_range: ask.if_range.clone(),
        if_none_match: ask.if_none_match.clone(),
        if_modified_since: ask.if_modified_since.clone(),
    });
    let closing = Closing {
        shared: Arc::clone(&shared),
        entry: entry.clone(),
    };
    let verdict = shared.world().faults.arrived(ask.route, &full);
    shared.apply_all(verdict.before);
    let answer = match before(&verdict.faults, &full).await? {
        Some(answer) => answer,
        None => {
            let (answer, age) = answer(&shared, site, &ask, full.len());
            if let Some(age) = age {
                shared.ledger().token_used(&entry, age);
            }
            answer
        }
    };
    shared.apply_all(verdict.after);
    let (answer, flow) = spoil(answer, &verdict.faults).await?;
    shared.ledger().answered(&entry, answer.status);
    let accepts_gzip =
        header(&request, "accept-encoding").is_some_and(|codings| codings.contains("gzip"));
    let compress = accepts_gzip && shared.world().gzip;
    let meter = (request.version() <= Version::HTTP_11).then_some(meter);
    Ok(respond(answer, flow, compress, (entry, meter), closing))
}

fn header(request: &Request<Incoming>, name: &str) -> Option<String> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn read(request: &Request<Incoming>, site: Site, client: IpAddr) -> Ask {
    let path = request.uri().path().to_owned();
    Ask {
        site,
        route: Route::of(site, &path),
        method: request.method().to_string(),
        path_and_query: request
            .uri()
            .path_and_query()
            .map_or_else(|| path.clone(), ToString::to_string),
        path,
        query: Query::parse(request.uri().query().unwrap_or("")),
        key: header(request, "x-microcms-api-key"),
        client,
        range: header(request, "range"),
        if_range: header(request, "if-range"),
        if_none_match: header(request, "if-none-match"),
        if_modified_since: header(request, "if-modified-since"),
    }
}

/// The real answer, and the age of the page token that was used.
fn answer(shared: &Shared, site: Site, ask: &Ask, url_len: usize) -> (Answer, Option<Duration>) {
    // 8 KB is the documented limit of a URL.
    if url_len > 8192 && matches!(site, Site::Management | Site::Content) {
        return (Answer::error(414, "URI Too Long"), None);
    }
    let mut world = shared.world();
    match site {
        Site::Management => world.management(ask),
        Site::Content => (world.content(ask), None),
        Site::Images | Site::Files | Site::CustomImages | Site::CustomFiles | Site::Foreign => {
            (world.asset(ask), None)
        }
        Site::ByHost | Site::Admin => (Answer::silent(404), None),
    }
}

/// Faults that act before the request is looked at. `Some` replaces the answer.
async fn before(faults: &[Fault], full: &str) -> Result<Option<Answer>, Dropped> {
    let mut instead = None;
    for fault in faults {
        match fault {
            Fault::Delay { ms } => sleep(Duration::from_millis(*ms)).await,
            Fault::DropBefore => return Err(Dropped),
            Fault::Status {
                consumed: false, ..
            } => instead = replaced(fault),
            Fault::Redirect { status, location } => {
                let mut answer =
                    Answer::silent(*status).header("location", location.replace("{path}", full));
                answer.body = Payload::empty();
                instead = Some(answer);
            }
            Fault::Status { .. }
            | Fault::DropAfter
            | Fault::Cut { .. }
            | Fault::Garbage
            | Fault::Html
            | Fault::Corrupt
            | Fault::DelayAfter { .. }
            | Fault::Stall { .. }
            | Fault::Drip { .. } => {}
        }
    }
    Ok(instead)
}

fn replaced(fault: &Fault) -> Option<Answer> {
    let Fault::Status {
        status,
        headers,
        body,
        ..
    } = fault
    else {
        return None;
    };
    let mut answer = Answer::silent(*status);
    answer.is_json = false;
    answer.body = bytes::Bytes::from(body.clone()).into();
    for (name, value) in headers {
        answer.extra.push((name.clone(), value.clone()));
    }
    Some(answer)
}

/// Faults that act on the finished answer.
async fn spoil(mut answer: Answer, faults: &[Fault]) -> Result<(Answer, Flow), Dropped> {
    let mut flow = Flow::Plain;
    for fault in faults {
        match fault {
            Fault::DelayAfter { ms } => {
                sleep(Duration::from_millis(*ms)).await;
            }
            Fault::DropAfter => return Err(Dropped),
            Fault::Status { consumed: true, .. } => answer = replaced(fault).unwrap_or(answer),
            Fault::Garbage => answer = text("application/json", "\u{0}\u{1}{{{ this is no JSON ]]"),
            Fault::Html => {
                answer = text(
                    "text/html",
                    "<!doctype html><html><body><h1>Sign in to the network</h1></body></html>",
                );
            }
            Fault::Corrupt => {
                answer.body = answer.body.spoil();
            }
            Fault::Cut { after, chunked } => {
                flow = Flow::Cut {
                    after: *after,
                    chunked: *chunked,
                }
            }
            Fault::Stall { after: None } => {
                std::future::pending::<()>().await;
            }
            Fault::Stall { after: Some(after) } => flow = Flow::Stall { after: *after },
            Fault::Drip { bytes_per_second } => {
                flow = Flow::Drip {
                    bytes_per_second: *bytes_per_second,
                }
            }
            Fault::Status { .. }
            | Fault::DropBefore
            | Fault::Delay { .. }
            | Fault::Redirect { .. } => {}
        }
    }
    Ok((answer, flow))
}

fn text(content_type: &str, body: &'static str) -> Answer {
    Answer {
        status: 200,
        headers: vec![("content-type", content_type.into())],
        extra: Vec::new(),
        body: bytes::Bytes::from_static(body.as_bytes()).into(),
        length: Length::Exact,
        is_json: false,
    }
}
