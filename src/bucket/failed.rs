//! What a provider's failure means here, and what its user can do.

use crate::registry::{Error, ErrorKind, Remedy};

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Read,
    Write,
    /// A part of an object that was begun earlier.
    Extend,
    Remove,
    List,
}

impl Doing {
    const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write | Self::Extend => "write",
            Self::Remove => "remove",
            Self::List => "list",
        }
    }
}

/// The contract's error for what a provider answered. `shown` is the bucket as its user wrote it.
pub(super) fn explain(shown: &str, doing: Doing, key: &str, error: object_store::Error) -> Error {
    use object_store::Error as E;
    let what = format!("cannot {} {key} in {shown}", doing.word());
    let (kind, message, remedy) = match &error {
        E::NotFound { .. } if doing == Doing::Extend => (ErrorKind::Gone, format!("{what}: the upload is gone"), None),
        E::NotFound { .. } if matches!(doing, Doing::Write | Doing::List) => (
            ErrorKind::Settings,
            format!("{what}: there is no such bucket"),
            Some("make the bucket, or name another (`--storage`, `--storage-endpoint`)"),
        ),
        E::NotFound { .. } => (ErrorKind::Storage, format!("{what}: it is not there"), None),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => (
            ErrorKind::Denied,
            format!("{what}: the credential is missing, wrong, or may not"),
            Some(
                "give one that may read, write, remove and list there: in the provider's environment variables, or \
                  `--storage-secret VAULT/SECRET`",
            ),
        ),
        E::NotSupported { .. } | E::NotImplemented { .. } => (
            ErrorKind::Unsupported,
            format!("{what}: the storage does not do that"),
            Some("several servers on one bucket need conditional writes; use storage that has them"),
        ),
        _ => (
            ErrorKind::Unavailable,
            what,
            Some("see whether the storage answers at `--storage-endpoint`, and in the region that is set"),
        ),
    };
    let explained = Error::new(kind, message).at(shown).caused_by(error);
    match remedy {
        Some(remedy) => explained.with_remedy(Remedy::Other(remedy.to_owned())),
        None => explained,
    }
}
