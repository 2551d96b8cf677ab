//! Documents that must share a sequence, documents that must not, and capacities beside that of tokens.
//!
//! The pieces of documents that must share a sequence are placed as one *item*, which weighs as much as all of them and
//! stands in the order of placement where the first of them would. Whether a sequence takes an item beside its weight is
//! asked of one sequence after the other, in the order of preference of the strategy, so that the definition of the
//! strategy holds as it is. This costs time where many sequences have room and refuse.
//!
//! With secondary capacities, the heaviest item is the one with the largest share of any capacity, tokens among them: by
//! tokens alone, what has much of the other quantity comes late, and finds room for its tokens only.

use crate::cut::CutDocuments;
use crate::error::{Error, Result};
use crate::order::{heaviest_first, PlacementOrder, Weighted};
use crate::place::{Limits, OpenSequences, Placed};
use std::collections::{HashMap, HashSet};

/// The group of a document that is in none.
pub const NO_GROUP: u32 = u32::MAX;

/// A quantity that documents have beside their tokens, and how much of it a sequence takes: image patches, say.
#[derive(Debug, Clone, Copy)]
pub struct Secondary<'a> {
    /// What it is called, for messages.
    pub name: &'a str,
    /// How much of it every document has.
    pub amounts: &'a [u32],
    /// How much a sequence takes.
    pub capacity: u32,
}

/// What is asked of sequences beside room.
#[derive(Debug, Clone, Default)]
pub struct Constraints<'a> {
    /// For each id of all documents, whether a document that is split may be cut behind it.
    pub may_cut_after: Option<&'a [bool]>,
    /// A group for each document, or [`NO_GROUP`]: documents of one group share a sequence.
    pub together: Option<&'a [u32]>,
    /// A group for each document, or [`NO_GROUP`]: no two pieces of documents of one group share a sequence.
    pub apart: Option<&'a [u32]>,
    /// Capacities beside that of tokens.
    pub secondary: Vec<Secondary<'a>>,
}

impl Constraints<'_> {
    /// Whether there is anything but room that a sequence is asked for.
    pub(crate) fn are_of_sequences(&self) -> bool {
        self.together.is_some() || self.apart.is_some() || !self.secondary.is_empty()
    }

    /// Refuses what a stream does not keep.
    pub(crate) fn check_of_stream(&self) -> Result<()> {
        if self.are_of_sequences() {
            return Err(Error::new(
                "groups and secondary capacities need all documents at once; pack with order free or keep",
            ));
        }
        Ok(())
    }

    /// Refuses arrays that do not have an element for every document.
    pub(crate) fn check(&self, n_documents: usize) -> Result<()> {
        let groups = [("together", self.together), ("apart", self.apart)];
        let named = groups.into_iter().filter_map(|(name, groups)| Some((name, groups?)));
        for (name, values) in named.chain(self.secondary.iter().map(|each| (each.name, each.amounts))) {
            if values.len() != n_documents {
                return Err(Error::new(format!(
                    "{name} has {} elements, and there are {n_documents} documents; give one for each document",
                    values.len()
                )));
            }
        }
        Ok(())
    }
}

/// Pieces that are placed as one.
struct Item {
    first_document: u32,
    weight: u64,
    n_pieces: u32,
    /// How much of every secondary quantity.
    amounts: Vec<u64>,
    /// The groups that must be apart of the documents in it.
    apart: Vec<u32>,
}

struct Items(Vec<Item>);

impl Weighted for Items {
    fn for_each(&self, mut visit: impl FnMut(u32, u32)) {
        (0..).zip(&self.0).for_each(|(number, item)| visit(number, item.weight as u32));
    }

    fn weight(&self, item: u32) -> u32 {
        self.0[item as usize].weight as u32
    }

    fn size_hint(&self) -> usize {
        self.0.len()
    }
}

/// Places every piece as [`crate::place::place`] does, with constraints; `decreasing` is whether the heaviest come first.
pub(crate) fn place_groups(
    cut: &CutDocuments<'_>,
    constraints: &Constraints<'_>,
    limits: Limits,
    decreasing: bool,
    open: &mut impl OpenSequences,
) -> Result<Placed> {
    let (items, item_of) = items(cut, constraints, limits)?;
    let order = if decreasing && !constraints.secondary.is_empty() {
        let share = |item: &u32| largest_share(&items.0[*item as usize], limits, constraints);
        let mut order: Vec<u32> = (0..items.0.len() as u32).collect();
        order.sort_by_cached_key(|item| std::cmp::Reverse(share(item)));
        PlacementOrder::new(order, &items)
    } else if decreasing {
        heaviest_first(&items, limits.room)
    } else {
        PlacementOrder::new((0..items.0.len() as u32).collect(), &items)
    };
    let mut pieces_in: Vec<u32> = Vec::new();
    let mut used: Vec<Vec<u64>> = Vec::new();
    let mut present: HashSet<(u32, u32)> = HashSet::new();
    let mut sequence_of_item = vec![0u32; items.0.len()];
    for &number in &order.pieces {
        let item = &items.0[number as usize];
        let accepts = |sequence: u32| {
            let used = &used[sequence as usize];
            let mut amounts = item.amounts.iter().zip(used).zip(&constraints.secondary);
            pieces_in[sequence as usize] + item.n_pieces <= limits.pieces
                && amounts.all(|((amount, used), each)| amount + used <= u64::from(each.capacity))
                && !item.apart.iter().any(|&group| present.contains(&(group, sequence)))
        };
        let (sequence, room) = open.take(item.weight as u32, accepts).unwrap_or_else(|| {
            pieces_in.push(0);
            used.push(vec![0; constraints.secondary.len()]);
            (pieces_in.len() as u32 - 1, limits.room)
        });
        pieces_in[sequence as usize] += item.n_pieces;
        for (used, amount) in used[sequence as usize].iter_mut().zip(&item.amounts) {
            *used += amount;
        }
        present.extend(item.apart.iter().map(|&group| (group, sequence)));
        sequence_of_item[number as usize] = sequence;
        let room = room - item.weight as u32;
        if room > 0 && pieces_in[sequence as usize] < limits.pieces {
            open.put(sequence, room);
        }
    }
    let mut sequence_of = vec![0; cut.end()];
    cut.for_each(|piece, _| {
        sequence_of[piece as usize] = sequence_of_item[item_of[piece as usize] as usize];
    });
    Ok(Placed { sequence_of, pieces_in })
}

/// The largest of the shares that an item takes of the room and of the secondary capacities, in 2²⁴ths, rounded down.
fn largest_share(item: &Item, limits: Limits, constraints: &Constraints<'_>) -> u64 {
    let share = |amount: u64, capacity: u32| (amount << 24) / u64::from(capacity.max(1));
    let secondary = item.amounts.iter().zip(&constraints.secondary);
    let largest = secondary.map(|(&amount, each)| share(amount, each.capacity)).max();
    share(item.weight, limits.room).max(largest.unwrap_or(0))
}

/// The items, in order of their first pieces, and the item of every piece.
fn items(cut: &CutDocuments<'_>, constraints: &Constraints<'_>, limits: Limits) -> Result<(Items, Vec<u32>)> {
    let group = |groups: Option<&[u32]>, document: u32| {
        groups.map(|groups| groups[document as usize]).filter(|&group| group != NO_GROUP)
    };
    let mut items: Vec<Item> = Vec::new();
    let mut item_of = vec![0u32; cut.end()];
    let mut item_of_group: HashMap<u32, u32> = HashMap::new();
    let mut wrong = None;
    let mut refuse = |document: u32, message: String| {
        wrong.get_or_insert_with(|| Error::new(message).in_document(document as usize));
    };
    cut.for_each(|piece, length| {
        let (document, ..) = cut.piece(piece);
        let new = items.len() as u32;
        let number = match group(constraints.together, document) {
            Some(group) => *item_of_group.entry(group).or_insert(new),
            None => new,
        };
        if number == new {
            items.push(Item {
                first_document: document,
                weight: 0,
                n_pieces: 0,
                amounts: vec![0; constraints.secondary.len()],
                apart: Vec::new(),
            });
        }
        item_of[piece as usize] = number;
        let item = &mut items[number as usize];
        item.weight += u64::from(cut.weight(length));
        item.n_pieces += 1;
        for (amount, secondary) in item.amounts.iter_mut().zip(&constraints.secondary) {
            let of_document = secondary.amounts[document as usize];
            *amount += u64::from(of_document);
            if of_document > 0 && !cut.is_whole(piece) {
                let message = format!(
                    "is longer than a sequence takes, and its {of_document} of {} cannot be cut with it; raise the \
                     capacity, or cut the document before",
                    secondary.name
                );
                refuse(document, message);
            }
        }
        if let Some(group) = group(constraints.apart, document) {
            if item.apart.contains(&group) {
                let message = format!("is in group {group} of apart, with another document of its group of together");
                refuse(document, message);
            }
            item.apart.push(group);
        }
    });
    for item in &items {
        let what = if item.n_pieces == 1 { "has" } else { "and those that it must be together with have" };
        if item.weight > u64::from(limits.room) || item.n_pieces > limits.pieces {
            let message = format!(
                "{what} {} tokens in {} pieces, and a sequence takes {} in {}; raise the capacity, or make the group \
                 smaller",
                item.weight, item.n_pieces, limits.room, limits.pieces
            );
            refuse(item.first_document, message);
        }
        for (amount, secondary) in item.amounts.iter().zip(&constraints.secondary) {
            if *amount > u64::from(secondary.capacity) {
                let message = format!(
                    "{what} {amount} of {}, and a sequence takes {}; raise that capacity, or leave the document out",
                    secondary.name, secondary.capacity
                );
                refuse(item.first_document, message);
            }
        }
    }
    match wrong {
        Some(error) => Err(error),
        None => Ok((Items(items), item_of)),
    }
}
