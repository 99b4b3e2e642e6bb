//! Asking a host for one file: in the way decided on, and again where that may help.

use super::receive::{Beginning, Whole};
use super::unsaved::Unsaved;
use super::{Arrived, Download, LONGEST_WAIT, Told};
use crate::mirror::{Digest, Finished};
use crate::model::ending::Format;
use crate::model::sniff::{self, Answer};
use crate::model::{AssetUrl, Standing};
use crate::plan::{Lesson, Way, is_doubtful, may_try};
use crate::remote::{Ask, AssetAnswer, AssetBody, AssetHead, Conditions, RemoteError};
use crate::sync::hosts::Question;
use crate::sync::quota::Reserved;
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// What is known and kept between the requests for one file.
#[derive(Debug)]
pub(super) struct Session {
    /// How to ask next.
    way: Way,
    /// Whether an `ETag` and a `Last-Modified` were sent to be held against the file.
    pub(super) sent: (bool, bool),
    /// Whether the host said that the saved bytes still hold.
    pub(super) was_vouched: bool,
    /// What the condition that was refused just now had: an `ETag`, a `Last-Modified`.
    refused: Option<(bool, bool)>,
    /// How often the host failed to say whether the saved bytes still hold.
    conditions: Failures,
    /// How often it failed to send a part.
    ranges: Failures,
    /// What HEAD told.
    pub(super) head: Option<AssetHead>,
    /// Room in the budget for what was told of the length, before any byte is asked for.
    pub(super) promised: Option<Reserved>,
    /// What came before the line broke, in this run or an earlier one.
    pub(super) beginning: Option<Beginning>,
    /// How long the last answer was to be that ended early, and how much of it came.
    short: Option<(u64, u64)>,
    /// Whether it was looked for what an earlier run kept.
    is_resumed: bool,
    /// What came whole and lacked its end.
    endless: Option<Digest>,
}

impl Session {
    pub(super) fn new(way: Way) -> Self {
        Self {
            way,
            sent: (false, false),
            was_vouched: false,
            refused: None,
            conditions: Failures::default(),
            ranges: Failures::default(),
            head: None,
            promised: None,
            beginning: None,
            short: None,
            is_resumed: false,
            endless: None,
        }
    }
}

/// How often a host failed at one question about a file, one time after the other.
#[derive(Debug, Default)]
struct Failures(u32);

impl Failures {
    /// Returns whether the question itself may be what a host does not answer. A failure of its own may be the
    /// moment's: then it is asked a second time, and a third one where it has shown that it knows how.
    fn is_refusal(&mut self, err: &RemoteError, is_proven: bool) -> bool {
        if !err.may_be_the_questions() {
            return false;
        }
        self.0 += 1;
        let is_definite = !matches!(err, RemoteError::Broken { .. });
        is_definite || self.0 > 1 + u32::from(is_proven)
    }
}

/// What a host's answer came to.
pub(super) enum Got {
    /// The saved bytes still hold.
    Unchanged,
    /// Here they are.
    Bytes(Box<Arrived>),
}

impl Download {
    /// Asks until there is an answer, or no point in asking on in this run.
    pub(super) async fn ask_until_answered(
        &self,
        url: &AssetUrl,
        host: &str,
        session: &mut Session,
    ) -> Result<Got, Unsaved> {
        let hosts = &self.shared.hosts;
        let mut attempt = 1;
        loop {
            self.wait_for_host(host).await?;
            let err = match self.ask(url, host, session).await {
                Ok(got) => {
                    hosts.answered(host);
                    return Ok(got);
                }
                Err(err) => err,
            };
            if let Unsaved::Remote(err) = &err {
                hosts.asked_to_wait(host, err, Instant::now());
            }
            // Asked anew each time: others may have found out meanwhile how the host is doing.
            let may_try = |after: &Option<Duration>| {
                attempt < hosts.attempts(host) && after.is_none_or(|after| after <= LONGEST_WAIT)
            };
            let Some(after) = err.is_worth_another_try().filter(may_try) else {
                if let Unsaved::Remote(err) = &err {
                    hosts.failed(host, err);
                }
                return Err(err);
            };
            self.shared.tally.retries.add(1);
            let own = Duration::from_millis(500 * 2_u64.pow(attempt - 1))
                .mul_f64(0.75 + 0.5 * fastrand::f64());
            // A wait that is over already, as clocks differ, is no reason to ask in a burst.
            let wait = after.map_or(own, |after| after.max(own));
            tokio::select! {
                biased;
                // The grace period is for what is arriving, not for what waits.
                () = self.shared.stop.wait() => return Err(err),
                () = tokio::time::sleep(wait) => attempt += 1,
            }
        }
    }

    /// Waits until the host wants to be asked again, where another file's answer said so.
    ///
    /// # Errors
    /// If that takes longer than a run waits, or the run ends meanwhile.
    async fn wait_for_host(&self, host: &str) -> Result<(), Unsaved> {
        while let Some(left) = self.shared.hosts.quiet(host, Instant::now()) {
            // One that asks for pause after pause would have every file wait for a pause of its own.
            if left > LONGEST_WAIT || self.shared.hosts.attempts(host) <= 1 {
                let host = host.to_owned();
                return Err(Unsaved::HostBusy { host, left });
            }
            tokio::select! {
                biased;
                () = self.shared.stop.wait() => return Err(Unsaved::Halted),
                () = tokio::time::sleep(left) => {}
            }
        }
        Ok(())
    }

    /// Asks once, in the way that the session stands for.
    async fn ask(&self, url: &AssetUrl, host: &str, session: &mut Session) -> Result<Got, Unsaved> {
        if !std::mem::replace(&mut session.is_resumed, true) {
            session.beginning = self.resume(url).await?;
        }
        // Whatever the question was: the first bytes of the answer are here, and name their version.
        if session.beginning.is_some() {
            return self.ask_for_bytes(url, host, session).await;
        }
        if session.way == Way::Head {
            if self.is_same_by_head(url, host, session).await? {
                return Ok(Got::Unchanged);
            }
            session.way = Way::Whole;
        }
        if let Way::Conditional {
            etag,
            last_modified,
        } = session.way
        {
            let row = &self.owed.row;
            let conditions = Conditions {
                etag: row.etag.clone().filter(|_| etag),
                last_modified: row.last_modified.clone().filter(|_| last_modified),
            };
            session.sent = (etag, last_modified);
            let answer = self.get(url, &Ask::Unless(conditions)).await;
            if answer.is_ok() {
                session.conditions = Failures::default();
                self.shared.hosts.heeded(host, Question::Condition);
            }
            match answer {
                Ok(AssetAnswer::NotModified) => {
                    let traits = self.shared.hosts.traits(host);
                    let is_moved = self.is_moved();
                    if !is_doubtful(self.why(), &traits, etag, last_modified, is_moved) {
                        return Ok(Got::Unchanged);
                    }
                    debug!(
                        host,
                        "`{url}` is said to be unchanged by a host that has proved nothing yet"
                    );
                    session.was_vouched = true;
                    session.way = Way::Whole;
                }
                Ok(AssetAnswer::Whole(body)) => {
                    return self.take(url, host, session, *body).await;
                }
                Ok(AssetAnswer::Rest { .. } | AssetAnswer::WrongPart { .. }) => {
                    return Err(Unsaved::WrongPart);
                }
                // Some hosts refuse the very question, and have the file.
                Err(Unsaved::Remote(err)) if session.conditions.is_refusal(&err, false) => {
                    debug!(host, "{err}; it is asked for without conditions");
                    // Where that fails, too, it was not the condition's fault, and the next attempt has it again.
                    session.refused = Some(std::mem::take(&mut session.sent));
                }
                Err(err) => return Err(err),
            }
        }
        self.ask_for_bytes(url, host, session).await
    }

    /// Asks for bytes: for what is missing, where the beginning is here, else for all of them.
    async fn ask_for_bytes(
        &self,
        url: &AssetUrl,
        host: &str,
        session: &mut Session,
    ) -> Result<Got, Unsaved> {
        let traits = self.shared.hosts.traits(host);
        if let Some(mut beginning) = session.beginning.take() {
            if may_try(traits.range) {
                let answer = self.get(url, &beginning.ask()?).await;
                if answer.is_ok() {
                    session.ranges = Failures::default();
                    self.shared.hosts.heeded(host, Question::Range);
                }
                match answer {
                    Ok(AssetAnswer::Rest { total, body }) => {
                        return self.go_on(host, session, beginning, total, *body).await;
                    }
                    Ok(AssetAnswer::Whole(body)) => {
                        // Another version by now, or a host that takes no ranges.
                        if beginning.is_of(body.etag.as_deref(), body.last_modified.as_deref()) {
                            self.shared.hosts.learn(host, &Lesson::RangeIgnored);
                        }
                        self.forget_beginning(beginning).await;
                        return self.take(url, host, session, *body).await;
                    }
                    Ok(AssetAnswer::WrongPart { why }) => {
                        debug!(host, "`{url}`: {why}");
                        self.shared.hosts.learn(host, &Lesson::RangeLied);
                    }
                    Ok(AssetAnswer::NotModified) => {}
                    Err(err) => {
                        session.beginning = Some(beginning);
                        let is_proven = traits.range == Some(Standing::Proven);
                        let Unsaved::Remote(remote) = &err else {
                            return Err(err);
                        };
                        if !session.ranges.is_refusal(remote, is_proven) {
                            return Err(err);
                        }
                        debug!(host, "{err}; the whole is asked for");
                        let plainly = Ask::Unless(Conditions::default());
                        let AssetAnswer::Whole(body) = self.get(url, &plainly).await? else {
                            return Err(err);
                        };
                        let hosts = &self.shared.hosts;
                        hosts.refused(host, Question::Range, &Lesson::RangeIgnored);
                        // Only now: what refuses everything for a while costs no beginning.
                        if let Some(beginning) = session.beginning.take() {
                            self.forget_beginning(beginning).await;
                        }
                        return self.take(url, host, session, *body).await;
                    }
                }
            }
            self.forget_beginning(beginning).await;
        }
        if let Some(announced) = self.does_not_fit(url, host, session).await? {
            return Err(Unsaved::OverBudget {
                announced: Some(announced),
            });
        }
        let ask = match session.endless {
            Some(_) => Ask::Anew,
            None => Ask::Unless(Conditions::default()),
        };
        match self.get(url, &ask).await? {
            AssetAnswer::Whole(body) => self.take(url, host, session, *body).await,
            AssetAnswer::NotModified | AssetAnswer::Rest { .. } | AssetAnswer::WrongPart { .. } => {
                Err(Unsaved::WrongPart)
            }
        }
    }

    async fn get(&self, url: &AssetUrl, ask: &Ask) -> Result<AssetAnswer, Unsaved> {
        tokio::select! {
            biased;
            () = self.shared.halt.cancelled() => Err(Unsaved::Halted),
            answer = self.shared.remote.assets().get(url, ask) => Ok(answer?),
        }
    }

    /// Takes in a whole body from its first byte on.
    async fn take(
        &self,
        url: &AssetUrl,
        host: &str,
        session: &mut Session,
        body: AssetBody,
    ) -> Result<Got, Unsaved> {
        self.shared.hosts.learn(
            host,
            &Lesson::Answered {
                etag: body.etag.is_some(),
                last_modified: body.last_modified.is_some(),
                content_length: body.length.is_some(),
                ranges: body.offers_ranges,
            },
        );
        if let Some((etag, last_modified)) = session.refused.take() {
            let lesson = Lesson::ConditionRefused {
                etag,
                last_modified,
            };
            session.way = Way::Whole;
            let hosts = &self.shared.hosts;
            hosts.refused(host, Question::Condition, &lesson);
        }
        if let Some(head) = session.head.take()
            && let (Some(told), Some(length)) = (head.length, body.length)
            && told != length
            && head.etag == body.etag
        {
            self.shared.hosts.learn(host, &Lesson::HeadLied);
        }
        let length = body.length;
        if let (Some(bytes), Some(longest)) = (length, self.shared.longest)
            && bytes > longest
        {
            return Err(Unsaved::TooLong { bytes, longest });
        }
        let bytes = length.unwrap_or(0);
        // Room that is too small is given back first.
        let promised = session.promised.take();
        let promised = promised.filter(|promised| promised.has_room_for(bytes));
        let reserved = promised.or_else(|| self.reserve(bytes));
        let Some(reserved) = reserved else {
            debug!("`{url}` does not fit into the month's budget");
            self.shared.quota.begun_in_vain();
            return Err(Unsaved::OverBudget { announced: length });
        };
        let beginning = self.begin(host, &body);
        self.receive(host, session, beginning, body, reserved).await
    }

    /// Goes on behind what is here, if what comes fits to it.
    async fn go_on(
        &self,
        host: &str,
        session: &mut Session,
        mut beginning: Beginning,
        total: Option<u64>,
        body: AssetBody,
    ) -> Result<Got, Unsaved> {
        // The host may not have looked at `If-Range`. A part has to name the version of what is here itself; one that
        // leaves a date out, as RFC 9110 (15.3.7) lets it, costs the bytes again, and never two versions in one.
        let is_same = beginning.is_of(body.etag.as_deref(), body.last_modified.as_deref());
        let is_as_long = total
            .zip(beginning.total)
            .is_none_or(|(now, then)| now == then);
        if !(is_same && is_as_long) {
            // The same version cannot have two lengths: then it is the announced one that is wrong.
            let lesson = if is_same {
                Lesson::LengthLied
            } else {
                Lesson::RangeLied
            };
            self.shared.hosts.learn(host, &lesson);
            self.forget_beginning(beginning).await;
            return Err(Unsaved::WrongPart);
        }
        beginning.total = beginning.total.or(total);
        let Some(reserved) = self.reserve(body.length.unwrap_or(0)) else {
            let announced = beginning.total;
            session.beginning = Some(beginning);
            return Err(Unsaved::OverBudget { announced });
        };
        self.receive(host, session, beginning, body, reserved).await
    }

    /// Receives the body behind the beginning and checks the whole.
    async fn receive(
        &self,
        host: &str,
        session: &mut Session,
        beginning: Beginning,
        body: AssetBody,
        reserved: Reserved,
    ) -> Result<Got, Unsaved> {
        let (announced, has_told_end) = (body.length, body.has_told_end);
        let content_type = body.content_type.clone();
        let (etag, last_modified) = (body.etag.clone(), body.last_modified.clone());
        let mut got = 0;
        let received = self.receive_into(host, beginning, body, reserved, &mut got);
        let Whole {
            finished,
            place,
            lacks_end,
        } = match received.await {
            Ok(received) => received,
            Err((err, beginning)) => {
                self.weigh_short(host, session, &err, announced.map(|length| (length, got)));
                session.beginning = beginning;
                return Err(err);
            }
        };
        if announced.is_some() {
            self.shared.hosts.learn(host, &Lesson::LengthHeld);
        }
        sniff::check(&Answer {
            file_name: &self.owed.file_name,
            is_image: self.owed.has_dimensions,
            content_type: content_type.as_deref(),
            head: finished.head(),
            total_bytes: finished.bytes(),
            has_told_end,
            saved_bytes: self.owed.row.bytes,
        })?;
        if let Some(format) = lacks_end {
            self.weigh_lack(session, format, &finished)?;
        }
        Ok(Got::Bytes(Box::new(Arrived {
            finished,
            place,
            told: Told {
                content_type,
                etag,
                last_modified,
            },
        })))
    }

    /// A file without its end is believed when it came before just so, or when those bytes are saved already.
    /// Otherwise the host is asked once more, without conditions; two that differ are both no file.
    fn weigh_lack(
        &self,
        session: &mut Session,
        format: Format,
        finished: &Finished,
    ) -> Result<(), Unsaved> {
        let (sha256, bytes) = (finished.sha256(), finished.bytes());
        let id = &self.owed.media_id;
        if self.owed.row.sha256 == Some(sha256.to_string()) {
            return Ok(());
        }
        let is_second = match session.endless.replace(sha256) {
            Some(before) if before == sha256 => {
                warn!(
                    asset.id = %id, bytes,
                    "`{}` is a {format} without its end; it came twice alike and is saved as it is",
                    self.owed.file_name
                );
                return Ok(());
            }
            before => before.is_some(),
        };
        session.way = Way::Whole;
        session.sent = (false, false);
        Err(Unsaved::CutOff {
            format,
            bytes,
            is_second,
        })
    }

    /// Two answers that end early at the very same byte are no accident of the line: the host announces
    /// more than it has.
    fn weigh_short(
        &self,
        host: &str,
        session: &mut Session,
        err: &Unsaved,
        short: Option<(u64, u64)>,
    ) {
        if !matches!(err, Unsaved::Remote(RemoteError::Lost { .. })) {
            return;
        }
        if short.is_some() && short == session.short {
            self.shared.hosts.learn(host, &Lesson::LengthLied);
        }
        session.short = short;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_second_failure_of_the_host_s_own_at_a_question_is_a_refusal_of_it() {
        let mut session = Session::new(Way::Whole);
        let late = RemoteError::TimedOut {
            what: "a file".to_owned(),
            after: Duration::from_secs(30),
        };
        let broken = RemoteError::Broken {
            api: "asset host",
            status: 500,
            what: "a file".to_owned(),
            retry_after: None,
        };
        let conditions = &mut session.conditions;
        // What did not come says nothing of the question.
        assert!(!conditions.is_refusal(&late, false));
        assert!(!conditions.is_refusal(&broken, false));
        assert!(!conditions.is_refusal(&late, false));
        assert!(conditions.is_refusal(&broken, false));
        // Another question is another matter, and one that was answered before gets a third try.
        let ranges = &mut session.ranges;
        assert!(!ranges.is_refusal(&broken, true));
        assert!(!ranges.is_refusal(&broken, true));
        assert!(ranges.is_refusal(&broken, true));
    }
}
