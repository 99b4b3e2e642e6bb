//! What a process asked and was answered, over all of its runs, for whoever watches it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiName {
    /// The Management API.
    Management,
    /// The Content API.
    Content,
    /// An asset host.
    Asset,
}

impl ApiName {
    /// Returns the word of the log's field `api`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Content => "content",
            Self::Asset => "asset",
        }
    }
}

/// Counters that only grow, shared by all runs of a process. Their labels are bounded: the hosts are
/// those of the configuration, a status is a number.
#[derive(Debug, Default)]
pub struct Traffic {
    // A std mutex: a few additions under it, never held across an await.
    flow: Mutex<Flow>,
}

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// Who was asked.
    pub api: ApiName,
    /// Host, with the port where it is not the scheme's own.
    pub host: String,
    /// What was answered; `None`: nothing.
    pub status: Option<u16>,
}

/// The counters as they stood at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Requests, by kind.
    pub requests: BTreeMap<Kind, u64>,
    /// How long requests waited until their budget allowed them, added up.
    pub waited: BTreeMap<ApiName, Duration>,
    /// How old page tokens of the media listing were when they were used.
    pub token_ages: TokenAges,
}

/// How many page tokens had which age. They live 15 seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenAges {
    /// Tokens whose age was within [`TokenAges::LIMITS_MS`] at the same place, and not within the
    /// one before; behind the last limit those that were older.
    counts: [u64; TokenAges::LIMITS_MS.len() + 1],
    /// The ages, added up.
    pub sum: Duration,
}

impl TokenAges {
    /// Up to which age a token belongs into which class, in milliseconds.
    pub const LIMITS_MS: [u64; 9] = [
        500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 15_000,
    ];

    fn add(&mut self, age: Duration) {
        let millis = age.as_millis();
        let class = Self::LIMITS_MS.partition_point(|limit| u128::from(*limit) < millis);
        if let Some(count) = self.counts.get_mut(class) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(age);
    }

    /// Returns for each limit how many tokens were not older.
    pub fn within(&self) -> impl Iterator<Item = (Duration, u64)> {
        let so_far = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        Self::LIMITS_MS
            .iter()
            .copied()
            .map(Duration::from_millis)
            .zip(so_far)
    }

    /// Returns how many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Traffic {
    /// Counts a request and what was answered, `None` where nothing was.
    pub fn asked(&self, api: ApiName, host: &str, status: Option<u16>) {
        let kind = Kind {
            api,
            host: host.to_owned(),
            status,
        };
        *self.flow().requests.entry(kind).or_default() += 1;
    }

    /// Counts how long a request waited for its budget.
    pub fn waited(&self, api: ApiName, span: Duration) {
        let mut flow = self.flow();
        let sum = flow.waited.entry(api).or_default();
        *sum = sum.saturating_add(span);
    }

    /// Counts a page token and how old it was.
    pub fn token_age(&self, age: Duration) {
        self.flow().token_ages.add(age);
    }

    /// Returns the counters as they stand.
    pub fn read(&self) -> Flow {
        self.flow().clone()
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_falls_into_the_class_of_its_age() {
        let traffic = Traffic::default();
        for millis in [0, 500, 501, 15_000, 15_001, 60_000] {
            traffic.token_age(Duration::from_millis(millis));
        }
        let ages = traffic.read().token_ages;
        let within: Vec<u64> = ages.within().map(|(_, count)| count).collect();
        assert_eq!(within, [2, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(ages.count(), 6);
        assert_eq!(ages.sum, Duration::from_millis(91_002));
    }

    #[test]
    fn requests_are_counted_by_api_host_and_status() {
        let traffic = Traffic::default();
        traffic.asked(ApiName::Content, "a", Some(200));
        traffic.asked(ApiName::Content, "a", Some(200));
        traffic.asked(ApiName::Content, "a", None);
        traffic.asked(ApiName::Asset, "a", Some(200));
        let counts: Vec<u64> = traffic.read().requests.into_values().collect();
        assert_eq!(counts, [1, 2, 1]);
    }
}
