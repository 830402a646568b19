//! Puts a file system into a directory, and nothing anywhere else, whatever it is called.
//!
//! Every name is opened part by part from a handle of the directory, and no part may be a link, so that neither the
//! archive nor anybody who changes the directory meanwhile leads out of it. Nothing is opened that was there before,
//! but for directories; modes and times of directories are set last, so that they do not stand in the way.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    self, AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown, fsetxattr,
    futimens, linkat, mkdirat, mknodat, openat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::member::Device;
use super::replay::{Sink, Special};
use super::write::copy;
use super::{Attributes, Content, LayerError, MemberPath, Time};

/// What happens to files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and the work ends.
    Refused,
    /// They are replaced. Directories stay in any case.
    Replaced,
}

/// What could not be given to files, for lack of rights or because the file system does not have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Files that belong to whoever runs this, and have lost their set-user-id and set-group-id bits.
    pub owners: u64,
    /// Extended attributes that were not set.
    pub attributes: u64,
    /// Devices that were not made.
    pub devices: u64,
}

/// A directory that takes a file system.
pub struct DirectorySink {
    root: OwnedFd,
    /// Whether the directory was made here, so that it gets the attributes of the root.
    is_new: bool,
    existing: Existing,
    /// The directory that was last put something into.
    last: Option<(MemberPath, OwnedFd)>,
    /// What directories get in the end.
    later: Vec<(MemberPath, Attributes)>,
    left: Left,
    files: u64,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl DirectorySink {
    /// Opens a directory, and makes it where it is missing.
    ///
    /// # Errors
    /// It cannot be made or opened.
    pub fn open(directory: &Path, existing: Existing) -> Result<Self, LayerError> {
        let failed = |source| LayerError::Write { name: Some(directory.display().to_string()), source };
        let is_new = !directory.exists();
        std::fs::create_dir_all(directory).map_err(failed)?;
        // Links on the way there are the user's own.
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let root = openat(CWD, directory, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        Ok(Self { root, is_new, existing, last: None, later: Vec::new(), left: Left::default(), files: 0 })
    }

    /// Sets what directories get, and says how many things were put there and what they lack.
    ///
    /// # Errors
    /// That cannot be set.
    pub fn finish(mut self) -> Result<(u64, Left), LayerError> {
        // From the bottom up, because a directory without rights lets nobody through.
        for (path, attributes) in std::mem::take(&mut self.later).into_iter().rev() {
            let handle = self.walk_to(&path)?;
            self.give(&handle, &attributes).map_err(LayerError::write(path.as_bytes()))?;
        }
        Ok((self.files, self.left))
    }

    /// A handle of a directory, opened from the root part by part.
    fn walk_to(&self, path: &MemberPath) -> Result<OwnedFd, LayerError> {
        let open = || -> io::Result<OwnedFd> {
            let mut handle = self.root.try_clone()?;
            for part in path.parts() {
                handle = openat(&handle, part, DIRECTORY, Mode::empty())?;
            }
            Ok(handle)
        };
        open().map_err(LayerError::write(path.as_bytes()))
    }

    /// A handle of the directory that `path` is in, and its own name there.
    fn place<'p>(&mut self, path: &'p MemberPath) -> Result<(OwnedFd, &'p [u8]), LayerError> {
        let (parent, own) = path.split().ok_or_else(|| {
            let exists = io::Error::from(io::ErrorKind::IsADirectory);
            LayerError::Write { name: Some("/".to_owned()), source: exists }
        })?;
        let own = &path.as_bytes()[path.as_bytes().len() - own.len()..];
        let failed = || LayerError::write(path.as_bytes());
        if let Some((last, handle)) = &self.last
            && *last == parent
        {
            return Ok((handle.try_clone().map_err(failed())?, own));
        }
        let handle = self.walk_to(&parent)?;
        self.last = Some((parent, handle.try_clone().map_err(failed())?));
        Ok((handle, own))
    }

    /// Makes something new; what is there already is taken away before, where that is wanted.
    fn make<T>(
        &mut self,
        path: &MemberPath,
        mut create: impl FnMut(&OwnedFd, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<T, LayerError> {
        let (parent, own) = self.place(path)?;
        let done = match (create(&parent, own), self.existing) {
            (Err(Errno::EXIST), Existing::Replaced) => {
                unlinkat(&parent, own, AtFlags::empty()).and_then(|()| create(&parent, own))
            }
            (done, _) => done,
        };
        self.files += u64::from(done.is_ok());
        done.map_err(|error| LayerError::write(path.as_bytes())(error.into()))
    }

    /// Gives an open file or directory its attributes. The owner first, because a new one takes bits and
    /// capabilities away.
    fn give(&mut self, file: impl AsFd, attributes: &Attributes) -> io::Result<()> {
        let file = file.as_fd();
        let mut mode = attributes.mode;
        match owner(attributes) {
            Some((user, group)) if fchown(file, Some(user), Some(group)).is_ok() => {}
            _ if belongs(file, attributes) => {}
            _ => {
                self.left.owners += 1;
                mode &= !0o6000;
            }
        }
        for (name, value) in &attributes.extended {
            if fsetxattr(file, &**name, value, XattrFlags::empty()).is_err() {
                self.left.attributes += 1;
            }
        }
        fchmod(file, Mode::from_raw_mode(mode))?;
        Ok(futimens(file, &times(attributes.modified))?)
    }

    /// The same for what cannot be opened: links, devices, pipes.
    fn give_at(&mut self, path: &MemberPath, attributes: &Attributes, mode: Option<u32>) -> Result<(), LayerError> {
        let (parent, own) = self.place(path)?;
        let given = || -> rustix::io::Result<bool> {
            let owned = owner(attributes).is_some_and(|(user, group)| {
                fs::chownat(&parent, own, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW).is_ok()
            });
            if let Some(mode) = mode {
                set_mode(&parent, own, Mode::from_raw_mode(mode))?;
            }
            fs::utimensat(&parent, own, &times(attributes.modified), AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(owned)
        };
        let owned = given().map_err(|error| LayerError::write(path.as_bytes())(error.into()))?;
        let stat = fs::statat(&parent, own, AtFlags::SYMLINK_NOFOLLOW);
        let ours = stat.is_ok_and(|found| u64::from(found.st_uid) == attributes.user);
        self.left.owners += u64::from(!owned && !ours);
        self.left.attributes += attributes.extended.len() as u64;
        Ok(())
    }
}

impl Sink for DirectorySink {
    fn directory(&mut self, path: &MemberPath, attributes: Option<&Attributes>) -> Result<(), LayerError> {
        if path.is_root() {
            if let Some(attributes) = attributes.filter(|_| self.is_new) {
                self.later.push((path.clone(), attributes.clone()));
            }
            return Ok(());
        }
        let (parent, own) = self.place(path)?;
        let failed = || LayerError::write(path.as_bytes());
        match mkdirat(&parent, own, Mode::RWXU) {
            Ok(()) => {
                let attributes = attributes.cloned().unwrap_or_else(|| Attributes { mode: 0o755, ..this_user() });
                self.later.push((path.clone(), attributes));
                self.files += 1;
                Ok(())
            }
            // One that the user has keeps what it has; something else is in the way.
            Err(Errno::EXIST) => match openat(&parent, own, DIRECTORY, Mode::empty()) {
                Ok(_) => Ok(()),
                Err(_) => Err(LayerError::Exists(path.shown().into_owned())),
            },
            Err(error) => Err(failed()(error.into())),
        }
    }

    fn file(
        &mut self,
        path: &MemberPath,
        attributes: &Attributes,
        content: &Content,
        stored: &mut dyn Read,
    ) -> Result<(), LayerError> {
        let handle = self.make(path, |parent, own| openat(parent, own, NEW_FILE, Mode::RUSR | Mode::WUSR))?;
        let mut file = File::from(handle);
        let failed = || LayerError::write(path.as_bytes());
        match &content.sparse {
            None => copy(stored, &mut file, content.stored, path)?,
            Some(sparse) => {
                for (offset, length) in &sparse.pieces {
                    file.seek(SeekFrom::Start(*offset)).map_err(failed())?;
                    copy(stored, &mut file, *length, path)?;
                }
                file.set_len(sparse.size).map_err(failed())?;
            }
        }
        file.flush().map_err(failed())?;
        self.give(&file, attributes).map_err(failed())
    }

    fn symlink(&mut self, path: &MemberPath, attributes: &Attributes, target: &[u8]) -> Result<(), LayerError> {
        self.make(path, |parent, own| symlinkat(target, parent, own))?;
        self.give_at(path, attributes, None)
    }

    fn special(&mut self, path: &MemberPath, attributes: &Attributes, special: Special) -> Result<(), LayerError> {
        let (kind, device) = match special {
            Special::Character(device) => (FileType::CharacterDevice, device),
            Special::Block(device) => (FileType::BlockDevice, device),
            Special::Pipe => (FileType::Fifo, Device { major: 0, minor: 0 }),
        };
        let number = fs::makedev(device.major, device.minor);
        let mode = Mode::RUSR | Mode::WUSR;
        let mut refused = false;
        let done = self.make(path, |parent, own| match mknodat(parent, own, kind, mode, number) {
            Err(Errno::PERM) => {
                refused = true;
                Err(Errno::PERM)
            }
            done => done,
        });
        if refused && kind != FileType::Fifo {
            self.left.devices += 1;
            return Ok(());
        }
        done?;
        self.give_at(path, attributes, Some(attributes.mode))
    }

    fn link(&mut self, path: &MemberPath, _: &Attributes, target: &MemberPath) -> Result<(), LayerError> {
        let (from, name) = self.place(target)?;
        // What could not be made has no further names.
        if matches!(fs::statat(&from, name, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT)) {
            return Ok(());
        }
        self.make(path, |parent, own| linkat(&from, name, parent, own, AtFlags::empty()))
    }
}

/// Whether an open file has its owner already.
fn belongs(file: impl AsFd, attributes: &Attributes) -> bool {
    let same =
        |found: fs::Stat| (u64::from(found.st_uid), u64::from(found.st_gid)) == (attributes.user, attributes.group);
    fs::fstat(file).is_ok_and(same)
}

/// Sets the mode of what cannot be opened, without following a link that took its place meanwhile.
#[cfg(target_os = "linux")]
fn set_mode(parent: &OwnedFd, name: &[u8], mode: Mode) -> rustix::io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let handle = openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fs::fstat(&handle)?.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP);
    }
    fs::chmodat(CWD, format!("/proc/self/fd/{}", handle.as_raw_fd()), mode, AtFlags::empty())
}

#[cfg(not(target_os = "linux"))]
fn set_mode(parent: &OwnedFd, name: &[u8], mode: Mode) -> rustix::io::Result<()> {
    fs::chmodat(parent, name, mode, AtFlags::SYMLINK_NOFOLLOW)
}

/// The owner as the system has it; `None` where it has no such numbers.
fn owner(attributes: &Attributes) -> Option<(Uid, Gid)> {
    // The largest number means nobody in particular.
    let user = u32::try_from(attributes.user).ok().filter(|user| *user != u32::MAX)?;
    let group = u32::try_from(attributes.group).ok().filter(|group| *group != u32::MAX)?;
    Some((Uid::from_raw(user), Gid::from_raw(group)))
}

impl Attributes {
    /// Those of a file that whoever runs this makes now.
    #[must_use]
    pub fn of_new_file() -> Self {
        Self { mode: 0o644, ..this_user() }
    }
}

/// What belongs to whoever runs this, and was changed now.
fn this_user() -> Attributes {
    let now = jiff::Timestamp::now();
    let modified = Time { seconds: now.as_second(), nanoseconds: now.subsec_nanosecond().unsigned_abs() };
    let user = rustix::process::geteuid().as_raw().into();
    let group = rustix::process::getegid().as_raw().into();
    Attributes { mode: 0, user, group, modified, extended: Vec::new() }
}

fn times(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}
