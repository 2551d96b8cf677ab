//! Packing of histograms by definition: one piece after the other, every sequence on its own. The fast packer, which moves
//! groups of equal sequences, must give the same sequences, whatever their order.

/// A sequence while it is filled.
struct Sequence {
    lengths: Vec<u32>,
    last_touched: usize,
}

/// The sequences for `counts[length]` pieces of every length: descending, and each of them descending.
///
/// `shortest_pack_first` prefers the sequence with the most room, any other strategy the one with the least.
pub fn pack(counts: &[u64], capacity: u32, strategy: &str, max_pieces: Option<u32>) -> Vec<Vec<u32>> {
    let shortest_pack_first = strategy == "shortest_pack_first";
    let mut sequences: Vec<Sequence> = Vec::new();
    let mut time = 0;
    for (length, &count) in (0..).zip(counts).skip(1).collect::<Vec<_>>().into_iter().rev() {
        for _ in 0..count {
            time += 1;
            let takes_it = |sequence: &&mut Sequence| {
                // With shortest pack first, pieces that found no room each have a sequence that was opened for them.
                let is_of_this_length = shortest_pack_first && sequence.lengths[0] == length;
                room(capacity, sequence) >= length
                    && max_pieces.is_none_or(|most| sequence.lengths.len() < most as usize)
                    && !is_of_this_length
            };
            let fitting = sequences.iter_mut().filter(takes_it);
            // Among those with equal room, the one that a piece was put into last.
            let chosen = if shortest_pack_first {
                fitting.max_by_key(|sequence| (room(capacity, sequence), sequence.last_touched))
            } else {
                fitting.min_by_key(|sequence| (room(capacity, sequence), usize::MAX - sequence.last_touched))
            };
            match chosen {
                Some(sequence) => {
                    sequence.lengths.push(length);
                    sequence.last_touched = time;
                }
                None => sequences.push(Sequence { lengths: vec![length], last_touched: time }),
            }
        }
    }
    let mut contents: Vec<Vec<u32>> = sequences.into_iter().map(|sequence| sequence.lengths).collect();
    contents.sort_by(|one, other| other.cmp(one));
    contents
}

fn room(capacity: u32, sequence: &Sequence) -> u32 {
    capacity - sequence.lengths.iter().sum::<u32>()
}
