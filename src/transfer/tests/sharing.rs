//! What is read once for several destinations, however fast or slow, early or late, well or ill they are.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::place::{Faults, Place};
use super::support::{Builder, content, engine, engine_with, name, until};
use crate::failure::{Failure, FailureKind};
use crate::image::{Descriptor, Digest, RawManifest};
use crate::progress::Silent;
use crate::registry::{Begun, ByteRange, ErrorKind, ImageDestination, ImageSource, UploadState, Verifier};
use crate::transfer::delivery::{Delivery, Left, Record};
use crate::transfer::{Destination, Engine, Error, Job, Options, Settings, Side, TransferReport};

const MIB: usize = 1024 * 1024;

/// An image `app:v1` at `a` and places for it.
struct Stage<const N: usize> {
    a: Arc<Place>,
    places: [Arc<Place>; N],
    image: RawManifest,
    layers: Vec<Descriptor>,
    /// The bytes of all blobs.
    bytes: usize,
}

const NAMES: [&str; 4] = ["b", "c", "d", "e"];

async fn stage<const N: usize>(sizes: &[usize]) -> Stage<N> {
    let a = Place::new("a");
    let builder = Builder::new(&a, "app");
    let config = builder.blob(b"{}").await;
    let mut layers = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        layers.push(builder.blob(&content(*size, number as u64 + 1)).await);
    }
    let image = builder.image_of(&config, &layers, "").await;
    builder.tag(&image, "v1").await;
    let places = std::array::from_fn(|number| Place::new(NAMES[number]));
    Stage { a, places, image, layers, bytes: 2 + sizes.iter().sum::<usize>() }
}

type Results = Vec<Result<TransferReport, Error>>;

async fn run(engine: &Engine, jobs: &[Job]) -> Results {
    let mut results = Vec::new();
    engine.copy_each(jobs, |_, _, result| results.push(result)).await;
    results
}

impl<const N: usize> Stage<N> {
    fn job(&self) -> Job {
        let destinations = self.places.iter().map(|place| place.destination("app", &["v1"])).collect();
        Job { source: self.a.source("app", "v1"), destinations, options: Options::default() }
    }

    async fn copy(&self) -> Results {
        run(&engine(), &[self.job()]).await
    }

    async fn is_at(&self, number: usize) -> bool {
        self.places[number].tagged("app", "v1").await.as_ref() == Some(self.image.digest())
    }

    /// Everything arrived there, as it is at the source.
    async fn assert_at(&self, number: usize) {
        assert!(self.is_at(number).await, "{}", NAMES[number]);
        for layer in &self.layers {
            let mut reader = self.places[number].inner.blob(&name("app"), layer, ByteRange::ALL).await.unwrap();
            assert_eq!(Digest::of(&reader.next().await.unwrap().unwrap()), layer.digest, "{}", NAMES[number]);
        }
    }
}

fn all_well(results: Results) -> Vec<TransferReport> {
    results.into_iter().collect::<Result<_, _>>().unwrap()
}

/// Opens a gate for good.
fn open(gate: &Semaphore) {
    gate.add_permits(1_000_000);
}

#[tokio::test]
async fn four_destinations_cost_the_source_its_bytes_once() {
    let stage = stage::<4>(&[3 * MIB, MIB, 100_000, 5000, 0]).await;
    let reports = all_well(stage.copy().await);
    assert_eq!(stage.a.bytes_read(), stage.bytes);
    assert_eq!(stage.a.requests(), "5 blob, manifest", "what has no bytes is not asked for");
    for (number, report) in reports.iter().enumerate() {
        stage.assert_at(number).await;
        assert_eq!((report.blobs.sent.count, report.blobs.second_reads.count), (6, 0));
        assert_eq!(report.warnings, [""; 0]);
    }
}

#[tokio::test]
async fn who_decides_late_finds_every_byte() {
    // One is slow to say what it has of the image, another to begin its uploads, a third has half of it.
    let stage = stage::<4>(&[2 * MIB, 300_000, 7000]).await;
    let (planning, beginning) = (stage.places[1].hold("resolve"), stage.places[2].hold("begin"));
    Builder::new(&stage.places[3], "app").blob(&content(2 * MIB, 1)).await;
    let (engine, jobs) = (engine(), [stage.job()]);
    let late = async {
        until("the first is done", async || stage.is_at(0).await && stage.is_at(3).await).await;
        assert!(!stage.is_at(1).await && !stage.is_at(2).await);
        open(&planning);
        open(&beginning);
    };
    let (results, ()) = tokio::join!(run(&engine, &jobs), late);
    all_well(results);
    assert_eq!(stage.a.bytes_read(), stage.bytes);
    for number in 0..4 {
        stage.assert_at(number).await;
    }
}

#[tokio::test]
async fn equal_layers_of_several_images_are_read_once_for_several_destinations() {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    let builder = Builder::new(&a, "app");
    let shared = content(2 * MIB, 1);
    let mut bytes = shared.len() + b"{\"a config\":1}".len();
    for label in ["one", "two", "three"] {
        let image = builder.image(&[&shared, label.as_bytes()], "").await;
        builder.tag(&image, label).await;
        bytes += label.len();
    }
    let job = |label: &str| Job {
        source: a.source("app", label),
        destinations: vec![b.destination("app", &[label]), c.destination("app", &[label])],
        options: Options::default(),
    };
    all_well(run(&engine(), &["one", "two", "three"].map(job)).await);
    assert_eq!(a.bytes_read(), bytes);
}

#[tokio::test]
async fn into_several_repositories_of_one_place_bytes_go_once() {
    let stage = stage::<1>(&[2 * MIB, 1000]).await;
    let b = &stage.places[0];
    let destinations = ["x", "y", "z"].map(|repository| b.destination(repository, &["v1"])).to_vec();
    let job = Job { destinations, ..stage.job() };
    let reports = all_well(run(&engine(), &[job]).await);
    assert_eq!(stage.a.bytes_read(), stage.bytes);
    let mounted: u64 = reports.iter().map(|report| report.blobs.mounted.count).sum();
    assert_eq!(mounted, 6, "two repositories, three blobs");
}

#[tokio::test]
async fn neither_a_dead_nor_a_slow_destination_holds_the_others_up() {
    let stage = stage::<4>(&[3 * MIB, 2 * MIB, 10_000]).await;
    let _dead = stage.places[1].hold("resolve");
    let slow = stage.places[2].hold("write");
    slow.add_permits(3);
    let (engine, jobs) = (engine(), [stage.job()]);
    let others = async {
        until("the fast ones are done", async || stage.is_at(0).await && stage.is_at(3).await).await;
        assert!(!stage.is_at(2).await);
        open(&slow);
        until("the slow one is done", async || stage.is_at(2).await).await;
    };
    tokio::select! {
        _ = run(&engine, &jobs) => panic!("one of them never answers"),
        () = others => {}
    }
    for number in [0, 2, 3] {
        stage.assert_at(number).await;
    }
    assert!(!stage.is_at(1).await);
}

#[tokio::test]
async fn who_falls_too_far_behind_reads_again_and_is_told_so() {
    // The disk holds as much as the bigger of the two; the slow one holds both of them up.
    let stage = stage::<2>(&[3 * MIB, 3 * MIB - 1]).await;
    let slow = stage.places[1].hold("write");
    let (engine, jobs) = (engine(), [stage.job()]);
    let release = async {
        until("the fast one is done", async || stage.is_at(0).await).await;
        open(&slow);
    };
    let (results, ()) = tokio::join!(run(&engine, &jobs), release);
    let reports = all_well(results);
    let again = [0, 1].map(|number: usize| reports[number].blobs.second_reads.count);
    assert_eq!(again, [0, 1], "one of its two layers");
    assert_eq!(reports[1].warnings, ["c/app:v1 fell behind: 1 blob was read from the source a second time for it"]);
    let read = stage.a.bytes_read();
    assert!(read > stage.bytes && read <= stage.bytes + 3 * MIB, "{read} of {}", stage.bytes);
    stage.assert_at(0).await;
    stage.assert_at(1).await;
}

#[tokio::test]
async fn without_a_disk_slow_destinations_read_again_and_fast_ones_do_not_wait() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    let stage = stage::<2>(&[4 * MIB]).await;
    let slow = stage.places[1].hold("write");
    let engine = Engine::new(Settings::default(), &home.path().join("file"), Arc::new(Silent));
    let release = async {
        until("the fast one is done", async || stage.is_at(0).await).await;
        open(&slow);
    };
    let jobs = [stage.job()];
    let (results, ()) = tokio::join!(run(&engine, &jobs), release);
    assert_eq!(all_well(results)[1].blobs.second_reads.count, 1);
    stage.assert_at(1).await;
}

#[tokio::test]
async fn an_upload_that_is_cut_goes_on_by_itself_and_no_other_notices() {
    let size = 12 * MIB;
    for (kind, requests) in
        [(ErrorKind::Cut, "2 begin, push, resolve, resume"), (ErrorKind::Gone, "3 begin, push, resolve")]
    {
        let stage = stage::<2>(&[size]).await;
        stage.places[1].fault(|faults| faults.writes = vec![(10 * MIB, kind)]);
        all_well(stage.copy().await);
        stage.assert_at(0).await;
        stage.assert_at(1).await;
        assert_eq!(stage.places[0].requests(), "2 begin, push, resolve");
        assert_eq!(stage.places[1].requests(), requests);
        let again = stage.a.bytes_read() - stage.bytes;
        // From the last state before the cut, or all of it.
        let most = if kind == ErrorKind::Cut { 4 * MIB } else { size };
        assert!(again > 0 && again <= most, "{again} bytes again after {kind:?}");
    }
}

#[tokio::test]
async fn wrong_bytes_are_read_once_more_for_all_and_refused_by_all() {
    let stage = stage::<3>(&[2 * MIB]).await;
    stage.a.fault(|faults| faults.flips = vec![MIB]);
    all_well(stage.copy().await);
    assert_eq!(stage.a.bytes_read(), 2 + 4 * MIB, "twice for three");
    assert!(stage.a.requests().contains("distrust"));
    stage.assert_at(2).await;

    let stage = self::stage::<3>(&[2 * MIB]).await;
    stage.a.fault(|faults| faults.flips = vec![MIB; 100]);
    for error in stage.copy().await.into_iter().map(|result| result.expect_err("the content is wrong")) {
        assert_eq!((error.kind(), error.side()), (FailureKind::Corrupt, Some(Side::Source)), "{error}");
    }
    assert_eq!(stage.a.bytes_read(), 2 + 4 * MIB);
    for (number, place) in stage.places.iter().enumerate() {
        assert!(!stage.is_at(number).await && !place.has("app", &stage.layers[0]).await);
        place.fault(|faults| *faults = Faults::default());
    }
    stage.a.fault(|faults| *faults = Faults::default());
    all_well(stage.copy().await);
    stage.assert_at(0).await;
}

#[tokio::test]
async fn a_lone_destination_that_takes_nothing_does_not_keep_the_source_waiting() {
    let stage = stage::<1>(&[4 * MIB]).await;
    let still = stage.places[0].hold("write");
    let engine = engine_with(Settings { patience: Duration::from_millis(20), ..Settings::default() });
    let read = || *stage.a.read.lock().unwrap();
    let release = async {
        until("everything was read", async || read() == stage.bytes).await;
        assert!(!stage.is_at(0).await);
        open(&still);
    };
    let jobs = [stage.job()];
    let (results, ()) = tokio::join!(run(&engine, &jobs), release);
    all_well(results);
    assert_eq!(stage.a.requests(), "2 blob, manifest");
    stage.assert_at(0).await;
}

#[tokio::test]
async fn nothing_goes_on_when_the_engine_is_gone() {
    let stage = stage::<2>(&[4 * MIB, 3 * MIB]).await;
    let held = stage.places.each_ref().map(|place| place.hold("write"));
    held[0].add_permits(5);
    let before = Arc::strong_count(&stage.a);
    let (engine, jobs) = (engine(), [stage.job()]);
    tokio::select! {
        _ = run(&engine, &jobs) => panic!("it is held"),
        () = until("it has begun", async || held[0].available_permits() == 0) => {}
    }
    drop((engine, jobs));
    until("the keepers are gone", async || Arc::strong_count(&stage.a) == before).await;
}

#[tokio::test]
async fn wells_that_wait_for_somebody_let_their_source_go() {
    // One reader at a time at the source, and a destination that fails in the midst while another has not come yet.
    let stage = stage::<2>(&[4 * MIB, 3 * MIB, 2 * MIB, MIB]).await;
    stage.a.one_reader_at_a_time();
    stage.places[0].fault(|faults| faults.writes = vec![(100_000, ErrorKind::Denied); 20]);
    let late = stage.places[1].hold("begin");
    let (engine, jobs) = (engine(), [stage.job()]);
    let release = async {
        until("the first has failed", async || stage.places[0].faults.lock().unwrap().writes.len() < 20).await;
        open(&late);
    };
    let (results, ()) =
        tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(run(&engine, &jobs), release) })
            .await
            .expect("nobody waits for ever");
    assert_eq!(results[0].as_ref().expect_err("it takes nothing").kind(), FailureKind::Denied);
    assert!(results[1].is_ok());
    stage.assert_at(1).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever breaks off wherever, and whoever is slow, what arrives anywhere is what was sent.
    #[test]
    fn any_order_of_faults_ends_in_the_right_bytes_everywhere(
        cuts in proptest::collection::vec(0..3 * MIB, 0..5),
        flip in proptest::option::of(0..2 * MIB),
        no_ranges in any::<bool>(),
        writes in proptest::collection::vec(proptest::collection::vec((0..2 * MIB, any::<bool>()), 0..3), 3),
        commits in proptest::collection::vec(proptest::collection::vec((any::<bool>(), any::<bool>()), 0..2), 3),
        slow in 0..3_usize,
        at_first in 0..20_usize,
        disk in any::<bool>(),
    ) {
        let kind = |gone: bool| if gone { ErrorKind::Gone } else { ErrorKind::Cut };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut stage = stage::<3>(&[2 * MIB, MIB + 7, 40_000]).await;
            stage.places[2] = Place::local("d");
            stage.a.fault(|faults| {
                (faults.cuts, faults.flips, faults.no_ranges) = (cuts, flip.into_iter().collect(), no_ranges);
            });
            for (place, (writes, commits)) in stage.places.iter().zip(writes.into_iter().zip(commits)) {
                place.fault(|faults| {
                    faults.writes = writes.into_iter().map(|(after, gone)| (after, kind(gone))).collect();
                    faults.commits = commits.into_iter().map(|(gone, arrived)| (kind(gone), arrived)).collect();
                });
            }
            let gate = stage.places[slow].hold("write");
            gate.add_permits(at_first);
            let (home, settings) = (tempfile::tempdir().unwrap(), Settings::default());
            let spool = if disk { home.path().to_owned() } else { "/dev/null/none".into() };
            let settings = Settings { pause: Duration::from_millis(1), ..settings };
            let (engine, jobs) = (Engine::new(settings, &spool, Arc::new(Silent)), [stage.job()]);
            let release = async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                open(&gate);
            };
            let (results, ()) = tokio::join!(run(&engine, &jobs), release);
            for (number, result) in results.into_iter().enumerate() {
                match result {
                    Ok(_) => stage.assert_at(number).await,
                    Err(error) => assert_eq!(error.kind(), FailureKind::Unreachable, "{error}"),
                }
            }
            for place in stage.places.iter().chain([&stage.a]) {
                place.fault(|faults| *faults = Faults::default());
            }
            all_well(stage.copy().await);
            for number in 0..3 {
                stage.assert_at(number).await;
            }
        });
    }
}

/// Remembers one blob.
#[derive(Default)]
struct Notes {
    upload: Mutex<Option<UploadState>>,
    states: Mutex<Vec<Verifier>>,
}

impl Record for Notes {
    fn left(&self, _: &Descriptor) -> Left {
        Left { upload: self.upload.lock().unwrap().clone(), states: self.states.lock().unwrap().clone() }
    }

    fn began(&self, _: &Descriptor, upload: &UploadState) {
        *self.upload.lock().unwrap() = Some(upload.clone());
    }

    fn passed(&self, _: &Descriptor, state: &Verifier) {
        self.states.lock().unwrap().push(state.clone());
    }

    fn over(&self, _: &Descriptor) {
        *self.upload.lock().unwrap() = None;
        self.states.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn what_is_recorded_of_a_blob_lets_another_engine_go_on_with_it() {
    let stage = stage::<1>(&[14 * MIB]).await;
    let notes = Notes::default();
    let (source, destination) = (stage.a.source("app", "v1"), stage.places[0].destination("app", &["v1"]));
    let bring = async || {
        let engine = engine();
        let id = engine.number_travel();
        let blob = &stage.layers[0];
        let (source, destination): (_, &Destination) = (&source, &destination);
        let delivery = Delivery { engine: &engine, source, destination, blob, id, record: Some(&notes) };
        delivery.travel(None).await.map(|_| ())
    };
    stage.places[0].fault(|faults| faults.writes = vec![(13 * MIB, ErrorKind::Denied)]);
    bring().await.expect_err("the run ends there");
    let seen: Vec<u64> = notes.states.lock().unwrap().iter().map(|state| state.seen() / MIB as u64).collect();
    // The comparison may be some pieces behind what is written.
    assert!(seen.starts_with(&[4, 8]) && seen.len() <= 3, "{seen:?}");
    let last = usize::try_from(*seen.last().unwrap()).unwrap();
    assert_eq!(notes.upload.lock().unwrap().as_ref().unwrap().offset, 0);

    stage.a.bytes_read();
    bring().await.unwrap();
    assert_eq!(stage.a.bytes_read(), (14 - last) * MIB, "from the last state on");
    assert!(stage.places[0].has("app", &stage.layers[0]).await);

    // What is remembered of other bytes is found out, and they are sent anew.
    let other = Place::new("c");
    let wrong = Notes::default();
    let mut verifier = Verifier::new(&stage.layers[0]);
    verifier.update(&vec![7; 4 * MIB]).unwrap();
    wrong.passed(&stage.layers[0], &verifier);
    let destination = other.destination("app", &["v1"]);
    let blob = &stage.layers[0];
    let upload = match other.begin_blob(&name("app"), blob, None, None).await {
        Ok(Begun::Upload(mut upload)) => {
            upload.write(vec![7; 5 * MIB].into()).await.unwrap();
            upload.state().unwrap()
        }
        _ => panic!("it is there"),
    };
    wrong.began(blob, &upload);
    let engine = engine();
    let (source, id) = (&source, engine.number_travel());
    let delivery = Delivery { engine: &engine, source, destination: &destination, blob, id, record: Some(&wrong) };
    delivery.travel(None).await.unwrap();
    assert!(other.has("app", blob).await);
    assert!(wrong.upload.lock().unwrap().is_none(), "what has arrived is not gone on with");
}
