//! Answers as they come: those that are here go into one transaction, and while that is written, the
//! next ones are read.

use super::ask::Answer;
use futures_util::stream::{Stream, StreamExt as _};
use std::pin::pin;
use tokio::task::JoinError;

/// Answers that are recorded together, at most, and that are read ahead.
const TOGETHER: usize = 4;
/// How long the bodies in them are together, before no further answer is added: they are in memory.
const BYTES: usize = 1 << 20;

/// The answers to come.
#[derive(Debug)]
pub(super) struct Answers<S> {
    asked: S,
    ready: Vec<Answer>,
    /// How long the bodies in these are.
    bytes: usize,
    is_over: bool,
}

impl<S: Stream<Item = Result<Answer, JoinError>> + Unpin> Answers<S> {
    pub(super) fn new(asked: S) -> Self {
        Self {
            asked,
            ready: Vec::new(),
            bytes: 0,
            is_over: false,
        }
    }

    /// Returns the answers that are here; waits for one where there is none. `None`: all were returned.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Answer>>, JoinError> {
        if self.ready.is_empty() && !self.is_over {
            let answer = self.asked.next().await;
            self.add(answer)?;
        }
        let ready = self.ready();
        Ok((!ready.is_empty()).then_some(ready))
    }

    /// Returns the answers that are here.
    pub(super) fn ready(&mut self) -> Vec<Answer> {
        self.bytes = 0;
        std::mem::take(&mut self.ready)
    }

    fn add(&mut self, answer: Option<Result<Answer, JoinError>>) -> Result<(), JoinError> {
        match answer {
            Some(answer) => {
                let answer = answer?;
                self.bytes += answer.bytes();
                self.ready.push(answer);
            }
            None => self.is_over = true,
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.is_over && self.ready.len() < TOGETHER && self.bytes < BYTES
    }

    /// Does `work`, and reads on meanwhile.
    pub(super) async fn beside<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, JoinError> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                answer = self.asked.next(), if self.has_room() => self.add(answer)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BodyOutcome, BodySide, ContentId, Endpoint, Timestamp};
    use futures_util::stream;

    #[tokio::test]
    async fn while_the_database_writes_a_few_answers_are_read_and_then_go_together() {
        let mut answers = Answers::new(stream::iter((0..9).map(|_| Ok(Answer::default()))));
        let first = answers.next().await.unwrap().unwrap();
        assert_eq!(first.len(), 1, "nothing waits for more to come");
        let work = async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        };
        answers.beside(work).await.unwrap();
        let mut groups = Vec::new();
        while let Some(group) = answers.next().await.unwrap() {
            groups.push(group.len());
        }
        assert_eq!(groups, [TOGETHER, 1, 1, 1, 1]);
    }

    fn long_answer() -> Answer {
        let outcome = BodyOutcome::Saved {
            endpoint: Endpoint::parse("blog").unwrap(),
            id: ContentId::parse("a").unwrap(),
            side: BodySide::Draft,
            owed_at: Timestamp::from_unix_millis(0),
            body: "x".repeat(BYTES / 2),
            digest: None,
        };
        Answer {
            outcomes: vec![outcome],
            trouble: None,
        }
    }

    #[tokio::test]
    async fn of_long_bodies_fewer_are_in_memory() {
        let mut answers = Answers::new(stream::iter((0..5).map(|_| Ok(long_answer()))));
        let mut groups = Vec::new();
        while let Some(group) = answers.next().await.unwrap() {
            groups.push(group.len());
            let work = async {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            };
            answers.beside(work).await.unwrap();
        }
        assert_eq!(groups, [1, 2, 2]);
    }

    #[tokio::test]
    async fn work_ends_also_where_no_answer_is_left() {
        let mut answers = Answers::new(stream::empty());
        let work = async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(answers.beside(work).await.unwrap(), 7);
        assert!(answers.next().await.unwrap().is_none());
    }
}
