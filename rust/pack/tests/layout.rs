//! Layouts: every array against its definition, position by position.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use portmanteau_pack::{pack, Documents, FillIds, Framing, PackOptions, IGNORED_LABEL};
use proptest::prelude::*;

const PAD: u32 = 7;
const BOS: u32 = 1;
const EOS: u32 = 2;

fn documents_of(lengths: &[u32]) -> (Vec<u32>, Vec<i64>) {
    let mut offsets = vec![0];
    for &length in lengths {
        offsets.push(offsets[offsets.len() - 1] + i64::from(length));
    }
    let total = *offsets.last().unwrap() as u32;
    ((1000..1000 + total).collect(), offsets)
}

proptest! {
    #[test]
    fn every_position_holds_its_token(
        lengths in prop::collection::vec(0u32..20, 0..30),
        capacity in 1u32..24,
        (bos, eos) in any::<(bool, bool)>(),
    ) {
        let options = PackOptions { framing: Framing { bos, eos }, ..PackOptions::new(capacity) };
        let plan = pack(&lengths, &options).unwrap();
        let (ids, offsets) = documents_of(&lengths);
        let documents = Documents::new(&ids, &offsets).unwrap();
        let fill = FillIds { pad: PAD, bos: bos.then_some(BOS), eos: eos.then_some(EOS) };
        let layout = plan.layout().unwrap();
        let size = plan.n_sequences() * capacity as usize;
        let (mut input_ids, mut as_i32) = (vec![0i64; size], vec![0i32; size]);
        let (mut positions, mut segments) = (vec![-1i32; size], vec![-1i32; size]);
        let mut labels = vec![0i64; size];
        layout.input_ids(&documents, fill, &mut input_ids).unwrap();
        layout.input_ids(&documents, fill, &mut as_i32).unwrap();
        layout.position_ids(&mut positions).unwrap();
        layout.segment_ids(&mut segments).unwrap();
        layout.labels(&input_ids, &mut labels).unwrap();

        for sequence in 0..plan.n_sequences() {
            let mut place = sequence * capacity as usize;
            let mut ends = vec![0];
            let pieces = plan.sequence_offsets[sequence] as usize..plan.sequence_offsets[sequence + 1] as usize;
            for (segment, piece) in pieces.enumerate() {
                let document = plan.pieces.document[piece] as usize;
                let mut stream: Vec<i64> = Vec::new();
                stream.extend(fill.bos.map(i64::from));
                let range = offsets[document] as usize..offsets[document + 1] as usize;
                stream.extend(ids[range].iter().map(|&id| i64::from(id)));
                stream.extend(fill.eos.map(i64::from));
                for token in 0..plan.pieces.length[piece] {
                    let expected = stream[(plan.pieces.start[piece] + token) as usize];
                    prop_assert_eq!(input_ids[place], expected);
                    prop_assert_eq!(i64::from(as_i32[place]), expected);
                    prop_assert_eq!(positions[place], token.cast_signed());
                    prop_assert_eq!(segments[place], segment as i32 + 1);
                    prop_assert_eq!(labels[place], if token == 0 { IGNORED_LABEL } else { expected });
                    place += 1;
                }
                ends.push((place - sequence * capacity as usize) as i32);
            }
            prop_assert_eq!(layout.cu_seqlens(sequence), Some(ends));
            for place in place..(sequence + 1) * capacity as usize {
                let row = (input_ids[place], positions[place], segments[place], labels[place]);
                prop_assert_eq!(row, (i64::from(PAD), 0, 0, IGNORED_LABEL));
            }
        }
        prop_assert_eq!(layout.cu_seqlens(plan.n_sequences()), None);
    }
}

#[test]
fn refuses_another_batch() {
    let lengths = [4, 3];
    let plan = pack(&lengths, &PackOptions::new(4)).unwrap();
    let layout = plan.layout().unwrap();
    let apply = |ids: &[u32], offsets: &[i64], fill: FillIds, size: usize| {
        layout.input_ids(&Documents::new(ids, offsets)?, fill, &mut vec![0i32; size])
    };
    let ids: Vec<u32> = (0..7).collect();
    let fill = FillIds::default();
    apply(&ids, &[0, 4, 7], fill, 8).unwrap();
    // Fewer documents, shorter documents, offsets out of range, no offsets.
    assert_eq!(apply(&ids, &[0, 4], fill, 8).unwrap_err().document(), Some(1));
    assert_eq!(apply(&ids, &[0, 3, 7], fill, 8).unwrap_err().document(), Some(0));
    assert_eq!(apply(&ids, &[0, 4, 4], fill, 8).unwrap_err().document(), Some(1));
    assert_eq!(apply(&ids, &[0, -1, 7], fill, 8).unwrap_err().document(), Some(0));
    assert_eq!(apply(&ids, &[0, 4, 99], fill, 8).unwrap_err().document(), Some(1));
    assert!(apply(&ids, &[], fill, 8).is_err());
    // An id that is no int32, a buffer of another size, a BOS without room for it.
    assert_eq!(apply(&[u32::MAX; 7], &[0, 4, 7], fill, 8).unwrap_err().document(), Some(0));
    assert!(apply(&ids, &[0, 4, 7], fill, 7).is_err());
    assert!(apply(&ids, &[0, 4, 7], FillIds { bos: Some(1), ..fill }, 8).is_err());
    assert!(apply(&ids, &[0, 4, 7], FillIds { pad: u32::MAX, ..fill }, 8).is_err());
}
