//! Many short texts in one scan.
//!
//! A scan has costs of its own, which a line of thirty bytes does not pay back. So short texts are put one after another,
//! each with a [`SEPARATOR`] behind it, and the automaton reads every separator as the end of a text: that is a row of
//! its table like any other, and it leads back to the state in which a text begins. What is found are the pretokens of
//! every text by itself, and the separators between them.

use super::automaton::END_ROW;
use super::characters::CharacterTable;
use super::{ScanScratch, Scanner};

/// What stands behind each text: one byte, which is no text by itself.
pub(crate) const SEPARATOR: u8 = 0x80;

/// Texts that are scanned together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    /// Where the separators are.
    separators: Vec<u32>,
}

impl Records {
    /// Adds a text.
    #[inline]
    pub(crate) fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.separators.push(self.bytes.len() as u32);
        self.bytes.push(SEPARATOR);
    }

    /// The texts, with their separators.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of the texts alone.
    pub(crate) fn n_bytes_of_text(&self) -> usize {
        self.bytes.len() - self.separators.len()
    }

    /// Forgets all texts.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.separators.clear();
    }
}

impl Scanner {
    /// Finds the pretokens of texts, each of which is cut as if it were alone. Writes their ends in [`Records::bytes`]
    /// to `scratch.ends`, where each separator is a pretoken too.
    ///
    /// There should not be much more than [`super::WINDOW`] bytes of them, or what is noted about them is not kept in
    /// the nearest cache; there must be less than 4 GiB.
    pub(crate) fn scan_records(&self, records: &Records, scratch: &mut ScanScratch) {
        scratch.ends.clear();
        let Some((_, bytes)) = records.bytes.split_last() else { return };
        let mut rows = std::mem::take(&mut scratch.rows);
        CharacterTable::get().write_rows(bytes, &mut rows);
        for &separator in &records.separators {
            if let Some(row) = rows.get_mut(separator as usize) {
                *row = END_ROW;
            }
        }
        // The last separator is the end of all.
        self.run_rows(&rows, bytes, true, scratch);
        scratch.ends.push(records.bytes.len() as u32);
        scratch.rows = rows;
    }
}
