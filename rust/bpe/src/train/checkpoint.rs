//! Checkpoints of merging: the merges so far in a small file, so that training that was interrupted can go on.
//!
//! What the merge loop has come to depends on nothing but the units and the merges that were made. So the merges are all
//! that is kept: who goes on tokenizes the units with them, as the second stage does with those of the first, and merges
//! from there. The bytes are described in `docs/formats.md`.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::growing::{FirstStage, Growing};
use super::memory::Memory;
use super::temporary_file::{file_error, TemporaryFile};
use super::TrainingOptions;
use crate::{Error, ErrorKind};

/// What a file begins with: the first byte is in no text, and the line ends are lost where a file is taken for one.
const MAGIC: [u8; 8] = *b"\x89PMMRG\r\n";
/// What it ends with.
const END: [u8; 8] = *b"PMMRGEND";
const VERSION: u32 = 1;
/// Numbers at the beginning.
const N_NUMBERS: usize = 6;
/// Magic, version, four zeros, fingerprint, numbers.
const HEADER_BYTES: usize = 48 + 8 * N_NUMBERS;
/// Digest, end.
const TRAILER_BYTES: usize = 40;
/// The size of the first stage as long as it goes on.
const GOES_ON: u64 = u64::MAX;

/// Where the merges are kept while training goes on, and how often they are written.
///
/// ```
/// use portmanteau_bpe::train::{train, Checkpoint, Counts, TrainingOptions, Units};
/// use std::ops::ControlFlow;
/// use std::time::Duration;
/// let path = std::env::temp_dir().join(format!("merges-{}", std::process::id()));
/// let mut units = Units::default();
/// units.add(b"lower", 2)?;
/// let counts = Counts { units: units.into(), superwords: None };
/// let checkpoint = Checkpoint::new(&path, Duration::from_secs(300), b"two lowers");
/// let options = TrainingOptions { vocab_size: 258, checkpoint: Some(checkpoint), ..TrainingOptions::default() };
/// let trained = train(counts.clone(), &options, 1, &mut |_| ControlFlow::Continue(()))?;
/// assert_eq!(train(counts, &options, 1, &mut |_| ControlFlow::Continue(()))?, trained, "from the file");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), portmanteau_bpe::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    path: PathBuf,
    period: Duration,
    fingerprint: Vec<u8>,
}

impl Checkpoint {
    /// A file that is written about every `period`, and when training ends or is stopped. If it is there when training
    /// begins, training goes on from it. `fingerprint` says what is trained on (the counts, and the tokenizer if there is
    /// one): a file of another one is refused, and so is one of other options.
    pub fn new(path: &Path, period: Duration, fingerprint: &[u8]) -> Self {
        Self { path: path.to_owned(), period, fingerprint: fingerprint.to_owned() }
    }
}

/// Writes checkpoints of one training, if that is wanted.
#[derive(Debug, Default)]
pub(super) struct Keeper(Option<Kept>);

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    period: Duration,
    fingerprint: [u8; 32],
    /// When it is time; never, if the period is too long for the clock.
    next: Cell<Option<Instant>>,
}

impl Keeper {
    /// For training with these options, and `further` ones that have a part in the result.
    pub(super) fn new(options: &TrainingOptions, further: &impl std::fmt::Debug) -> Self {
        let Some(Checkpoint { path, period, fingerprint }) = options.checkpoint.clone() else {
            return Self(None);
        };
        // These have no part in the result.
        let options =
            TrainingOptions { memory: Memory::new(0, Path::new("")), checkpoint: None, ..options.clone() };
        let mut digest = Sha256::new();
        digest.update(format!("{options:?} {further:?} "));
        digest.update(fingerprint);
        let next = Cell::new(Instant::now().checked_add(period));
        Self(Some(Kept { path, period, fingerprint: digest.finalize().into(), next }))
    }

    /// Makes the merges that the file has, if there is a file.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if it cannot be read or is damaged, [`ErrorKind::Training`] if it is of another training.
    pub(super) fn resume(&self, growing: &mut Growing) -> Result<(), Error> {
        let Some(kept) = &self.0 else { return Ok(()) };
        match std::fs::read(&kept.path) {
            Ok(bytes) => kept.read(&bytes, growing),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(file_error(&kept.path, format!("cannot be read ({error})"))),
        }
    }

    /// Writes the merges if it is time.
    pub(super) fn look(&self, growing: &Growing) -> Result<(), Error> {
        match &self.0 {
            Some(kept) if kept.next.get().is_some_and(|next| Instant::now() >= next) => kept.write(growing),
            _ => Ok(()),
        }
    }

    /// Writes the merges after a stage, and also if it was stopped.
    pub(super) fn after(&self, stage: Result<(), Error>, growing: &Growing) -> Result<(), Error> {
        let Some(kept) = &self.0 else { return stage };
        match stage {
            Ok(()) => kept.write(growing),
            Err(error) => {
                if error.kind() == ErrorKind::Interrupted {
                    // Whoever stops hears of that, and of nothing else: what was there before is there still.
                    let _ = kept.write(growing);
                }
                Err(error)
            }
        }
    }
}

impl Kept {
    fn write(&self, growing: &Growing) -> Result<(), Error> {
        if growing.is_told_by_its_merges() {
            let name = self.path.file_name().unwrap_or_default().to_string_lossy();
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut file = TemporaryFile::new(folder.unwrap_or(Path::new(".")), &format!(".{name}"))?;
            file.write(&to_bytes(growing, &self.fingerprint))?;
            file.rename(&self.path)?;
        }
        self.next.set(Instant::now().checked_add(self.period));
        Ok(())
    }

    fn read(&self, bytes: &[u8], growing: &mut Growing) -> Result<(), Error> {
        let damaged = || file_error(&self.path, "is damaged; delete it, and the merges are made again");
        if !bytes.starts_with(&MAGIC) {
            return Err(file_error(&self.path, "is not a file of merges; choose another path"));
        }
        let version = Reader(&bytes[MAGIC.len()..]).number(size_of::<u32>()).ok_or_else(damaged)?;
        if version > u64::from(VERSION) {
            let message = format!("is of version {version} of the format, and this library reads {VERSION}");
            return Err(file_error(&self.path, message + "; update the library"));
        }
        let (content, trailer) = bytes.split_last_chunk::<TRAILER_BYTES>().ok_or_else(damaged)?;
        if content.len() < HEADER_BYTES
            || trailer[32..] != END
            || trailer[..32] != Sha256::digest(content)[..]
        {
            return Err(damaged());
        }
        if content[16..48] != self.fingerprint {
            let message = format!(
                "{}: these are merges of other text or with other options; choose another path, or delete the file",
                self.path.display()
            );
            return Err(Error::new(ErrorKind::Training, message));
        }
        let mut reader = Reader(&content[48..]);
        let mut header = [0; N_NUMBERS];
        for value in &mut header {
            *value = reader.number(8).ok_or_else(damaged)?;
        }
        let [first_size, n_first_merges, n_first_vetoed, has_dropped, n_merges, n_vetoed] = header;
        for _ in 0..n_merges {
            let (left, right, count) = reader.pair().ok_or_else(damaged)?;
            let token = growing.checked_join(left, right).ok_or_else(damaged)?;
            growing.merge(left, right, token, count);
        }
        let mut vetoed = Vec::new();
        for _ in 0..n_vetoed {
            let (left, right, count) = reader.pair().ok_or_else(damaged)?;
            let length = reader.number(4).ok_or_else(damaged)?;
            let token = reader.bytes(length as usize).ok_or_else(damaged)?.to_vec();
            vetoed.push(((left, right), token, count));
        }
        let first_stage = (first_size != GOES_ON).then_some(FirstStage {
            size: first_size as usize,
            n_merges: n_first_merges as usize,
            n_vetoed: n_first_vetoed as usize,
            has_dropped: has_dropped != 0,
        });
        let is_sound = first_stage.is_none_or(|first| first.n_merges as u64 <= n_merges);
        if !reader.0.is_empty() || !is_sound {
            return Err(damaged());
        }
        growing.take_up(vetoed, first_stage);
        Ok(())
    }
}

fn to_bytes(growing: &Growing, fingerprint: &[u8; 32]) -> Vec<u8> {
    let first_stage = growing.first_stage();
    let of_first = |number: fn(FirstStage) -> u64| first_stage.map_or(0, number);
    let header: [u64; N_NUMBERS] = [
        first_stage.map_or(GOES_ON, |first| first.size as u64),
        of_first(|first| first.n_merges as u64),
        of_first(|first| first.n_vetoed as u64),
        of_first(|first| u64::from(first.has_dropped)),
        growing.merges.len() as u64,
        growing.vetoed.len() as u64,
    ];
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 16 * growing.merges.len() + TRAILER_BYTES);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(fingerprint);
    bytes.extend(header.iter().flat_map(|number| number.to_le_bytes()));
    let write_pair = |left: u32, right: u32, count: u64, bytes: &mut Vec<u8>| {
        bytes.extend(left.to_le_bytes());
        bytes.extend(right.to_le_bytes());
        bytes.extend(count.to_le_bytes());
    };
    for merge in &growing.merges {
        write_pair(merge.left, merge.right, merge.count, &mut bytes);
    }
    for ((left, right), token, count) in growing.vetoed_with_pairs() {
        write_pair(left, right, count, &mut bytes);
        bytes.extend((token.len() as u32).to_le_bytes());
        bytes.extend(token);
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes.extend(END);
    bytes
}

/// What is left to be read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, length: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of so many bytes.
    fn number(&mut self, length: usize) -> Option<u64> {
        Some(self.bytes(length)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// Left id, right id, count.
    fn pair(&mut self) -> Option<(u32, u32, u64)> {
        Some((self.number(4)? as u32, self.number(4)? as u32, self.number(8)?))
    }
}
