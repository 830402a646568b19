//! A gate that many pass at once, and that one closes now and then: between threads and between processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Lock, LockError, Sharing};

/// How long others may be in the way: who passes holds it for a few writes, who closes for a few removals.
const PATIENCE: Duration = Duration::from_mins(1);

/// A gate. Who wants to close it waits for those that are passing, and not for those that come after.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Held shared by who passes, exclusively by who closes.
    path: PathBuf,
    /// Where both queue: held for a moment by who passes, for as long as it is closed by who closes.
    turn: PathBuf,
}

/// Whoever holds it passes: the gate is not closed meanwhile.
#[derive(Debug)]
pub struct Passage(#[expect(dead_code, reason = "held, not looked at")] Lock);

/// Whoever holds it has closed the gate: nobody passes meanwhile.
#[derive(Debug)]
pub struct Closed(#[expect(dead_code, reason = "held, not looked at")] [Lock; 2]);

impl Gate {
    /// The gate of these two files, whether or not they are there yet.
    #[must_use]
    pub fn new(path: &Path, turn: &Path) -> Self {
        Self { path: path.to_owned(), turn: turn.to_owned() }
    }

    /// Passes. Blocks the thread.
    ///
    /// # Errors
    /// It stays closed, or the files cannot be used.
    pub fn pass(&self) -> Result<Passage, LockError> {
        let _turn = Lock::take(&self.turn, Sharing::Shared, PATIENCE)?;
        Ok(Passage(Lock::take(&self.path, Sharing::Shared, PATIENCE)?))
    }

    /// Closes it, once those that are passing have passed. Blocks the thread.
    ///
    /// # Errors
    /// Somebody does not get through, or the files cannot be used.
    pub fn close(&self) -> Result<Closed, LockError> {
        let turn = Lock::take(&self.turn, Sharing::Exclusive, PATIENCE)?;
        Ok(Closed([Lock::take(&self.path, Sharing::Exclusive, PATIENCE)?, turn]))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn nobody_passes_a_closed_gate_and_a_crowd_does_not_keep_it_open() {
        let home = tempfile::tempdir().unwrap();
        let gate = Gate::new(&home.path().join("gate"), &home.path().join("turn"));
        let (inside, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        let passage = gate.pass().unwrap();
                        inside.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(1));
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(passage);
                    }
                });
            }
            for _ in 0..20 {
                let closed = gate.close().unwrap();
                assert_eq!(inside.load(Ordering::SeqCst), 0);
                std::thread::sleep(Duration::from_millis(1));
                assert_eq!(inside.load(Ordering::SeqCst), 0);
                drop(closed);
            }
            over.store(true, Ordering::SeqCst);
        });
        let (_one, _other) = (gate.pass().unwrap(), gate.pass().unwrap());
    }
}
