//! What is in a directory, name by name, to be compared with another.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::content::sha256;

/// Every name beneath a directory, with everything that a file system keeps of it but its number.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut numbers) = (BTreeMap::new(), HashMap::new());
    list(root, root, &mut found, &mut numbers);
    found
}

fn list(root: &Path, directory: &Path, found: &mut BTreeMap<String, String>, numbers: &mut HashMap<u64, String>) {
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        let what = if kind.is_symlink() {
            format!("link to {}", std::fs::read_link(&path).unwrap().display())
        } else if kind.is_dir() {
            "directory".to_owned()
        } else if kind.is_file() {
            format!("file {} {}", metadata.len(), sha256(&std::fs::read(&path).unwrap()))
        } else {
            let sort = if kind.is_char_device() {
                "character"
            } else if kind.is_block_device() {
                "block"
            } else {
                "pipe"
            };
            format!("{sort} {:x}", metadata.rdev())
        };
        let first = if metadata.nlink() > 1 && !kind.is_dir() {
            numbers.entry(metadata.ino()).or_insert_with(|| name.clone()).clone()
        } else {
            String::new()
        };
        let line = format!(
            "{what} {:o} {}:{} {}.{:09} {} [{first}]",
            metadata.mode(),
            metadata.uid(),
            metadata.gid(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            attributes(&path),
        );
        found.insert(name, line);
        if kind.is_dir() {
            list(root, &path, found, numbers);
        }
    }
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or_default();
    let mut names: Vec<&[u8]> = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    let value = |name: &&[u8]| {
        let mut value = vec![0; 65536];
        let length = rustix::fs::lgetxattr(path, *name, &mut value).unwrap_or_default();
        format!("{}={}", String::from_utf8_lossy(name), super::content::hex(&value[..length]))
    };
    names.iter().map(value).collect::<Vec<_>>().join(",")
}

/// Asserts that two directories hold the same.
#[track_caller]
pub(crate) fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    let mut wrong = String::new();
    for name in one.keys().chain(other.keys()).collect::<std::collections::BTreeSet<_>>() {
        if one.get(name) != other.get(name) {
            let _ = writeln!(wrong, "{name}\n  {:?}\n  {:?}", one.get(name), other.get(name));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
