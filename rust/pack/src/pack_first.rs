//! Shortest and longest pack first: the pieces of a histogram, longest first, into the sequence with the most or with the
//! least room that holds them. Of several with that room, it is the one that a piece was put into last.
//!
//! Sequences with equal content are a *group*, and groups are what is moved. Under every amount of room lies a stack of
//! groups, the rooms in an ordered map. The group on top of the chosen stack gets pieces of the length at hand, as many each
//! as one sequence would get in a row:
//!
//! - least room: as many as it has room for, because once it has got one, none has less room;
//! - most room: one, because another may then have more.
//!
//! If there are fewer pieces than that takes, the group splits. Where no group has room, the pieces open new sequences:
//! with the least room, each gets as many as it holds, as before; with the most room, one, whatever room is left. That last
//! rule is the one of the authors' program, and their published figures need it.
//!
//! A group splits, or sequences are opened, at most twice a length, so there are O(D) groups for D lengths. With the least
//! room, what a group has left is less than half of what it had: it gets pieces at most log₂ capacity times, and all takes
//! O(D·log capacity·log D) time. With the most room, a group gets one piece for each look into the map, O(log D). The content
//! of a group is a chain of runs, shared with the groups that it was split from, so that splitting is no copy.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::error::{Error, Result};
use crate::histogram::Pattern;

/// Patterns with more lengths than this together, a quarter of a gigabyte, are refused.
const MOST_LENGTHS: u64 = 1 << 26;

/// Which sequence of those that hold a piece gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// The one with the least room.
    Least,
    /// The one with the most room.
    Most,
}

/// Some pieces of one length in every sequence of a group, and what was there before.
struct Run {
    length: u32,
    n_pieces: u32,
    before: Option<usize>,
}

/// Sequences with equal content.
#[derive(Clone, Copy)]
struct Group {
    last_run: Option<usize>,
    n_pieces: u32,
    n_sequences: u64,
}

struct Groups {
    preferred: Room,
    capacity: u32,
    max_pieces: u32,
    runs: Vec<Run>,
    /// Groups that take more, by the room in each of their sequences; the last one is the one that got a piece last.
    open: BTreeMap<u32, Vec<Group>>,
    closed: Vec<Group>,
    /// The number of pieces in one sequence of every group.
    n_lengths: u64,
}

/// Packs all pieces of a histogram; there are none of a length above the capacity.
pub(crate) fn pack_first(
    counts: &[u64],
    capacity: u32,
    preferred: Room,
    max_pieces: Option<NonZeroU32>,
) -> Result<Vec<Pattern>> {
    let mut groups = Groups {
        preferred,
        capacity,
        max_pieces: max_pieces.map_or(u32::MAX, NonZeroU32::get),
        runs: Vec::new(),
        open: BTreeMap::new(),
        closed: Vec::new(),
        n_lengths: 0,
    };
    for (length, &count) in counts.iter().enumerate().skip(1).rev() {
        groups.place(length as u32, count)?;
    }
    Ok(groups.into_patterns())
}

impl Groups {
    fn place(&mut self, length: u32, mut n_left: u64) -> Result<()> {
        while n_left > 0 {
            let unopened = Group { last_run: None, n_pieces: 0, n_sequences: n_left };
            let (room, group) = self.take(length).unwrap_or((self.capacity, unopened));
            let n_each = match self.preferred {
                Room::Least => {
                    u64::from((room / length).min(self.max_pieces - group.n_pieces)).min(n_left) as u32
                }
                Room::Most => 1,
            };
            let n_sequences = group.n_sequences.min(n_left / u64::from(n_each));
            n_left -= n_sequences * u64::from(n_each);

            if group.last_run.is_some() && n_sequences < group.n_sequences {
                self.put(room, Group { n_sequences: group.n_sequences - n_sequences, ..group });
            }
            let is_whole = n_sequences == group.n_sequences;
            let last_run = self.append(group.last_run, length, n_each, is_whole);
            let n_pieces = group.n_pieces + n_each;
            self.put(room - n_each * length, Group { last_run: Some(last_run), n_pieces, n_sequences });
            if self.n_lengths > MOST_LENGTHS {
                let message = format!(
                    "the patterns of this histogram have more than {MOST_LENGTHS} lengths; limit the pieces in a \
                     sequence, or leave short pieces out"
                );
                return Err(Error::new(message));
            }
        }
        Ok(())
    }

    /// Puts pieces behind a run: into it, if it is of that length and no other group has it, or else as a new run.
    fn append(&mut self, last: Option<usize>, length: u32, n_pieces: u32, is_whole: bool) -> usize {
        if let Some(last) = last.filter(|&last| is_whole && self.runs[last].length == length) {
            // It was begun with the pieces at hand, and a group that splits ends them.
            self.runs[last].n_pieces += n_pieces;
            return last;
        }
        self.runs.push(Run { length, n_pieces, before: last });
        self.runs.len() - 1
    }

    /// Takes out the group that the next piece of this length goes to, and its room.
    fn take(&mut self, length: u32) -> Option<(u32, Group)> {
        let mut fitting = self.open.range_mut(length..);
        let (&room, stack) = match self.preferred {
            Room::Least => fitting.next()?,
            Room::Most => fitting.next_back()?,
        };
        let group = stack.pop()?;
        if stack.is_empty() {
            self.open.remove(&room);
        }
        self.n_lengths -= u64::from(group.n_pieces);
        Some((room, group))
    }

    fn put(&mut self, room: u32, group: Group) {
        self.n_lengths += u64::from(group.n_pieces);
        if room == 0 || group.n_pieces == self.max_pieces {
            self.closed.push(group);
        } else {
            self.open.entry(room).or_default().push(group);
        }
    }

    fn into_patterns(self) -> Vec<Pattern> {
        let groups = self.closed.iter().chain(self.open.values().flatten());
        groups.map(|group| (self.content(group), group.n_sequences)).collect()
    }

    /// The lengths in each sequence of a group, longest first.
    fn content(&self, group: &Group) -> Vec<u32> {
        let mut lengths = Vec::with_capacity(group.n_pieces as usize);
        let mut run = group.last_run;
        while let Some(Run { length, n_pieces, before }) = run.map(|run| &self.runs[run]) {
            lengths.resize(lengths.len() + *n_pieces as usize, *length);
            run = *before;
        }
        lengths.reverse();
        lengths
    }
}
