//! The oracles as a program: one JSON request a line on standard input, one JSON answer a line on standard output. The
//! Python tests drive it, so both languages are held to one definition.
//!
//! Byte strings travel as strings of the characters U+0000 to U+00FF (Latin-1).
//!
//! ```text
//! {"op": "train", "units": [["low", 5]], "superword_units": [], "options": {"vocab_size": 258}}
//! {"tokens": ["!", …], "merges": [[75, 78], …]}
//! {"op": "encode", "ids": [1, 2, 3], "merges": [[1, 2, 4]]}
//! {"ids": [4, 3]}
//! ```

use portmanteau_testkit::naive_encode::{naive_encode, Merge};
use portmanteau_testkit::naive_train::{naive_train, NaiveOptions, Units};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Train {
        units: Vec<(String, u64)>,
        #[serde(default)]
        superword_units: Vec<(String, u64)>,
        options: NaiveOptions,
    },
    Encode {
        ids: Vec<u32>,
        merges: Vec<Merge>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Trained { tokens: Vec<String>, merges: Vec<(u32, u32)> },
    Encoded { ids: Vec<u32> },
    Failed { error: String },
}

fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    text.chars().map(|c| u8::try_from(c).map_err(|_| format!("{c:?} in {text:?} is not a byte"))).collect()
}

fn units_of(units: &[(String, u64)]) -> Result<Units, String> {
    units.iter().map(|(text, count)| Ok((bytes_of(text)?, *count))).collect()
}

fn answer(request: &str) -> Result<Answer, String> {
    match serde_json::from_str(request).map_err(|error| error.to_string())? {
        Request::Train { units, superword_units, options } => {
            let trained = naive_train(&units_of(&units)?, &units_of(&superword_units)?, &options);
            let tokens =
                trained.tokens.iter().map(|token| token.iter().map(|&byte| char::from(byte)).collect());
            Ok(Answer::Trained { tokens: tokens.collect(), merges: trained.merges })
        }
        Request::Encode { ids, merges } => Ok(Answer::Encoded { ids: naive_encode(ids, &merges) }),
    }
}

fn main() -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    for request in std::io::stdin().lock().lines() {
        let answer = answer(&request?).unwrap_or_else(|error| Answer::Failed { error });
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}
