//! Where things stand in the store's directory.
//!
//! ```text
//! store.json                      which format this is
//! oci-layout  index.json  blobs/  what other tools read
//! uploads/                        blobs on their way
//! leases/ID-HEX                   one per running push, locked by it; HEX says to which repository
//! collecting.lock  collecting.turn    the gate between pushes and collection
//! serving.lock                    held by every server of the store
//! damaged/sha256-HEX              what turned out to be something else than its name said
//! repositories/a/b/
//!   _manifests/sha256-HEX         a manifest belongs here: its descriptor
//!   _blobs/sha256-HEX             a blob belongs here (empty)
//!   _tags/TAG                     the descriptor of what the tag points at
//!   _named/sha256-HEX             the manifest was put here by its digest alone, and is kept for that (empty)
//!   _followed/TAG                 the tag follows an upstream; the file's time says when they were last compared (empty)
//!   _referrers/sha256-HEX/sha256-HEX   the second refers to the first: its descriptor
//!   _lock                         held while tags move
//! ```
//!
//! No part of a repository name begins with `_`, so the facts of `a` and the repository `a/b` never meet.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::storage;
use crate::files::{self, Access, Disk, Gate};
use crate::image::{Digest, RepositoryName, Tag};
use crate::registry::{Error, ErrorKind, Remedy, Result};

/// The format that this program writes and reads.
const FORMAT: u32 = 1;
/// The file that says the format.
const MARKER: &str = "store.json";

/// The content of [`MARKER`].
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
}

/// Sees to it that `root` is a store that this program understands, or is to become one.
///
/// # Errors
/// `Unsupported`, `Conflict`, `Corrupt` or `Storage`, as [`super::Store::open`] says.
pub(super) fn check(root: &Path) -> Result<()> {
    let path = root.join(MARKER);
    let Some(bytes) = files::read_regular(&path, 4096).map_err(storage)? else { return check_empty(root) };
    let marker: Marker = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("{} cannot be understood", path.display())).caused_by(error)
    })?;
    if marker.format == FORMAT {
        return Ok(());
    }
    let message = format!(
        "the store in {} is of format {}, and this tranship knows format {FORMAT} alone",
        root.display(),
        marker.format
    );
    let remedy = Remedy::Other("use the tranship that made it, or another directory (`TRANSHIP_STORE`)".to_owned());
    Err(Error::new(ErrorKind::Unsupported, message).with_remedy(remedy))
}

/// Refuses a directory that holds something else, which a store would mix with its own.
fn check_empty(root: &Path) -> Result<()> {
    if files::is_vacant(root, &[]).map_err(storage)? {
        return Ok(());
    }
    let message = format!("{} is no store of tranship, and is not empty", root.display());
    let remedy = Remedy::Other("name another directory (`TRANSHIP_STORE`, `settings.store`)".to_owned());
    Err(Error::new(ErrorKind::Conflict, message).with_remedy(remedy))
}

/// Writes the format into a store that is new. It comes first, so that what follows is known to be ours.
///
/// # Errors
/// `Storage`.
pub(super) fn mark(disk: &dyn Disk, root: &Path) -> Result<()> {
    if is_made(root) {
        return Ok(());
    }
    let path = root.join(MARKER);
    let text = format!("{{\"format\":{FORMAT}}}\n");
    files::write_atomically(disk, &path, text.as_bytes(), Access::Shared).map_err(storage)
}

/// The lock that every server of the store holds.
pub(super) fn serving(root: &Path) -> PathBuf {
    root.join("serving.lock")
}

/// Whether the store was made already.
pub(super) fn is_made(root: &Path) -> bool {
    root.join(MARKER).exists()
}

/// The gate between pushes and collection.
pub(super) fn gate(root: &Path) -> Gate {
    Gate::new(&root.join("collecting.lock"), &root.join("collecting.turn"))
}

/// What the lease of a push to a repository ends with: too short for a name, long enough to tell names apart.
pub(super) fn lease_of(name: &RepositoryName) -> String {
    format!("-{}", &Digest::of(name.as_str().as_bytes()).hex()[..32])
}

/// The directory of all repositories.
pub(super) fn repositories(root: &Path) -> PathBuf {
    root.join("repositories")
}

/// The directory of one repository. Safe in a path, because no part of a name is `.` or `..` or holds a separator.
pub(super) fn repository(root: &Path, name: &RepositoryName) -> PathBuf {
    let mut path = repositories(root);
    path.extend(name.parts());
    path
}

/// The file name of a fact about a manifest or blob.
pub(super) fn digest_file(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().word(), digest.hex())
}

/// The digest that a file name stands for.
pub(super) fn digest_of(file: &str) -> Option<Digest> {
    file.replacen('-', ":", 1).parse().ok()
}

/// The file name of a tag: the tag itself, or, because some file systems take `V1` and `v1` for one name, the tag
/// in lower case, a `~`, and in hex which of its characters are upper case.
pub(super) fn tag_file(tag: &Tag) -> String {
    use std::fmt::Write as _;
    let text = tag.as_str();
    let mut file = text.to_ascii_lowercase();
    if file == text {
        return file;
    }
    file.push('~');
    for four in text.as_bytes().chunks(4) {
        let bits = four.iter().enumerate().map(|(place, byte)| u8::from(byte.is_ascii_uppercase()) << place);
        let _ = write!(file, "{:x}", bits.sum::<u8>());
    }
    file
}

/// The tag that a file name stands for.
pub(super) fn tag_of(file: &str) -> Option<Tag> {
    let Some((lower, case)) = file.split_once('~') else { return file.parse().ok() };
    let upper = |place: usize| {
        let four = case.as_bytes().get(place / 4).and_then(|digit| char::from(*digit).to_digit(16));
        four.is_some_and(|four| four >> (place % 4) & 1 == 1)
    };
    let cased = |(place, c): (usize, char)| if upper(place) { c.to_ascii_uppercase() } else { c };
    lower.chars().enumerate().map(cased).collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tags_have_file_names_that_no_case_confuses(
            one in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", other in "[aA_][aAbB1.]{0,4}", third in "[aA_][aAbB1.]{0,4}",
        ) {
            for tag in [&one, &other] {
                let tag: Tag = tag.parse().unwrap();
                let file = tag_file(&tag);
                prop_assert!(file.len() <= 255 && file == file.to_lowercase(), "{}", file);
                prop_assert_eq!(tag_of(&file), Some(tag));
            }
            let file = |tag: &str| tag_file(&tag.parse().unwrap());
            prop_assert_eq!(file(&other) == file(&third), other == third);
        }
    }

    #[test]
    fn digests_have_file_names() {
        let digest = Digest::of(b"");
        assert_eq!(digest_of(&digest_file(&digest)), Some(digest));
        assert_eq!(digest_of("sha256-../x"), None);
    }
}
