//! Packing by its definition: quadratic, without any index over the open sequences, to be read next to
//! `docs/design/packing.md` and believed. The fast packer must give exactly these sequences.

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
#[derive(Debug, Clone)]
pub struct NaiveOptions {
    /// Most tokens in a sequence.
    pub capacity: usize,
    /// `best_fit_decreasing`, `first_fit_decreasing` or `concat`.
    pub strategy: String,
    /// `split`, `truncate`, `drop` or `error`.
    pub long_documents: String,
    /// Most pieces in a sequence.
    pub max_documents: Option<usize>,
    /// Tokens added to every document that is not empty (one for a BOS, one for an EOS).
    pub added_tokens: usize,
}

/// The sequences, in order, each with its pieces in order; and what lies in none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NaivePlan {
    /// One list of pieces a sequence.
    pub sequences: Vec<Vec<NaivePiece>>,
    /// Tokens of long documents that were left out.
    pub dropped: Vec<NaivePiece>,
}

/// Packs documents of these lengths.
///
/// # Errors
/// The index of the first document that is longer than the capacity, where `long_documents` is `error`.
pub fn pack(lengths: &[usize], options: &NaiveOptions) -> Result<NaivePlan, usize> {
    let cut_freely = options.strategy == "concat" && options.long_documents == "split";
    let mut pieces = Vec::new();
    let mut dropped = Vec::new();
    for (document, &length) in lengths.iter().enumerate() {
        if length == 0 {
            continue;
        }
        let length = length + options.added_tokens;
        if length <= options.capacity || cut_freely {
            pieces.push(NaivePiece { document, start: 0, length });
            continue;
        }
        match options.long_documents.as_str() {
            "split" => {
                for start in (0..length).step_by(options.capacity) {
                    let length = options.capacity.min(length - start);
                    pieces.push(NaivePiece { document, start, length });
                }
            }
            "truncate" => {
                pieces.push(NaivePiece { document, start: 0, length: options.capacity });
                let length = length - options.capacity;
                dropped.push(NaivePiece { document, start: options.capacity, length });
            }
            "drop" => dropped.push(NaivePiece { document, start: 0, length }),
            _ => return Err(document),
        }
    }
    let sequences = match options.strategy.as_str() {
        "concat" => concat(&pieces, options),
        strategy => place_decreasing(&pieces, options, strategy == "best_fit_decreasing"),
    };
    Ok(NaivePlan { sequences, dropped })
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
    // Pieces that wait, each with the number of rounds that it was put back in.
    let mut pool: Vec<(NaivePiece, usize)> = Vec::new();
    for (document, &length) in lengths.iter().enumerate() {
        let alone = pack(&[length], options).map_err(|_| document)?;
        let named = |piece: NaivePiece| NaivePiece { document, ..piece };
        pool.extend(alone.sequences.into_iter().flatten().map(|piece| (named(piece), 0)));
        plan.dropped.extend(alone.dropped.into_iter().map(named));
        while pool.iter().map(|(piece, _)| piece.length).sum::<usize>() >= most_tokens {
            round(&mut pool, options, false, &mut plan);
        }
    }
    round(&mut pool, options, true, &mut plan);
    Ok(plan)
}

/// Packs what waits; sequences that are full, and those with a piece that has waited long, leave.
fn round(pool: &mut Vec<(NaivePiece, usize)>, options: &NaiveOptions, all: bool, plan: &mut NaivePlan) {
    let pieces: Vec<NaivePiece> = pool.iter().map(|(piece, _)| *piece).collect();
    let rounds_of = |piece: &NaivePiece| {
        pool.iter().find(|(waiting, _)| waiting == piece).map_or(0, |(_, n_rounds)| *n_rounds)
    };
    // What must leave is placed first.
    let sequences = place_decreasing_behind(&pieces, options, true, |piece| rounds_of(piece) == 8);
    let room = |sequence: &[NaivePiece]| options.capacity - tokens(sequence);
    let mut leaves: Vec<bool> = sequences
        .iter()
        .map(|sequence| {
            let is_full = room(sequence) <= options.capacity / 1000;
            all || is_full || sequence.iter().any(|piece| rounds_of(piece) == 8)
        })
        .collect();
    while leaves.iter().filter(|&&leaves| leaves).count() * 2 < sequences.len() {
        let others = (0..sequences.len()).filter(|&number| !leaves[number]);
        if let Some(fullest) = others.min_by_key(|&number| (room(&sequences[number]), number)) {
            leaves[fullest] = true;
        }
    }
    let mut leaving = Vec::new();
    let mut left_over = Vec::new();
    for (sequence, leaves) in sequences.into_iter().zip(leaves) {
        if leaves {
            leaving.push(sequence);
        } else {
            left_over.extend(sequence.into_iter().map(|piece| (piece, rounds_of(&piece) + 1)));
        }
    }
    leaving.sort();
    plan.sequences.extend(leaving);
    *pool = left_over;
}

/// One token after the other into the last sequence; a new one when it is full of tokens or of pieces.
fn concat(pieces: &[NaivePiece], options: &NaiveOptions) -> Vec<Vec<NaivePiece>> {
    let mut sequences: Vec<Vec<NaivePiece>> = Vec::new();
    for piece in pieces {
        for token in piece.start..piece.start + piece.length {
            let has_room = sequences.last().is_some_and(|sequence| tokens(sequence) < options.capacity);
            let continues = has_room && token > piece.start;
            if continues {
                if let Some(last) = sequences.last_mut().and_then(|sequence| sequence.last_mut()) {
                    last.length += 1;
                }
                continue;
            }
            let takes_another = sequences.last().is_some_and(|sequence| takes_a_piece(sequence, options));
            if !(has_room && takes_another) {
                sequences.push(Vec::new());
            }
            if let Some(sequence) = sequences.last_mut() {
                sequence.push(NaivePiece { document: piece.document, start: token, length: 1 });
            }
        }
    }
    sequences
}

/// The longest piece first; of equal ones the first document's, then the one that starts first.
fn place_decreasing(pieces: &[NaivePiece], options: &NaiveOptions, best_fit: bool) -> Vec<Vec<NaivePiece>> {
    place_decreasing_behind(pieces, options, best_fit, |_| false)
}

/// The same, but some pieces are placed before all others.
fn place_decreasing_behind(
    pieces: &[NaivePiece],
    options: &NaiveOptions,
    best_fit: bool,
    is_first: impl Fn(&NaivePiece) -> bool,
) -> Vec<Vec<NaivePiece>> {
    let mut pieces = pieces.to_vec();
    pieces.sort_by_key(|piece| (!is_first(piece), usize::MAX - piece.length, piece.document, piece.start));

    let mut sequences: Vec<Vec<NaivePiece>> = Vec::new();
    let mut last_touched: Vec<usize> = Vec::new();
    for (time, piece) in pieces.into_iter().enumerate() {
        let room = |sequence: usize| options.capacity - tokens(&sequences[sequence]);
        let fitting = (0..sequences.len()).filter(|&sequence| {
            room(sequence) >= piece.length && takes_a_piece(&sequences[sequence], options)
        });
        let chosen = if best_fit {
            // The least room; among equals, the sequence that a piece was put into last.
            fitting.min_by_key(|&sequence| (room(sequence), usize::MAX - last_touched[sequence]))
        } else {
            fitting.min()
        };
        let sequence = chosen.unwrap_or_else(|| {
            sequences.push(Vec::new());
            last_touched.push(0);
            sequences.len() - 1
        });
        sequences[sequence].push(piece);
        last_touched[sequence] = time;
    }
    for sequence in &mut sequences {
        sequence.sort();
    }
    sequences
}

fn tokens(sequence: &[NaivePiece]) -> usize {
    sequence.iter().map(|piece| piece.length).sum()
}

fn takes_a_piece(sequence: &[NaivePiece], options: &NaiveOptions) -> bool {
    options.max_documents.is_none_or(|most| sequence.len() < most)
}
