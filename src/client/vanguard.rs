//! One request ahead of the others, while it is not known how a registry wants to be spoken to: what turns it away
//! would turn all of them away.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, MutexGuard};

/// Lets the first request of a process go ahead, and the others wait for what it finds out.
#[derive(Debug)]
pub(super) struct Vanguard {
    is_back: AtomicBool,
    turn: Mutex<()>,
}

/// The right to go ahead. The others follow once it is dropped, whatever came of it.
pub(super) struct Ahead<'a> {
    vanguard: &'a Vanguard,
    _turn: MutexGuard<'a, ()>,
}

impl Vanguard {
    /// `is_known` says that an earlier run found out already.
    pub(super) fn new(is_known: bool) -> Self {
        Self { is_back: AtomicBool::new(is_known), turn: Mutex::default() }
    }

    /// Waits while another request is ahead. The first one gets the right to be that.
    pub(super) async fn follow(&self) -> Option<Ahead<'_>> {
        if self.is_back.load(Ordering::Acquire) {
            return None;
        }
        let turn = self.turn.lock().await;
        let is_first = !self.is_back.load(Ordering::Acquire);
        is_first.then_some(Ahead { vanguard: self, _turn: turn })
    }
}

impl Drop for Ahead<'_> {
    fn drop(&mut self) {
        self.vanguard.is_back.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_goes_ahead_and_the_others_follow() {
        let vanguard = Vanguard::new(false);
        let ahead = vanguard.follow().await;
        assert!(ahead.is_some());
        let waits = tokio::time::timeout(Duration::from_millis(20), vanguard.follow()).await;
        assert!(waits.is_err());
        drop(ahead);
        assert!(vanguard.follow().await.is_none());
        assert!(Vanguard::new(true).follow().await.is_none());
    }
}
