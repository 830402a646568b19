//! Readings over slow lines: when a blob comes in several ranges, and what becomes of it when one goes wrong.
//! Time here is the clock of the test, which stands still but when everybody waits.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::wire::{Answer, EACH, Line, MIB, Wire};
use crate::registry::{ByteRange, ErrorKind};
use crate::transfer::ranges::{Room, SEGMENT};

const BIG: u64 = 300 * MIB + 12_345;

#[tokio::test(start_paused = true)]
async fn a_place_that_is_slow_for_each_connection_is_read_over_four() {
    let (wire, begun) = (Wire::new(EACH), Instant::now());
    wire.read(1024 * MIB, 0, &Room::default()).await.unwrap();
    let alone = 1024 * MIB * 1000 / EACH.rate;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
    assert!(took * 35 < alone * 10, "{took} ms, alone {alone} ms");
    assert!((4..=5).contains(&wire.most_at_once()), "{}", wire.most_at_once());
    let asked = wire.asked();
    assert_eq!(asked[0], ByteRange::ALL);
    // Behind the second, every range begins where the one before it ends.
    assert!(asked[1..].windows(2).all(|pair| pair[0].to == Some(pair[1].from)), "{asked:?}");
    assert!(asked[1..].iter().all(|range| range.to.unwrap() - range.from <= SEGMENT));
    assert_eq!(asked.last().unwrap().to, Some(1024 * MIB));
    assert!(wire.sent() <= 1024 * MIB + MIB, "only what was under way when the first was cut comes twice");
}

#[tokio::test(start_paused = true)]
async fn reading_may_begin_in_the_midst() {
    let wire = Wire::new(EACH);
    wire.read(BIG, 100 * MIB + 7, &Room::default()).await.unwrap();
    assert_eq!(wire.asked()[0], ByteRange::from(100 * MIB + 7));
    assert!(wire.most_at_once() >= 4 && wire.sent() <= BIG - 100 * MIB + MIB);
}

#[tokio::test(start_paused = true)]
async fn connections_that_share_the_line_become_one_again() {
    let wire = Wire::new(Line { is_shared: true, ..EACH });
    wire.read(BIG, 0, &Room::default()).await.unwrap();
    assert_eq!(wire.most_at_once(), 2);
    let asked = wire.asked();
    assert!(asked.len() <= 6 && asked.last().unwrap().to.is_none(), "{asked:?}");
    assert!(wire.sent() <= BIG + MIB);
}

#[tokio::test(start_paused = true)]
async fn nothing_changes_where_nothing_would_be_won() {
    let others = [
        ("fast", BIG, Line { rate: 1_000_000_000, ..EACH }),
        ("small", 60 * MIB, EACH),
        ("local", BIG, Line { local: true, ..EACH }),
    ];
    for (what, size, line) in others {
        let wire = Wire::new(line);
        wire.read(size, 0, &Room::default()).await.unwrap();
        assert_eq!(wire.asked(), [ByteRange::ALL], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_slowly_what_comes_gets_one_stream() {
    let wire = Wire::new(EACH);
    let mut reading = wire.reading(BIG, 0, &Room::default());
    while reading.next().await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(wire.asked(), [ByteRange::ALL]);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_bounded_for_all_readings_together() {
    let (wire, room) = (Wire::new(EACH), Room::default());
    let mut readings = [wire.reading(BIG, 0, &room), wire.reading(BIG, 0, &room)];
    let (mut positions, mut most) = ([0; 2], 0);
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        for (reading, position) in readings.iter_mut().zip(&mut positions) {
            if let Some(piece) = reading.next().await.unwrap() {
                wire.is_right(position, &piece);
                goes_on = true;
            }
        }
        most = most.max(wire.sent() - positions.iter().sum::<u64>());
        // Once it is fast, its bytes are taken slowly.
        if wire.most_at_once() > 3 && positions[0] < 200 * MIB {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    assert_eq!(positions, [BIG, BIG]);
    assert!(wire.most_at_once() > 3 && most <= 41 * MIB, "{most} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_place_without_ranges_is_asked_for_one_once() {
    let wire = Wire::with(EACH, |_, range| if range.from > 0 { Answer::Whole } else { Answer::Right });
    let room = Room::default();
    wire.read(BIG, 0, &room).await.unwrap();
    assert_eq!(wire.asked().len(), 2);
    wire.read(BIG, 0, &room).await.unwrap();
    assert_eq!(wire.asked()[2..], [ByteRange::ALL], "it is remembered");
    assert!(wire.sent() <= 2 * BIG + MIB);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_stops_doing_ranges_is_one_stream_again() {
    for from in 1..12 {
        let wire = Wire::with(EACH, move |number, _| if number >= from { Answer::Whole } else { Answer::Right });
        wire.read(BIG, 0, &Room::default()).await.unwrap();
        assert_eq!(
            wire.asked().iter().filter(|range| range.from > 0 && range.to.is_none()).count(),
            usize::from(from > 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_refused_before_its_turn_is_read_in_its_turn() {
    for kind in [ErrorKind::RateLimited, ErrorKind::Denied, ErrorKind::TimedOut] {
        for from in 1..8 {
            let refuse = move |number, range: ByteRange| {
                if number >= from && range.to.is_some() { Answer::Refused(kind) } else { Answer::Right }
            };
            let wire = Wire::with(EACH, refuse);
            wire.read(BIG, 0, &Room::default()).await.unwrap();
            // The first stream goes on where not even a second range was to be had.
            let one_at_last = from > 1;
            assert_eq!(wire.asked().last().unwrap().to.is_none(), one_at_last, "{kind:?} from {from}");
            assert!(wire.sent() <= BIG + 4 * SEGMENT);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_to_help_is_given_up() {
    let late = Line { latency: Duration::from_secs(10), ..EACH };
    let wire = Wire::new(late);
    wire.read(2 * BIG, 0, &Room::default()).await.unwrap();
    assert_eq!((wire.asked().len(), wire.sent()), (4, 2 * BIG), "three times");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_far_away_is_read_over_four_as_well() {
    for milliseconds in [100, 300] {
        let (wire, begun) = (Wire::new(Line { latency: Duration::from_millis(milliseconds), ..EACH }), Instant::now());
        wire.read(1024 * MIB, 0, &Room::default()).await.unwrap();
        let alone = 1024 * MIB * 1000 / EACH.rate;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
        assert!(took * 3 < alone * 2 && wire.most_at_once() >= 4, "{took} ms, alone {alone} ms");
        assert!(wire.sent() <= 1024 * MIB + MIB);
    }
}

#[tokio::test(start_paused = true)]
async fn each_part_goes_on_where_it_was_cut() {
    let wire = Wire::with(EACH, |_, range| if range.to.is_some() { Answer::CutAfter(3 * MIB) } else { Answer::Right });
    wire.read(BIG, 0, &Room::default()).await.unwrap();
    assert!(wire.asked().iter().filter(|range| range.to.is_some()).count() > 60, "{}", wire.asked().len());
    assert!(wire.sent() <= BIG + MIB, "no byte twice");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_fails_for_good_fails_the_blob() {
    let wire = Wire::with(EACH, |number, _| if number < 8 { Answer::Right } else { Answer::CutAfter(0) });
    let error = wire.read(BIG, 0, &Room::default()).await.expect_err("nothing comes any more");
    assert_eq!(error.kind(), ErrorKind::Cut);
    let mut same = std::collections::BTreeMap::<(u64, Option<u64>), usize>::new();
    for range in wire.asked() {
        *same.entry((range.from, range.to)).or_default() += 1;
    }
    assert!(same.values().all(|tries| *tries <= 6), "{same:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn whatever_goes_wrong_with_parts_no_byte_is_wrong(
        faults in prop::collection::vec((0..5u8, 1..9 * MIB), 40),
        size in 70 * MIB..200 * MIB,
    ) {
        let answer = move |number: usize, _| match faults.get(number).copied().unwrap_or_default() {
            (1, bytes) => Answer::CutAfter(bytes.max(100_000)),
            (2, _) if number > 0 => Answer::Whole,
            (3, _) if number % 7 == 1 => Answer::Refused(ErrorKind::RateLimited),
            _ => Answer::Right,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let wire = Wire::with(EACH, answer);
        // A refusal may fail the whole; what is handed out is right all the same.
        let _ = runtime.block_on(wire.read(size, 0, &Room::default()));
    }
}
