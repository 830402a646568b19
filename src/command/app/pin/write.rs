//! Writes a file of the user's anew: whole or not at all, where it really is, for those who could read it before.

use std::path::Path;

use crate::command::specs::read_file;
use crate::command::{CommandError, cannot};
use crate::failure::FailureKind;
use crate::files::{Access, FileError, LocalDisk, write_atomically};

/// Puts `new` in the place of `old`, which the file held when it was read.
///
/// # Errors
/// The file has changed meanwhile, or cannot be written; it holds what it held then.
pub(super) fn replace(file: &Path, old: &str, new: &str) -> Result<(), CommandError> {
    // A link stays one: what it leads to is written.
    let target = std::fs::canonicalize(file).map_err(FileError::of("write", file)).map_err(cannot("pin"))?;
    let permissions = std::fs::metadata(&target).map_err(FileError::of("write", file)).map_err(cannot("pin"))?;
    if read_file(&target).map_err(cannot("pin"))? != old.as_bytes() {
        let message = format!("cannot pin: {} has changed since it was read", file.display());
        return Err(CommandError::plain(FailureKind::Failed, message).with_hint("try again"));
    }
    write_atomically(&LocalDisk, &target, new.as_bytes(), Access::Private).map_err(cannot("pin"))?;
    let restored = std::fs::set_permissions(&target, permissions.permissions());
    restored.map_err(FileError::of("set the permissions of", file)).map_err(cannot("pin"))
}
