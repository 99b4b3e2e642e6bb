//! How the asset hosts are doing in this run, so that one that is down is not asked for everything, and
//! what they have shown that they can do, in this run and before.

use crate::model::{HostTraits, Standing, Timestamp};
use crate::plan::{Lesson, learn};
use crate::remote::RemoteError;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// After so long, a host that was caught being wrong may show once more what it can do.
const BAN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Tries per file and run.
const ATTEMPTS: u32 = 4;
/// Files that fail one after the other before their host counts as ill.
const ILL: u32 = 16;
/// Files in a row with which an asked wait that may be one file's own is taken to be the host's.
const FEW: u32 = 4;
/// Files in a row for which a host refuses a question, and answers a plainer one, before it is taken not to know the question.
const REFUSED: u32 = 3;

/// What a host may refuse to be asked, and have the file all the same.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// Whether saved bytes still hold.
    Condition,
    /// For a part of a file.
    Range,
}

/// The health of each asset host.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    // A std mutex: a look-up under it, never held across an await.
    health: Mutex<HashMap<String, Health>>,
    // The same.
    known: Mutex<Known>,
}

/// What hosts have shown.
#[derive(Debug, Default)]
struct Known {
    traits: HashMap<String, HostTraits>,
    /// Hosts of which more is known than the database holds.
    fresh: BTreeSet<String>,
}

/// Files that failed since the last one that did not.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    unreachable: u32,
    failed: u32,
    /// Files for which a condition was refused since it was heeded last.
    conditions_refused: u32,
    /// The same, of ranges.
    ranges_refused: u32,
    /// When the host wants to be asked again.
    quiet_until: Option<Instant>,
}

impl Health {
    fn of(&mut self, question: Question) -> &mut u32 {
        match question {
            Question::Condition => &mut self.conditions_refused,
            Question::Range => &mut self.ranges_refused,
        }
    }
}

impl Hosts {
    /// Begins with what the database holds: each host with what it has shown, and since when.
    pub(super) fn new(rows: Vec<(String, HostTraits, Timestamp)>, now: Timestamp) -> Self {
        let traits = rows.into_iter().map(|(host, traits, since)| {
            let is_over = now.since(since).is_some_and(|age| age > BAN);
            let traits = if is_over { pardoned(traits) } else { traits };
            (host, traits)
        });
        Self {
            health: Mutex::default(),
            known: Mutex::new(Known {
                traits: traits.collect(),
                fresh: BTreeSet::new(),
            }),
        }
    }

    /// Returns what a host has shown so far.
    pub(super) fn traits(&self, host: &str) -> HostTraits {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.traits.get(host).cloned().unwrap_or_default()
    }

    /// Draws a lesson about a host.
    pub(super) fn learn(&self, host: &str, lesson: &Lesson) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.traits.get(host).cloned().unwrap_or_default();
        let after = learn(&before, lesson);
        if after == before {
            return;
        }
        debug!(host, ?lesson, "`{host}` showed what it can do");
        if let Some(detail) = after
            .detail
            .as_ref()
            .filter(|_| after.detail != before.detail)
        {
            warn!(host, "`{host}` is not relied on in this any more: {detail}");
        }
        known.traits.insert(host.to_owned(), after);
        known.fresh.insert(host.to_owned());
    }

    /// Notes that a question was refused for a file, and a plainer one was answered. One file's trouble, or the moment's, is not
    /// the host's: the lesson is drawn once file after file met the same.
    pub(super) fn refused(&self, host: &str, question: Question, lesson: &Lesson) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let count = health.entry(host.to_owned()).or_default().of(question);
        *count = count.saturating_add(1);
        let is_the_hosts = *count >= REFUSED;
        drop(health);
        if is_the_hosts {
            self.learn(host, lesson);
        }
    }

    /// Notes that a question was answered.
    pub(super) fn heeded(&self, host: &str, question: Question) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(health) = health.get_mut(host) {
            *health.of(question) = 0;
        }
    }

    /// Returns what was learned since the last time, to be recorded.
    pub(super) fn take_fresh(&self) -> Vec<(String, HostTraits)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = std::mem::take(&mut known.fresh);
        fresh
            .into_iter()
            .filter_map(|host| {
                let traits = known.traits.get(&host)?.clone();
                Some((host, traits))
            })
            .collect()
    }

    /// Returns how often a file may be asked for: as usual; once, at a host that fails file after
    /// file (some of its files may be well: a bad run of others must not starve them); or not at all,
    /// at a host that no connection leads to.
    pub(super) fn attempts(&self, host: &str) -> u32 {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match health.get(host) {
            Some(health) if health.unreachable >= ILL => 0,
            Some(health) if health.failed >= ILL => 1,
            Some(_) | None => ATTEMPTS,
        }
    }

    /// Returns how long a host still wants to be left alone, if it does.
    pub(super) fn quiet(&self, host: &str, now: Instant) -> Option<Duration> {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let left = health
            .get(host)?
            .quiet_until?
            .saturating_duration_since(now);
        (left > Duration::ZERO).then_some(left)
    }

    /// Notes that a host answered for a file in a definite way, a definite no included.
    pub(super) fn answered(&self, host: &str) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(health) = health.get_mut(host) {
            // An answer that was under way does not take back what the host asked for.
            (health.unreachable, health.failed) = (0, 0);
        }
    }

    /// Notes the wait that a host asked for, whichever file it was asked for: "too many requests" is about all of
    /// them. A 503 may be about one file alone, and counts from the few'th file in a row on.
    pub(super) fn asked_to_wait(&self, host: &str, err: &RemoteError, now: Instant) {
        let Some(wait) = err.asked_wait() else { return };
        let is_of_host = matches!(err, RemoteError::Busy { .. });
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let health = health.entry(host.to_owned()).or_default();
        if is_of_host || health.failed >= FEW {
            health.quiet_until = health.quiet_until.max(now.checked_add(wait));
        }
    }

    /// Notes what a file finally failed of.
    pub(super) fn failed(&self, host: &str, err: &RemoteError) {
        match err {
            RemoteError::Unreachable { .. } | RemoteError::Untrusted { .. } => {
                self.count(host, true);
            }
            RemoteError::Lost { .. }
            | RemoteError::TimedOut { .. }
            | RemoteError::Busy { .. }
            | RemoteError::Broken { .. } => self.count(host, false),
            RemoteError::Unreadable { .. } | RemoteError::Refused { .. } => self.answered(host),
            // Nobody was asked, or not this host.
            RemoteError::Setup(_)
            | RemoteError::Redirected { .. }
            | RemoteError::HostNotAllowed { .. }
            | RemoteError::NoAddress { .. }
            | RemoteError::RedirectLoop { .. } => {}
        }
    }

    fn count(&self, host: &str, is_unreachable: bool) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let health = health.entry(host.to_owned()).or_default();
        health.failed += 1;
        health.unreachable = if is_unreachable {
            health.unreachable + 1
        } else {
            0
        };
    }
}

/// Forgets what a host was caught at.
fn pardoned(traits: HostTraits) -> HostTraits {
    let kept = |standing: Option<Standing>| standing.filter(|it| *it != Standing::Withdrawn);
    HostTraits {
        etag: kept(traits.etag),
        last_modified: kept(traits.last_modified),
        range: kept(traits.range),
        content_length: kept(traits.content_length),
        head: kept(traits.head),
        detail: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_ends_and_what_is_learned_is_handed_over_once() {
        let (now, traits) = (
            Timestamp::from_unix_millis(4_000_000_000_000),
            HostTraits {
                etag: Some(Standing::Withdrawn),
                range: Some(Standing::Proven),
                ..HostTraits::default()
            },
        );
        let row = |age| vec![("a".to_owned(), traits.clone(), now.minus(age))];
        let hosts = Hosts::new(row(BAN), now);
        assert_eq!(hosts.traits("a"), traits);
        let hosts = Hosts::new(row(BAN * 2), now);
        assert_eq!(hosts.traits("a").etag, None);
        assert_eq!(hosts.traits("a").range, Some(Standing::Proven));
        assert_eq!(hosts.take_fresh(), []);
        hosts.learn("a", &Lesson::RangeHeld);
        assert_eq!(hosts.take_fresh(), [], "nothing new");
        hosts.learn("a", &Lesson::RangeIgnored);
        assert_eq!(hosts.take_fresh().len(), 1);
        assert_eq!(hosts.take_fresh(), []);
    }

    #[test]
    fn only_what_is_refused_for_file_after_file_is_not_asked_any_more() {
        let (hosts, refused) = (Hosts::default(), Lesson::RangeIgnored);
        let range = |hosts: &Hosts| hosts.traits("a").range;
        for _ in 0..5 {
            for _ in 1..REFUSED {
                hosts.refused("a", Question::Range, &refused);
                hosts.refused("b", Question::Range, &Lesson::LengthHeld);
                hosts.heeded("a", Question::Condition);
            }
            assert_eq!(range(&hosts), None);
            hosts.heeded("a", Question::Range);
        }
        for _ in 0..REFUSED {
            assert_eq!(range(&hosts), None);
            hosts.refused("a", Question::Range, &refused);
        }
        assert_eq!(range(&hosts), Some(Standing::Withdrawn));
    }

    fn broken() -> RemoteError {
        RemoteError::Broken {
            api: "asset host",
            status: 503,
            what: "a file".to_owned(),
            retry_after: None,
        }
    }

    #[test]
    fn a_host_that_fails_file_after_file_is_asked_once_each_until_one_is_had() {
        let hosts = Hosts::default();
        for _ in 0..ILL {
            assert_eq!(hosts.attempts("a"), ATTEMPTS);
            hosts.failed("a", &broken());
        }
        assert_eq!((hosts.attempts("a"), hosts.attempts("b")), (1, ATTEMPTS));
        hosts.answered("a");
        assert_eq!(hosts.attempts("a"), ATTEMPTS);
    }

    fn asks_for(wait: u64, status: u16) -> RemoteError {
        let retry_after = Some(Duration::from_secs(wait));
        match status {
            429 => RemoteError::Busy {
                api: "asset host",
                what: "a file".to_owned(),
                retry_after,
            },
            _ => RemoteError::Broken {
                api: "asset host",
                status,
                what: "a file".to_owned(),
                retry_after,
            },
        }
    }

    #[test]
    fn a_wait_is_all_files_and_the_longest_one_counts() {
        let (hosts, now) = (Hosts::default(), Instant::now());
        let quiet = |hosts: &Hosts| hosts.quiet("a", now).map(|left| left.as_secs());
        assert_eq!(quiet(&hosts), None);
        for (asked, left) in [(30, 30), (10, 30), (60, 60)] {
            hosts.asked_to_wait("a", &asks_for(asked, 429), now);
            assert_eq!(quiet(&hosts), Some(left));
        }
        hosts.answered("a");
        assert_eq!((quiet(&hosts), hosts.quiet("b", now)), (Some(60), None));
        assert_eq!(hosts.quiet("a", now + Duration::from_secs(60)), None);
        hosts.asked_to_wait("b", &broken(), now);
        assert_eq!(hosts.quiet("b", now), None, "no wait was asked for");
    }

    #[test]
    fn a_wait_that_may_be_one_files_own_is_the_hosts_after_a_few() {
        let (hosts, now) = (Hosts::default(), Instant::now());
        for n in 0..=FEW {
            let err = asks_for(60, 503);
            hosts.asked_to_wait("a", &err, now);
            assert_eq!(hosts.quiet("a", now).is_some(), n >= FEW, "{n}");
            hosts.failed("a", &err);
        }
    }

    #[test]
    fn what_says_nothing_about_a_host_does_not_count() {
        let hosts = Hosts::default();
        let refused = RemoteError::HostNotAllowed {
            host: "x".to_owned(),
        };
        for _ in 0..2 * ILL {
            hosts.failed("a", &refused);
        }
        assert_eq!(hosts.attempts("a"), ATTEMPTS);
    }
}
