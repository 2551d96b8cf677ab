//! The oracle of pretokens: the text cut at the matches of expressions, one expression after the other.

use fancy_regex::Regex;

/// Cuts a text into the matches of the first expression and what lies between them, each of these pieces by the second,
/// and so on. Without an expression the text stays whole. Pieces are never empty.
///
/// # Errors
/// What the regex engine says when it gives up.
pub fn naive_pretokenize<'t>(text: &'t str, regexes: &[Regex]) -> Result<Vec<&'t str>, String> {
    let mut pieces = vec![text];
    for regex in regexes {
        let mut cut = Vec::new();
        for piece in pieces {
            let mut done = 0;
            for found in regex.find_iter(piece) {
                let found = found.map_err(|error| error.to_string())?;
                cut.extend([&piece[done..found.start()], found.as_str()]);
                done = found.end();
            }
            cut.push(&piece[done..]);
        }
        pieces = cut;
    }
    pieces.retain(|piece| !piece.is_empty());
    Ok(pieces)
}
