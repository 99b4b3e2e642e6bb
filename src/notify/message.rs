//! What is said, to which address, and of which runs. Pure.

use serde::Serialize;
use url::Url;

use crate::model::report::{AssetCounts, BodyCounts, ListedCounts};
use crate::model::{Outcome, Problem, Proof, RunReport, Timestamp};

/// Healthchecks.io keeps the first 100 kB of a body; a self-hosted one 10 kB by default, so the most
/// important comes first.
const LONGEST_BODY: usize = 100_000;
/// Of that, what comes before the log.
const LONGEST_HEAD: usize = 40_000;
/// Of the problems, a webhook gets this many; their true number stands beside them.
const MOST_PROBLEMS: usize = 20;
/// Chat services cut or refuse long texts.
const LONGEST_TEXT: usize = 3_000;

/// Of which runs a webhook hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Of those that do not exit with 0.
    Failure,
    /// Of all.
    Always,
    /// Of those that end otherwise than the one before. Where that is not known: of this one, too.
    Change,
}

/// How a run ended, for those who are told.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// The service.
    pub service: &'a str,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// In one word.
    pub outcome: Outcome,
    /// The number that a shell sees.
    pub exit_code: u8,
    /// How the run before ended, if that is known.
    pub previous: Option<Outcome>,
    /// Its account; `None` if it did not come to one.
    pub report: Option<&'a RunReport>,
    /// The one line of truth.
    pub verdict: &'a str,
    /// What a person reads: the summary, or the error.
    pub summary: &'a str,
    /// The last log lines.
    pub log: &'a str,
}

impl When {
    pub(super) fn is_met(self, ending: &Ending<'_>) -> bool {
        match self {
            Self::Failure => ending.exit_code != 0,
            Self::Always => true,
            Self::Change => ending.previous != Some(ending.outcome),
        }
    }
}

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ping {
    Start,
    Success,
    Fail,
}

impl Ping {
    pub(super) fn of(ending: &Ending<'_>) -> Self {
        match ending.exit_code {
            0 => Self::Success,
            _ => Self::Fail,
        }
    }
}

/// Returns where a ping goes: the check's own address for success, `/start` and `/fail` below it, and
/// the run's id in the query (<https://healthchecks.io/docs/http_api/>). A query that is there, such
/// as `create=1`, stays.
pub(super) fn ping_url(check: &Url, ping: Ping, run: &str) -> Url {
    let mut url = check.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    match ping {
        Ping::Start => url.set_path(&format!("{path}/start")),
        Ping::Success => url.set_path(&path),
        Ping::Fail => url.set_path(&format!("{path}/fail")),
    }
    url.query_pairs_mut().append_pair("rid", run);
    url
}

/// Returns the body of a ping at the end: the exit code, the summary, the problems in full, the last
/// log lines.
pub(super) fn ping_body(ending: &Ending<'_>) -> String {
    let mut body = format!(
        "{}: {}, exit code {}\n\n{}",
        ending.service,
        ending.outcome,
        ending.exit_code,
        ending.summary.trim_end()
    );
    let problems = ending.report.map_or(&[][..], |report| &report.problems);
    for Problem {
        scope,
        message,
        hint,
        ..
    } in problems
    {
        body += &format!("\n\n{scope}: {message}");
        if let Some(hint) = hint {
            body += &format!("\nhint: {hint}");
        }
    }
    let mut body = cut(body + "\n", LONGEST_HEAD);
    if !ending.log.is_empty() {
        body += "\n";
        body += ending.log;
    }
    cut(body, LONGEST_BODY)
}

/// The JSON document of a webhook. Fields are added, never renamed.
#[derive(Serialize)]
struct Document<'a> {
    /// What Slack, Mattermost and the like show.
    text: String,
    version: u32,
    event: &'static str,
    program: &'static str,
    service: &'a str,
    outcome: Outcome,
    previous_outcome: Option<Outcome>,
    exit_code: u8,
    safe: bool,
    verdict: &'a str,
    began_at: Timestamp,
    ended_at: Timestamp,
    problems: &'a [Problem],
    problems_total: usize,
    #[serde(flatten)]
    account: Option<Account<'a>>,
}

/// What only a run with a report has.
#[derive(Serialize)]
struct Account<'a> {
    report_version: u32,
    run_id: Option<i64>,
    elapsed_ms: u64,
    media: &'a ListedCounts,
    contents: &'a ListedCounts,
    bodies: &'a BodyCounts,
    assets: &'a AssetCounts,
    /// What a complete run committed to: a receiver that keeps it holds the backup to it.
    proof: Option<Proof>,
}

/// Returns the body of a webhook.
pub(super) fn webhook_body(ending: &Ending<'_>) -> String {
    let problems = ending.report.map_or(&[][..], |report| &report.problems);
    let document = Document {
        text: text(ending),
        version: 1,
        event: "run_ended",
        program: concat!("microcms-backup ", env!("CARGO_PKG_VERSION")),
        service: ending.service,
        outcome: ending.outcome,
        previous_outcome: ending.previous,
        exit_code: ending.exit_code,
        safe: ending.report.is_some_and(|report| report.verdict.safe),
        verdict: ending.verdict,
        began_at: ending.began_at,
        ended_at: ending.ended_at,
        problems: problems.get(..MOST_PROBLEMS).unwrap_or(problems),
        problems_total: problems.len(),
        account: ending.report.map(|report| Account {
            report_version: report.version,
            run_id: report.run_id,
            elapsed_ms: report.elapsed_ms,
            media: &report.media,
            contents: &report.contents,
            bodies: &report.bodies,
            assets: &report.assets,
            proof: report.proof,
        }),
    };
    // Strings, numbers and lists: there is nothing in it that JSON cannot say.
    serde_json::to_string(&document).unwrap_or_default()
}

/// Returns the line for people. In it `<`, `>` and `&` are escaped as Slack wants it: names come from
/// outside, and `<!channel>` in one of them is not to wake everybody.
fn text(ending: &Ending<'_>) -> String {
    let before = match ending.previous {
        Some(previous) if previous != ending.outcome => format!(", {previous} before"),
        Some(_) | None => String::new(),
    };
    let text = format!(
        "microcms-backup of {}: {} (exit code {}{before})\n{}",
        ending.service, ending.outcome, ending.exit_code, ending.verdict
    );
    cut(text, LONGEST_TEXT)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Cuts a text to at most `most` bytes, between two characters.
fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending() -> Ending<'static> {
        Ending {
            service: "my-service",
            began_at: Timestamp::from_unix_millis(0),
            ended_at: Timestamp::from_unix_millis(1_500),
            outcome: Outcome::Failed,
            exit_code: 1,
            previous: Some(Outcome::Complete),
            report: None,
            verdict: "UNSAFE: <!channel> & more",
            summary: "error: no disk\n",
            log: "",
        }
    }

    #[test]
    fn pings_go_to_the_check_and_below_it_with_the_run_s_id() {
        let cases = [
            ("https://hc/u", Ping::Start, "https://hc/u/start?rid=r"),
            ("https://hc/u", Ping::Success, "https://hc/u?rid=r"),
            ("https://hc/u/", Ping::Fail, "https://hc/u/fail?rid=r"),
            (
                "https://hc/key/slug?create=1",
                Ping::Start,
                "https://hc/key/slug/start?create=1&rid=r",
            ),
            ("https://hc", Ping::Success, "https://hc/?rid=r"),
        ];
        for (check, ping, expected) in cases {
            let check = Url::parse(check).expect("a URL");
            assert_eq!(ping_url(&check, ping, "r").as_str(), expected);
        }
    }

    #[test]
    fn a_webhook_hears_of_failures_of_all_or_of_changes() {
        use Outcome::{Complete, Failed, Partial};
        for (outcome, exit_code, previous, met) in [
            (Complete, 0, Some(Complete), [false, true, false]),
            (Complete, 0, Some(Failed), [false, true, true]),
            (Complete, 0, None, [false, true, true]),
            (Partial, 3, Some(Partial), [true, true, false]),
            (Partial, 3, Some(Complete), [true, true, true]),
        ] {
            let ending = Ending {
                outcome,
                exit_code,
                previous,
                ..ending()
            };
            let when = [When::Failure, When::Always, When::Change];
            assert_eq!(when.map(|when| when.is_met(&ending)), met, "{ending:?}");
        }
    }

    #[test]
    fn a_body_begins_with_what_matters_and_has_an_end() {
        assert_eq!(
            ping_body(&ending()),
            "my-service: failed, exit code 1\n\nerror: no disk\n"
        );
        let with_log = Ending {
            log: "a line\n",
            ..ending()
        };
        assert!(ping_body(&with_log).ends_with("error: no disk\n\na line\n"));
        let long = "あ".repeat(LONGEST_BODY);
        let body = ping_body(&Ending {
            summary: &long,
            log: &long,
            ..ending()
        });
        assert!(body.len() <= LONGEST_BODY && body.len() > LONGEST_BODY - 4);
    }

    #[test]
    fn a_name_from_outside_cannot_speak_to_a_chat() {
        let body: serde_json::Value = serde_json::from_str(&webhook_body(&ending())).expect("JSON");
        assert_eq!(
            body["text"],
            "microcms-backup of my-service: failed (exit code 1, complete before)\n\
             UNSAFE: &lt;!channel&gt; &amp; more"
        );
        assert_eq!(body["verdict"], "UNSAFE: <!channel> & more");
        assert_eq!(body["previous_outcome"], "complete");
        assert_eq!(body["ended_at"], "1970-01-01T00:00:01.500Z");
        assert_eq!(body["safe"], false);
        assert!(body.get("media").is_none());
    }
}
