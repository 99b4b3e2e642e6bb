//! The two request budgets (facts sheet 3.1), as sliding windows.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::builder::Options;

/// How many requests an API allows in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) requests: u32,
    pub(crate) window: Duration,
}

/// A refused request: what is allowed, and when the next one may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) limit: u32,
    pub(crate) wait: Duration,
}

/// Requests of the last window.
#[derive(Debug, Default)]
struct Log(VecDeque<Instant>);

impl Log {
    /// Takes one request if the budget allows it. A refused request does not count.
    fn take(&mut self, budget: Budget, now: Instant) -> Result<(), Refused> {
        while self
            .0
            .front()
            .is_some_and(|oldest| now.duration_since(*oldest) >= budget.window)
        {
            self.0.pop_front();
        }
        if self.0.len() >= budget.requests as usize {
            let oldest = self.0.front().copied().unwrap_or(now);
            let wait = budget.window.saturating_sub(now.duration_since(oldest));
            return Err(Refused {
                limit: budget.requests,
                wait,
            });
        }
        self.0.push_back(now);
        Ok(())
    }
}

/// Both budgets with what was used of them.
#[derive(Debug)]
pub(crate) struct Budgets {
    management: Option<Budget>,
    content: Option<Budget>,
    by_client: HashMap<IpAddr, Log>,
    service: Log,
}

impl Budgets {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            management: options.management_budget,
            content: options.content_budget,
            by_client: HashMap::new(),
            service: Log::default(),
        }
    }

    /// Management API: counted per client address.
    pub(crate) fn take_management(&mut self, client: IpAddr, now: Instant) -> Result<(), Refused> {
        match self.management {
            Some(budget) => self.by_client.entry(client).or_default().take(budget, now),
            None => Ok(()),
        }
    }

    /// Content API: counted per service.
    pub(crate) fn take_content(&mut self, now: Instant) -> Result<(), Refused> {
        match self.content {
            Some(budget) => self.service.take(budget, now),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let budget = Budget {
            requests: 2,
            window: Duration::from_secs(10),
        };
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut log = Log::default();
        assert_eq!(log.take(budget, at(0)), Ok(()));
        assert_eq!(log.take(budget, at(6)), Ok(()));
        assert_eq!(
            log.take(budget, at(9)),
            Err(Refused {
                limit: 2,
                wait: Duration::from_secs(1)
            })
        );
        assert_eq!(
            log.take(budget, at(10)),
            Ok(()),
            "the first has left the window"
        );
        assert_eq!(
            log.take(budget, at(11)),
            Err(Refused {
                limit: 2,
                wait: Duration::from_secs(5)
            })
        );
    }
}
