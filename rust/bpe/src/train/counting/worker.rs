//! One thread's way from text to counted units.
//!
//! Where the pretokenizer has a scanner, short records are scanned together ([`Records`]) and a long one by itself,
//! window by window; either way a list of ends comes out that is counted at once. An expression finds its pieces one by
//! one, and they need not lie in the text; they are collected, and then counted in the same way.

use super::local::Local;
use super::Record;
use crate::pretokenizer::scanner::{Records, ScanScratch, Scanner};
use crate::{Error, Pretokenizer};

/// The longest record that is scanned together with others.
const LONGEST_TOGETHER: usize = 2048;
/// Bytes of records, or of pieces, that are counted together.
const TOGETHER: usize = 8192;

/// A thread's table, and memory that it uses again.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) local: Local,
    records: Records,
    scan: ScanScratch,
    /// Pieces that an expression found, one after another, and where each ends.
    pieces: (Vec<u8>, Vec<u32>),
}

/// Hears how many bytes of text were done since it was last called, and says whether to go on.
pub(super) type Step<'s> = dyn FnMut(usize) -> Result<(), Error> + 's;

impl Worker {
    /// Counts a text of whole records. Some may not be counted yet when this returns.
    pub(super) fn count(
        &mut self,
        text: &str,
        pretokenizer: &Pretokenizer,
        record: Record,
        step: &mut Step<'_>,
    ) -> Result<(), Error> {
        match (pretokenizer.scanner(), record) {
            (Some(scanner), Record::Line) => {
                text.split_inclusive('\n').try_for_each(|line| self.scan(line, scanner, step))
            }
            (Some(scanner), Record::Document) => self.scan(text, scanner, step),
            (None, Record::Line) => {
                text.split_inclusive('\n').try_for_each(|line| self.split(line, pretokenizer, step))
            }
            (None, Record::Document) => self.split(text, pretokenizer, step),
        }
    }

    /// Counts what is left.
    pub(super) fn finish(&mut self, pretokenizer: &Pretokenizer, step: &mut Step<'_>) -> Result<(), Error> {
        match pretokenizer.scanner() {
            Some(scanner) => self.count_records(scanner, step),
            None => self.count_pieces(step),
        }
    }

    #[inline]
    fn scan(&mut self, text: &str, scanner: &Scanner, step: &mut Step<'_>) -> Result<(), Error> {
        if text.len() > LONGEST_TOGETHER {
            return self.scan_alone(text, scanner, step);
        }
        self.records.push(text);
        if self.records.bytes().len() >= TOGETHER {
            self.count_records(scanner, step)?;
        }
        Ok(())
    }

    fn scan_alone(&mut self, text: &str, scanner: &Scanner, step: &mut Step<'_>) -> Result<(), Error> {
        let mut start = 0;
        while start < text.len() {
            let end = scanner.scan(text, start, &mut self.scan);
            self.local.count(&text.as_bytes()[start..], &self.scan.ends)?;
            step(end - start)?;
            start = end;
        }
        Ok(())
    }

    /// Counts the records that were collected.
    fn count_records(&mut self, scanner: &Scanner, step: &mut Step<'_>) -> Result<(), Error> {
        scanner.scan_records(&self.records, &mut self.scan);
        self.local.count(self.records.bytes(), &self.scan.ends)?;
        let n_bytes = self.records.n_bytes_of_text();
        self.records.clear();
        step(n_bytes)
    }

    fn split(&mut self, text: &str, pretokenizer: &Pretokenizer, step: &mut Step<'_>) -> Result<(), Error> {
        pretokenizer.split(text, &mut |piece| {
            self.pieces.0.extend_from_slice(piece.as_bytes());
            self.pieces.1.push(self.pieces.0.len() as u32);
            if self.pieces.0.len() >= TOGETHER {
                self.count_pieces(step)?;
            }
            Ok(())
        })
    }

    /// Counts the pieces that were collected.
    fn count_pieces(&mut self, step: &mut Step<'_>) -> Result<(), Error> {
        let (bytes, ends) = &mut self.pieces;
        self.local.count(bytes, ends)?;
        let n_bytes = bytes.len();
        bytes.clear();
        ends.clear();
        step(n_bytes)
    }
}
