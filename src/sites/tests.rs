//! What is needed, what goes, and how a registry that does not answer is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::image::{Algorithm, Descriptor, Digest, MediaType, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{
    Begun, Error, ErrorKind, Identity, ImageDestination, ImageSource, NoSession, PushSession, Remover as _, Result,
    TagCondition, UploadState,
};
use crate::store::Memory;

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn identity() -> Identity {
    Identity { place: "site:5000".to_owned(), credential: None, local: false }
}

/// An index of these manifests, which `word` makes one of a kind.
fn index(word: &str, children: &[&RawManifest]) -> RawManifest {
    let children: Vec<Descriptor> = children.iter().map(|child| child.descriptor()).collect();
    let document = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::oci_index(),
        "manifests": children,
        "annotations": {"word": word},
    });
    RawManifest::parse(Bytes::from(document.to_string()), Some(&MediaType::oci_index()), Algorithm::Sha256).unwrap()
}

/// A repository `app`, and what is put there.
struct Repository(Memory);

impl Repository {
    fn new() -> Self {
        Self(Memory::new(identity()))
    }

    async fn put(&self, manifest: &RawManifest, tags: &[&str]) {
        let tags: Vec<Tag> = tags.iter().map(|text| tag(text)).collect();
        self.0.push_manifest(&name("app"), manifest, &tags, TagCondition::Always).await.unwrap();
    }

    async fn plan(&self, needed: &Needed) -> Pruning {
        let holding = Holding::of(&self.0, name("app")).await.unwrap();
        Pruning::plan(&self.0, &holding, needed).await.unwrap()
    }

    async fn has(&self, manifest: &RawManifest) -> bool {
        let selector = Selector::Digest(manifest.digest().clone());
        ImageSource::resolve(&self.0, &name("app"), &selector).await.unwrap().is_some()
    }
}

fn needed(tags: &[&str], digests: &[&RawManifest]) -> Needed {
    let digests = digests.iter().map(|manifest| manifest.digest().clone()).collect();
    Needed { tags: tags.iter().map(|text| tag(text)).collect(), digests }
}

fn manifest(of: &RawManifest, tags: &[&str]) -> Removal {
    Removal { digest: Some(of.digest().clone()), tags: tags.iter().map(|text| tag(text)).collect() }
}

#[tokio::test]
async fn what_no_spec_needs_goes_and_the_rest_stays() {
    let repository = Repository::new();
    let (shared, new, old) = (index("shared", &[]), index("new child", &[]), index("old child", &[]));
    let (current, former) = (index("current", &[&shared, &new]), index("former", &[&shared, &old]));
    for child in [&shared, &new, &old] {
        repository.put(child, &[]).await;
    }
    repository.put(&current, &["v2", "latest"]).await;
    repository.put(&former, &["v1"]).await;
    let plan = repository.plan(&needed(&["v2"], &[])).await;
    // The index goes before its child; the child that the one in use names stays, and so does what is under another name.
    let untag = Removal { digest: None, tags: vec![tag("latest")] };
    let mut removals = plan.removals.clone();
    removals.sort_by_key(|removal| (removal.digest.is_some(), removal.tags.is_empty()));
    assert_eq!(removals, [untag, manifest(&former, &["v1"]), manifest(&old, &[])]);
    assert_eq!(plan.kept, 1);
    let removed = plan.run(&repository.0).await;
    assert!(removed.failures.is_empty(), "{removed:?}");
    for (is_there, it) in [(true, &current), (true, &shared), (true, &new), (false, &former), (false, &old)] {
        assert_eq!(repository.has(it).await, is_there);
    }
    assert!(repository.plan(&needed(&["v2"], &[])).await.removals.is_empty());
}

#[tokio::test]
async fn a_digest_in_use_stays_whatever_it_is_called() {
    let repository = Repository::new();
    let (child, other) = (index("child", &[]), index("other", &[]));
    let whole = index("whole", &[&child]);
    repository.put(&child, &["child"]).await;
    repository.put(&whole, &[]).await;
    repository.put(&other, &["other"]).await;
    // Only its digest is needed, and it has no tag; its child has one that nobody needs.
    let plan = repository.plan(&needed(&[], &[&whole])).await;
    assert_eq!(plan.removals.len(), 2, "{plan:?}");
    assert!(plan.removals.contains(&Removal { digest: None, tags: vec![tag("child")] }));
    assert!(plan.removals.contains(&manifest(&other, &["other"])));
    plan.run(&repository.0).await;
    assert!(repository.has(&child).await && repository.has(&whole).await && !repository.has(&other).await);
}

#[tokio::test]
async fn what_is_attached_goes_with_what_it_is_attached_to() {
    let repository = Repository::new();
    let (child, former) = (index("child", &[]), index("former", &[]));
    let current = index("current", &[&child]);
    repository.put(&child, &[]).await;
    repository.put(&current, &["v2"]).await;
    repository.put(&former, &["v1"]).await;
    let stem = |digest: &Digest| digest.to_string().replace(':', "-");
    let signatures = [index("a", &[]), index("b", &[]), index("c", &[]), index("d", &[])];
    for (signature, (of, suffix)) in
        signatures.iter().zip([(&current, ".sig"), (&child, ".att"), (&former, ".sig"), (&signatures[0], "")])
    {
        repository.put(signature, &[&format!("{}{suffix}", stem(of.digest()))]).await;
    }
    let plan = repository.plan(&needed(&["v2"], &[])).await;
    let gone = stem(former.digest()) + ".sig";
    assert_eq!(plan.removals.len(), 2, "{plan:?}");
    assert!(plan.removals.contains(&manifest(&signatures[2], &[&gone])));
    assert_eq!(plan.kept, 4);
}

#[tokio::test]
async fn repositories_are_those_below_the_path() {
    let memory = Memory::new(identity());
    for repository in ["edge/a", "edge/b/c", "edges/d", "edge"] {
        let (repository, manifest) = (name(repository), index("x", &[]));
        memory.push_manifest(&repository, &manifest, &[tag("v1")], TagCondition::Always).await.unwrap();
    }
    let below = repositories(&memory, Some(&name("edge"))).await.unwrap();
    assert_eq!(below, [name("edge/a"), name("edge/b/c")]);
    assert_eq!(repositories(&memory, None).await.unwrap().len(), 4);
    assert!(Holding::of(&memory, name("none")).await.unwrap().tags.is_empty());
    memory.remove_tag(&name("edge"), &tag("v1")).await.unwrap();
}

/// A destination that never answers, or that refuses.
struct Silent(Identity, ErrorKind, Arc<AtomicUsize>);

impl Silent {
    fn answer<T>(&self) -> Result<T> {
        self.2.fetch_add(1, Ordering::SeqCst);
        Err(Error::new(self.1, "nobody is there"))
    }
}

#[async_trait]
impl ImageDestination for Silent {
    fn identity(&self) -> &Identity {
        &self.0
    }

    async fn resolve(&self, _: &RepositoryName, _: &Selector) -> Result<Option<Descriptor>> {
        tokio::task::yield_now().await;
        self.answer()
    }

    async fn has_blob(&self, _: &RepositoryName, _: &Descriptor) -> Result<bool> {
        self.answer()
    }

    async fn begin_blob(
        &self,
        _: &RepositoryName,
        _: &Descriptor,
        _: Option<&RepositoryName>,
        _: Option<&UploadState>,
    ) -> Result<Begun> {
        self.answer()
    }

    async fn push_manifest(&self, _: &RepositoryName, _: &RawManifest, _: &[Tag], _: TagCondition) -> Result<()> {
        self.answer()
    }

    async fn begin_session(&self, _: &RepositoryName) -> Result<Box<dyn PushSession>> {
        Ok(Box::new(NoSession))
    }
}

#[tokio::test]
async fn who_does_not_answer_is_asked_once_by_all() {
    for (kind, asked) in [(ErrorKind::Unreachable, 1), (ErrorKind::TimedOut, 1), (ErrorKind::Denied, 5)] {
        let (fuse, count) = (Fuse::default(), Arc::new(AtomicUsize::new(0)));
        let two: Vec<_> = (0..2).map(|_| fuse.over(Arc::new(Silent(identity(), kind, Arc::clone(&count))))).collect();
        let (app, latest) = (name("app"), Selector::Tag(Tag::latest()));
        let asks = (0..5).map(|n| two[n % 2].resolve(&app, &latest));
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer.unwrap_err().kind(), kind);
        }
        assert_eq!((count.load(Ordering::SeqCst), fuse.blown().is_some()), (asked, asked == 1), "{kind:?}");
    }
}
