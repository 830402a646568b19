//! The end of an upload: it becomes a blob, or nothing.

use super::super::content::Whereabouts;
use super::super::{layout, unused_word};
use super::parts::Gathering;
use super::{Turn, Upload, at_it};
use crate::image::{Algorithm, Digest};
use crate::registry::{Error, ErrorKind, Result};

impl Upload {
    /// Makes the content a blob of the repository, if it has this digest. Its end either way.
    pub(in super::super) async fn end(mut self, digest: &Digest) -> Result<()> {
        self.take_turn().await?;
        self.land().await?;
        let Some(Turn { gathering, hasher, .. }) = self.turn.take() else { return Err(at_it()) };
        let whereabouts = Whereabouts { content: self.word.clone(), size: self.state.arrived() + gathering.pending() };
        let is_judged = !self.state.doubtful && digest.algorithm() == Algorithm::Sha256;
        if is_judged {
            self.judge(&hasher.finish(), digest).await?;
            // Only now, because whoever names a digest and has not its content must not learn that it is here.
            if self.is_there(digest, &whereabouts).await? {
                return self.belong(digest, &whereabouts).await;
            }
        }
        self.state.becoming = Some(digest.clone());
        self.tell().await?;
        self.write_content(gathering).await?;
        if !is_judged {
            let (found, _) = self.shared.hash_content(&self.word, digest).await?;
            self.judge(&found, digest).await?;
        }
        let there = self.shared.publish(digest, &whereabouts).await?;
        if there.content != self.word {
            self.shared.objects.remove(&layout::content(&self.word)).await?;
        }
        self.belong(digest, &there).await
    }

    /// Gives it up.
    pub(in super::super) async fn give_up(mut self) -> Result<()> {
        if self.turn.is_none() {
            // Whoever is at it finds that out.
            self.state.turn = Some(unused_word()?);
            self.tell().await?;
        }
        self.clear().await
    }

    /// Ends the upload where the content has another digest.
    async fn judge(&mut self, found: &Digest, digest: &Digest) -> Result<()> {
        if found == digest {
            return Ok(());
        }
        self.shared.objects.remove(&layout::content(&self.word)).await?;
        self.clear().await?;
        Err(Error::new(ErrorKind::Corrupt, format!("the content has the digest {found}, not {digest}")))
    }

    /// Whether the same blob is here already.
    async fn is_there(&self, digest: &Digest, whereabouts: &Whereabouts) -> Result<bool> {
        let there = self.shared.content_to_rely_on(digest).await?;
        Ok(there.is_some_and(|there| there.size == whereabouts.size))
    }

    /// Makes an object of what was gathered and what has arrived before.
    async fn write_content(&mut self, mut gathering: Gathering) -> Result<()> {
        let key = layout::content(&self.word);
        let (length, bytes) = gathering.rest();
        let Some(id) = self.state.parts_under.take() else {
            return self.shared.objects.write(&key, bytes).await.map(drop);
        };
        let mut parts: Vec<String> = self.state.parts.iter().map(|part| part.id.clone()).collect();
        if length > 0 {
            parts.push(self.shared.objects.put_part(&key, &id, parts.len(), bytes).await?);
        }
        self.shared.objects.end_parts(&key, &id, parts).await
    }

    /// The blob belongs to the repository from now on, and the upload is over.
    async fn belong(&mut self, digest: &Digest, whereabouts: &Whereabouts) -> Result<()> {
        self.shared.add_blob(self.state.repository(), digest, whereabouts.size).await?;
        self.clear().await
    }

    /// Removes what there is of the upload; the state last, so that what stays can be found.
    async fn clear(&mut self) -> Result<()> {
        self.shared.clear_upload(&self.word, &self.state).await
    }
}
