//! Whether a mount from a repository to itself tells what it has: found out by one small blob ahead of the others.
//!
//! Where such a mount is answered by what is there, one request both asks and opens the upload; where it is not, a
//! refusal means nothing. The difference shows with a blob that is known to be there. So the first small blob goes
//! ahead without being asked for, which costs no request more than asking; once it arrived, the next one mounts it
//! anew, and all go by what that is answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::upload::LONGEST_SINGLE;
use crate::image::{Digest, RepositoryName};

/// How long the one ahead is waited for: who is ahead here may have to wait behind us elsewhere.
const PATIENCE: Duration = Duration::from_secs(5);

/// A blob that was seen to arrive.
#[derive(Debug)]
struct Arrived {
    repository: RepositoryName,
    digest: Digest,
}

/// Lets one blob at a time go ahead.
#[derive(Debug, Default)]
pub(super) struct Scouts(Arc<Mutex<Option<Arrived>>>);

/// The right to go ahead. The next one gets it when this is dropped.
#[derive(Debug)]
pub(super) struct Turn(OwnedMutexGuard<Option<Arrived>>);

impl Scouts {
    /// Waits while a blob is ahead. A long one does not wait, and gets the right only where it is free.
    pub(super) async fn turn(&self, size: u64) -> Option<Turn> {
        let turn = Arc::clone(&self.0);
        if is_scout(size) {
            return tokio::time::timeout(PATIENCE, turn.lock_owned()).await.ok().map(Turn);
        }
        turn.try_lock_owned().ok().map(Turn)
    }
}

/// Whether a blob of this size may be sent without being asked for.
pub(super) const fn is_scout(size: u64) -> bool {
    size <= LONGEST_SINGLE
}

impl Turn {
    /// A blob that is known to be in `repository`.
    pub(super) fn known_in(&self, repository: &RepositoryName) -> Option<&Digest> {
        let arrived = self.0.as_ref().filter(|arrived| arrived.repository == *repository);
        arrived.map(|arrived| &arrived.digest)
    }

    /// Takes note that the blob ahead arrived.
    pub(super) fn arrived(mut self, repository: RepositoryName, digest: Digest) {
        *self.0 = Some(Arrived { repository, digest });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_ones_wait_for_the_one_ahead_and_long_ones_do_not() {
        let (scouts, repository, digest) = (Scouts::default(), "a/b".parse().unwrap(), Digest::of(b"x"));
        let ahead = scouts.turn(1).await.unwrap();
        assert!(ahead.known_in(&repository).is_none());
        assert!(scouts.turn(LONGEST_SINGLE + 1).await.is_none());
        let next = tokio::time::timeout(Duration::from_millis(20), scouts.turn(LONGEST_SINGLE)).await;
        assert!(next.is_err());
        ahead.arrived(repository, digest.clone());
        let next = scouts.turn(LONGEST_SINGLE + 1).await.unwrap();
        assert_eq!(next.known_in(&"a/b".parse().unwrap()), Some(&digest));
        assert_eq!(next.known_in(&"a/c".parse().unwrap()), None);
    }
}
