//! One image for several destinations: what they share, and what each has to itself.

use std::sync::Arc;

use super::place::Place;
use super::support::{Builder, content, engine, tag};
use crate::failure::{Failure, FailureKind};
use crate::image::{Attached, RawManifest};
use crate::transfer::{Destination, Error, Fate, Job, Options, Source, TransferReport};

/// An image tagged `app:v1` at a place, of a config and of layers of these sizes.
async fn image(place: &Arc<Place>, layers: &[usize]) -> RawManifest {
    let builder = Builder::new(place, "app");
    let layers: Vec<Vec<u8>> = layers.iter().map(|size| content(*size, *size as u64)).collect();
    let image = builder.image(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>(), "").await;
    builder.tag(&image, "v1").await;
    image
}

/// Copies to all of `destinations` in one job.
async fn copy(source: Source, destinations: Vec<Destination>) -> Vec<Result<TransferReport, Error>> {
    copy_with(source, destinations, Options::default()).await
}

async fn copy_with(
    source: Source,
    destinations: Vec<Destination>,
    options: Options,
) -> Vec<Result<TransferReport, Error>> {
    let mut results = Vec::new();
    let jobs = [Job { source, destinations, options }];
    engine().copy_each(&jobs, |_, _, result| results.push(result)).await;
    results
}

/// The requests of a kind in what [`Place::requests`] says.
fn count(requests: &str, word: &str) -> usize {
    let found = requests.split(", ").find(|part| part.split(' ').next_back() == Some(word)).unwrap_or_default();
    match found.split_once(' ') {
        Some((count, _)) => count.parse().unwrap(),
        None => usize::from(!found.is_empty()),
    }
}

#[tokio::test]
async fn the_source_is_asked_once_whatever_the_destinations_have() {
    let places = ["b", "c", "d", "e"].map(Place::new);
    let a = Place::new("a");
    let builder = Builder::new(&a, "app");
    let children = [builder.image(&[b"one"], "").await, builder.image(&[b"two"], "").await];
    let index = builder.index(&children.each_ref().map(RawManifest::descriptor), "").await;
    builder.tag(&index, "v1").await;
    let signature = builder.attach(&index, b"signature").await;
    // The tag is free at two of them, points elsewhere at one, and is right at the last.
    let other = Builder::new(&places[2], "app").image(&[b"other"], "").await;
    Builder::new(&places[2], "app").tag(&other, "v1").await;
    super::support::copy(&a.source("app", "v1"), &places[3].destination("app", &["v1"])).await.unwrap();
    a.requests();

    let destinations = places.iter().map(|place| place.destination("app", &["v1"])).collect();
    let options = Options { attached: Attached::Image, ..Options::default() };
    let reports = copy_with(a.source("app", "v1"), destinations, options).await;
    for (place, report) in places.iter().zip(reports) {
        assert_eq!(report.unwrap().digest, *index.digest());
        assert_eq!(place.tagged("app", "v1").await.as_ref(), Some(index.digest()));
    }
    let asked = a.requests();
    assert!(count(&asked, "manifest") + count(&asked, "resolve") <= 5, "{asked}");
    assert_eq!(count(&asked, "manifest"), 4, "the index, two children, {}: {asked}", signature.digest());
    assert_eq!(count(&asked, "referrers"), 2, "of the index and of the signature: {asked}");
}

#[tokio::test]
async fn a_tag_that_moves_meanwhile_is_one_image_for_all() {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    let first = image(&a, &[1000]).await;
    let other = Builder::new(&a, "app").image(&[b"other"], "").await;
    for place in [&b, &c] {
        let before = Builder::new(place, "app").image(&[b"before"], "").await;
        Builder::new(place, "app").tag(&before, "v1").await;
    }
    a.fault(|faults| faults.moves = Some((tag("v1"), other)));
    // One looks where the tag points, and reads the manifest then; the other has no such tag, and reads it at once.
    let reports = copy(a.source("app", "v1"), vec![b.destination("app", &["v1"]), c.destination("app", &["v2"])]).await;
    for report in reports {
        assert_eq!(report.unwrap().digest, *first.digest());
    }
    assert_eq!((count(&a.requests(), "resolve"), c.tagged("app", "v2").await), (1, Some(first.digest().clone())));
}

#[tokio::test]
async fn an_image_that_is_not_there_is_looked_for_once() {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    image(&a, &[1000]).await;
    let destinations =
        vec![b.destination("app", &["v1"]), c.destination("app", &["v1"]), c.destination("other", &["v1"])];
    let reports = copy(a.source("app", "none"), destinations).await;
    let kinds: Vec<FailureKind> = reports.into_iter().map(|report| report.expect_err("absent").kind()).collect();
    assert_eq!((kinds, a.requests().as_str()), (vec![FailureKind::NotFound; 3], "manifest"));
}

#[tokio::test]
async fn a_destination_that_fails_stops_no_other() {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    let image = image(&a, &[300_000, 2_000_000]).await;
    b.fault(|faults| faults.writes = vec![(1000, crate::registry::ErrorKind::Denied); 20]);
    let reports = copy(a.source("app", "v1"), vec![b.destination("app", &["v1"]), c.destination("app", &["v1"])]).await;
    assert_eq!(reports[0].as_ref().expect_err("it takes nothing").kind(), FailureKind::Denied);
    assert_eq!(reports[1].as_ref().unwrap().digest, *image.digest());
    assert_eq!((b.tagged("app", "v1").await, c.tagged("app", "v1").await.as_ref()), (None, Some(image.digest())));
}

#[tokio::test]
async fn a_dry_run_says_for_every_destination_what_would_travel() {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    let _ = image(&a, &[1000, 3000]).await;
    Builder::new(&c, "x").blob(&content(3000, 3000)).await;
    let job = Job {
        source: a.source("app", "v1"),
        destinations: vec![
            b.destination("x", &["v1"]),
            b.destination("y", &["v1"]),
            b.destination("x", &["v2"]),
            c.destination("x", &["v1"]),
        ],
        options: Options::default(),
    };
    let outlines = job.outlines().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(a.requests(), "manifest");
    let totals = |n: usize| {
        let totals = &outlines[n].totals;
        [totals.send, totals.mount, totals.skip].map(|tally| (tally.count, tally.bytes))
    };
    assert_eq!(totals(0), [(3, 4014), (0, 0), (0, 0)]);
    assert_eq!(totals(1), [(0, 0), (3, 4014), (0, 0)], "taken over from what went to the first");
    assert_eq!(totals(2), [(0, 0), (0, 0), (3, 4014)], "there by then");
    assert_eq!(totals(3), [(2, 1014), (0, 0), (1, 3000)]);
    assert!(
        outlines[1].blobs.iter().all(|blob| {
            blob.action == Fate::Mount && blob.from.as_ref().is_some_and(|from| from.to_string() == "x")
        })
    );
    assert_eq!((b.tagged("x", "v1").await, c.tagged("x", "v1").await), (None, None));
}
