use std::io;

use super::*;
use crate::files::{Failing, FaultyDisk};

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

#[test]
fn a_crash_leaves_the_old_or_the_new() {
    const OLD: &str = "settings:\n  concurrency: 3 # old\n";
    let new = OLD.replace('3', "4");
    let mut refused = 0;
    for fail_at in 0.. {
        let home = Home::with(OLD);
        let disk = FaultyDisk::new(fail_at, Failing::FromThenOn, io::ErrorKind::Other);
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
