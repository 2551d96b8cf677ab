//! Packing by its definition: quadratic, without any index over the open sequences, to be read next to
//! `docs/design/packing.md` and believed. The fast packer must give exactly these sequences.

use crate::naive_histogram;

/// A run of tokens of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NaivePiece {
    /// Index of the document.
    pub document: usize,
    /// First token of the run, within the document.
    pub start: usize,
    /// Number of tokens.
    pub length: usize,
}

/// How to pack; the names are those of the fast packer's options.
#[derive(Debug, Clone, Default)]
pub struct NaiveOptions {
    /// Most tokens in a sequence.
    pub capacity: usize,
    /// `best_fit_decreasing`, `first_fit_decreasing`, `next_fit`, `concat` or `buckets`.
    pub strategy: String,
    /// `tokens`, or `attention`: as many sequences as best fit makes are there from the start, and a piece goes into the one
    /// with the least sum of squares among those that take it.
    pub cost: String,
    /// `split`, `power_of_two`, `truncate`, `truncate_left`, `drop` or `error`.
    pub long_documents: String,
    /// Most pieces in a sequence.
    pub max_documents: Option<usize>,
    /// Whether a token stands before every document that is not empty.
    pub bos: bool,
    /// Whether a token stands after every document that is not empty.
    pub eos: bool,
    /// How many tokens stand around every sequence.
    pub sequence_tokens: usize,
    /// How many tokens two pieces of a document that was split share; none if 0.
    pub overlap: usize,
    /// Every piece takes a multiple of this; no alignment if 0.
    pub align: usize,
    /// Sequences with fewer tokens are left out.
    pub least_tokens: usize,
    /// For each document and each of its ids, whether a piece may end there; everywhere if there are no documents.
    pub may_cut_after: Vec<Vec<bool>>,
    /// For each document, the group that shares a sequence.
    pub together: Vec<Option<u32>>,
    /// For each document, the group of which no two pieces share a sequence.
    pub apart: Vec<Option<u32>>,
    /// For each document, how much it has of a second quantity; and how much of it a sequence takes.
    pub secondary: (Vec<usize>, usize),
}

/// The sequences, in order, each with its pieces in order; and what lies in none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NaivePlan {
    /// One list of pieces a sequence.
    pub sequences: Vec<Vec<NaivePiece>>,
    /// Tokens of long documents that were left out.
    pub dropped: Vec<NaivePiece>,
}

impl NaiveOptions {
    /// What a sequence takes: a multiple of the alignment, without the tokens around it.
    fn room(&self) -> usize {
        let room = self.capacity - self.sequence_tokens;
        room - room % self.align.max(1)
    }

    /// How much a piece of this length takes.
    fn weight(&self, length: usize) -> usize {
        length.next_multiple_of(self.align.max(1))
    }
}

/// Packs documents of these lengths.
///
/// # Errors
/// The index of the first document that is longer than a sequence takes, where `long_documents` is `error`.
pub fn pack(lengths: &[usize], options: &NaiveOptions) -> Result<NaivePlan, usize> {
    let mut plan = NaivePlan::default();
    let mut pieces = Vec::new();
    for (document, &length) in lengths.iter().enumerate() {
        if length > 0 {
            let length = length + usize::from(options.bos) + usize::from(options.eos);
            cut(document, length, options, &mut pieces, &mut plan.dropped)?;
        }
    }
    let sequences = match options.strategy.as_str() {
        "concat" => concat(&pieces, options),
        "buckets" => {
            pieces.sort_by_key(|piece| (usize::MAX - options.weight(piece.length), *piece));
            pieces.into_iter().map(|piece| vec![piece]).collect()
        }
        "shortest_pack_first" | "longest_pack_first" => place_by_histogram(&pieces, options),
        _ => place(&items(&pieces, options), options),
    };
    for sequence in sequences {
        if tokens(&sequence) + options.sequence_tokens < options.least_tokens {
            plan.dropped.extend(sequence);
        } else {
            plan.sequences.push(sequence);
        }
    }
    plan.dropped.sort();
    Ok(plan)
}

/// The pieces of a document whose stream has this length, and what of it is left out.
fn cut(
    document: usize,
    length: usize,
    options: &NaiveOptions,
    pieces: &mut Vec<NaivePiece>,
    dropped: &mut Vec<NaivePiece>,
) -> Result<(), usize> {
    let (room, strategy) = (options.room(), options.strategy.as_str());
    let piece = |start, length| NaivePiece { document, start, length };
    let is_whole = length <= room || (strategy == "concat" && options.long_documents == "split");
    if is_whole && strategy != "buckets" {
        pieces.push(piece(0, length));
        return Ok(());
    }
    let powers_of_two = |pieces: &mut Vec<NaivePiece>| {
        let mut start = 0;
        while start < length {
            let fits = |&power: &usize| power <= room && power <= length - start;
            let power = (0..31).rev().map(|exponent| 1 << exponent).find(fits).unwrap_or(1);
            pieces.push(piece(start, power));
            start += power;
        }
    };
    match options.long_documents.as_str() {
        _ if strategy == "buckets" => powers_of_two(pieces),
        "power_of_two" => powers_of_two(pieces),
        "split" => {
            let mut start = 0;
            while length - start > room {
                // The last place where a cut is allowed and something new is in the piece; or as far as it goes.
                let id_before = |end: usize| (end - 1).checked_sub(usize::from(options.bos));
                let is_allowed = |&end: &usize| match options.may_cut_after.get(document) {
                    None => true,
                    Some(allowed) => {
                        id_before(end).and_then(|id| allowed.get(id)).is_some_and(|&allowed| allowed)
                    }
                };
                let ends = start + options.overlap + 1..=start + room;
                let end = ends.rev().find(is_allowed).unwrap_or(start + room);
                pieces.push(piece(start, end - start));
                start = end - options.overlap;
            }
            pieces.push(piece(start, length - start));
        }
        "truncate" => {
            pieces.push(piece(0, room));
            dropped.push(piece(room, length - room));
        }
        "truncate_left" => {
            dropped.push(piece(0, length - room));
            pieces.push(piece(length - room, room));
        }
        "drop" => dropped.push(piece(0, length)),
        _ => return Err(document),
    }
    Ok(())
}

/// The sequences that the histogram of weights is packed into, each with the first pieces of its weights that are left.
fn place_by_histogram(pieces: &[NaivePiece], options: &NaiveOptions) -> Vec<Vec<NaivePiece>> {
    let mut counts = vec![0; options.room() + 1];
    for piece in pieces {
        counts[options.weight(piece.length)] += 1;
    }
    let (room, most) = (options.room() as u32, options.max_documents.map(|most| most as u32));
    let sequences = naive_histogram::pack(&counts, room, &options.strategy, most);
    let mut left = pieces.to_vec();
    let take = |weights: Vec<u32>| {
        let take_one = |weight: u32| {
            left.iter()
                .position(|piece| options.weight(piece.length) == weight as usize)
                .map(|place| left.remove(place))
        };
        let mut sequence: Vec<NaivePiece> = weights.into_iter().filter_map(take_one).collect();
        sequence.sort();
        sequence
    };
    sequences.into_iter().map(take).collect()
}

/// Pieces that are placed as one: those of documents that must be together. In order of their first pieces.
fn items(pieces: &[NaivePiece], options: &NaiveOptions) -> Vec<Vec<NaivePiece>> {
    let group = |piece: &NaivePiece| options.together.get(piece.document).copied().flatten();
    let mut items: Vec<Vec<NaivePiece>> = Vec::new();
    for piece in pieces {
        let of_group =
            items.iter_mut().find(|item| group(piece).is_some() && group(&item[0]) == group(piece));
        match of_group {
            Some(item) => item.push(*piece),
            None => items.push(vec![*piece]),
        }
    }
    items
}

/// Packs documents that come one after the other, of which at most `most_tokens` wait; the rule is in
/// `docs/design/packing.md`, under "A stream".
///
/// # Errors
/// As [`pack`].
pub fn pack_stream(
    lengths: &[usize],
    options: &NaiveOptions,
    most_tokens: usize,
) -> Result<NaivePlan, usize> {
    let mut plan = NaivePlan::default();
    let mut waiting: Vec<NaivePiece> = Vec::new();
    for (document, &length) in lengths.iter().enumerate() {
        let alone = pack(&[length], options).map_err(|_| document)?;
        let named = |piece: NaivePiece| NaivePiece { document, ..piece };
        plan.dropped.extend(alone.dropped.into_iter().map(named));
        let mut pieces: Vec<NaivePiece> = alone.sequences.into_iter().flatten().map(named).collect();
        pieces.sort();
        for piece in pieces {
            if options.weight(piece.length) == options.room() {
                plan.sequences.push(vec![piece]);
                continue;
            }
            waiting.push(piece);
            while weight(&waiting, options) >= most_tokens {
                plan.sequences.push(fill(&mut waiting, options));
            }
        }
    }
    while !waiting.is_empty() {
        plan.sequences.push(fill(&mut waiting, options));
    }
    Ok(plan)
}

/// Takes a sequence of what waits: the oldest pieces first, then those that fill it best.
fn fill(waiting: &mut Vec<NaivePiece>, options: &NaiveOptions) -> Vec<NaivePiece> {
    let mut sequence: Vec<NaivePiece> = Vec::new();
    let room = |sequence: &[NaivePiece]| options.room() - weight(sequence, options);
    let most = options.max_documents.unwrap_or(usize::MAX);
    while let Some(&oldest) = waiting.first() {
        let has_few = sequence.is_empty() || weight(&sequence, options) < options.room() / 8;
        if !has_few || sequence.len() == most || options.weight(oldest.length) > room(&sequence) {
            break;
        }
        sequence.push(waiting.remove(0));
    }
    while sequence.len() < most {
        // By descending weight, of every weight the oldest piece.
        let mut fitting: Vec<usize> = (0..waiting.len())
            .filter(|&place| options.weight(waiting[place].length) <= room(&sequence))
            .collect();
        fitting.sort_by_key(|&place| (usize::MAX - options.weight(waiting[place].length), place));
        fitting.dedup_by_key(|place| options.weight(waiting[*place].length));
        // What is left after a piece and the heaviest other one that then fits.
        let hole = |place: usize| {
            let rest = room(&sequence) - options.weight(waiting[place].length);
            let others = (0..waiting.len()).filter(|&other| other != place);
            let weights = others.map(|other| options.weight(waiting[other].length));
            rest - weights.filter(|&other| other <= rest).max().unwrap_or(0)
        };
        let Some(&heaviest) = fitting.first() else { break };
        let takes_one_more = sequence.len() + 1 == most;
        let chosen = if takes_one_more || hole(heaviest) > options.room() / 32 {
            heaviest
        } else {
            fitting.into_iter().take(5).min_by_key(|&place| hole(place)).unwrap_or(heaviest)
        };
        sequence.push(waiting.remove(chosen));
    }
    sequence.sort();
    sequence
}

/// One plan of the plans of shards: documents are numbered through, sequences with fewer than `least_tokens` tokens are
/// packed anew, all together, and come last.
pub fn merge(shards: &[(NaivePlan, usize)], options: &NaiveOptions, least_tokens: usize) -> NaivePlan {
    let mut merged = NaivePlan::default();
    let mut moved = Vec::new();
    let mut first_document = 0;
    for (plan, n_documents) in shards {
        let in_merged =
            |piece: &NaivePiece| NaivePiece { document: first_document + piece.document, ..*piece };
        for sequence in &plan.sequences {
            let sequence: Vec<NaivePiece> = sequence.iter().map(in_merged).collect();
            if tokens(&sequence) + options.sequence_tokens < least_tokens {
                moved.extend(sequence);
            } else {
                merged.sequences.push(sequence);
            }
        }
        merged.dropped.extend(plan.dropped.iter().map(in_merged));
        first_document += n_documents;
    }
    moved.sort();
    merged.sequences.extend(place(&items(&moved, options), options));
    merged
}

/// One token after the other into the last sequence; a new one when it is full of tokens or of pieces.
fn concat(pieces: &[NaivePiece], options: &NaiveOptions) -> Vec<Vec<NaivePiece>> {
    let mut sequences: Vec<Vec<NaivePiece>> = Vec::new();
    for piece in pieces {
        for token in piece.start..piece.start + piece.length {
            // The last piece goes on as long as it may.
            if let Some(sequence) = sequences.last_mut().filter(|_| token > piece.start) {
                let last = sequence.len() - 1;
                sequence[last].length += 1;
                if weight(sequence, options) <= options.room() {
                    continue;
                }
                sequence[last].length -= 1;
            }
            let new = NaivePiece { document: piece.document, start: token, length: 1 };
            let takes_it = sequences
                .last()
                .is_some_and(|sequence| takes(sequence, &[new], options) && token == piece.start);
            if !takes_it {
                sequences.push(Vec::new());
            }
            if let Some(sequence) = sequences.last_mut() {
                sequence.push(new);
            }
        }
    }
    sequences
}

/// Every item into a sequence: for next fit in their order, and else the heaviest first; of equal ones, the first.
fn place(items: &[Vec<NaivePiece>], options: &NaiveOptions) -> Vec<Vec<NaivePiece>> {
    let mut items = items.to_vec();
    let share = |amount: usize, capacity: usize| (amount << 24) / capacity.max(1);
    let (amounts, most) = &options.secondary;
    if options.strategy != "next_fit" && amounts.is_empty() {
        items.sort_by_key(|item| (usize::MAX - weight(item, options), item[0]));
    } else if options.strategy != "next_fit" {
        // By the larger of the shares of the room and of the second quantity.
        items.sort_by_key(|item| {
            let amount = item.iter().map(|piece| amounts[piece.document]).sum();
            let largest = share(weight(item, options), options.room()).max(share(amount, *most));
            (usize::MAX - largest, item[0])
        });
    }
    if options.cost == "attention" {
        let best_fit = NaiveOptions { cost: "tokens".to_owned(), ..options.clone() };
        let n_sequences = place_in_order(&items, &best_fit, 0).len();
        return place_in_order(&items, options, n_sequences);
    }
    place_in_order(&items, options, 0)
}

/// Every item into the sequence that the strategy chooses among those that take it, or into a new one.
fn place_in_order(items: &[Vec<NaivePiece>], options: &NaiveOptions, n_open: usize) -> Vec<Vec<NaivePiece>> {
    let mut sequences: Vec<Vec<NaivePiece>> = vec![Vec::new(); n_open];
    let mut last_touched: Vec<usize> = vec![0; n_open];
    for (time, item) in items.iter().enumerate() {
        let room = |sequence: usize| options.room() - weight(&sequences[sequence], options);
        let mut taking = (0..sequences.len()).filter(|&sequence| takes(&sequences[sequence], item, options));
        let cost = |sequence: usize| -> usize {
            sequences[sequence].iter().map(|piece| options.weight(piece.length).pow(2)).sum()
        };
        let chosen = match options.strategy.as_str() {
            _ if options.cost == "attention" => taking.min_by_key(|&sequence| (cost(sequence), sequence)),
            // The least room; among equals, the sequence that a piece was put into last.
            "best_fit_decreasing" => {
                taking.min_by_key(|&sequence| (room(sequence), usize::MAX - last_touched[sequence]))
            }
            "first_fit_decreasing" => taking.next(),
            _ => taking.find(|&sequence| sequence + 1 == sequences.len()),
        };
        let sequence = chosen.unwrap_or_else(|| {
            sequences.push(Vec::new());
            last_touched.push(0);
            sequences.len() - 1
        });
        sequences[sequence].extend(item);
        last_touched[sequence] = time;
    }
    for sequence in &mut sequences {
        sequence.sort();
    }
    sequences
}

/// Whether a sequence takes these pieces too.
fn takes(sequence: &[NaivePiece], item: &[NaivePiece], options: &NaiveOptions) -> bool {
    let (amounts, most) = &options.secondary;
    let amount =
        |pieces: &[NaivePiece]| pieces.iter().filter_map(|piece| amounts.get(piece.document)).sum::<usize>();
    let group = |piece: &NaivePiece| options.apart.get(piece.document).copied().flatten();
    let conflict = |piece: &NaivePiece| {
        group(piece).is_some() && sequence.iter().any(|other| group(other) == group(piece))
    };
    weight(sequence, options) + weight(item, options) <= options.room()
        && options.max_documents.is_none_or(|most| sequence.len() + item.len() <= most)
        && amount(sequence) + amount(item) <= *most
        && !item.iter().any(conflict)
}

/// What pieces take of a sequence.
fn weight(pieces: &[NaivePiece], options: &NaiveOptions) -> usize {
    pieces.iter().map(|piece| options.weight(piece.length)).sum()
}

fn tokens(sequence: &[NaivePiece]) -> usize {
    sequence.iter().map(|piece| piece.length).sum()
}

/// The fewest sequences that hold pieces of these weights: every way to put them into sequences is tried.
///
/// `most` is how much a sequence takes; no piece weighs more.
pub fn fewest_sequences(weights: &[usize], most: usize) -> usize {
    fn with(rest: &[usize], rooms: &mut Vec<usize>, most: usize) -> usize {
        let Some((&weight, rest)) = rest.split_first() else {
            return rooms.len();
        };
        rooms.push(most - weight);
        let mut fewest = with(rest, rooms, most);
        rooms.pop();
        for sequence in 0..rooms.len() {
            if rooms[sequence] >= weight {
                rooms[sequence] -= weight;
                fewest = fewest.min(with(rest, rooms, most));
                rooms[sequence] += weight;
            }
        }
        fewest
    }
    with(weights, &mut Vec::new(), most)
}

/// The fewest sequences that hold pieces of these weights in their order: every way to cut the list is tried.
pub fn fewest_in_order(weights: &[usize], most: usize) -> usize {
    let ends = (1..=weights.len()).take_while(|&end| weights[..end].iter().sum::<usize>() <= most);
    ends.map(|end| 1 + fewest_in_order(&weights[end..], most)).min().unwrap_or(0)
}
