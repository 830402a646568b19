//! A disk for tests that forgets what was not synced, as a computer does that loses its power.
//!
//! What is written goes to the local disk, and it is noted what of it is durable: of a file what was there when it
//! was last synced, of a name what its directory was when that was last synced. From this what is left after a loss
//! is made anew elsewhere: all that was forgotten, or some of it, in whatever order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Disk, DiskFile, LocalDisk};

/// The local disk, with a memory of what is durable. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForgetfulDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<File>,
    /// Which file a name stands for now, and where it is known to stand after a loss.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    directories: BTreeSet<PathBuf>,
    durable_directories: BTreeSet<PathBuf>,
}

#[derive(Debug, Default)]
struct File {
    written: Vec<u8>,
    synced: Vec<u8>,
}

impl ForgetfulDisk {
    /// What is left of `root` after a loss, in `target`. With the seed 0 all is lost that can be; with others some of
    /// it happens to be there.
    pub(crate) fn lose_power(&self, root: &Path, target: &Path, seed: u64) {
        let state = self.state();
        let mut chance = Chance(seed);
        let names: BTreeSet<&PathBuf> = state.names.keys().chain(state.durable_names.keys()).collect();
        for path in names {
            let (now, durable) = (state.names.get(path), state.durable_names.get(path));
            let Some(file) = (if chance.happens() { now } else { durable }) else { continue };
            let directories = path.ancestors().skip(1).take_while(|directory| *directory != root);
            let made = |directory: &Path| state.durable_directories.contains(directory);
            if !directories.into_iter().all(made) {
                continue;
            }
            let file = &state.files[*file];
            let extra = &file.written[file.synced.len().min(file.written.len())..];
            let extra = if chance.happens() { &extra[..extra.len() / 2] } else { &extra[..0] };
            let left = target.join(path.strip_prefix(root).unwrap());
            std::fs::create_dir_all(left.parent().unwrap()).unwrap();
            std::fs::write(left, [&file.synced, extra].concat()).unwrap();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let mut state = self.state();
        state.files.push(File::default());
        let number = state.files.len() - 1;
        state.names.insert(path.to_owned(), number);
        Box::new(Handle { disk: self.clone(), number, file })
    }
}

/// What happens by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn happens(&mut self) -> bool {
        if self.0 == 0 {
            return false;
        }
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 & 1 == 1
    }
}

impl Disk for ForgetfulDisk {
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.made(path, LocalDisk.create_new(path, access)?))
    }

    fn create_held(&self, path: &Path, access: Access) -> io::Result<Option<Box<dyn DiskFile>>> {
        Ok(LocalDisk.create_held(path, access)?.map(|file| self.made(path, file)))
    }

    fn append(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let file = LocalDisk.append(path, access)?;
        let known = self.state().names.get(path).copied();
        Ok(match known {
            Some(number) => Box::new(Handle { disk: self.clone(), number, file }),
            None => self.made(path, file),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalDisk.rename(from, to)?;
        let mut state = self.state();
        if let Some(number) = state.names.remove(from) {
            state.names.insert(to.to_owned(), number);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        LocalDisk.remove(path)?;
        self.state().names.remove(path);
        Ok(())
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        LocalDisk.touch(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        LocalDisk.create_directories(path)?;
        self.state().directories.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let State { names, durable_names, directories, durable_directories, .. } = &mut *state;
        let is_in = |name: &Path| name.parent() == Some(path);
        durable_names.retain(|name, _| !is_in(name));
        durable_names.extend(names.iter().filter(|(name, _)| is_in(name)).map(|(name, file)| (name.clone(), *file)));
        durable_directories.extend(directories.iter().filter(|directory| is_in(directory)).cloned());
        Ok(())
    }
}

struct Handle {
    disk: ForgetfulDisk,
    number: usize,
    file: Box<dyn DiskFile>,
}

impl DiskFile for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write(bytes)?;
        self.disk.state().files[self.number].written.extend_from_slice(bytes);
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.cut(length)?;
        self.disk.state().files[self.number].written.truncate(usize::try_from(length).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let file = &mut state.files[self.number];
        file.synced = file.written.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_atomically;

    #[test]
    fn what_was_not_synced_is_lost_and_what_was_is_there() {
        let (home, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (disk, root) = (ForgetfulDisk::default(), home.path());
        write_atomically(&disk, &root.join("a/kept"), b"kept", Access::Shared).unwrap();
        let mut lost = disk.create_new(&root.join("a/lost"), Access::Shared).unwrap();
        lost.write(b"lost").unwrap();
        lost.sync().unwrap();
        disk.remove(&root.join("a/kept")).unwrap();
        disk.lose_power(root, after.path(), 0);
        assert_eq!(std::fs::read(after.path().join("a/kept")).unwrap(), b"kept", "its removal was not synced");
        assert!(!after.path().join("a/lost").exists(), "its name was not synced");
    }
}
