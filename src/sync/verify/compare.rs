//! What is here against what the service has: the same walks as a run, and nothing written.
//!
//! A listing that could not be proven proves nothing about what it lacks: that is unverifiable, and the
//! whole then cannot be called verified.

mod lengths;
mod listed;

use super::{Verify, VerifyError};
use crate::model::{
    Compared, ComparedAll, Difference, DifferenceKind, Endpoint, EndpointKind, ExitCode,
};
use crate::remote::{ApiInfo, Refusal, Remote, RemoteError};
use crate::store::EndpointRow;

pub(super) async fn part(verify: &Verify) -> Result<(), VerifyError> {
    let Some(remote) = verify.rooms.remote.clone() else {
        return Ok(());
    };
    let targets = apis(verify, &remote).await?;
    listed::media(verify, &remote).await?;
    for target in targets {
        if verify.is_stopping() {
            break;
        }
        listed::contents(verify, &remote, &target).await?;
        verify.say();
    }
    if !verify.is_stopping() {
        lengths::part(verify, &remote).await?;
    }
    Ok(())
}

/// An API whose contents are compared.
#[derive(Clone, Debug)]
struct Target {
    endpoint: Endpoint,
    kind: Option<EndpointKind>,
    /// Whether the service has it. If not, nor has it the contents.
    is_there: bool,
}

/// Compares the APIs by name. Returns those whose contents are to be compared.
async fn apis(verify: &Verify, remote: &Remote) -> Result<Vec<Target>, VerifyError> {
    let known = verify.ask(|store| store.load_endpoints()).await?;
    let wanted = &verify.options.endpoints;
    let is_wanted = |endpoint: &Endpoint| wanted.is_empty() || wanted.contains(endpoint);
    let known: Vec<EndpointRow> = known
        .into_iter()
        .filter(|row| !row.is_deleted && is_wanted(&row.endpoint))
        .collect();
    let found = match remote.apis().await {
        Ok(found) => found,
        Err(err) => return Ok(unlisted(verify, &err, known).await),
    };
    let mut targets = Vec::new();
    for api in found.apis.iter().filter(|api| is_wanted(&api.endpoint)) {
        let row = known.iter().find(|row| row.endpoint == api.endpoint);
        one_api(verify, api, row).await;
        targets.push(Target {
            endpoint: api.endpoint.clone(),
            kind: Some(api.kind),
            is_there: true,
        });
    }
    let strange = found.strange.iter();
    for api in strange.filter(|api| is_wanted(&api.endpoint)) {
        let text = format!(
            "the API `{}` is of an unknown type `{}`",
            api.endpoint, api.kind
        );
        verify.unproven(ExitCode::Failed, text);
        targets.push(Target {
            endpoint: api.endpoint.clone(),
            kind: known
                .iter()
                .find(|row| row.endpoint == api.endpoint)
                .map(|row| row.kind),
            is_there: true,
        });
    }
    let missing = known
        .into_iter()
        .filter(|row| found.endpoints().all(|listed| *listed != row.endpoint));
    if let Some(why) = found.unusable.first() {
        // What is missing may stand in such an entry.
        verify.unproven(ExitCode::Failed, why.clone());
        targets.extend(untold(verify, missing, why).await);
        return Ok(targets);
    }
    for row in missing {
        let place = format!("endpoints/{}", row.endpoint);
        let thing = format!("API `{}`", row.endpoint);
        verify
            .compared(
                |all| &mut all.apis,
                DifferenceKind::MissingThere,
                thing,
                place,
                "",
            )
            .await;
        targets.push(Target {
            endpoint: row.endpoint,
            kind: Some(row.kind),
            is_there: false,
        });
    }
    Ok(targets)
}

async fn one_api(verify: &Verify, api: &ApiInfo, row: Option<&EndpointRow>) {
    let thing = format!("API `{}`", api.endpoint);
    let place = format!("endpoints/{}", api.endpoint);
    let (kind, detail) = match row {
        None => (DifferenceKind::MissingHere, String::new()),
        Some(row) if row.name == api.name && row.kind == api.kind => {
            verify.same(|all| &mut all.apis);
            return;
        }
        Some(_) => (DifferenceKind::Differs, "name or kind".to_owned()),
    };
    verify
        .compared(|all| &mut all.apis, kind, thing, place, &detail)
        .await;
}

/// The APIs that are known, where the key may not list them. Configured ones can be compared without.
async fn unlisted(verify: &Verify, err: &RemoteError, known: Vec<EndpointRow>) -> Vec<Target> {
    let is_configured = !verify.options.endpoints.is_empty();
    if !(is_configured && err.refusal() == Some(Refusal::Forbidden)) {
        verify.trouble("the list of APIs", err);
    }
    untold(verify, known, "the key may not list APIs").await
}

/// APIs of which `why` keeps anyone from telling whether the service has them.
async fn untold(
    verify: &Verify,
    known: impl IntoIterator<Item = EndpointRow>,
    why: &str,
) -> Vec<Target> {
    let mut targets = Vec::new();
    for row in known {
        let place = format!("endpoints/{}", row.endpoint);
        let thing = format!("API `{}`", row.endpoint);
        let kind = DifferenceKind::Unverifiable;
        verify
            .compared(|all| &mut all.apis, kind, thing, place, why)
            .await;
        targets.push(Target {
            endpoint: row.endpoint,
            kind: Some(row.kind),
            is_there: true,
        });
    }
    targets
}

impl Verify {
    /// Counts something that is the same here and there.
    fn same(&self, area: impl FnOnce(&mut ComparedAll) -> &mut Compared) {
        let mut sheet = self.sheet();
        let compared = area(&mut sheet.compared);
        compared.compared += 1;
        compared.same += 1;
    }

    /// Counts something that is not, and names it.
    async fn compared(
        &self,
        area: impl FnOnce(&mut ComparedAll) -> &mut Compared,
        kind: DifferenceKind,
        thing: String,
        place: String,
        detail: impl Into<Detail<'_>>,
    ) {
        let (expected, found, remedy) = words(kind, &detail.into());
        {
            let mut sheet = self.sheet();
            let compared = area(&mut sheet.compared);
            compared.compared += 1;
            let count = if kind == DifferenceKind::MissingHere {
                &mut compared.missing_here
            } else if kind == DifferenceKind::MissingThere {
                &mut compared.missing_there
            } else if kind == DifferenceKind::Unverifiable {
                &mut compared.unverifiable
            } else {
                &mut compared.differs
            };
            *count += 1;
        }
        self.tell(Difference {
            kind,
            thing,
            place,
            expected,
            found,
            remedy: remedy.to_owned(),
            repair: None,
        })
        .await;
    }

    /// Keeps the first reason why this cannot be called verified.
    fn trouble(&self, what: &str, err: &RemoteError) {
        let code = if err.needs_operator() && err.refusal().is_some() {
            ExitCode::Refused
        } else {
            ExitCode::Failed
        };
        self.unproven(code, format!("{what} could not be read: {}", err.chain()));
    }

    fn unproven(&self, code: ExitCode, text: String) {
        self.sheet().trouble.get_or_insert((code, text));
    }
}

/// What is different, or why nobody can tell.
struct Detail<'a> {
    text: &'a str,
    /// What helps, where it is not the next run.
    remedy: Option<&'static str>,
}

impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for Detail<'a> {
    fn from(text: &'a T) -> Self {
        let text = text.as_ref();
        Self { text, remedy: None }
    }
}

/// What is expected, what is found, and what can be done.
fn words(kind: DifferenceKind, detail: &Detail<'_>) -> (String, String, &'static str) {
    let (expected, found, remedy) = if kind == DifferenceKind::MissingHere {
        (
            "a row",
            "none, or one that says `deleted`".to_owned(),
            "the next `sync` saves it",
        )
    } else if kind == DifferenceKind::MissingThere {
        (
            "it at the service",
            "nothing there".to_owned(),
            "the next `sync` marks it as deleted (a medium after two proven walks) and keeps what is here",
        )
    } else if kind == DifferenceKind::Unverifiable {
        (
            "an answer",
            detail.text.to_owned(),
            "it is neither right nor wrong: verify again, or look there",
        )
    } else {
        (
            "the same here and there",
            format!("another {}", detail.text),
            detail
                .remedy
                .unwrap_or("the next `sync` saves what changed"),
        )
    };
    (expected.to_owned(), found, remedy)
}
