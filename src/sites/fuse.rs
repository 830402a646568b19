//! A registry that is given up for the rest of a run once it does not answer.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::image::{Descriptor, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, Error, ErrorKind, Identity, ImageDestination, Intake, PushSession, Result, TagCondition, UploadState,
};

/// Watches over one registry, in all of whose repositories many images are to be put.
///
/// Whether it answers at all is found out once, by whoever asks first; the others wait for that. Where it does not,
/// or later stops to, everybody is told so at once: a dead site costs a run its patience once, and not once for
/// every image.
#[derive(Clone, Default)]
pub struct Fuse(Arc<State>);

#[derive(Default)]
struct State {
    first: OnceCell<()>,
    blown: Mutex<Option<Error>>,
}

impl Fuse {
    /// The same destination under this watch.
    #[must_use]
    pub fn over(&self, destination: Arc<dyn ImageDestination>) -> Arc<dyn ImageDestination> {
        Arc::new(Fused { destination, fuse: self.clone() })
    }

    /// Why it was given up, where it was.
    #[must_use]
    pub fn blown(&self) -> Option<Error> {
        self.0.blown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of an answer.
    fn judge<T>(&self, answer: Result<T>) -> Result<T> {
        if let Err(error) = &answer
            && is_silence(error)
        {
            self.0.blown.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
        }
        answer
    }

    /// Asks, unless it was given up; whoever comes first asks alone.
    async fn ask<T>(&self, question: impl Future<Output = Result<T>>) -> Result<T> {
        let mut answer = None;
        let mut question = Some(question);
        let ask_first = async {
            if let Some(question) = question.take() {
                answer = Some(self.judge(question.await));
            }
        };
        self.0.first.get_or_init(|| ask_first).await;
        match (answer, question) {
            (Some(answer), _) => answer,
            (None, Some(question)) => match self.blown() {
                Some(error) => Err(error),
                None => self.judge(question.await),
            },
            // One of the two was taken by the other.
            (None, None) => Err(Error::new(ErrorKind::Unreachable, "the registry was asked in vain")),
        }
    }
}

/// Whether nobody is there, rather than somebody who refuses or is cut off in the midst.
fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::TimedOut)
}

struct Fused {
    destination: Arc<dyn ImageDestination>,
    fuse: Fuse,
}

#[async_trait]
impl ImageDestination for Fused {
    fn identity(&self) -> &Identity {
        self.destination.identity()
    }

    fn intake(&self) -> Intake {
        self.destination.intake()
    }

    async fn resolve(&self, repository: &RepositoryName, selector: &Selector) -> Result<Option<Descriptor>> {
        self.fuse.ask(self.destination.resolve(repository, selector)).await
    }

    async fn has_blob(&self, repository: &RepositoryName, blob: &Descriptor) -> Result<bool> {
        self.fuse.ask(self.destination.has_blob(repository, blob)).await
    }

    async fn begin_blob(
        &self,
        repository: &RepositoryName,
        blob: &Descriptor,
        from: Option<&RepositoryName>,
        resume: Option<&UploadState>,
    ) -> Result<Begun> {
        self.fuse.ask(self.destination.begin_blob(repository, blob, from, resume)).await
    }

    async fn push_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
        condition: TagCondition,
    ) -> Result<()> {
        self.fuse.ask(self.destination.push_manifest(repository, manifest, tags, condition)).await
    }

    async fn begin_session(&self, repository: &RepositoryName) -> Result<Box<dyn PushSession>> {
        self.fuse.ask(self.destination.begin_session(repository)).await
    }
}
