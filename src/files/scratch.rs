//! A file without a name, for what need not outlive the process: nothing is left of it, however the process ends.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::FileError;

/// A file that nobody else can open and that goes with the process.
#[derive(Debug)]
pub struct Scratch(Mutex<File>);

impl Scratch {
    /// Makes one on the file system of `directory`, which is made where it is missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(directory: &Path) -> Result<Self, FileError> {
        let create = || {
            std::fs::create_dir_all(directory)?;
            tempfile::tempfile_in(directory)
        };
        create().map(|file| Self(Mutex::new(file))).map_err(FileError::of("write", directory))
    }

    /// Writes `bytes` at an offset. Blocks the thread.
    ///
    /// # Errors
    /// What the system says; how much was written is unknown then.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.at(offset)?.write_all(bytes)
    }

    /// Fills `bytes` from an offset on. Blocks the thread.
    ///
    /// # Errors
    /// What the system says, or the file ends before.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.at(offset)?.read_exact(bytes)
    }

    fn at(&self, offset: u64) -> io::Result<std::sync::MutexGuard<'_, File>> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_no_name_is_left() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        let scratch = Scratch::create(&directory).unwrap();
        scratch.write_at(5, b"world").unwrap();
        scratch.write_at(0, b"hello").unwrap();
        let mut found = [0; 10];
        scratch.read_at(0, &mut found).unwrap();
        assert_eq!(&found, b"helloworld");
        assert!(scratch.read_at(6, &mut found).is_err(), "it ends before");
        if cfg!(unix) {
            assert_eq!(directory.read_dir().unwrap().count(), 0);
        }
        drop(scratch);
        assert_eq!(directory.read_dir().unwrap().count(), 0);
    }

    #[test]
    fn where_there_can_be_no_directory_it_says_so() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let error = Scratch::create(&home.path().join("file/below")).expect_err("a file is in the way");
        assert_eq!(error.doing, "write");
    }
}
