//! Work that waits for a disk, on threads that may.

use std::any::Any;
use std::future::{Future, pending};
use tokio::task::{JoinError, spawn_blocking};

type Erased = Box<dyn Any + Send>;

/// Does `work` on a thread that may block; it begins with the call, not with the first poll, and goes on where nobody waits
/// for it any more.
///
/// As [`spawn_blocking`], which is built anew for each piece of work: a hundredth of the program.
///
/// # Errors
/// Where it panicked.
pub(crate) fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, JoinError>> + Send {
    let erased: Box<dyn FnOnce() -> Erased + Send> = Box::new(move || Box::new(work()));
    let begun = spawn_blocking(erased);
    async move {
        match begun.await?.downcast::<T>() {
            Ok(done) => Ok(*done),
            // It is what was put in.
            Err(_other) => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_out_is_what_was_done_and_a_panic_is_an_error() {
        assert_eq!(run(|| vec![1, 2]).await.unwrap(), [1, 2]);
        let begun = run(|| panic!("for a test"));
        let ended: Result<(), JoinError> = begun.await;
        assert!(ended.unwrap_err().is_panic());
    }
}
