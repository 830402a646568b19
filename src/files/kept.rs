//! What unfinished work left in a directory for the next run, and whether somebody is at it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Claim, Disk, FileError};

/// A file that was kept for the next run.
#[derive(Clone, Debug)]
pub struct KeptFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub length: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

impl KeptFile {
    /// The files in a directory, those that were written last at the end; none where it is not there. Claims and
    /// hidden files are passed over.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn list(directory: &Path) -> Result<Vec<Self>, FileError> {
        let is_kept = |name: &str| !name.starts_with('.') && Claim::claimed(name).is_none();
        let mut found: Vec<Self> = names(directory)?
            .iter()
            .filter(|name| is_kept(name))
            .filter_map(|name| Self::at(directory.join(name)))
            .collect();
        found.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        Ok(found)
    }

    fn at(path: PathBuf) -> Option<Self> {
        let metadata = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Self { length: metadata.len(), modified: metadata.modified().ok()?, path })
    }

    /// Its name, where that can be shown.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// How long ago it was written.
    #[must_use]
    pub fn age(&self) -> Duration {
        // Of a time that is yet to come it is as good as now.
        self.modified.elapsed().unwrap_or_default()
    }

    /// Whether a process is at it.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        Claim::is_on(&self.path)
    }

    /// Removes it, unless a process is at it, and says whether it is gone.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, disk: &dyn Disk) -> Result<bool, FileError> {
        // Where it cannot be claimed, somebody else has the right to it.
        let Ok(Some(_claim)) = Claim::on(&self.path) else { return Ok(false) };
        match disk.remove(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::new("remove", &*self.path, error)),
            _ => Ok(true),
        }
    }

    /// Removes from a directory what is at least so old and what no process is at, of the files that `describe`
    /// knows; its words for what is gone are handed over.
    ///
    /// # Errors
    /// The directory cannot be listed, or a file not be removed.
    pub fn clean<T>(
        disk: &dyn Disk,
        directory: &Path,
        older_than: Duration,
        describe: impl Fn(&Self) -> Option<T>,
    ) -> Result<Vec<T>, FileError> {
        let mut removed = Vec::new();
        for file in Self::list(directory)?.iter().filter(|file| file.age() >= older_than) {
            if let Some(described) = describe(file)
                && file.remove(disk)?
            {
                removed.push(described);
            }
        }
        // A kill between the end of a file and that of its claim leaves the claim.
        for name in names(directory)? {
            let Some(file) = Claim::claimed(&name).map(|name| directory.join(name)) else { continue };
            if !file.exists() {
                drop(Claim::on(&file));
            }
        }
        Ok(removed)
    }
}

fn names(directory: &Path) -> Result<Vec<String>, FileError> {
    match directory.read_dir() {
        Ok(entries) => Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(FileError::new("list", directory, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::LocalDisk;

    #[test]
    fn what_is_old_and_unused_goes_with_its_claim() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("kept");
        assert!(KeptFile::list(&directory).unwrap().is_empty());
        let clean = |older_than| {
            let describe = |file: &KeptFile| (file.name() != "other").then(|| file.name().to_owned());
            KeptFile::clean(&LocalDisk, &directory, older_than, describe).unwrap()
        };
        assert!(clean(Duration::ZERO).is_empty());
        std::fs::create_dir(&directory).unwrap();
        let hour = Duration::from_hours(1);
        for (name, age) in [("new", 0), ("old", 2), ("used", 3)] {
            let file = std::fs::File::create(directory.join(name)).unwrap();
            file.set_modified(SystemTime::now() - age * hour).unwrap();
        }
        std::fs::create_dir(directory.join("directory")).unwrap();
        for name in [".hidden", "old.lock", "gone.lock"] {
            std::fs::write(directory.join(name), "").unwrap();
        }
        let claim = Claim::on(&directory.join("used")).unwrap().unwrap();
        let listed = KeptFile::list(&directory).unwrap();
        assert_eq!(listed.iter().map(KeptFile::is_claimed).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(listed.iter().map(KeptFile::name).collect::<Vec<_>>(), ["used", "old", "new"]);
        assert_eq!(clean(hour), ["old"]);
        std::fs::write(directory.join("other"), "").unwrap();
        assert_eq!(clean(Duration::ZERO), ["new"]);
        drop(claim);
        let left: Vec<_> = directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 4, "what is hidden, in use, of others, and a directory: {left:?}");
    }
}
