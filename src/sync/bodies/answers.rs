//! Answers as they come: those that are here go into one transaction, and while that is written, the
//! next ones are read.

use super::ask::Answer;
use futures_util::stream::{Stream, StreamExt as _};
use std::pin::pin;
use tokio::task::JoinError;

/// Answers that are recorded together, at most, and that are read ahead. Few, because their texts are
/// in memory.
const TOGETHER: usize = 4;

/// The answers to come.
#[derive(Debug)]
pub(super) struct Answers<S> {
    asked: S,
    ready: Vec<Answer>,
    is_over: bool,
}

impl<S: Stream<Item = Result<Answer, JoinError>> + Unpin> Answers<S> {
    pub(super) fn new(asked: S) -> Self {
        Self {
            asked,
            ready: Vec::new(),
            is_over: false,
        }
    }

    /// Returns the answers that are here; waits for one where there is none. `None`: all were returned.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Answer>>, JoinError> {
        if self.ready.is_empty() && !self.is_over {
            self.ready.extend(self.asked.next().await.transpose()?);
        }
        let ready = self.ready();
        Ok((!ready.is_empty()).then_some(ready))
    }

    /// Returns the answers that are here.
    pub(super) fn ready(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.ready)
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
                answer = self.asked.next(), if !self.is_over && self.ready.len() < TOGETHER => {
                    self.is_over = answer.is_none();
                    self.ready.extend(answer.transpose()?);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
