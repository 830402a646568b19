//! How much of what archives say is held in memory at once: an archive of a few kilobytes can say gigabytes of names.

use super::LayerError;

/// The most bytes of names, targets and attributes of one file system.
const MAX_BYTES: usize = 256 << 20;
/// About what a name takes beside its bytes.
const OVERHEAD: usize = 96;

/// What is left of what may be held.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: MAX_BYTES }
    }
}

impl Budget {
    /// Takes room for a name and what it stands for.
    ///
    /// # Errors
    /// There is none left.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), LayerError> {
        let left = self.left.checked_sub(bytes + OVERHEAD);
        self.left = left.ok_or(LayerError::Bounds("256 MiB of names in one file system"))?;
        Ok(())
    }

    /// Gives it back.
    pub(super) const fn give(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(bytes + OVERHEAD);
    }
}
