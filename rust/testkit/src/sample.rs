//! The text that ships with the Python package, for measuring: the same on every machine.

use flate2::read::GzDecoder;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Some languages of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English prose, 0.7 MB.
    English,
    /// Five programming languages, 0.4 MB.
    Code,
    /// Everything else: some 120 languages, 0.7 MB.
    Multilingual,
}

#[derive(Deserialize)]
struct Document {
    language: String,
    text: String,
}

/// The documents in these languages, one after the other, as one text.
///
/// # Errors
/// What is wrong with the file, or with its place.
pub fn text(wanted: Language) -> Result<String, String> {
    let path = data().join("sample").join("sample.jsonl.gz");
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(&path).map_err(|error| failed(&error))?;
    let mut text = String::new();
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let line = line.map_err(|error| failed(&error))?;
        let document: Document = serde_json::from_str(&line).map_err(|error| failed(&error))?;
        let language = match document.language.as_str() {
            "en" | "en-Latn" => Language::English,
            "rust" | "python" | "css" | "javascript" | "html" => Language::Code,
            _ => Language::Multilingual,
        };
        if language == wanted {
            text.push_str(&document.text);
        }
    }
    Ok(text)
}

/// The content of a vocabulary that ships with the Python package, for `portmanteau_bpe::format::bundled`.
///
/// # Errors
/// What is wrong with the file, or with its place.
pub fn vocabulary(name: &str) -> Result<Vec<u8>, String> {
    let path = data().join("vocabularies").join(format!("{name}.vocabulary"));
    std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/portmanteau/data")
}
