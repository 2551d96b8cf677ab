//! Layouts: every row against its definition, position by position.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use portmanteau_pack::{
    pack, Constraints, Documents, FillIds, Framing, Layout, PackOptions, SequenceFormat, Shard, IGNORED_LABEL,
};
use proptest::prelude::*;

const PAD: u32 = 7;
const BOS: u32 = 1;
const EOS: u32 = 2;
const AROUND: u32 = 3;

fn documents_of(lengths: &[u32]) -> (Vec<u32>, Vec<i64>) {
    let mut offsets = vec![0];
    for &length in lengths {
        offsets.push(offsets[offsets.len() - 1] + i64::from(length));
    }
    let total = *offsets.last().unwrap() as u32;
    ((1000..1000 + total).collect(), offsets)
}

/// Id, position, segment and label of a place in a row.
type Place = (i64, i32, i32, i64);

/// A row by its definition: pieces with the tokens around them, padded, one after the other.
fn row(pieces: &[(u32, u32, u32)], format: SequenceFormat, streams: &[Vec<i64>]) -> (Vec<Place>, Vec<i32>) {
    let mut places: Vec<Place> = Vec::new();
    let mut ends = vec![0];
    for (segment, &(document, start, length)) in (1..).zip(pieces) {
        let mut tokens: Vec<(i64, bool)> = Vec::new();
        if format.sequence_framing.bos && segment == 1 {
            tokens.push((i64::from(BOS), true));
        }
        for token in start..start + length {
            let is_new = start == 0 || token >= start + format.overlap;
            tokens.push((streams[document as usize][token as usize], is_new));
        }
        if format.sequence_framing.eos && segment as usize == pieces.len() {
            tokens.push((i64::from(EOS), true));
        }
        for (position, &(id, is_new)) in (0..).zip(&tokens) {
            let label = if position > 0 && is_new { id } else { IGNORED_LABEL };
            places.push((id, position, segment, label));
        }
        let padding = tokens.len().next_multiple_of(format.align as usize) - tokens.len();
        places.extend(vec![(i64::from(PAD), 0, 0, IGNORED_LABEL); padding]);
        ends.push(places.len() as i32);
    }
    (places, ends)
}

fn format() -> impl Strategy<Value = SequenceFormat> {
    (8u32..30, any::<[bool; 4]>(), prop_oneof![1 => Just(1u32), 1 => 2..5u32], 0..4u32).prop_map(
        |(capacity, [bos, eos, sequence_bos, sequence_eos], align, overlap)| SequenceFormat {
            capacity,
            document_framing: Framing { bos: bos && !sequence_bos, eos: eos && !sequence_eos },
            sequence_framing: Framing { bos: sequence_bos && align == 1, eos: sequence_eos && align == 1 },
            align,
            overlap,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_place_holds_what_it_must(lengths in prop::collection::vec(0u32..60, 0..30), format in format(), wider in 0..3usize) {
        let options = PackOptions { format, ..PackOptions::new(format.capacity) };
        let plan = pack(&lengths, &options, &Constraints::default()).unwrap();
        let (ids, offsets) = documents_of(&lengths);
        let SequenceFormat { document_framing, sequence_framing, .. } = format;
        let fill = FillIds {
            pad: PAD,
            bos: (document_framing.bos || sequence_framing.bos).then_some(BOS),
            eos: (document_framing.eos || sequence_framing.eos).then_some(EOS),
        };
        let streams: Vec<Vec<i64>> = offsets.windows(2).map(|bounds| {
            let of_document = ids[bounds[0] as usize..bounds[1] as usize].iter().map(|&id| i64::from(id));
            let bos = document_framing.bos.then_some(i64::from(BOS));
            let eos = document_framing.eos.then_some(i64::from(EOS));
            bos.into_iter().chain(of_document).chain(eos).collect()
        }).collect();

        let documents = Documents::new(&ids, &offsets).unwrap();
        let narrow: Vec<u16> = ids.iter().map(|&id| id as u16).collect();
        let of_narrow = Documents::new(&narrow, &offsets).unwrap();
        let pieces = plan.pieces(&lengths).unwrap();
        let width = format.capacity as usize + wider;
        let layout = Layout::new(format, pieces.as_slices(), &plan.sequence_offsets).unwrap().with_width(width).unwrap();
        let size = plan.n_sequences() * width;
        let (mut input_ids, mut as_i32, mut from_u16) = (vec![0i64; size], vec![0i32; size], vec![0u32; size]);
        let (mut positions, mut segments) = (vec![-1i32; size], vec![-1i32; size]);
        let mut labels = vec![0i64; size];
        layout.input_ids(&documents, &lengths, fill, &mut input_ids).unwrap();
        layout.input_ids(&documents, &lengths, fill, &mut as_i32).unwrap();
        layout.input_ids(&of_narrow, &lengths, fill, &mut from_u16).unwrap();
        // The same documents in two shards, and the streams themselves as values beside the ids.
        let cut = lengths.len() / 2;
        let second = offsets[cut] as usize;
        let rebased: Vec<i64> = offsets[cut..].iter().map(|offset| offset - offsets[cut]).collect();
        let in_shards = Documents::in_shards(vec![
            Shard { first_document: 0, values: &ids[..second], offsets: &offsets[..=cut] },
            Shard { first_document: cut as u32, values: &ids[second..], offsets: &rebased },
        ]).unwrap();
        let (mut from_shards, mut values) = (vec![0i64; size], vec![0u32; size]);
        layout.input_ids(&in_shards, &lengths, fill, &mut from_shards).unwrap();
        layout.values(&in_shards, &lengths, AROUND, PAD, &mut values).unwrap();
        layout.position_ids(&mut positions).unwrap();
        layout.segment_ids(&mut segments).unwrap();
        layout.labels(&input_ids, &mut labels).unwrap();

        let all: Vec<(u32, u32, u32)> = pieces.as_slices().iter().collect();
        for (sequence, bounds) in plan.sequence_offsets.windows(2).enumerate() {
            let (mut places, ends) = row(&all[bounds[0] as usize..bounds[1] as usize], format, &streams);
            prop_assert!(places.len() <= format.capacity as usize);
            places.resize(width, (i64::from(PAD), 0, 0, IGNORED_LABEL));
            let start = sequence * width;
            for (place, expected) in (start..).zip(places) {
                let found = (input_ids[place], positions[place], segments[place], labels[place]);
                prop_assert_eq!(found, expected);
                prop_assert_eq!(i64::from(as_i32[place]), expected.0);
                prop_assert_eq!(i64::from(from_u16[place]), expected.0);
                prop_assert_eq!(from_shards[place], expected.0);
                let is_around = expected.0 == i64::from(BOS) || expected.0 == i64::from(EOS);
                prop_assert_eq!(i64::from(values[place]), if is_around { i64::from(AROUND) } else { expected.0 });
            }
            prop_assert_eq!(layout.cu_seqlens(sequence), Some(ends));
        }
        prop_assert_eq!(layout.cu_seqlens(plan.n_sequences()), None);
    }
}

#[test]
fn refuses_another_batch() {
    let lengths = [4, 3];
    let plan = pack(&lengths, &PackOptions::new(4), &Constraints::default()).unwrap();
    let pieces = plan.pieces(&lengths).unwrap();
    let layout = Layout::new(plan.format, pieces.as_slices(), &plan.sequence_offsets).unwrap();
    let apply = |ids: &[u32], offsets: &[i64], fill: FillIds, size: usize| {
        layout.input_ids(&Documents::new(ids, offsets)?, &lengths, fill, &mut vec![0i32; size])
    };
    let ids: Vec<u32> = (0..9).collect();
    let fill = FillIds::default();
    apply(&ids, &[0, 4, 7], fill, 8).unwrap();
    // Fewer documents, shorter and longer documents, offsets out of range, no offsets.
    assert_eq!(apply(&ids, &[0, 4], fill, 8).unwrap_err().document(), Some(1));
    assert_eq!(apply(&ids, &[0, 3, 7], fill, 8).unwrap_err().document(), Some(0));
    assert_eq!(apply(&ids, &[0, 4, 8], fill, 8).unwrap_err().document(), Some(1));
    assert_eq!(apply(&ids, &[0, 4, 4], fill, 8).unwrap_err().document(), Some(1));
    assert_eq!(apply(&ids, &[0, -1, 7], fill, 8).unwrap_err().document(), Some(0));
    assert_eq!(apply(&ids, &[0, 4, 99], fill, 8).unwrap_err().document(), Some(1));
    assert!(apply(&ids, &[], fill, 8).is_err());
    // An id that is no int32, a buffer of another size, a BOS without room for it, rows that are too narrow.
    assert_eq!(apply(&[u32::MAX; 7], &[0, 4, 7], fill, 8).unwrap_err().document(), Some(0));
    assert!(apply(&ids, &[0, 4, 7], fill, 7).is_err());
    assert!(apply(&ids, &[0, 4, 7], FillIds { bos: Some(1), ..fill }, 8).is_err());
    assert!(apply(&ids, &[0, 4, 7], FillIds { pad: u32::MAX, ..fill }, 8).is_err());
    assert!(layout.with_width(3).unwrap_err().to_string().contains("wider rows"));
}

#[test]
fn refuses_documents_in_two_shards() {
    let (values, offsets) = ([1u32, 2], [0, 1, 2]);
    let shard = |first_document| Shard { first_document, values: &values, offsets: &offsets };
    assert!(Documents::in_shards(vec![shard(0), shard(2)]).is_ok());
    let error = Documents::in_shards(vec![shard(0), shard(1)]).unwrap_err();
    assert_eq!(error.document(), Some(1));
}
