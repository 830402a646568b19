//! What a copy does when things go wrong. In every case the destination's tag is the old image or the whole new
//! one, nothing is stored under a digest that is not its own, and another run completes what is missing.

use std::sync::Arc;

use proptest::prelude::*;

use super::place::{Faults, Place};
use super::support::{Builder, content, copy, name};
use crate::failure::{Failure, FailureKind};
use crate::image::{Descriptor, Digest, MediaType, RawManifest, Selector};
use crate::registry::{ErrorKind, ImageSource};
use crate::transfer::{Error, Side, TransferReport};

/// Big enough to be hashed on a thread of its own.
const SIZE: usize = 2_000_000;

struct Stage {
    a: Arc<Place>,
    b: Arc<Place>,
    image: RawManifest,
    layer: Descriptor,
    before: RawManifest,
}

/// One image of one big layer at `a`, and another under the same tag at `b`, where `local` is a place like the store.
async fn stage(local: bool) -> Stage {
    let (a, b) = (Place::new("a"), if local { Place::local("b") } else { Place::new("b") });
    let builder = Builder::new(&a, "app");
    let config = builder.blob(b"").await;
    let layer = builder.blob(&content(SIZE, 7)).await;
    let image = builder.image_of(&config, std::slice::from_ref(&layer), "").await;
    builder.tag(&image, "v1").await;
    let before = Builder::new(&b, "app").image(&[b"before"], "").await;
    Builder::new(&b, "app").tag(&before, "v1").await;
    Stage { a, b, image, layer, before }
}

impl Stage {
    async fn copy(&self) -> Result<TransferReport, Error> {
        copy(&self.a.source("app", "v1"), &self.b.destination("app", &["v1"])).await
    }

    /// The tag is where it was; without faults the next run completes.
    async fn is_untouched_and_recovers(&self) {
        assert_eq!(self.b.tagged("app", "v1").await.as_ref(), Some(self.before.digest()));
        assert!(!self.b.has("app", &self.layer).await);
        for place in [&self.a, &self.b] {
            place.fault(|faults| *faults = Faults::default());
        }
        self.copy().await.unwrap();
        self.is_complete().await;
    }

    async fn is_complete(&self) {
        assert_eq!(self.b.tagged("app", "v1").await.as_ref(), Some(self.image.digest()));
        assert_eq!(self.stored().await, self.layer.digest);
    }

    /// The digest of what is really stored for the layer.
    async fn stored(&self) -> Digest {
        let mut reader = self.b.inner.blob(&name("app"), &self.layer, crate::registry::ByteRange::ALL).await.unwrap();
        Digest::of(&reader.next().await.unwrap().unwrap())
    }
}

#[tokio::test]
async fn a_cut_body_goes_on_where_it_was_cut() {
    for local in [false, true] {
        for cut in [0, 1, SIZE / 2, SIZE - 1, SIZE] {
            let stage = stage(local).await;
            stage.a.fault(|faults| faults.cuts = vec![cut]);
            stage.copy().await.unwrap();
            stage.is_complete().await;
            assert_eq!(stage.a.bytes_read(), SIZE, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_cut_over_and_over_arrives_while_it_gets_on() {
    let stage = stage(false).await;
    stage.a.fault(|faults| faults.cuts = vec![100_000; 19]);
    stage.copy().await.unwrap();
    stage.is_complete().await;
    assert_eq!(stage.a.bytes_read(), SIZE);
}

#[tokio::test]
async fn a_body_that_never_gets_on_is_given_up_after_six_tries() {
    let stage = stage(false).await;
    stage.a.fault(|faults| faults.cuts = vec![0; 100]);
    let error = stage.copy().await.expect_err("nothing comes");
    assert_eq!((error.kind(), error.side()), (FailureKind::Unreachable, Some(Side::Source)));
    assert_eq!(stage.a.requests(), "6 blob, 5 distrust, manifest, resolve");
    stage.is_untouched_and_recovers().await;
}

#[tokio::test]
async fn a_source_without_ranges_is_read_again_and_nothing_is_spliced() {
    let stage = stage(false).await;
    stage.a.fault(|faults| (faults.cuts, faults.no_ranges) = (vec![1_000_001], true));
    stage.copy().await.unwrap();
    stage.is_complete().await;
}

#[tokio::test]
async fn wrong_bytes_are_read_once_more_and_then_refused() {
    for local in [false, true] {
        let once = stage(local).await;
        once.a.fault(|faults| faults.flips = vec![SIZE / 3]);
        once.copy().await.unwrap();
        once.is_complete().await;
        assert_eq!(once.a.bytes_read(), 2 * SIZE);
        assert!(once.a.requests().contains("distrust"), "the source is told, to serve it from elsewhere");

        let always = stage(local).await;
        always.a.fault(|faults| faults.flips = vec![SIZE / 3; 100]);
        let error = always.copy().await.expect_err("the content is wrong");
        assert_eq!((error.kind(), error.side()), (FailureKind::Corrupt, Some(Side::Source)), "{error}");
        assert!(error.to_string().contains("mismatch"), "{error}");
        always.is_untouched_and_recovers().await;
    }
}

#[tokio::test]
async fn wrong_bytes_after_a_cut_are_found() {
    let stage = stage(false).await;
    stage.a.fault(|faults| (faults.cuts, faults.flips) = (vec![1_000_000], vec![usize::MAX, 1_500_000]));
    stage.copy().await.unwrap();
    stage.is_complete().await;
    assert_eq!(stage.a.bytes_read(), 2 * SIZE);
}

#[tokio::test]
async fn sizes_that_lie_are_refused() {
    for local in [false, true] {
        for set in [|faults: &mut Faults| faults.shorter = 1, |faults: &mut Faults| faults.longer = b"more"] {
            let stage = stage(local).await;
            stage.a.fault(set);
            let error = stage.copy().await.expect_err("the size is wrong");
            assert_eq!(error.kind(), FailureKind::Corrupt, "{error}");
            stage.is_untouched_and_recovers().await;
        }
    }
}

#[tokio::test]
async fn a_broken_upload_goes_on_at_its_offset_and_a_lost_one_begins_again() {
    for (after, kind, requests) in [
        (700_000, ErrorKind::Cut, "2 begin, push, resolve, resume"),
        (700_000, ErrorKind::Gone, "3 begin, push, resolve"),
    ] {
        let stage = stage(false).await;
        stage.b.fault(|faults| faults.writes = vec![(after, kind)]);
        stage.copy().await.unwrap();
        stage.is_complete().await;
        assert_eq!(stage.b.requests(), requests);
    }
}

#[tokio::test]
async fn an_upload_that_is_lost_over_and_over_is_given_up_after_six_tries() {
    let stage = stage(false).await;
    stage.b.fault(|faults| faults.writes = (1..20).map(|time| (time * 100_000, ErrorKind::Gone)).collect());
    let error = stage.copy().await.expect_err("it is always lost");
    assert_eq!((error.kind(), error.side()), (FailureKind::Unreachable, Some(Side::Destination)));
    assert!(stage.b.requests().starts_with("7 begin"), "six of the layer, one of the config");
    stage.is_untouched_and_recovers().await;
}

#[tokio::test]
async fn uploads_that_fail_for_good_leave_the_tag_where_it_was() {
    for kind in [ErrorKind::Denied, ErrorKind::Storage, ErrorKind::Rejected] {
        let stage = stage(false).await;
        stage.b.fault(|faults| faults.writes = vec![(10, kind)]);
        let error = stage.copy().await.expect_err("the upload fails");
        assert_eq!(error.side(), Some(Side::Destination));
        stage.is_untouched_and_recovers().await;
    }
    let stage = stage(false).await;
    stage.b.fault(|faults| faults.writes = vec![(0, ErrorKind::Cut); 100]);
    assert_eq!(stage.copy().await.expect_err("it never gets on").kind(), FailureKind::Unreachable);
    stage.is_untouched_and_recovers().await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_looked_after() {
    for (kind, arrived) in [(ErrorKind::Cut, true), (ErrorKind::Cut, false), (ErrorKind::Gone, false)] {
        let stage = stage(false).await;
        stage.b.fault(|faults| faults.commits = vec![(kind, arrived)]);
        let report = stage.copy().await.unwrap();
        stage.is_complete().await;
        assert_eq!(report.blobs.sent.count, 2);
    }
}

#[tokio::test]
async fn content_that_was_lost_meanwhile_is_sent_again() {
    let stage = stage(false).await;
    let lost = (name("app"), stage.layer.digest.clone());
    stage.b.fault(|faults| faults.loses = vec![lost]);
    stage.copy().await.unwrap();
    stage.is_complete().await;
    assert_eq!(stage.b.requests(), "3 begin, 2 push, resolve");
}

#[tokio::test]
async fn content_that_a_known_image_lost_is_sent_again() {
    let (a, b) = (Place::new("a"), Place::local("store"));
    let builder = Builder::new(&a, "app");
    let child = builder.image(&[b"layer"], "").await;
    let index = builder.index(&[child.descriptor()], "").await;
    builder.tag(&index, "v1").await;
    copy(&a.source("app", "v1"), &b.destination("app", &["v1"])).await.unwrap();
    crate::registry::Remover::remove_manifest(&b.inner, &name("app"), child.digest()).await.unwrap();
    copy(&a.source("app", "v1"), &b.destination("app", &["v2"])).await.unwrap();
    let found = b.inner.manifest(&name("app"), &Selector::Digest(child.digest().clone())).await.unwrap();
    assert_eq!(found.bytes(), child.bytes());
}

#[tokio::test]
async fn a_tag_that_moves_meanwhile_does_not_mix_two_images() {
    let stage = stage(false).await;
    let other = Builder::new(&stage.a, "app").image(&[b"other"], "").await;
    stage.a.fault(|faults| faults.moves = Some((super::support::tag("v1"), other.clone())));
    let report = stage.copy().await.unwrap();
    assert_eq!(report.digest, *stage.image.digest());
    stage.is_complete().await;
}

#[tokio::test]
async fn a_missing_or_wrong_child_leaves_the_tag_where_it_was() {
    let stage = stage(false).await;
    let builder = Builder::new(&stage.a, "app");
    let index = builder.index(&[stage.image.descriptor()], "").await;
    builder.tag(&index, "v1").await;
    stage.a.fault(|faults| faults.absent = vec![stage.image.digest().clone()]);
    assert_eq!(stage.copy().await.expect_err("the child is missing").kind(), FailureKind::NotFound);
    stage.a.fault(|faults| {
        faults.absent.clear();
        faults.swapped = [(stage.image.digest().clone(), stage.before.clone())].into();
    });
    assert_eq!(stage.copy().await.expect_err("the child is another").kind(), FailureKind::Corrupt);
    assert_eq!(stage.b.tagged("app", "v1").await.as_ref(), Some(stage.before.digest()));
}

#[tokio::test]
async fn what_documents_say_of_each_other_must_agree() {
    let stage = stage(false).await;
    let builder = Builder::new(&stage.a, "app");
    let right = stage.image.descriptor();
    let wrong = [
        Descriptor { size: right.size + 1, ..right.clone() },
        Descriptor { media_type: MediaType::docker_manifest(), ..right.clone() },
    ];
    for child in wrong {
        let index = builder.index(&[child], "").await;
        builder.tag(&index, "v1").await;
        let error = stage.copy().await.expect_err("it contradicts itself");
        assert_eq!(error.kind(), FailureKind::Corrupt);
        assert!(error.to_string().contains("is said to be"), "{error}");
    }
    let twice = [stage.layer.clone(), Descriptor { size: 3, ..stage.layer.clone() }];
    let config = builder.blob(b"").await;
    let image = builder.image_of(&config, &twice, "").await;
    builder.tag(&image, "v1").await;
    assert_eq!(stage.copy().await.expect_err("one blob, two sizes").kind(), FailureKind::Corrupt);
}

#[tokio::test]
async fn depth_is_bounded() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let mut manifest = builder.image(&[b"layer"], "").await;
    for depth in 1..=17 {
        manifest = builder.index(&[manifest.descriptor()], "").await;
        builder.tag(&manifest, &format!("depth-{depth}")).await;
    }
    copy(&a.source("app", "depth-16"), &b.destination("app", &["fits"])).await.unwrap();
    let error = copy(&a.source("app", "depth-17"), &b.destination("app", &["deep"])).await.expect_err("too deep");
    assert!(error.to_string().contains("16 deep"), "{error}");
    assert_eq!(b.tagged("app", "deep").await, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever breaks off wherever, what arrives is what was sent.
    #[test]
    fn any_order_of_faults_ends_in_the_right_bytes(
        local in any::<bool>(),
        cuts in proptest::collection::vec(0..SIZE, 0..6),
        writes in proptest::collection::vec((0..SIZE, any::<bool>()), 0..5),
        commits in proptest::collection::vec((any::<bool>(), any::<bool>()), 0..3),
        no_ranges in any::<bool>(),
    ) {
        let kind = |gone: bool| if gone { ErrorKind::Gone } else { ErrorKind::Cut };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let stage = stage(local).await;
            stage.a.fault(|faults| (faults.cuts, faults.no_ranges) = (cuts, no_ranges));
            stage.b.fault(|faults| {
                faults.writes = writes.into_iter().map(|(after, gone)| (after, kind(gone))).collect();
                faults.commits = commits.into_iter().map(|(gone, arrived)| (kind(gone), arrived)).collect();
            });
            let copied = stage.copy().await;
            match copied {
                Ok(_) => stage.is_complete().await,
                Err(error) => {
                    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
                    stage.b.fault(|faults| *faults = Faults::default());
                    stage.a.fault(|faults| *faults = Faults::default());
                    stage.copy().await.unwrap();
                    stage.is_complete().await;
                }
            }
        });
    }
}
