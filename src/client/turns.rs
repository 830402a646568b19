//! How many of one kind are under way at one registry: half as many after "too many requests", one more after a
//! stretch that went well.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// Says how often the registry called it too much so far.
pub(super) type Complaints = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Turns that are taken and given back.
#[derive(Clone)]
pub(super) struct Turns(Arc<Shared>);

struct Shared {
    too_many: Complaints,
    /// The most that there ever are.
    most: usize,
    free: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many there are now.
    number: usize,
    /// How many of those that are taken will not be given back, because there are fewer now.
    owed: usize,
    /// How many ended well, one after the other, since the number last changed.
    well: usize,
    /// How often it was too much, as far as that was heeded.
    heeded: u64,
}

/// One turn. Given back when it is dropped.
pub(super) struct Turn(Arc<Shared>);

impl Turns {
    /// `most` turns, at least one.
    pub(super) fn new(most: usize, too_many: Complaints) -> Self {
        let most = most.max(1);
        let state = State { number: most, owed: 0, well: 0, heeded: too_many() };
        Self(Arc::new(Shared { too_many, most, free: Semaphore::new(most), state: Mutex::new(state) }))
    }

    /// Waits for a turn; who comes first is served first.
    pub(super) async fn take(&self) -> Turn {
        self.0.heed();
        // Nothing closes the semaphore.
        if let Ok(permit) = self.0.free.acquire().await {
            permit.forget();
        }
        Turn(Arc::clone(&self.0))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Halves the number where the registry said meanwhile that it is too much.
    fn heed(&self) {
        let too_many = (self.too_many)();
        let mut state = self.state();
        if too_many <= state.heeded {
            return;
        }
        let taken = state.number + state.owed - self.free.available_permits();
        let number = (state.number.min(taken) / 2).max(1);
        let surplus = state.number.saturating_sub(number);
        state.owed += surplus - self.free.forget_permits(surplus);
        (state.number, state.well, state.heeded) = (number.min(state.number), 0, too_many);
    }

    /// Makes one turn free that was taken, or is new.
    fn free_one(&self, state: &mut State) {
        if state.owed > 0 {
            state.owed -= 1;
        } else {
            self.free.add_permits(1);
        }
    }
}

impl Turn {
    /// Gives it back after something that went well.
    pub(super) fn end_well(self) {
        self.0.heed();
        let mut state = self.0.state();
        state.well += 1;
        if state.well >= state.number && state.number < self.0.most {
            state.number += 1;
            state.well = 0;
            self.0.free_one(&mut state);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.heed();
        self.0.free_one(&mut self.0.state());
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turns").field(&self.0.state()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    fn turns(most: usize) -> (Turns, Arc<AtomicU64>) {
        let said = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&said);
        (Turns::new(most, Arc::new(move || counted.load(Ordering::SeqCst))), said)
    }

    /// How many more can be taken now.
    async fn rest(turns: &Turns) -> usize {
        let mut taken = Vec::new();
        while let Ok(turn) = tokio::time::timeout(Duration::from_millis(10), turns.take()).await {
            taken.push(turn);
        }
        taken.len()
    }

    #[tokio::test]
    async fn half_as_many_after_too_many_and_one_more_after_a_stretch_that_went_well() {
        let (turns, said) = turns(8);
        let mut taken = Vec::new();
        for _ in 0..6 {
            taken.push(turns.take().await);
        }
        said.fetch_add(1, Ordering::SeqCst);
        // Three remain of the six that were under way, so that three have to end before one begins.
        assert_eq!(rest(&turns).await, 0);
        taken.truncate(3);
        assert_eq!(rest(&turns).await, 0);
        taken.truncate(1);
        assert_eq!(rest(&turns).await, 2);
        taken.clear();
        for expected in [3, 3, 4, 4] {
            turns.take().await.end_well();
            assert_eq!(turns.0.state().number, expected);
        }
        for _ in 0..100 {
            turns.take().await.end_well();
        }
        assert_eq!(rest(&turns).await, 8, "never more than at first");
    }

    #[tokio::test]
    async fn there_is_always_one() {
        let (turns, said) = turns(0);
        for _ in 0..3 {
            said.fetch_add(1, Ordering::SeqCst);
            let one = turns.take().await;
            assert_eq!(rest(&turns).await, 0);
            drop(one);
        }
        assert_eq!(rest(&turns).await, 1);
    }
}
