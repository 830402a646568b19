//! Plans as values, what is said while they are carried out, and graphs of every shape.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::place::Place;
use super::support::{Builder, content, engine, name};
use crate::image::{Attached, Descriptor, Digest, Platform, RawManifest, Selector};
use crate::progress::{Arrival, Event, Progress};
use crate::registry::{ByteRange, ImageSource};
use crate::transfer::{Clobber, Engine, Fate, Options, Role, Settings, TransferPlan};

fn of(platform: &str, manifest: &RawManifest) -> Descriptor {
    Descriptor { platform: Some(platform.parse().unwrap()), ..manifest.descriptor() }
}

#[tokio::test]
async fn an_outline_says_what_would_travel_and_changes_nothing() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let image = builder.image(&[b"present", b"a longer one"], "").await;
    builder.tag(&image, "v1").await;
    Builder::new(&b, "app").blob(b"present").await;
    let (source, all) = (a.source("app", "v1"), Options::default());
    let plan = TransferPlan::make(&source, &b.destination("app", &["v1"]), &all).await.unwrap();
    let outline = plan.outline().await.unwrap();
    assert_eq!(b.requests(), "3 has, resolve");
    let fates: Vec<(u64, Fate)> = outline.blobs.iter().map(|blob| (blob.size, blob.action)).collect();
    assert_eq!(fates, [(14, Fate::Send), (12, Fate::Send), (7, Fate::Skip)]);
    let json = serde_json::to_value(&outline).unwrap();
    assert_eq!(json["totals"]["send"], serde_json::json!({"count": 2, "bytes": 26}));
    assert_eq!(json["manifests"][0]["tags"][0], "v1");
    assert_eq!(json["blobs"][2]["action"], "skip");
    assert_eq!(b.tagged("app", "v1").await, None);

    let within = TransferPlan::make(&source, &a.destination("b", &["v1"]), &all).await.unwrap();
    let outline = within.outline().await.unwrap();
    assert_eq!((outline.totals.mount.count, outline.blobs[0].from.clone()), (3, Some(name("app"))));

    engine().run(&plan).await.unwrap();
    assert_eq!(b.tagged("app", "v1").await.as_ref(), Some(image.digest()));
}

#[tokio::test]
async fn several_platforms_are_a_new_index_whose_change_is_said() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let images = [builder.image(&[b"1"], "").await, builder.image(&[b"2"], "").await, builder.image(&[b"3"], "").await];
    let entries = [of("linux/amd64", &images[0]), of("linux/arm64", &images[1]), of("linux/s390x", &images[2])];
    let index = builder.index(&entries, "").await;
    builder.tag(&index, "v1").await;
    let platforms: Vec<Platform> = ["linux/s390x", "linux/amd64"].iter().map(|text| text.parse().unwrap()).collect();
    let options = Options { platforms, attached: Attached::Image, clobber: Clobber::Move };
    let report = engine().copy(&a.source("app", "v1"), &b.destination("app", &["v1"]), &options).await.unwrap();
    assert_eq!(report.narrowed_from.as_ref(), Some(index.digest()));
    assert_ne!(report.digest, *index.digest());
    assert_eq!((report.manifests, report.blobs.sent.count, report.warnings.len()), (3, 3, 1));
    let there = b.inner.manifest(&name("app"), &Selector::Digest(report.digest.clone())).await.unwrap();
    let kept: Vec<&Digest> = there.manifest().children().iter().map(|child| &child.digest).collect();
    assert_eq!(kept, [images[0].digest(), images[2].digest()]);
    let again = engine().copy(&a.source("app", "v1"), &b.destination("app", &["v1"]), &options).await.unwrap();
    assert!(again.unchanged);

    a.requests();
    let report = engine().copy(&a.source("app", "v1"), &a.destination("app", &["two"]), &options).await.unwrap();
    assert_eq!(a.requests(), "manifest, push", "the images are in the repository");
    assert_eq!(a.tagged("app", "two").await, Some(report.digest));
}

/// Remembers what was said.
#[derive(Default)]
struct Record(Mutex<Vec<Event>>);

impl Progress for Record {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

#[tokio::test]
async fn what_is_said_adds_up() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let image = builder.image(&[&content(500_000, 1)], "").await;
    builder.tag(&image, "v1").await;
    Builder::new(&b, "app").blob(b"{\"a config\":1}").await;
    a.fault(|faults| faults.cuts = vec![200_000, 0]);
    let record = Arc::new(Record::default());
    let engine = Engine::new(Settings::default(), &std::env::temp_dir(), record.clone());
    engine.copy(&a.source("app", "v1"), &b.destination("app", &["v1"]), &Options::default()).await.unwrap();
    let events = record.0.lock().unwrap();
    assert!(matches!(events.first(), Some(Event::Planned { blobs: 2, bytes: 500_014, .. })));
    assert!(matches!(events.last(), Some(Event::Ended { .. })));
    let advanced = events.iter().map(|event| if let Event::BlobAdvanced { bytes, .. } = event { *bytes } else { 0 });
    assert_eq!(advanced.sum::<u64>(), 500_000);
    let finished = |wanted: Arrival| {
        events.iter().filter(|event| matches!(event, Event::BlobFinished { how, .. } if *how == wanted)).count()
    };
    assert_eq!((finished(Arrival::Sent), finished(Arrival::Present)), (1, 1));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Waiting { .. })).count(), 1, "one got nowhere");
    assert_eq!(events.iter().filter(|event| matches!(event, Event::ManifestPushed { .. })).count(), 1);
}

/// One more manifest over those that are there.
#[derive(Clone, Debug)]
enum Growth {
    /// An image of small layers, named by what they hold.
    Image(Vec<u8>),
    /// An index over earlier manifests.
    Index(Vec<prop::sample::Index>),
    /// An artifact that refers to an earlier manifest.
    Attach(prop::sample::Index, u8),
}

fn growth() -> impl Strategy<Value = Growth> {
    let some = || prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    prop_oneof![
        3 => prop::collection::vec(0_u8..6, 0..4).prop_map(Growth::Image),
        3 => some().prop_map(Growth::Index),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(subject, seed)| Growth::Attach(subject, seed)),
    ]
}

async fn grow(builder: &Builder<'_>, steps: &[Growth]) -> RawManifest {
    let mut manifests = vec![builder.image(&[b"first"], "").await];
    for step in steps {
        manifests.push(match step {
            Growth::Image(seeds) => {
                let layers: Vec<Vec<u8>> = seeds.iter().map(|seed| content(usize::from(*seed) * 9, 1)).collect();
                builder.image(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>(), "").await
            }
            Growth::Index(children) => {
                let children: Vec<Descriptor> = children.iter().map(|at| at.get(&manifests).descriptor()).collect();
                builder.index(&children, "").await
            }
            Growth::Attach(subject, seed) => builder.attach(subject.get(&manifests), &[*seed]).await,
        });
    }
    let all: Vec<Descriptor> = manifests.iter().rev().take(3).map(RawManifest::descriptor).collect();
    builder.index(&all, "").await
}

/// Everything that has to be at `b` once `root` was copied from `a` with all that refers to it: it is there.
async fn arrived(a: &Place, b: &Place, root: &Digest) -> HashSet<Digest> {
    let repository = name("app");
    let (mut seen, mut open) = (HashSet::new(), vec![root.clone()]);
    while let Some(digest) = open.pop() {
        if !seen.insert(digest.clone()) {
            continue;
        }
        let selector = Selector::Digest(digest.clone());
        let there = b.inner.manifest(&repository, &selector).await.unwrap();
        assert_eq!(there.bytes(), a.inner.manifest(&repository, &selector).await.unwrap().bytes());
        for blob in there.manifest().blobs() {
            let mut reader = b.inner.blob(&repository, blob, ByteRange::ALL).await.unwrap();
            assert_eq!(Digest::of(&reader.next().await.unwrap().unwrap_or_default()), blob.digest);
        }
        open.extend(there.manifest().children().iter().map(|child| child.digest.clone()));
        let referrers = a.inner.referrers(&repository, &digest, None).await.unwrap();
        open.extend(referrers.manifests.into_iter().map(|found| found.digest));
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any graph arrives whole, byte for byte, in an order that the destination takes, and nothing else does.
    #[test]
    fn any_graph_arrives(steps in prop::collection::vec(growth(), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (a, b) = (Place::new("a"), Place::new("b"));
            let root = grow(&Builder::new(&a, "app"), &steps).await;
            Builder::new(&a, "app").tag(&root, "v1").await;
            let options = Options { attached: Attached::All, ..Options::default() };
            let (source, destination) = (a.source("app", "v1"), b.destination("app", &["v1"]));
            let plan = TransferPlan::make(&source, &destination, &options).await.unwrap();
            assert_eq!(plan.manifests().last().map(|step| step.role), Some(Role::Root));
            let report = engine().run(&plan).await.unwrap();
            assert_eq!(arrived(&a, &b, root.digest()).await.len(), report.manifests);
            assert!(engine().copy(&source, &destination, &options).await.unwrap().unchanged);
        });
    }
}
