//! A disk for tests that fails at its Nth call: then alone, or from then on as a dying or full disk does.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Access, Disk, DiskFile, LocalDisk};

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The Nth alone.
    Once,
    /// The Nth and every later one.
    FromThenOn,
}

impl Failing {
    /// Both ways.
    pub(crate) const ALL: [Self; 2] = [Self::Once, Self::FromThenOn];
}

/// The local disk, some calls of which fail. Clones count together. It does not really sync, which takes most of
/// the time of a call and which no test outlives.
#[derive(Clone, Debug)]
pub(crate) struct FaultyDisk {
    calls: Arc<AtomicUsize>,
    fails_at: usize,
    failing: Failing,
    kind: io::ErrorKind,
}

impl FaultyDisk {
    /// A disk whose call number `fails_at`, counted from 0, fails with an error of `kind`.
    pub(crate) fn new(fails_at: usize, failing: Failing, kind: io::ErrorKind) -> Self {
        Self { calls: Arc::default(), fails_at, failing, kind }
    }

    /// A disk that never fails.
    pub(crate) fn healthy() -> Self {
        Self::new(usize::MAX, Failing::FromThenOn, io::ErrorKind::Other)
    }

    /// Whether a call has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.fails_at
    }

    fn call(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fails = match self.failing {
            Failing::Once => call == self.fails_at,
            Failing::FromThenOn => call >= self.fails_at,
        };
        if fails { Err(self.kind.into()) } else { Ok(()) }
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { disk: self.clone(), file })
    }
}

impl Disk for FaultyDisk {
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.call()?;
        Ok(self.wrap(LocalDisk.create_new(path, access)?))
    }

    fn create_held(&self, path: &Path, access: Access) -> io::Result<Option<Box<dyn DiskFile>>> {
        self.call()?;
        Ok(LocalDisk.create_held(path, access)?.map(|file| self.wrap(file)))
    }

    fn append(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.call()?;
        Ok(self.wrap(LocalDisk.append(path, access)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        LocalDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        LocalDisk.remove(path)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        LocalDisk.touch(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        LocalDisk.create_directories(path)
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        self.call()
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    file: Box<dyn DiskFile>,
}

impl DiskFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.disk.call() {
            // A short write: what a full disk leaves behind.
            self.file.write(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.disk.call()?;
        self.file.cut(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.call()
    }
}
