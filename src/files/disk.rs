//! The few operations on a disk that durable state is made of.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::SystemTime;

use super::{Access, held, open_regular};

/// A disk. [`LocalDisk`] is the real one; tests wrap it to make the Nth call fail.
pub trait Disk: Send + Sync {
    /// Makes a new file; it is an error where one is there.
    ///
    /// # Errors
    /// What the system says.
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a new file that others see to be in use for as long as it is open. What has the name and is in use
    /// by nobody was left by a process that was killed, and is removed; `None` where somebody uses it.
    ///
    /// # Errors
    /// What the system says.
    fn create_held(&self, path: &Path, access: Access) -> io::Result<Option<Box<dyn DiskFile>>>;

    /// Opens a file to write behind its end; makes it where it is missing.
    ///
    /// # Errors
    /// What the system says.
    fn append(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Sets the time of a file to now.
    ///
    /// # Errors
    /// What the system says; `InvalidInput` where it is no regular file.
    fn touch(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory and those above it; it is no error where they are there.
    ///
    /// # Errors
    /// What the system says.
    fn create_directories(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub trait DiskFile: Send {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// What the system says; how much was written is unknown then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Takes back what was written behind the first `length` bytes, so that the next ones follow those.
    ///
    /// # Errors
    /// What the system says; what the file holds is unknown then.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the system says; nothing that was written counts then.
    fn sync(&mut self) -> io::Result<()>;
}

/// The disk of this computer.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        Ok(Box::new(access.apply(&mut options).open(path)?))
    }

    fn create_held(&self, path: &Path, access: Access) -> io::Result<Option<Box<dyn DiskFile>>> {
        Ok(held::create(path, access)?.map(|file| Box::new(file) as Box<dyn DiskFile>))
    }

    fn append(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        Ok(Box::new(access.apply(&mut options).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let opened = open_regular(path).map_err(|error| error.source)?;
        let (file, _) = opened.ok_or(io::ErrorKind::NotFound)?;
        // The system's own time of a write may be some milliseconds behind the clock.
        let now = FileTimes::new().set_modified(SystemTime::now());
        // Only Unix lets the owner do so through a file that is open for reading.
        let file = if cfg!(unix) { file } else { OpenOptions::new().write(true).open(path)? };
        file.set_times(now)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        // Only Unix can open a directory to make its names durable; elsewhere a rename is durable by itself.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

impl DiskFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
