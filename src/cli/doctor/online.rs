//! What the service tells: whether its hosts are there, and what the key may do.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;
use url::Url;

use super::super::assemble;
use super::super::run::Clock;
use super::checks::{About, Checks};
use super::local::Known;
use super::rights::{self, Right};
use crate::config::{ApiKey, Config};
use crate::model::{Endpoint, EndpointKind, ServedContent, Status, Timestamp, counted, span};
use crate::remote::{self, Lookup, Refusal, Remote, RemoteError};
use crate::store::Sample;

/// Skew that is worth a word: `Date` is exact to a second, and the answer travelled.
const SKEW_SEEN: Duration = Duration::from_secs(10);
/// Skew with which the backup's times would be wrong and certificates may seem invalid.
const SKEW_TOO_MUCH: Duration = Duration::from_secs(5 * 60);
/// APIs whose first contents are listed where the database knows none: each costs a request of ten.
const LISTED_WITHOUT_DATABASE: usize = 3;
/// Surprising answers that are held against the present state of the content: each costs a request.
const CONFIRMED: usize = 2;

/// Asks the two APIs.
pub(crate) async fn service(
    config: &Config,
    key: &ApiKey,
    known: Known,
    clock: Clock,
    checks: &mut Checks,
) {
    let mut config = config.clone();
    if known.has_run {
        // The run has the other nine: its page tokens live 15 s and cannot wait for us.
        info!("a run is under way: asking the Management API once in 10 s");
        config.limits.management_per_10s = 1;
    }
    let remote = match assemble::remote(&config, key, Arc::default()) {
        Ok(remote) => remote,
        Err(failure) => {
            checks.fail("certificates", About::Other, failure.line(), failure.hint);
            return;
        }
    };
    let now = clock();
    let ages = known.recent_requests.iter().filter_map(|at| now.since(*at));
    remote.remember_requests(ages);

    let configured = config.service.endpoints.clone().unwrap_or_default();
    let mut samples = known.samples;
    let apis = management(&remote, &configured, &mut samples, checks).await;
    let apis = apis.unwrap_or_else(|| {
        // Not listed, but named or known: the Content API can be asked all the same.
        let known = samples.iter().map(|sample| &sample.endpoint);
        let named = configured
            .iter()
            .chain(known.filter(|_| configured.is_empty()));
        named
            .map(|name| (name.clone(), EndpointKind::List))
            .collect()
    });
    content(&remote, &apis, &samples, checks).await;
    skew(&remote, clock(), checks);
}

type Api = (Endpoint, EndpointKind);

/// Asks the Management API. Returns the APIs to go on with; `None`: unknown.
async fn management(
    remote: &Remote,
    configured: &[Endpoint],
    samples: &mut Vec<Sample>,
    checks: &mut Checks,
) -> Option<Vec<Api>> {
    const NAME: &str = "management API";
    let [host, _] = remote.api_hosts();
    let service = remote.service_name().await;
    match &service {
        Ok(name) => checks.ok(NAME, format!("`{host}` answers for the service `{name}`")),
        Err(err) if err.refusal() == Some(Refusal::Forbidden) => {
            checks.ok(NAME, format!("`{host}` answers"));
        }
        // The right's question is newer than the API: an older service may not know it.
        Err(err) if err.refusal() == Some(Refusal::NotFound) => {
            checks.ok(NAME, format!("`{host}` answers"));
        }
        Err(err) => {
            checks.fail(NAME, about(err), err.chain(), err.hint());
            checks.skip("right", "those of the Management API were not asked for");
            return None;
        }
    }
    let apis = remote.apis().await;
    let media = remote.count_media().await;
    let targets: Option<Vec<Api>> = apis.as_ref().ok().map(|apis| {
        let is_wanted =
            |endpoint: &Endpoint| configured.is_empty() || configured.contains(endpoint);
        apis.apis
            .iter()
            .filter(|api| is_wanted(&api.endpoint))
            .map(|api| (api.endpoint.clone(), api.kind))
            .collect()
    });
    let listed = list_some(remote, targets.as_deref(), configured, samples).await;

    let is_no = |err: &RemoteError| err.refusal() == Some(Refusal::Forbidden);
    let is_refused = [
        service.as_ref().err(),
        apis.as_ref().err(),
        media.as_ref().err(),
    ];
    if is_refused.iter().all(|err| err.is_some_and(is_no)) {
        let help = "check that the key belongs to this service, then give it the rights below";
        let text = "the Management API refuses every question: the key is another service's, or has no right there";
        checks.fail("key", About::Key, text, help.to_owned());
    }
    match apis {
        Ok(apis) => {
            let text = format!(
                "{}: {}",
                rights::APIS.name,
                counted(apis.len() as u64, "API", "APIs")
            );
            checks.ok("right", text);
            for api in &apis.strange {
                let text = format!(
                    "the API `{}` is of an unknown type `{}`",
                    api.endpoint, api.kind
                );
                checks.warn(NAME, text, None);
            }
            for why in &apis.unusable {
                checks.warn(NAME, why.clone(), None);
            }
            let is_listed = |name: &Endpoint| apis.endpoints().any(|listed| listed == name);
            let is_whole = apis.unusable.is_empty();
            for name in configured
                .iter()
                .filter(|name| is_whole && !is_listed(name))
            {
                let text = format!("service.endpoints: the service has no API `{name}`");
                let names: Vec<&str> = apis.endpoints().map(Endpoint::as_str).collect();
                let help = format!("it has {}", names.join(", "));
                checks.fail("configuration", About::Configuration, text, help);
            }
        }
        Err(err) if is_no(&err) && !configured.is_empty() => {
            let text = format!("{}: not granted", rights::APIS.name);
            checks.warn("right", text, rights::APIS.help());
        }
        Err(err) => missing(rights::APIS, &err, checks),
    }
    match media {
        Ok(count) => checks.ok("right", format!("{}: {count} media", rights::MEDIA.name)),
        Err(err) => missing(rights::MEDIA, &err, checks),
    }
    match listed {
        Some(Ok(endpoint)) => {
            let text = format!("{}: tried with `{endpoint}`", rights::CONTENTS.name);
            checks.ok("right", text);
        }
        Some(Err(err)) => missing(rights::CONTENTS, &err, checks),
        None => {
            let text = format!("{}: there is no API to try it with", rights::CONTENTS.name);
            checks.skip("right", text);
        }
    }
    let granted = match service {
        Ok(_) => "granted",
        Err(_) => "not granted",
    };
    checks.ok(
        "right",
        format!("{}: {granted}; not needed", rights::SERVICE),
    );
    targets
}

/// Lists the first contents of an API, and of some more where nothing is known of any: that tries the
/// right, and finds contents by which to try others. `None`: there is no API.
async fn list_some(
    remote: &Remote,
    targets: Option<&[Api]>,
    configured: &[Endpoint],
    samples: &mut Vec<Sample>,
) -> Option<Result<Endpoint, RemoteError>> {
    let mut endpoints: Vec<Endpoint> = match targets {
        // Lists first: an object API has one content.
        Some(targets) => {
            let of = |kind| {
                let of_kind = move |api: &&Api| api.1 == kind;
                targets.iter().filter(of_kind).map(|api| api.0.clone())
            };
            of(EndpointKind::List)
                .chain(of(EndpointKind::Object))
                .collect()
        }
        None => configured.to_vec(),
    };
    endpoints.truncate(if samples.is_empty() {
        LISTED_WITHOUT_DATABASE
    } else {
        1
    });
    let mut tried = None;
    for endpoint in endpoints {
        let is_list =
            targets.is_none_or(|targets| targets.contains(&(endpoint.clone(), EndpointKind::List)));
        match remote.first_contents(&endpoint).await {
            Ok(contents) => {
                if is_list && samples.iter().all(|sample| sample.endpoint != endpoint) {
                    samples.push(sample(&endpoint, &contents));
                }
                tried.get_or_insert(Ok(endpoint));
            }
            Err(err) => return Some(tried.unwrap_or(Err(err))),
        }
    }
    tried
}

fn sample(endpoint: &Endpoint, contents: &[ServedContent]) -> Sample {
    let first = |status: Status| {
        let of_status =
            |content: &&ServedContent| content.status == status && content.id.is_plain();
        contents
            .iter()
            .find(of_status)
            .map(|content| content.id.clone())
    };
    Sample {
        endpoint: endpoint.clone(),
        draft: first(Status::Draft),
        closed: first(Status::Closed),
        has_both: first(Status::PublishAndDraft).is_some(),
    }
}

/// Asks the Content API: the right to GET for each API, and what the key sees.
async fn content(remote: &Remote, apis: &[Api], samples: &[Sample], checks: &mut Checks) {
    const NAME: &str = "content API";
    let [_, host] = remote.api_hosts();
    if apis.is_empty() {
        checks.skip(NAME, "there is no API to ask it about");
        return;
    }
    let mut refused: Vec<(&Endpoint, RemoteError)> = Vec::new();
    for (endpoint, kind) in apis {
        match remote.may_read(endpoint, *kind).await {
            Ok(()) => {}
            Err(err) if err.refusal() == Some(Refusal::EndpointForbidden) => {
                refused.push((endpoint, err));
            }
            Err(err) => {
                // The key, the plan, the network: the same for every API.
                let text = match err.refusal() {
                    Some(Refusal::Forbidden) => format!("does not know the key: {}", err.chain()),
                    Some(_) | None => err.chain(),
                };
                checks.fail(NAME, about(&err), text, err.hint());
                return;
            }
        }
    }
    checks.ok(NAME, format!("`{host}` answers"));
    match refused.first() {
        None => {
            let text = match apis.len() {
                1 => format!(
                    "GET: for the API `{}`",
                    apis.first().map_or("", |api| api.0.as_str())
                ),
                count => format!("GET: for all {count} APIs"),
            };
            checks.ok("right", text);
        }
        Some((_, err)) => {
            let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
            let text = format!("GET: not for {}: {}", names.join(", "), err.chain());
            checks.fail("right", About::Key, text, rights::GET.help());
        }
    }
    let is_readable = |sample: &&Sample| {
        let name = &sample.endpoint;
        apis.iter().any(|api| api.0 == *name) && refused.iter().all(|(refused, _)| *refused != name)
    };
    let samples: Vec<&Sample> = samples.iter().filter(is_readable).collect();
    let mut left = CONFIRMED;
    all_drafts(remote, &samples, &mut left, checks).await;
    all_closed(remote, &samples, &mut left, checks).await;
}

/// With the right to all drafts the service shows the draft in place of what is published
/// (microcms-facts 2.2).
async fn all_drafts(remote: &Remote, samples: &[&Sample], left: &mut usize, checks: &mut Checks) {
    let name = rights::ALL_DRAFTS;
    let mut tried = 0;
    let mut seen: Vec<&Sample> = Vec::new();
    for sample in samples {
        let Some(id) = sample.draft.as_ref().filter(|id| id.is_plain()) else {
            continue;
        };
        match remote.sees(&sample.endpoint, id).await {
            Ok(false) => tried += 1,
            // It may have been published since the last run.
            Ok(true) if still(remote, sample, id, &Status::Draft, left).await => {
                tried += 1;
                seen.push(sample);
            }
            Ok(true) => {}
            Err(err) => {
                checks.warn(
                    "right",
                    format!("{name}: cannot be told: {}", err.chain()),
                    err.hint(),
                );
                return;
            }
        }
    }
    if tried == 0 {
        let text = format!(
            "{name}: cannot be told, for no content is known that was never published; leave it off"
        );
        checks.skip("right", text);
        return;
    }
    let names: Vec<&str> = seen.iter().map(|sample| sample.endpoint.as_str()).collect();
    if seen.is_empty() {
        checks.ok("right", format!("{name}: off, as it should be"));
    } else if seen.iter().any(|sample| sample.has_both) {
        let text = format!(
            "{name}: granted for {}: it hides the published bodies of contents that have a draft as well, and there are such",
            names.join(", ")
        );
        checks.fail("right", About::Key, text, rights::TAKE_AWAY.to_owned());
    } else {
        let text = format!(
            "{name}: granted for {}: it hides the published bodies of contents that have a draft as well",
            names.join(", ")
        );
        checks.warn("right", text, rights::TAKE_AWAY.to_owned());
    }
}

async fn all_closed(remote: &Remote, samples: &[&Sample], left: &mut usize, checks: &mut Checks) {
    let name = rights::ALL_CLOSED.name;
    let mut tried = 0;
    let mut unseen: Vec<&str> = Vec::new();
    for sample in samples {
        let Some(id) = sample.closed.as_ref().filter(|id| id.is_plain()) else {
            continue;
        };
        match remote.sees(&sample.endpoint, id).await {
            Ok(true) => tried += 1,
            // It may have been deleted since the last run.
            Ok(false) if still(remote, sample, id, &Status::Closed, left).await => {
                tried += 1;
                unseen.push(sample.endpoint.as_str());
            }
            Ok(false) => {}
            Err(err) => {
                checks.warn(
                    "right",
                    format!("{name}: cannot be told: {}", err.chain()),
                    err.hint(),
                );
                return;
            }
        }
    }
    if tried == 0 {
        let text = format!("{name}: cannot be told, for no closed content is known");
        checks.skip("right", text);
    } else if unseen.is_empty() {
        checks.ok("right", format!("{name}: granted"));
    } else {
        let text = format!(
            "{name}: not for {}, where there are such contents",
            unseen.join(", ")
        );
        checks.fail("right", About::Key, text, rights::ALL_CLOSED.help());
    }
}

/// Returns whether a content still has the status it is known to have, as far as `left` questions about
/// that go: after those, the database is believed.
async fn still(
    remote: &Remote,
    sample: &Sample,
    id: &crate::model::ContentId,
    status: &Status,
    left: &mut usize,
) -> bool {
    let Some(fewer) = left.checked_sub(1) else {
        return true;
    };
    *left = fewer;
    match remote.look_up(&sample.endpoint, id).await {
        Ok(Lookup::Found(content)) => content.status == *status,
        Ok(Lookup::Absent) => false,
        Err(_) => true,
    }
}

fn missing(right: Right, err: &RemoteError, checks: &mut Checks) {
    if err.refusal() == Some(Refusal::Forbidden) {
        let text = format!("{}: not granted ({})", right.name, err.chain());
        checks.fail("right", About::Key, text, right.help());
    } else {
        let text = format!("{}: cannot be told: {}", right.name, err.chain());
        checks.fail("right", about(err), text, err.hint());
    }
}

fn about(err: &RemoteError) -> About {
    match err.refusal() {
        Some(Refusal::Forbidden | Refusal::EndpointForbidden | Refusal::Ip | Refusal::Stopped) => {
            About::Key
        }
        Some(Refusal::Gate | Refusal::NotFound | Refusal::TooLarge | Refusal::Other) | None => {
            About::Other
        }
    }
}

/// Holds this machine's clock against the service's.
fn skew(remote: &Remote, now: Timestamp, checks: &mut Checks) {
    const NAME: &str = "clock";
    let Some(theirs) = remote.server_now() else {
        checks.skip(NAME, "no answer told the time");
        return;
    };
    let (ahead, behind) = (now.since(theirs), theirs.since(now));
    let off = ahead.max(behind).unwrap_or_default();
    let direction = if ahead >= behind {
        "ahead of"
    } else {
        "behind"
    };
    let text = format!("{} {direction} the service's", span(off));
    let help =
        "set it by NTP (`timedatectl set-ntp true`): the history is told in this clock's times";
    if off > SKEW_TOO_MUCH {
        checks.fail(NAME, About::Other, text, help.to_owned());
    } else if off > SKEW_SEEN {
        checks.warn(NAME, text, help.to_owned());
    } else {
        checks.ok(NAME, "agrees with the service's");
    }
}

/// Asks each asset host for a sign of life, without the key.
pub(crate) async fn asset_hosts(config: &Config, checks: &mut Checks) {
    const NAME: &str = "asset host";
    for host in &config.assets.hosts {
        let is_plain = is_plain(host, &config.service.management_url);
        match remote::reach(host, is_plain, config.limits.connect_timeout).await {
            Ok(status) => checks.ok(NAME, format!("`{host}` answers ({status})")),
            Err(err) => checks.fail(NAME, About::Other, err.chain(), err.hint()),
        }
    }
}

/// Whether a host is a stand-in on this machine, as the APIs then are too.
fn is_plain(host: &str, management_url: &Url) -> bool {
    let here = |url: &Url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    let is_here = Url::parse(&format!("http://{host}/")).is_ok_and(|url| here(&url));
    is_here && management_url.scheme() == "http"
}
