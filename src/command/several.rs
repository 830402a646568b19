//! The same done to several things, some at once, and what came of each in their order.

use std::future::Future;

use futures_util::{StreamExt as _, stream};

use super::{CommandError, LOOKS};

/// Does all of the work, a few at a time; what was done and what was not, each in the order of `work`.
pub(super) async fn several<T, F>(work: impl IntoIterator<Item = F>) -> (Vec<T>, Vec<CommandError>)
where
    F: Future<Output = Result<T, CommandError>>,
{
    let mut ends = stream::iter(work).buffered(LOOKS);
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    while let Some(end) = ends.next().await {
        match end {
            Ok(one) => done.push(one),
            Err(error) => failures.push(error),
        }
    }
    (done, failures)
}
