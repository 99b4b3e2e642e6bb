//! The page tokens of `GET /api/v2/media`: a scroll.
//!
//! The real token is, as far as its bytes tell, a search engine's scroll id
//! (facts sheet 1.3): it stands for a snapshot and a position, and each use
//! returns the *next* batch. An answer that was lost has taken its page with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::builder::Options;
use crate::mix::Noise;
use crate::state::media::MediaSet;

/// Which answers carry a token, and which token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenMode {
    /// Every answer carries the same token.
    #[default]
    Same,
    /// Every answer carries a new token; older ones are refused.
    Rotating,
    /// Only the first answer carries a token; it stays good.
    FirstOnly,
}

/// What `totalCount` tells on the pages after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TotalCount {
    /// The count of the snapshot.
    #[default]
    Snapshot,
    /// The count at this moment.
    Live,
}

/// One walk that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    pub(crate) snapshot: Arc<MediaSet>,
    /// What the first request's filters left, in order.
    pub(crate) serials: Arc<[u32]>,
    pub(crate) next: usize,
    pub(crate) limit: usize,
    last_used: Instant,
}

/// All tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) mode: TokenMode,
    pub(crate) total: TotalCount,
    life: Duration,
    by_token: HashMap<String, Cursor>,
    noise: Noise,
}

/// How an attempt to use a token ended.
#[derive(Debug)]
pub(crate) enum Use {
    /// The cursor, taken out; put it back with [`Tokens::put_back`].
    Good { cursor: Cursor, age: Duration },
    /// Unknown or expired. The age is known when the token was.
    Refused { age: Option<Duration> },
}

impl Tokens {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            mode: options.token_mode,
            total: options.total_count,
            life: options.token_life + options.token_grace,
            by_token: HashMap::new(),
            noise: Noise::new(&[options.seed, crate::mix::salt("tokens")]),
        }
    }

    /// Begins a walk; returns the token of its first answer.
    pub(crate) fn begin(
        &mut self,
        snapshot: Arc<MediaSet>,
        serials: Arc<[u32]>,
        served: usize,
        limit: usize,
    ) -> String {
        let now = Instant::now();
        // Forgotten walks must not pile up in a long life.
        self.by_token
            .retain(|_, cursor| now.duration_since(cursor.last_used) <= self.life * 4);
        let token = self.fresh();
        self.by_token.insert(
            token.clone(),
            Cursor {
                snapshot,
                serials,
                next: served,
                limit,
                last_used: now,
            },
        );
        token
    }

    /// Takes the cursor of a token. From here on the page counts as served.
    pub(crate) fn take(&mut self, token: &str) -> Use {
        let Some(cursor) = self.by_token.remove(token) else {
            return Use::Refused { age: None };
        };
        let age = cursor.last_used.elapsed();
        if age > self.life {
            Use::Refused { age: Some(age) }
        } else {
            Use::Good { cursor, age }
        }
    }

    /// Puts an advanced cursor back; returns the token for the answer, if it carries one.
    pub(crate) fn put_back(&mut self, token: &str, mut cursor: Cursor) -> Option<String> {
        cursor.last_used = Instant::now();
        match self.mode {
            TokenMode::Same => {
                self.by_token.insert(token.to_owned(), cursor);
                Some(token.to_owned())
            }
            TokenMode::Rotating => {
                let next = self.fresh();
                self.by_token.insert(next.clone(), cursor);
                Some(next)
            }
            TokenMode::FirstOnly => {
                self.by_token.insert(token.to_owned(), cursor);
                None
            }
        }
    }

    pub(crate) fn expire_all(&mut self) {
        self.by_token.clear();
    }

    /// A token as the real ones look, with each character that a careless client forgets to encode.
    fn fresh(&mut self) -> String {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut token = String::from("FGluY2x1ZGVfY29udGV4dF91dWlkDnF1ZXJ5VGhlbkZldGNo+/");
        for _ in 0..40 {
            token.push(char::from(
                letters
                    .get(self.noise.index(letters.len()))
                    .copied()
                    .unwrap_or(b'A'),
            ));
        }
        token.push_str("==");
        token
    }
}
