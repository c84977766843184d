//! Whole frames are read whatever is damaged beside them, and all bytes are accounted for.

use super::{SEARCH_BYTES, Segment, Step, UnknownVersion};
use crate::buffer::disk::frame::{self, HEADER_BYTES, PROLOGUE_BYTES};

const SEED: u64 = 7;

fn frame(sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut frame = [&[0; HEADER_BYTES], body].concat();
    assert!(frame::seal(&mut frame, sequence, SEED));
    frame
}

fn body_of(sequence: u64) -> Vec<u8> {
    vec![sequence as u8; 5 + sequence as usize]
}

/// Frames of the numbers given.
fn segment(sequences: std::ops::Range<u64>) -> Vec<u8> {
    let frames = sequences.flat_map(|sequence| frame(sequence, &body_of(sequence)));
    frame::prologue(SEED).into_iter().chain(frames).collect()
}

/// Numbers of the frames from `wanted` on, and how many bytes are damaged.
fn read(bytes: &[u8], wanted: u64) -> (Vec<u64>, u64) {
    let (mut body, mut sequences, mut corrupt) = (Vec::new(), Vec::new(), 0);
    let mut segment = Segment::open(bytes).unwrap().unwrap();
    loop {
        match segment.next(wanted, &mut body).unwrap() {
            Step::Frame(sequence) => {
                assert_eq!(body, body_of(sequence));
                sequences.push(sequence);
            }
            Step::Corrupt(bytes) => corrupt += bytes,
            Step::End => break,
        }
    }
    assert_eq!(segment.offset(), bytes.len() as u64);
    (sequences, corrupt)
}

#[test]
fn gives_frames_from_the_one_that_is_wanted() {
    let bytes = segment(3..6);
    assert_eq!(read(&bytes, 0), (vec![3, 4, 5], 0));
    assert_eq!(read(&bytes, 5), (vec![5], 0));
    assert_eq!(read(&bytes, 6), (vec![], 0));
    assert_eq!(read(&segment(0..0), 0), (vec![], 0));
    assert_eq!(read(&[], 0), (vec![], 0));
}

#[test]
fn a_flipped_bit_costs_one_frame_and_is_counted() {
    let whole = segment(0..4);
    for at in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        let place = |sequence: u64| segment(0..sequence).len()..segment(0..sequence + 1).len();
        let expected = match (0..4).find(|sequence| place(*sequence).contains(&(at / 8))) {
            // One copy of the prologue is whole.
            None => (vec![0, 1, 2, 3], 0),
            Some(damaged) => {
                let rest = (0..4).filter(|sequence| *sequence != damaged).collect();
                (rest, place(damaged).len() as u64)
            }
        };
        assert_eq!(read(&bytes, 0), expected, "bit {at}");
    }
}

#[test]
fn a_cut_costs_the_frame_that_it_is_in() {
    let whole = segment(0..4);
    for size in PROLOGUE_BYTES..whole.len() {
        let kept = (0..4).take_while(|sequence| segment(0..sequence + 1).len() <= size);
        let kept: Vec<u64> = kept.collect();
        let torn = size - segment(0..kept.len() as u64).len();
        assert_eq!(read(&whole[..size], 0), (kept, torn as u64), "{size}");
    }
}

#[test]
fn a_damaged_prologue_costs_the_segment() {
    let mut bytes = segment(0..4);
    for copy in bytes[..PROLOGUE_BYTES].chunks_mut(PROLOGUE_BYTES / 2) {
        copy[20] ^= 1;
    }
    assert_eq!(read(&bytes, 0), (vec![], bytes.len() as u64));
}

#[test]
fn finds_the_next_frame_however_far_and_across_the_edges_of_what_it_reads() {
    let gaps = [1, 2, HEADER_BYTES, SEARCH_BYTES];
    let near = |gap: usize| gap.saturating_sub(2 * HEADER_BYTES)..gap + HEADER_BYTES;
    for gap in gaps.into_iter().flat_map(near).filter(|gap| *gap > 0) {
        let garbage = vec![frame::FRAME_MAGIC[0]; gap];
        let bytes = [segment(0..1), garbage, frame(1, &body_of(1))].concat();
        assert_eq!(read(&bytes, 0), (vec![0, 1], gap as u64), "{gap}");
    }
}

#[test]
fn a_frame_that_a_container_wrote_is_none() {
    // It does not know the seed.
    let mut forged = [&[0; HEADER_BYTES][..], &body_of(9)].concat();
    assert!(frame::seal(&mut forged, 9, SEED + 1));
    let mut outer = frame(0, &forged);
    outer[0] ^= 1;
    let bytes = [segment(0..0), outer.clone(), frame(1, &body_of(1))].concat();
    assert_eq!(read(&bytes, 0), (vec![1], outer.len() as u64));
}

#[test]
fn another_version_is_refused() {
    let mut bytes = segment(0..1);
    for copy in bytes[..PROLOGUE_BYTES].chunks_mut(PROLOGUE_BYTES / 2) {
        copy[8] = 2;
        let check = xxhash_rust::xxh3::xxh3_64(&copy[..24]);
        copy[24..].copy_from_slice(&check.to_le_bytes());
    }
    assert_eq!(Segment::open(&bytes[..]).unwrap().unwrap_err(), UnknownVersion(2));
}

proptest::proptest! {
    #[test]
    fn all_bytes_are_accounted_for(garbage: Vec<u8>) {
        let whole = segment(0..2);
        let bytes = [&whole, &garbage[..], &whole[PROLOGUE_BYTES..]].concat();
        let (sequences, corrupt) = read(&bytes, 0);
        proptest::prop_assert_eq!(sequences, [0, 1, 0, 1]);
        proptest::prop_assert_eq!(corrupt as usize, garbage.len());
    }
}
