//! Opening a bucket: that it is ours, of a format that is understood, and does what several servers need.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fresh::{SKEW, YOUNG};
use super::layout;
use super::objects::{ObjectAccess, Objects, Put};
use crate::files;
use crate::registry::{Error, ErrorKind, Identity, Remedy, Result};

/// The format that this program writes and reads.
const FORMAT: u32 = 1;
/// The longest fact that is read: a manifest, behind its descriptor.
pub(super) const MAX_FACT_BYTES: u64 = 9 * 1024 * 1024;

/// Images in a bucket. Clones are the same bucket.
#[derive(Clone)]
pub struct Bucket {
    pub(super) shared: Arc<Shared>,
}

/// What the clones of a bucket and its uploads have in common.
pub(super) struct Shared {
    pub(super) objects: Objects,
    pub(super) identity: Identity,
    /// How long a fact is young.
    pub(super) young: Duration,
    /// What clocks may differ by.
    pub(super) skew: Duration,
}

/// The content of the object that says the format.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
}

impl Bucket {
    /// Opens what `access` leads to, and sees to it that it can be relied on.
    ///
    /// # Errors
    /// `Unsupported` where a newer tranship made it, or where it has no conditional writes; `Settings` where there is
    /// no such bucket; `Denied`, `Unavailable`.
    pub(super) async fn over(access: Arc<dyn ObjectAccess>, prefix: &str, shown: &str) -> Result<Self> {
        let objects = Objects::new(access, prefix, shown);
        let identity = Identity { place: shown.to_owned(), credential: None, local: false };
        let shared = Shared { objects, identity, young: YOUNG, skew: SKEW };
        shared.check_format().await?;
        shared.check_conditions().await?;
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Shared {
    /// What is not here.
    pub(super) fn missing(&self, what: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("{} has no {what}", self.objects.shown())).at(&self.identity.place)
    }

    /// Writes the format where there is none, and sees whether it is ours.
    async fn check_format(&self) -> Result<()> {
        let shown = self.objects.shown();
        self.objects.create(layout::MARKER, Bytes::from(format!("{{\"format\":{FORMAT}}}\n"))).await?;
        let found = self.objects.read(layout::MARKER, 4096).await?;
        let found = found.ok_or_else(|| self.useless("what was written is not seen"))?;
        let refused = |kind, message, remedy: &str| {
            Err(Error::new(kind, message).at(shown).with_remedy(Remedy::Other(remedy.to_owned())))
        };
        match serde_json::from_slice(&found.bytes) {
            Ok(Marker { format: FORMAT }) => Ok(()),
            Ok(Marker { format }) => {
                let message = format!("{shown} is of format {format}, and this tranship knows {FORMAT} alone");
                refused(ErrorKind::Unsupported, message, "use the tranship that made it, or another prefix")
            }
            Err(_) => {
                let message = format!("{} in {shown} is not of tranship", layout::MARKER);
                refused(ErrorKind::Conflict, message, "name another bucket or prefix: `--storage s3://BUCKET/PREFIX`")
            }
        }
    }

    /// Sees whether a condition of a write is heeded, on an object that nobody else knows.
    async fn check_conditions(&self) -> Result<()> {
        let key = format!("upkeep/probe-{}", unused_word()?);
        let Put::Done(first) = self.objects.create(&key, "1").await? else {
            return Err(self.useless("it says that there is what there is not"));
        };
        let created_twice = self.objects.create(&key, "2").await? != Put::Refused;
        let replaced = self.objects.update(&key, "3", &first).await? != Put::Refused;
        let replaced_twice = self.objects.update(&key, "4", &first).await? != Put::Refused;
        self.objects.remove(&key).await?;
        match (created_twice, replaced, replaced_twice) {
            (false, true, false) => Ok(()),
            (true, ..) => Err(self.useless("what is there is created once more")),
            (_, false, _) => Err(self.useless("what has not changed cannot be replaced")),
            (.., true) => Err(self.useless("what has changed is replaced all the same")),
        }
    }

    fn useless(&self, what: &str) -> Error {
        let message = format!("{} cannot be shared by servers: {what}", self.objects.shown());
        let remedy =
            "use storage that sees every write at once and has conditional writes (`If-None-Match`, `If-Match`)";
        Error::new(ErrorKind::Unsupported, message).with_remedy(Remedy::Other(remedy.to_owned()))
    }
}

/// A word that nobody else has come to: 128 bits by chance, in hex.
pub(super) fn unused_word() -> Result<String> {
    let half = || {
        let word = files::unused_word();
        word.map_err(|error| Error::new(ErrorKind::Storage, "the system gives no random bytes").caused_by(error))
    };
    Ok(half()? + &half()?)
}
