//! Faults and edits that wait for a certain request.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::routes::Route;
use crate::state::edits::Edit;

/// What goes wrong with an answer.
///
/// "Consumed" means that the request did its work first: a page token has
/// moved on, a budget was used, and only the answer is lost or spoilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// Another answer in the place of the real one.
    Status {
        /// The HTTP status.
        status: u16,
        /// Further headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body as it is.
        #[serde(default)]
        body: String,
        /// Whether the request was consumed.
        #[serde(default)]
        consumed: bool,
    },
    /// The connection closes without an answer; nothing was consumed.
    DropBefore,
    /// The connection closes without an answer, but the request was consumed.
    DropAfter,
    /// The body ends early and the connection closes. Consumed.
    Cut {
        /// How many bytes arrive.
        after: u64,
        /// False: the head told the full `Content-Length`. True: chunked, the last chunk is missing.
        #[serde(default)]
        chunked: bool,
    },
    /// 200 with bytes that are no JSON. Consumed.
    Garbage,
    /// 200 with an HTML page, as proxies and portals send it. Consumed.
    Html,
    /// The right length, but some bytes are different. Consumed.
    Corrupt,
    /// Waits before the request is looked at.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Waits with the finished answer. Consumed.
    DelayAfter {
        /// Milliseconds.
        ms: u64,
    },
    /// Never goes on, until the client gives up. Consumed.
    Stall {
        /// `None`: not even a head arrives. `Some(n)`: the head and `n` bytes.
        #[serde(default)]
        after: Option<u64>,
    },
    /// The body arrives slowly. Consumed.
    Drip {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// A redirect; nothing was consumed.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location`. A `{path}` in it stands for the request's path and query.
        location: String,
    },
}

impl Fault {
    /// An error status with the usual JSON message; nothing was consumed.
    #[must_use]
    pub fn status(status: u16, message: &str) -> Self {
        let body = serde_json::json!({ "message": message }).to_string();
        Self::Status {
            status,
            headers: BTreeMap::new(),
            body,
            consumed: false,
        }
    }

    /// 200 with other JSON in the place of the real answer. Consumed.
    #[must_use]
    pub fn answer(body: impl Into<String>) -> Self {
        Self::Status {
            status: 200,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: body.into(),
            consumed: true,
        }
    }

    /// Like [`Fault::status`], but the request was consumed.
    #[must_use]
    pub fn status_consumed(status: u16, message: &str) -> Self {
        let body = serde_json::json!({ "message": message }).to_string();
        Self::Status {
            status,
            headers: BTreeMap::new(),
            body,
            consumed: true,
        }
    }

    const fn is_delay(&self) -> bool {
        matches!(self, Self::Delay { .. } | Self::DelayAfter { .. })
    }
}

/// Which of the matching requests, counted from 1 since the rule was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Only the n-th.
    Nth(u64),
    /// All of them.
    Every,
    /// From the first to the second number, both included.
    Range(u64, u64),
    /// The n-th, the 2n-th and so on.
    EachNth(u64),
}

impl Occasion {
    const fn holds(&self, n: u64) -> bool {
        match self {
            Self::Nth(wanted) => n == *wanted,
            Self::Every => true,
            Self::Range(from, to) => *from <= n && n <= *to,
            Self::EachNth(step) => *step > 0 && n.is_multiple_of(*step),
        }
    }
}

impl From<u64> for Occasion {
    fn from(n: u64) -> Self {
        Self::Nth(n)
    }
}

impl From<RangeInclusive<u64>> for Occasion {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self::Range(*range.start(), *range.end())
    }
}

/// Which requests a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The route; `None` for all.
    #[serde(default)]
    pub route: Option<Route>,
    /// A text that path and query must contain; `None` for all.
    #[serde(default)]
    pub containing: Option<String>,
}

impl Target {
    fn matches(&self, route: Route, path_and_query: &str) -> bool {
        self.route.is_none_or(|wanted| wanted == route)
            && self
                .containing
                .as_ref()
                .is_none_or(|text| path_and_query.contains(text.as_str()))
    }
}

impl From<Route> for Target {
    fn from(route: Route) -> Self {
        Self {
            route: Some(route),
            containing: None,
        }
    }
}

impl Route {
    /// Only those requests of the route whose path and query contain this text.
    #[must_use]
    pub fn containing(self, text: &str) -> Target {
        Target {
            route: Some(self),
            containing: Some(text.to_owned()),
        }
    }
}

/// Whether an edit happens before the request is looked at, or after its answer
/// is made (and before it is sent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The request sees the edit.
    Before,
    /// The request does not see it; the next one does.
    After,
}

/// A fault that waits; the body of the admin listener's `POST /faults`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// Which requests.
    #[serde(flatten)]
    pub target: Target,
    /// Which of them.
    pub occasion: Occasion,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

/// An edit that waits; the body of the admin listener's `POST /triggers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditRule {
    /// Which requests.
    #[serde(flatten)]
    pub target: Target,
    /// Which of them, counted from 1 since the rule was set.
    pub nth: u64,
    /// Before or after.
    pub when: When,
    /// What happens.
    #[serde(flatten)]
    pub edit: Edit,
}

/// All rules, with how many requests each has seen.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    faults: Vec<(FaultRule, u64)>,
    edits: Vec<(EditRule, u64)>,
}

/// What the rules say about one request.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Delays, then at most one other fault.
    pub(crate) faults: Vec<Fault>,
    pub(crate) before: Vec<Edit>,
    pub(crate) after: Vec<Edit>,
}

impl FaultBook {
    pub(crate) fn add_fault(&mut self, rule: FaultRule) {
        self.faults.push((rule, 0));
    }

    pub(crate) fn add_edit(&mut self, rule: EditRule) {
        self.edits.push((rule, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
        self.edits.clear();
    }

    /// Counts one request and tells what happens to it. All delays hold; of the
    /// other faults the rule that was set first.
    pub(crate) fn arrived(&mut self, route: Route, path_and_query: &str) -> Verdict {
        let mut verdict = Verdict::default();
        let mut other = None;
        for (rule, seen) in &mut self.faults {
            if rule.target.matches(route, path_and_query) {
                *seen += 1;
                if rule.occasion.holds(*seen) {
                    if rule.fault.is_delay() {
                        verdict.faults.push(rule.fault.clone());
                    } else if other.is_none() {
                        other = Some(rule.fault.clone());
                    }
                }
            }
        }
        verdict.faults.extend(other);
        self.edits.retain_mut(|(rule, seen)| {
            if !rule.target.matches(route, path_and_query) {
                return true;
            }
            *seen += 1;
            if *seen < rule.nth {
                return true;
            }
            match rule.when {
                When::Before => verdict.before.push(rule.edit.clone()),
                When::After => verdict.after.push(rule.edit.clone()),
            }
            false
        });
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_count_their_own_requests() {
        let mut book = FaultBook::default();
        book.add_fault(FaultRule {
            target: Route::Media.into(),
            occasion: 2.into(),
            fault: Fault::DropAfter,
        });
        let blog = Route::ContentList.containing("blog");
        book.add_fault(FaultRule {
            target: blog,
            occasion: (1..=2).into(),
            fault: Fault::Garbage,
        });
        let faults = |book: &mut FaultBook, route, path| book.arrived(route, path).faults;
        assert_eq!(faults(&mut book, Route::Media, "/"), []);
        assert_eq!(faults(&mut book, Route::ContentList, "/api/v1/news"), []);
        assert_eq!(faults(&mut book, Route::Media, "/"), [Fault::DropAfter]);
        assert_eq!(
            faults(&mut book, Route::ContentList, "/api/v1/blog"),
            [Fault::Garbage]
        );
        assert_eq!(
            faults(&mut book, Route::ContentList, "/api/v1/blog"),
            [Fault::Garbage]
        );
        assert_eq!(faults(&mut book, Route::ContentList, "/api/v1/blog"), []);
    }

    #[test]
    fn an_edit_happens_once() {
        let mut book = FaultBook::default();
        let edit = Edit::DeleteAllMedia;
        book.add_edit(EditRule {
            target: Route::Media.into(),
            nth: 2,
            when: When::After,
            edit: edit.clone(),
        });
        assert!(book.arrived(Route::Media, "/").after.is_empty());
        assert_eq!(book.arrived(Route::Media, "/").after, [edit]);
        assert!(book.arrived(Route::Media, "/").after.is_empty());
    }

    #[test]
    fn rules_survive_json() {
        let text =
            r#"{"route":"media","occasion":{"nth":3},"fault":"status","status":503,"body":""}"#;
        let rule: FaultRule = serde_json::from_str(text).unwrap();
        assert_eq!(
            (rule.target, rule.occasion),
            (Route::Media.into(), Occasion::Nth(3))
        );
        let text = r#"{"route":"media","nth":2,"when":"after","edit":"delete_all_media"}"#;
        let rule: EditRule = serde_json::from_str(text).unwrap();
        assert_eq!(rule.edit, Edit::DeleteAllMedia);
        let readme = include_str!("../README.md");
        let example = |name: &str| {
            let line = readme.lines().find(|line| line.contains(name)).unwrap();
            line.split('`').nth(3).unwrap().to_owned()
        };
        let rule: FaultRule = serde_json::from_str(&example("POST /faults")).unwrap();
        assert_eq!(
            (rule.occasion, rule.fault),
            (Occasion::Nth(2), Fault::DropAfter)
        );
        let rule: EditRule = serde_json::from_str(&example("POST /triggers")).unwrap();
        assert!(matches!(rule.edit, Edit::DeleteContent { .. }));
        let edit: Edit = serde_json::from_str(&example("POST /edits")).unwrap();
        assert!(matches!(edit, Edit::AddMedium { .. }));
    }
}
