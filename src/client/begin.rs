//! How a blob begins its way into a repository: finds out by the fewest requests whether it has to travel, and opens
//! the upload where it does.

use http::Method;

use super::Client;
use super::exchange::{Call, pull, push};
use super::scout::{Turn, is_scout};
use super::upload::{LONGEST_SINGLE, Parcel, Session, Upload};
use crate::image::{Descriptor, Digest, RepositoryName};
use crate::outbound::Replay;
use crate::registry::{ErrorKind, Result, UploadState};
use crate::wire::{Mount, Route};

/// How a blob begins its way.
pub(super) enum Beginning {
    /// It is there.
    Present,
    /// It was taken over from another repository.
    Mounted,
    /// Its bytes are wanted.
    Upload(Box<Upload>),
}

/// What a request to mount came to.
enum Mounted {
    /// The blob is in the repository.
    Yes,
    /// It is not; this upload is open for it.
    No(Box<Session>),
    /// The registry does not want to hear of mounts.
    Refused,
}

impl Client {
    /// By what is left of an earlier upload, by a mount from elsewhere, or as is best here.
    pub(super) async fn begin(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Beginning> {
        if let Some(state) = resume
            && let Some(session) = Session::resume(self.parcel(repository, blob), state).await?
        {
            return Ok(by(session));
        }
        match from.filter(|from| *from != repository && !self.push.is_unmountable(from)) {
            Some(from) => self.mount(repository, blob, from).await,
            None => self.begin_unmounted(repository, blob).await,
        }
    }

    /// Has the registry take the blob over from another repository; its refusal is the upload.
    async fn mount(&self, repository: &RepositoryName, blob: &Descriptor, from: &RepositoryName) -> Result<Beginning> {
        match self.try_mount(self.parcel(repository, blob), &blob.digest, from).await? {
            Mounted::Yes => Ok(Beginning::Mounted),
            Mounted::No(session) => Ok(by(*session)),
            Mounted::Refused => {
                self.push.refuses_mounts(from);
                self.begin_by_head(repository, blob).await
            }
        }
    }

    /// Finds out whether the blob is there, and opens an upload where it is not.
    ///
    /// A mount from the repository itself does both in one request, in places that answer it by what they have.
    async fn begin_unmounted(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Beginning> {
        if let Some(begun) = self.begin_as_learnt(repository, blob).await? {
            return Ok(begun);
        }
        let turn = self.push.scouts.turn(blob.size).await;
        // The one ahead may have found it out.
        if let Some(begun) = self.begin_as_learnt(repository, blob).await? {
            return Ok(begun);
        }
        match turn.as_ref().and_then(|turn| turn.known_in(repository)) {
            Some(there) => self.begin_by_finding_out(repository, blob, there).await,
            None => self.begin_ahead(repository, blob, turn.filter(|_| is_scout(blob.size))).await,
        }
    }

    /// The same where it is known what a mount from the repository itself says; else `None`.
    async fn begin_as_learnt(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Option<Beginning>> {
        if self.push.known_fresh_for(repository, &blob.digest) {
            return self.send(repository, blob).await.map(Some);
        }
        Ok(match self.exchange.learnt.hints().tells_by_mount {
            Some(true) => Some(self.begin_by_mount(repository, blob).await?),
            Some(false) => Some(self.begin_by_head(repository, blob).await?),
            None => None,
        })
    }

    /// Begins where a mount tells what is there.
    async fn begin_by_mount(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Beginning> {
        Ok(match self.mount_from_itself(repository, blob, &blob.digest).await? {
            Mounted::Yes => Beginning::Present,
            Mounted::No(session) => by(*session),
            Mounted::Refused => self.begin_by_head(repository, blob).await?,
        })
    }

    /// Mounts a blob that is known to be there, which tells what such a mount says; a refusal is an upload for `blob`.
    async fn begin_by_finding_out(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        there: &Digest,
    ) -> Result<Beginning> {
        let session = match self.mount_from_itself(repository, blob, there).await? {
            Mounted::Yes => return self.begin_by_mount(repository, blob).await,
            Mounted::Refused => return self.begin_by_head(repository, blob).await,
            Mounted::No(session) => *session,
        };
        self.learn_telling(false).await;
        self.begin_unless_there(repository, blob, session).await
    }

    /// Begins while it is not known what a mount says: without asking for the blob where it goes ahead of the others.
    async fn begin_ahead(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        turn: Option<Turn>,
    ) -> Result<Beginning> {
        let session = match self.mount_from_itself(repository, blob, &blob.digest).await? {
            Mounted::Yes => return Ok(Beginning::Present),
            Mounted::Refused => return self.begin_by_head(repository, blob).await,
            Mounted::No(session) => *session,
        };
        if self.push.is_fresh_for(&self.exchange, repository, &blob.digest).await {
            return Ok(by(session));
        }
        if let Some(turn) = turn {
            return Ok(Beginning::Upload(Box::new(Upload::new(session).ahead(turn))));
        }
        let begun = self.begin_unless_there(repository, blob, session).await?;
        if matches!(begun, Beginning::Present) {
            self.learn_telling(false).await;
        }
        Ok(begun)
    }

    /// Asks by HEAD for what a mount told nothing of.
    async fn begin_unless_there(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        session: Session,
    ) -> Result<Beginning> {
        if !self.exchange.has_blob(repository, blob).await? {
            return Ok(by(session));
        }
        session.cancel().await;
        Ok(Beginning::Present)
    }

    async fn begin_by_head(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Beginning> {
        let is_fresh = self.push.is_fresh_for(&self.exchange, repository, &blob.digest).await;
        if !is_fresh && self.exchange.has_blob(repository, blob).await? {
            return Ok(Beginning::Present);
        }
        self.send(repository, blob).await
    }

    /// Opens the way of a blob that is not there: by the blob itself, where it is small and the registry takes it so
    /// or is to be asked, else by a session.
    async fn send(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<Beginning> {
        let parcel = self.parcel(repository, blob);
        let takes = || self.exchange.learnt.hints().takes_single_post;
        if blob.size <= LONGEST_SINGLE && takes().unwrap_or_else(|| self.push.is_first_to_ask_by_blob()) {
            return Ok(Beginning::Upload(Box::new(Upload::single(parcel))));
        }
        Ok(by(Session::open(parcel).await?))
    }

    fn parcel(&self, repository: &RepositoryName, blob: &Descriptor) -> Parcel {
        Parcel::new(&self.exchange, repository, blob)
    }

    /// Mounts `there` from the repository itself. That it worked is remembered, and that it was not heard of.
    async fn mount_from_itself(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        there: &Digest,
    ) -> Result<Mounted> {
        let mounted = self.try_mount(self.parcel(repository, blob), there, repository).await?;
        match &mounted {
            Mounted::Yes => self.learn_telling(true).await,
            Mounted::Refused => self.learn_telling(false).await,
            Mounted::No(_) => {}
        }
        Ok(mounted)
    }

    async fn learn_telling(&self, tells: bool) {
        self.exchange.learnt.learn(|hints| hints.tells_by_mount = Some(tells)).await;
    }

    /// Asks for `there` to be taken over; a refusal is an upload for the parcel.
    async fn try_mount(&self, parcel: Parcel, there: &Digest, from: &RepositoryName) -> Result<Mounted> {
        let repository = parcel.repository().clone();
        let mut scopes = push(&repository);
        if *from != repository {
            scopes.extend(pull(from));
        }
        let mount = Mount { digest: there.clone(), from: from.clone() };
        let route = Route::StartUpload { repository, mount: Some(mount), digest: None };
        let answered = self.exchange.call(Call::new(Method::POST, &route, scopes).replay(Replay::Never)).await;
        let response = match answered {
            Ok(response) => response,
            // No right to read there, or a connection lost over it: the blob can still travel.
            Err(error) if error.kind() == ErrorKind::Denied || error.is_transient() => return Ok(Mounted::Refused),
            Err(error) => return Err(error),
        };
        match response.status().as_u16() {
            201 => Ok(Mounted::Yes),
            202 => Ok(Mounted::No(Box::new(Session::opened(parcel, &response).await?))),
            _ => Ok(Mounted::Refused),
        }
    }
}

/// The upload that goes on in a session.
fn by(session: Session) -> Beginning {
    Beginning::Upload(Box::new(Upload::new(session)))
}
