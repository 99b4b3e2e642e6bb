//! An error and what lay beneath it.

use std::error::Error;

/// Returns an error and what lay beneath it, from the outside in.
pub fn causes<'a>(err: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = vec![err];
    let mut source = err.source();
    while let Some(cause) = source {
        causes.push(cause);
        source = cause.source();
    }
    causes
}

/// Returns an error and its causes as one line.
pub fn chain(err: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = causes(err).iter().map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the run failed")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn causes_follow_from_the_outside_in() {
        let err = Outer("x".parse::<i32>().unwrap_err());
        assert_eq!(chain(&err), "the run failed: invalid digit found in string");
    }
}
