//! Training on top of a tokenizer: all its ids stay, new tokens follow, made by merges of lower rank than all of its own.

use super::checkpoint::Keeper;
use super::counting::UnitCounts;
use super::growing::Growing;
use super::options::{check_sizes, TrainedMerge, TrainingOptions};
use super::stage::Stage;
use super::superwords::SuperwordOptions;
use super::watch::{Callback, Phase, Watch};
use crate::encode::Encoder;
use crate::{Definition, Error, ErrorKind, Merges, Pretokenizer, Vocabulary};

/// What training on top of a tokenizer made.
#[derive(Debug, Clone)]
pub struct Continued {
    /// The tokenizer with the new tokens.
    pub definition: Definition,
    /// The new merges, in order of rank.
    pub merges: Vec<TrainedMerge>,
    /// As [`super::Trained::vetoed`].
    pub vetoed: Vec<(Vec<u8>, u64)>,
}

/// Adds tokens to a tokenizer, whose pretokenizer becomes `pretokenizer`: that of the units, which must have been counted in
/// text that was normalized as the tokenizer normalizes. Text comes out in the tokens that it came out in before, of
/// which some are joined; with a coarser pretokenizer, also where that one does not cut. Of the options, those of ids
/// and of single bytes mean nothing.
///
/// Added tokens are not looked for in the text.
///
/// # Errors
/// [`ErrorKind::Training`] if the options contradict each other or the tokenizer; [`ErrorKind::Unsupported`] for a
/// tokenizer with an unknown token, or without a list of the merges that can happen; [`ErrorKind::File`] and
/// [`ErrorKind::Interrupted`] as for [`super::train`].
pub fn continue_training(
    base: &Definition,
    pretokenizer: Pretokenizer,
    units: UnitCounts,
    options: &TrainingOptions,
    superwords: Option<&SuperwordOptions>,
    threads: usize,
    progress: &mut Callback<'_>,
) -> Result<Continued, Error> {
    let unsupported = |what| {
        let message = format!("this tokenizer {what}, and cannot be trained on; start from another");
        Error::new(ErrorKind::Unsupported, message)
    };
    if base.unknown.is_some() {
        return Err(unsupported("has a token for unknown bytes"));
    }
    if !options.special_tokens.is_empty() {
        let message = "special_tokens cannot be added to a tokenizer by training; add them to its file";
        return Err(Error::new(ErrorKind::Training, message));
    }
    let encoder = Encoder::of_words_within(base.vocabulary.clone(), &base.merges, base.whole_words_first);
    let mut merges = encoder
        .canonical_merges()
        .ok_or_else(|| unsupported("lists a pair twice or has more than two million merges"))?;
    if let Merges::Listed(list) = &base.merges {
        merges.clone_from(list);
    }
    let mut growing = Growing::on_top_of(base, options.max_token_bytes);
    check_sizes(&growing, options.vocab_size, None)?;
    superwords.map_or(Ok(()), SuperwordOptions::check)?;

    let keeper = Keeper::new(options, &superwords);
    keeper.resume(&mut growing)?;
    let mut watch = Watch::new(Phase::Merging, 0, progress);
    let stage = Stage {
        size: options.vocab_size,
        min_frequency: options.min_frequency,
        superwords,
        words: None,
        drops_unused_merges: false,
        threads,
        memory: &options.memory,
        keeper: &keeper,
    };
    let result = stage.run_on_tokens(units, &encoder, 0, &mut growing, &mut watch);
    keeper.after(result, &growing)?;

    let known = base.vocabulary.iter().map(|(token_id, bytes)| (token_id, bytes.to_vec()));
    let new = (0_u32..).zip(&growing.tokens).skip(base.vocab_size());
    let vocabulary = Vocabulary::new(known.chain(new.map(|(id, bytes)| (id, bytes.clone()))).collect())?;
    merges.extend(growing.merges.iter().map(|merge| (merge.left, merge.right, merge.token_id)));
    let definition = Definition {
        vocabulary: vocabulary.into(),
        merges: Merges::Listed(merges),
        pretokenizer,
        ..base.clone()
    };
    Ok(Continued { definition, merges: growing.merges, vetoed: growing.vetoed })
}
