//! Where things stand in a bucket, below its prefix.
//!
//! ```text
//! store.json                      which format this is
//! blobs/sha256-HEX                where the content of a blob is: a word, and its size
//! content/WORD                    the content; a word is given once, so what is written is never written again
//! uploads/WORD                    how far an upload is: whose, its parts, its hash
//! rests/WORD/STEP                 the bytes of an upload that are too few for a part of their own
//! leases/WORD                     one per running push
//! trash/WORD                      content that nothing points at any more, to be removed
//! damaged/sha256-HEX              what was found to have another digest, set aside
//! upkeep/…                        who collects, and what is about to go
//! repositories/a/b/
//!   _manifests/sha256-HEX         a manifest belongs here: its descriptor, a line break, its bytes
//!   _blobs/sha256-HEX             a blob belongs here: its size
//!   _tags/TAG                     the descriptor of what the tag points at
//!   _named/sha256-HEX             the manifest was put here by its digest alone, and is kept for that
//!   _referrers/sha256-HEX/sha256-HEX   the second refers to the first: its descriptor
//! ```
//!
//! The facts are those of the local store. No part of a repository name begins with `_`, so the facts of `a` and the
//! repository `a/b` never meet. Keys are case-sensitive, so a tag is its own name.

use crate::image::{Digest, RepositoryName, Tag};

/// The object that says the format.
pub(super) const MARKER: &str = "store.json";
/// What is about to be removed by whoever collects.
pub(super) const CONDEMNED: &str = "upkeep/condemned";
/// Who collects.
pub(super) const COLLECTOR: &str = "upkeep/collector";
/// All blobs.
pub(super) const BLOBS: &str = "blobs";
/// All uploads.
pub(super) const UPLOADS: &str = "uploads";
/// All leases.
pub(super) const LEASES: &str = "leases";
/// All content that is to be removed.
pub(super) const TRASH: &str = "trash";
/// All content.
pub(super) const CONTENT: &str = "content";
/// All repositories.
pub(super) const REPOSITORIES: &str = "repositories";

/// Where a blob's content is told.
pub(super) fn blob(digest: &Digest) -> String {
    format!("{BLOBS}/{}", digest_name(digest))
}

/// The content that goes by a word.
pub(super) fn content(word: &str) -> String {
    format!("{CONTENT}/{word}")
}

/// The upload that goes by a word.
pub(super) fn upload(word: &str) -> String {
    format!("{UPLOADS}/{word}")
}

/// The rest that an upload staged at a step of its.
pub(super) fn rest(word: &str, step: u64) -> String {
    format!("rests/{word}/{step}")
}

/// The lease that goes by a word.
pub(super) fn lease(word: &str) -> String {
    format!("{LEASES}/{word}")
}

/// The note that some content is to be removed.
pub(super) fn trash(word: &str) -> String {
    format!("{TRASH}/{word}")
}

/// A blob that was found damaged: what led to its content.
pub(super) fn damaged(digest: &Digest) -> String {
    format!("damaged/{}", digest_name(digest))
}

/// The facts of a repository of one kind.
pub(super) fn facts(repository: &RepositoryName, kind: Kind) -> String {
    format!("{REPOSITORIES}/{repository}/{}", kind.word())
}

/// A manifest of a repository.
pub(super) fn manifest(repository: &RepositoryName, digest: &Digest) -> String {
    format!("{}/{}", facts(repository, Kind::Manifests), digest_name(digest))
}

/// That a blob belongs to a repository.
pub(super) fn belongs(repository: &RepositoryName, blob: &Digest) -> String {
    format!("{}/{}", facts(repository, Kind::Blobs), digest_name(blob))
}

/// What a tag points at.
pub(super) fn tag(repository: &RepositoryName, tag: &Tag) -> String {
    format!("{}/{tag}", facts(repository, Kind::Tags))
}

/// That a manifest is kept for its own sake.
pub(super) fn named(repository: &RepositoryName, digest: &Digest) -> String {
    format!("{}/{}", facts(repository, Kind::Named), digest_name(digest))
}

/// All that refers to a manifest.
pub(super) fn referrers(repository: &RepositoryName, subject: &Digest) -> String {
    format!("{}/{}", facts(repository, Kind::Referrers), digest_name(subject))
}

/// That one manifest refers to another.
pub(super) fn referrer(repository: &RepositoryName, subject: &Digest, referrer: &Digest) -> String {
    format!("{}/{}", referrers(repository, subject), digest_name(referrer))
}

/// The kinds of facts of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Manifests,
    Blobs,
    Tags,
    Named,
    Referrers,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Manifests => "_manifests",
            Self::Blobs => "_blobs",
            Self::Tags => "_tags",
            Self::Named => "_named",
            Self::Referrers => "_referrers",
        }
    }
}

fn digest_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().word(), digest.hex())
}

/// The last part of a key.
pub(super) fn last(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// The digest that the last part of a key stands for.
pub(super) fn digest_of(key: &str) -> Option<Digest> {
    last(key).replacen('-', ":", 1).parse().ok()
}

/// Whether a text can be a word that was given here: nothing else may become part of a key.
pub(super) fn is_word(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_what_they_stand_for() {
        let (digest, repository): (Digest, RepositoryName) = (Digest::of(b""), "a/b".parse().unwrap());
        for key in [blob(&digest), manifest(&repository, &digest), referrer(&repository, &digest, &digest)] {
            assert_eq!(digest_of(&key), Some(digest.clone()));
        }
        assert_eq!(digest_of("blobs/sha256-../x"), None);
        assert_eq!(tag(&repository, &"V1".parse().unwrap()), "repositories/a/b/_tags/V1");
        assert!(is_word(&"0a".repeat(16)) && !is_word("../x") && !is_word(&"0/".repeat(16)));
    }
}
