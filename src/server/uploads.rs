//! Open uploads: how many there may be, and how long a blob may become.
//!
//! Only what this server was told in the last hour counts: what was given up without a word is swept away by the
//! upkeep of the place, and holds up nobody here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{StatusCode, header};

use super::answer::{Code, Refusal};

/// How many are open at once where nothing is said.
const MOST: usize = 1000;
/// How long one counts after the last word of it.
const REMEMBERED: Duration = Duration::from_hours(1);

/// The uploads that are open.
#[derive(Debug)]
pub(super) struct Uploads {
    most: usize,
    longest: Option<u64>,
    open: Mutex<HashMap<String, Instant>>,
}

impl Uploads {
    /// At most so many, each of at most so many bytes.
    pub(super) fn new(most: Option<usize>, longest: Option<u64>) -> Self {
        Self { most: most.unwrap_or(MOST), longest, open: Mutex::default() }
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open().len()
    }

    /// Sees to it that one more may be opened.
    pub(super) fn check_room(&self) -> Result<(), Refusal> {
        let mut open = self.open();
        if open.len() < self.most {
            return Ok(());
        }
        open.retain(|_, heard| heard.elapsed() < REMEMBERED);
        if open.len() < self.most {
            return Ok(());
        }
        let message = format!("{} uploads are open; finish or cancel one", self.most);
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests, message);
        Err(refusal.with(header::RETRY_AFTER, "60"))
    }

    /// Sees to it that a blob may become so long.
    pub(super) fn check_length(&self, bytes: u64) -> Result<(), Refusal> {
        match self.longest {
            Some(longest) if bytes > longest => {
                let message = format!("a blob has at most {longest} bytes here");
                Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid, message))
            }
            _ => Ok(()),
        }
    }

    /// Takes note that an upload waits for more.
    pub(super) fn rests(&self, name: &str) {
        self.open().insert(name.to_owned(), Instant::now());
    }

    /// Takes note that an upload is none any more.
    pub(super) fn ended(&self, name: &str) {
        self.open().remove(name);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
