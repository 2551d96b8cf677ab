//! Placement, the loop that best fit, first fit and next fit share: take the next piece, ask the open sequences for one
//! that holds it, open a new one if none does, put the piece in, hand the sequence back with the room it has left.

use crate::order::PlacementOrder;
use std::num::NonZeroU32;

/// The sequences that can still take a piece. What sets the strategies apart is which of them [`take`] chooses.
///
/// [`take`]: OpenSequences::take
pub(crate) trait OpenSequences {
    /// Whether a sequence that was chosen for some weight is chosen again for the same weight while it has room: it was the
    /// first, or the last, or had the least room, and nothing else has changed.
    const TAKES_RUNS: bool = true;

    /// Takes out the chosen sequence among those that have room for this weight and that `accepts` lets have it; gives it
    /// and its room. Where `accepts` says no, the next one in the order of preference is asked.
    fn take(&mut self, weight: u32, accepts: impl FnMut(u32) -> bool) -> Option<(u32, u32)>;

    /// Puts a sequence (back) in, with this room, at least 1. A new one has the number after the last new one.
    fn put(&mut self, sequence: u32, room: u32);
}

/// What a sequence takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Most that its pieces weigh together.
    pub(crate) room: u32,
    /// Most pieces.
    pub(crate) pieces: u32,
}

impl Limits {
    pub(crate) fn new(room: u32, pieces: Option<NonZeroU32>) -> Self {
        Self { room, pieces: pieces.map_or(u32::MAX, NonZeroU32::get) }
    }
}

/// Where pieces were put.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// The sequence of every piece, by its number; of numbers that are of no piece, anything.
    pub(crate) sequence_of: Vec<u32>,
    /// How many pieces every sequence has.
    pub(crate) pieces_in: Vec<u32>,
}

/// Places every piece. Numbers of pieces are below `end`; so many sequences are open from the start.
pub(crate) fn place<Open: OpenSequences>(
    order: &PlacementOrder,
    end: usize,
    limits: Limits,
    n_open: usize,
    open: &mut Open,
) -> Placed {
    let mut placed = Placed { sequence_of: vec![0; end], pieces_in: vec![0; n_open] };
    let Placed { sequence_of, pieces_in } = &mut placed;
    let mut rest = &order.pieces[..];
    for &(weight, count) in &order.runs {
        let (mut run, after) = rest.split_at(count as usize);
        rest = after;
        while !run.is_empty() {
            let (sequence, mut room) = open.take(weight, |_| true).unwrap_or_else(|| {
                pieces_in.push(0);
                (pieces_in.len() as u32 - 1, limits.room)
            });
            let count = &mut pieces_in[sequence as usize];
            let most =
                if Open::TAKES_RUNS { (room / weight).min(limits.pieces - *count) as usize } else { 1 };
            let (now, later) = run.split_at(most.min(run.len()));
            for &piece in now {
                sequence_of[piece as usize] = sequence;
            }
            run = later;
            room -= weight * now.len() as u32;
            *count += now.len() as u32;
            if room > 0 && *count < limits.pieces {
                open.put(sequence, room);
            }
        }
    }
    placed
}
