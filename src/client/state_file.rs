//! Small JSON files that outlive the process: read whole, changed under a lock, written atomically.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files::{Access, FileError, LocalDisk, Lock, Sharing, read_regular, write_atomically};
use crate::registry::{Error, ErrorKind, Result};

/// The most bytes of such a file that are read.
const MAX_BYTES: u64 = 1024 * 1024;
/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// One such file, readable by its owner alone. It holds hints: what cannot be read is as good as not there.
#[derive(Clone, Debug)]
pub(super) struct StateFile(PathBuf);

impl StateFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What it holds. Blocks.
    pub(super) fn read<T: DeserializeOwned + Default>(&self) -> T {
        let bytes = read_regular(&self.0, MAX_BYTES).ok().flatten();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Changes what it holds, as it is now and not as it was read earlier. Blocks.
    ///
    /// # Errors
    /// It cannot be locked or written.
    pub(super) fn change<T, R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let lock = self.0.with_extension("lock");
        let _lock = Lock::take(&lock, Sharing::Exclusive, PATIENCE).map_err(storage)?;
        let mut content: T = self.read();
        let result = change(&mut content);
        let bytes = serde_json::to_vec(&content).map_err(storage)?;
        write_atomically(&LocalDisk, &self.0, &bytes, Access::Private).map_err(|error: FileError| storage(error))?;
        Ok(result)
    }

    /// As [`StateFile::change`], on a thread where that is allowed. What fails is only traced: it was a hint.
    pub(super) async fn note<T>(&self, change: impl FnOnce(&mut T) + Send + 'static)
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let file = self.clone();
        let noted = tokio::task::spawn_blocking(move || file.change::<T, ()>(change)).await;
        if !matches!(noted, Ok(Ok(()))) {
            tracing::debug!(file = %self.0.display(), "a note for the next run could not be kept");
        }
    }
}

fn storage(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Storage, format!("what is kept for the next run cannot be written: {error}")).caused_by(error)
}
