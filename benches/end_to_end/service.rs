//! The stand-in service in a process of its own: its work is not ours.

use crate::{Fallible, children};
use microcms_sim::{Counters, Edit, Fault, Occasion, Route, Sim};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufReader, Write as _, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// What the service holds, and how it behaves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) media: u32,
    /// Of each file, in bytes, exactly.
    pub(crate) media_bytes: u64,
    /// Contents of the API `blog`, all published.
    pub(crate) contents: u32,
    /// Roughly, of each body.
    pub(crate) body_bytes: usize,
    /// Whether files have short names, which every tool can write. Generated ones are anything.
    pub(crate) has_plain_names: bool,
    /// How long each answer of an asset host takes.
    pub(crate) asset_delay_ms: u64,
    /// Whether both APIs' budgets are on.
    pub(crate) has_budgets: bool,
}

/// Where a service is, and its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) service_id: String,
    pub(crate) key: String,
    pub(crate) management: String,
    pub(crate) content: String,
    /// Hosts of files, with their ports.
    pub(crate) hosts: Vec<String>,
}

/// What a service counted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) management: u64,
    pub(crate) content: u64,
    pub(crate) assets: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
}

/// A running service; it ends with this value.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) address: Address,
}

impl Service {
    pub(crate) fn start(plan: &Plan) -> Fallible<Self> {
        let plan = serde_json::to_string(plan)?;
        let mut child = children::command("service", &[&plan])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = child.stdin.take();
        let out = child.stdout.take().ok_or("a child without stdout")?;
        let mut answers = BufReader::new(out);
        let address = line(&mut answers)?;
        Ok(Self {
            child,
            ask,
            answers,
            address,
        })
    }

    /// What was counted since the start, or since it was last asked.
    pub(crate) fn counted(&mut self) -> Fallible<Counted> {
        let ask = self.ask.as_mut().ok_or("a service that was ended")?;
        writeln!(ask, "counted")?;
        line(&mut self.answers)
    }
}

fn line<T: serde::de::DeserializeOwned>(from: &mut impl std::io::BufRead) -> Fallible<T> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)
        .map_err(|error| format!("the service said {line:?}: {error}"))?)
}

impl Drop for Service {
    fn drop(&mut self) {
        // The end of its input is the service's end.
        drop(self.ask.take());
        drop(self.child.wait());
    }
}

/// The child's side: serves until its input ends.
pub(crate) fn serve(words: &[&str]) -> Fallible<()> {
    let [plan] = words else {
        return Err("a service wants a plan".into());
    };
    let plan: Plan = serde_json::from_str(plan)?;
    let mut builder = Sim::builder()
        .media(plan.media)
        .media_size(plan.media_bytes..=plan.media_bytes)
        .body_bytes(plan.body_bytes)
        .workers(2);
    if plan.contents > 0 {
        builder = builder.published_list_api("blog", plan.contents);
    }
    if plan.has_budgets {
        builder = builder.with_budgets();
    }
    let sim = builder.try_start()?;
    if plan.has_plain_names {
        for (number, id) in sim.media_ids().into_iter().enumerate() {
            let path = format!("/assets/plain/{number}");
            let touch = false;
            sim.edit(Edit::SetMediumPath { id, path, touch })?;
        }
    }
    if plan.asset_delay_ms > 0 {
        for route in [Route::Image, Route::File] {
            let ms = plan.asset_delay_ms;
            sim.fault(route, Occasion::Every, Fault::Delay { ms });
        }
    }
    say(&Address {
        service_id: sim.service_id().to_owned(),
        key: sim.api_key(),
        management: sim.management_url(),
        content: sim.content_url(),
        hosts: vec![sim.image_host(), sim.file_host()],
    })?;
    for asked in stdin().lines() {
        asked?;
        say(&count(sim.counters()))?;
        sim.forget_requests();
    }
    sim.stop();
    Ok(())
}

fn count(counters: Counters) -> Counted {
    let of = |routes: &[Route]| routes.iter().map(|route| counters.of(*route)).sum();
    Counted {
        management: of(&[
            Route::Service,
            Route::Apis,
            Route::Schema,
            Route::MetadataList,
            Route::Metadata,
            Route::Media,
        ]),
        content: of(&[Route::ContentList, Route::Content]),
        assets: of(&[Route::Image, Route::File]),
        statuses: counters.statuses,
    }
}

fn say(value: &impl Serialize) -> Fallible<()> {
    let mut out = stdout().lock();
    writeln!(out, "{}", serde_json::to_string(value)?)?;
    out.flush()?;
    Ok(())
}
