//! A file that gets its content piece by piece, and its name at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::atomic::{parent, temporary_file};
use super::{Access, Disk, DiskFile, FileError, create_directories};

/// What is to take the place of a file. Dropped before [`Replacement::finish`], it leaves the old content, and
/// nothing beside it.
pub struct Replacement {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    temporary: PathBuf,
    /// `None` once the file has its name.
    file: Option<Box<dyn DiskFile>>,
}

impl Replacement {
    /// Begins a file that is to be `path`. The directory is made where it is missing. A symbolic link at `path` is
    /// replaced, not followed.
    ///
    /// # Errors
    /// The path and what the system said.
    pub fn begin(disk: Arc<dyn Disk>, path: &Path, access: Access) -> Result<Self, FileError> {
        create_directories(&*disk, parent(path))?;
        let (temporary, file) = temporary_file(&*disk, path, access).map_err(FileError::of("write", path))?;
        Ok(Self { disk, path: path.to_owned(), temporary, file: Some(file) })
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// The path and what the system said; how much was written is unknown then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write(bytes).map_err(FileError::of("write", &self.path))
    }

    /// Takes back what was written behind the first `length` bytes.
    ///
    /// # Errors
    /// The path and what the system said.
    pub fn cut(&mut self, length: u64) -> Result<(), FileError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.cut(length).map_err(FileError::of("write", &self.path))
    }

    /// Puts it in place, durably.
    ///
    /// # Errors
    /// The path and what the system said. The old content is whole then; a failed sync of the directory leaves the
    /// new content, not known to be durable.
    pub fn finish(mut self) -> Result<(), FileError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let failed = |error| FileError::new("write", &self.path, error);
        // The file is held until it has its name: what nobody holds is taken for what a killed process left.
        file.sync().and_then(|()| self.disk.rename(&self.temporary, &self.path)).map_err(failed)?;
        self.file = None;
        self.disk.sync_directory(parent(&self.path)).map_err(failed)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What is given up has failed already; that its temporary file stays is the lesser evil.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::LocalDisk;

    fn begin(path: &Path) -> Replacement {
        Replacement::begin(Arc::new(LocalDisk), path, Access::Shared).unwrap()
    }

    #[test]
    fn it_has_its_name_at_the_end_alone_and_leaves_nothing_where_it_is_given_up() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/file");
        let mut given_up = begin(&path);
        given_up.write(b"never").unwrap();
        drop(given_up);
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 0);
        let mut file = begin(&path);
        file.write(b"one, two").unwrap();
        file.cut(5).unwrap();
        file.write(b"three").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one, three");
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1);
    }
}
