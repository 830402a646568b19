use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::files::{Access, Disk, DiskFile};

#[test]
fn edits_at_once_lose_nothing() {
    let home = Home::with("# kept\n");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let file = home.file();
            scope.spawn(move || {
                for number in 0..6 {
                    let address = format!("r{thread}-{number}.example").parse().unwrap();
                    file.add_registry(&RemoteRegistry::unconfigured(address)).unwrap();
                }
            });
        }
    });
    assert_eq!(home.file().load().unwrap().remote_registries.len(), 24);
    assert!(home.text().starts_with("# kept\n"));
}

#[cfg(unix)]
#[test]
fn a_linked_file_stays_a_link() {
    let home = Home::with("");
    let real = home.directory.path().join("dotfiles.yaml");
    std::fs::write(&real, "# mine\n").unwrap();
    std::os::unix::fs::symlink(&real, home.path()).unwrap();
    home.file().set_setting(SettingKey::Concurrency, "3").unwrap();
    assert!(std::fs::symlink_metadata(home.path()).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(&real).unwrap(), "# mine\nsettings:\n  concurrency: 3\n");
}

#[cfg(unix)]
#[test]
fn who_may_read_the_file_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    for mode in [0o600, 0o644] {
        let home = Home::with("# mine\n");
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        home.file().set_setting(SettingKey::Concurrency, "3").unwrap();
        assert_eq!(std::fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, mode);
    }
}

/// The local disk, of which the Nth call and all after it fail, as when the machine goes down there.
struct Failing {
    calls: Arc<AtomicUsize>,
    fail_at: usize,
}

impl Failing {
    fn call(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call >= self.fail_at { Err(io::Error::other("gone")) } else { Ok(()) }
    }

    fn file(&self, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FailingFile { disk: Self { calls: Arc::clone(&self.calls), fail_at: self.fail_at }, inner })
    }
}

struct FailingFile {
    disk: Failing,
    inner: Box<dyn DiskFile>,
}

impl DiskFile for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // What is cut off in the middle of a write has written a part.
        self.disk.call().inspect_err(|_| drop(self.inner.write(&bytes[..bytes.len() / 2])))?;
        self.inner.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.call()?;
        self.inner.sync()
    }
}

impl Disk for Failing {
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.call()?;
        Ok(self.file(LocalDisk.create_new(path, access)?))
    }

    fn append(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.call()?;
        Ok(self.file(LocalDisk.append(path, access)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        LocalDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        LocalDisk.remove(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        LocalDisk.create_directories(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        LocalDisk.sync_directory(path)
    }
}

#[test]
fn a_crash_leaves_the_old_or_the_new() {
    const OLD: &str = "settings:\n  concurrency: 3 # old\n";
    let new = OLD.replace('3', "4");
    let mut refused = 0;
    for fail_at in 0.. {
        let home = Home::with(OLD);
        let disk = Failing { calls: Arc::default(), fail_at };
        let done = ConfigFile::new(&home.path(), Arc::new(disk)).set_setting(SettingKey::Concurrency, "4");
        let text = home.text();
        assert!(text == OLD || text == new, "call {fail_at}: {text}");
        assert!(home.file().load().is_ok());
        if done.is_ok() {
            assert_eq!(text, new);
            break;
        }
        refused += 1;
    }
    assert!(refused >= 4, "{refused}");
}
