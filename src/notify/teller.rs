//! Sending, beside the runs.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};
use url::Url;

use super::message::{Ending, Ping, When, ping_body, ping_url, webhook_body};
use crate::remote::{NoticeError, Notices};

/// How often one notice is sent, the first time included.
const TRIES: u32 = 3;
/// How long one try may take.
const ONE_TRY: Duration = Duration::from_secs(5);
/// How long all of them may take.
const ALL_TRIES: Duration = Duration::from_secs(10);
/// The wait before the second try; twice that before the third.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long a notice of a run's begin is still worth its time once that of its end is there.
const LATE_START: Duration = Duration::from_secs(2);
/// Notices that wait for one receiver. Only where a receiver hangs and runs are shorter than that are
/// there ever more; the newest are then dropped, with a warning.
const WAITING: usize = 8;

/// Who is told.
#[derive(Debug, Clone)]
pub struct Targets {
    /// The address of a check.
    pub heartbeat: Option<SecretString>,
    /// The address of a webhook.
    pub webhook: Option<SecretString>,
    /// Of which runs the webhook hears.
    pub webhook_on: When,
}

/// By which a heartbeat's pings of one run are known to belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTag(String);

impl RunTag {
    /// A random UUID (version 4), in the form that healthchecks.io accepts. It only has to differ from
    /// that of other runs.
    pub fn random() -> Self {
        let bits = fastrand::u128(..);
        let bits = bits & !(0xf << 76) | (0x4 << 76);
        let bits = bits & !(0x3 << 62) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        Self(format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        ))
    }
}

/// One text on its way.
struct Notice {
    url: Url,
    media_type: &'static str,
    body: String,
    is_start: bool,
}

/// Takes what is to be told. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub struct Teller {
    heartbeat: mpsc::Sender<Notice>,
    webhook: mpsc::Sender<Notice>,
}

/// The tasks that send. Each receiver has its own, so that none waits for another one.
#[derive(Debug)]
pub struct Delivery {
    heartbeat: AbortOnDropHandle<()>,
    webhook: AbortOnDropHandle<()>,
}

impl Teller {
    /// Starts the tasks that send. They end when every clone of the teller is gone and all is said.
    /// Needs a runtime.
    pub fn start() -> (Self, Delivery) {
        let (heartbeat, pings) = mpsc::channel(WAITING);
        let (webhook, documents) = mpsc::channel(WAITING);
        let delivery = Delivery {
            heartbeat: AbortOnDropHandle::new(tokio::spawn(deliver("heartbeat", pings))),
            webhook: AbortOnDropHandle::new(tokio::spawn(deliver("webhook", documents))),
        };
        (Self { heartbeat, webhook }, delivery)
    }

    /// Tells that a run began.
    pub fn began(&self, targets: &Targets, run: &RunTag) {
        if let Some(check) = url(targets.heartbeat.as_ref()) {
            self.ping(&check, Ping::Start, run, String::new());
        }
    }

    /// Tells how a run ended.
    pub fn ended(&self, targets: &Targets, run: &RunTag, ending: &Ending<'_>) {
        if let Some(check) = url(targets.heartbeat.as_ref()) {
            self.ping(&check, Ping::of(ending), run, ping_body(ending));
        }
        let hook = url(targets.webhook.as_ref()).filter(|_| targets.webhook_on.is_met(ending));
        if let Some(url) = hook {
            let notice = Notice {
                url,
                media_type: "application/json",
                body: webhook_body(ending),
                is_start: false,
            };
            queue("webhook", &self.webhook, notice);
        }
    }

    fn ping(&self, check: &Url, ping: Ping, run: &RunTag, body: String) {
        let notice = Notice {
            url: ping_url(check, ping, &run.0),
            media_type: "text/plain; charset=utf-8",
            body,
            is_start: ping == Ping::Start,
        };
        queue("heartbeat", &self.heartbeat, notice);
    }
}

impl Delivery {
    /// Waits until all is sent, but not longer than `at_most`; what is under way then is given up.
    /// Every clone of the teller must be gone.
    pub async fn finish(self, at_most: Duration) {
        let (heartbeat, webhook) = (
            timeout(at_most, self.heartbeat),
            timeout(at_most, self.webhook),
        );
        let (heartbeat, webhook) = tokio::join!(heartbeat, webhook);
        for (name, done) in [("heartbeat", heartbeat), ("webhook", webhook)] {
            if done.is_err() {
                warn!(
                    "the {name} was not told of the run's end: its host did not answer within {at_most:?}"
                );
            }
        }
    }
}

/// The configuration let pass only what is a URL.
fn url(secret: Option<&SecretString>) -> Option<Url> {
    Url::parse(secret?.expose_secret()).ok()
}

fn queue(name: &str, queue: &mpsc::Sender<Notice>, notice: Notice) {
    if queue.try_send(notice).is_err() {
        warn!(
            "the {name} is not told of this run: {WAITING} earlier notices still wait for its host"
        );
    }
}

/// Sends what comes, one after the other.
async fn deliver(name: &'static str, mut notices: mpsc::Receiver<Notice>) {
    let mut line = None;
    let mut waiting = None;
    loop {
        let notice = match waiting.take() {
            Some(notice) => notice,
            None => match notices.recv().await {
                Some(notice) => notice,
                None => return,
            },
        };
        // Made for the first notice: most installs have nobody to tell.
        let line = match &line {
            Some(line) => line,
            None => match Notices::new(ONE_TRY) {
                Ok(made) => line.insert(made),
                Err(err) => {
                    warn!("the {name} cannot be told: {}", err.chain());
                    continue;
                }
            },
        };
        if notice.is_start {
            waiting = send_start(name, line, &notice, &mut notices).await;
        } else {
            match send(name, line, &notice).await {
                Ok(()) => debug!("told the {name} how the run ended"),
                Err(why) => warn!("the {name} was not told how the run ended: {why}"),
            }
        }
    }
}

/// Sends the notice of a run's begin. That of its end says more: once it is there, this one has a
/// moment left. Returns the notice that came meanwhile.
///
/// What fails here is no warning: a host in trouble gets its line with the run's end.
async fn send_start(
    name: &str,
    line: &Notices,
    start: &Notice,
    notices: &mut mpsc::Receiver<Notice>,
) -> Option<Notice> {
    let say = |sent: Result<(), String>| match sent {
        Ok(()) => debug!("told the {name} that a run began"),
        Err(why) => debug!("the {name} was not told that a run began: {why}"),
    };
    let mut sending = std::pin::pin!(send(name, line, start));
    tokio::select! {
        biased;
        sent = &mut sending => {
            say(sent);
            None
        }
        newer = notices.recv() => {
            match timeout(LATE_START, sending).await {
                Ok(sent) => say(sent),
                Err(_elapsed) => say(Err("the run was over first".to_owned())),
            }
            newer
        }
    }
}

/// Sends one notice, again if that may help. A host that took it and said nothing gets it twice:
/// better than never.
async fn send(name: &str, line: &Notices, notice: &Notice) -> Result<(), String> {
    let all = async {
        let (mut attempt, mut wait) = (1, FIRST_WAIT);
        loop {
            match line
                .post(&notice.url, notice.media_type, &notice.body)
                .await
            {
                Err(err) if attempt < TRIES && err.may_pass() => {
                    debug!(attempt, "telling the {name} did not work: {}", words(&err));
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                    wait *= 2;
                }
                other => return other.map_err(|err| words(&err)),
            }
        }
    };
    match timeout(ALL_TRIES, all).await {
        Ok(sent) => sent,
        Err(_elapsed) => Err(format!(
            "its host did not answer within {} s",
            ALL_TRIES.as_secs()
        )),
    }
}

fn words(err: &NoticeError) -> String {
    crate::model::chain(err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_s_tag_is_a_uuid_and_differs_from_the_next() {
        let (one, two) = (RunTag::random().0, RunTag::random().0);
        assert_ne!(one, two);
        for tag in [one, two] {
            let lengths: Vec<usize> = tag.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{tag}");
            assert!(tag.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()));
            assert_eq!(tag.as_bytes()[14], b'4', "{tag}");
            assert!(b"89ab".contains(&tag.as_bytes()[19]), "{tag}");
        }
    }
}
