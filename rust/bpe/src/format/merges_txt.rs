//! `vocab.json` + `merges.txt`, the pair of files of the GPT-2 and SuperBPE releases.
//!
//! The files say nothing of the pretokenizer, so the caller must.

use super::huggingface::{parse, Model, SpelledMerge, SpelledVocabulary};
use crate::{AddedToken, Definition, Error, ErrorKind, Pretokenizer};

/// Reads the contents of the two files, for use with this pretokenizer; `special_tokens` are tokens of `vocab.json`.
///
/// # Errors
/// [`ErrorKind::Vocabulary`] for malformed files, a special token that is not in the vocabulary, and a vocabulary with
/// superwords (a space after something else) that the pretokenizer would never let through.
pub fn read(
    vocab_json: &[u8],
    merges_txt: &[u8],
    pretokenizer: Pretokenizer,
    special_tokens: &[String],
) -> Result<Definition, Error> {
    let vocab: SpelledVocabulary = parse("vocab.json", vocab_json)?;
    let merges_txt = std::str::from_utf8(merges_txt).map_err(|error| {
        let message = "this is not a merges.txt: it is not UTF-8; is the file complete?";
        Error::new(ErrorKind::Vocabulary, message).at_offset(error.valid_up_to() as u64)
    })?;
    let mut merges = Vec::new();
    for (number, line) in merges_txt.lines().enumerate() {
        if line.starts_with("#version") || line.is_empty() {
            continue;
        }
        if line.split(' ').count() != 2 {
            let message = format!("{line:?} is not two tokens with one space between; is this a merges.txt?");
            return Err(Error::new(ErrorKind::Vocabulary, message).at_line(number as u64 + 1));
        }
        merges.push(SpelledMerge::Joined(line.into()));
    }
    let mut definition = Model::plain(vocab, merges).into_definition(pretokenizer)?;
    for content in special_tokens {
        let token_id = definition.token_id(content.as_bytes()).ok_or_else(|| {
            let message = format!("the special token {content:?} is not in the vocabulary");
            Error::new(ErrorKind::Vocabulary, message)
        })?;
        definition.added_tokens.push(AddedToken::special(token_id, content));
    }
    refuse_lost_superwords(&definition)?;
    Ok(definition)
}

/// A file pair of a SuperBPE release, read with a pattern that cuts at spaces, would load and never use its superwords.
fn refuse_lost_superwords(definition: &Definition) -> Result<(), Error> {
    let is_superword = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let words = text.split(' ').filter(|word| word.chars().any(char::is_alphabetic)).count();
        words > 1
    };
    let crosses = |text: &str| {
        let mut n_pretokens = 0;
        let counted = definition.pretokenizer.split(text, &mut |_| {
            n_pretokens += 1;
            Ok(())
        });
        counted.is_ok() && n_pretokens > 1
    };
    let mut superwords = definition.vocabulary.iter().filter(|(_, bytes)| is_superword(bytes)).peekable();
    let Some(&(token_id, first)) = superwords.peek() else { return Ok(()) };
    if superwords.all(|(_, bytes)| std::str::from_utf8(bytes).is_ok_and(crosses)) {
        let message = format!(
            "the vocabulary holds superwords such as {}, and this pretokenizer lets none of them through; load it with \
             the pretokenizer that it was trained with, for the published SuperBPE vocabularies \
             \"superbpe_paper_stage2\" or \"superbpe_stage2\"",
            crate::vocabulary::show(first)
        );
        return Err(Error::new(ErrorKind::Vocabulary, message).at_token(token_id));
    }
    Ok(())
}
