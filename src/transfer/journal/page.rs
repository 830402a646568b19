//! What stands in a journal: lines, and what they come to.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Key;
use crate::image::{Descriptor, Digest};
use crate::registry::{Checkpoint, UploadState, Verifier};
use crate::transfer::delivery::Left;

/// The form of the lines; another one is not read.
const FORMAT: u32 = 1;
/// How many checkpoints of one blob are kept, the last ones: what a destination lacks of what was sent is not much.
const CHECKPOINTS: usize = 64;
/// How many blobs of one transfer are kept; more do not travel at once.
const BLOBS: usize = 256;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    /// The first: which transfer it is.
    Transfer {
        format: u32,
        #[serde(flatten)]
        key: Key,
    },
    /// A blob goes on in this upload.
    Upload { blob: Digest, size: u64, upload: UploadState },
    /// So much of a blob was read.
    Read(Checkpoint),
    /// Nothing is to be gone on with of this blob.
    Over(Digest),
}

impl Line {
    pub(super) fn text(&self) -> String {
        // Strings, numbers and lists of them can always be written.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// What all lines of a journal come to.
pub(super) struct Page {
    pub(super) key: Key,
    blobs: BTreeMap<Digest, Kept>,
}

struct Kept {
    size: u64,
    upload: UploadState,
    checkpoints: VecDeque<Checkpoint>,
}

impl Page {
    pub(super) const fn new(key: Key) -> Self {
        Self { key, blobs: BTreeMap::new() }
    }

    /// The page that a file holds, whichever transfer it is of; `None` where it does not say.
    pub(super) fn of_file(bytes: &[u8]) -> Option<Self> {
        match lines(bytes).next()? {
            Line::Transfer { format: FORMAT, key } => {
                let mut page = Self::new(key);
                page.read(bytes);
                Some(page)
            }
            _ => None,
        }
    }

    /// Takes what a file says, if it is of this transfer.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let mut lines = lines(bytes);
        if matches!(lines.next(), Some(Line::Transfer { format: FORMAT, key }) if key == self.key) {
            for line in lines {
                self.add(line);
            }
        }
    }

    /// Takes a line, and hands it back if it says something new.
    pub(super) fn add(&mut self, line: Line) -> Option<Line> {
        let is_new = match &line {
            Line::Transfer { .. } => false,
            Line::Upload { blob, size, upload } => self.add_upload(blob, *size, upload),
            Line::Read(checkpoint) => self.add_checkpoint(checkpoint),
            Line::Over(blob) => self.blobs.remove(blob).is_some(),
        };
        is_new.then_some(line)
    }

    fn add_upload(&mut self, blob: &Digest, size: u64, upload: &UploadState) -> bool {
        if let Some(kept) = self.blobs.get_mut(blob).filter(|kept| kept.size == size) {
            let is_new = kept.upload.session != upload.session;
            kept.upload.clone_from(upload);
            return is_new;
        }
        if self.blobs.len() < BLOBS {
            let kept = Kept { size, upload: upload.clone(), checkpoints: VecDeque::new() };
            self.blobs.insert(blob.clone(), kept);
            return true;
        }
        false
    }

    /// Checkpoints ascend; where one goes back, the blob was read again from before it.
    fn add_checkpoint(&mut self, checkpoint: &Checkpoint) -> bool {
        let kept = self.blobs.get_mut(&checkpoint.digest).filter(|kept| kept.size == checkpoint.size);
        let Some(Kept { checkpoints, .. }) = kept else { return false };
        while checkpoints.back().is_some_and(|last| last.offset >= checkpoint.offset) {
            checkpoints.pop_back();
        }
        checkpoints.push_back(checkpoint.clone());
        if checkpoints.len() > CHECKPOINTS {
            checkpoints.pop_front();
        }
        true
    }

    pub(super) fn left_of(&self, blob: &Descriptor) -> Left {
        let kept = self.blobs.get(&blob.digest).filter(|kept| kept.size == blob.size);
        kept.map_or_else(Left::default, |kept| Left {
            upload: Some(kept.upload.clone()),
            states: kept.checkpoints.iter().filter_map(|read| Verifier::resume(blob, read)).collect(),
        })
    }

    /// How many bytes were read of what is to be gone on with; the destinations may have fewer.
    pub(super) fn bytes(&self) -> u64 {
        let furthest = |kept: &Kept| kept.checkpoints.back().map_or(kept.upload.offset, |last| last.offset);
        self.blobs.values().map(furthest).fold(0, u64::saturating_add)
    }

    /// The fewest lines that say all this.
    pub(super) fn text(&self) -> String {
        let mut text = Line::Transfer { format: FORMAT, key: self.key.clone() }.text();
        for (blob, kept) in &self.blobs {
            let upload = Line::Upload { blob: blob.clone(), size: kept.size, upload: kept.upload.clone() };
            text.push_str(&upload.text());
            for checkpoint in &kept.checkpoints {
                text.push_str(&Line::Read(checkpoint.clone()).text());
            }
        }
        text
    }
}

/// The lines that can be read: one that was torn, or damaged, says nothing.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}
