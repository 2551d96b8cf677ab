//! Files of counts, so that the parts of a corpus can be counted in several places and trained on in one.
//!
//! The bytes are described in `docs/formats.md`. A file says by which pretokenizer and of which records its units are, so
//! that counts that do not belong together are not added; and it ends with a digest, so that a part of a file or one with a
//! flipped bit is not taken for counts. It is written beside its place and renamed when it is complete.

use super::run::Run;
use super::{Callback, Record, UnitCounts, Watch};
use crate::format::huggingface::{pretokenizer_to_json, read_pretokenizer, Spelled};
use crate::train::temporary_file::{file_error, TemporaryFile};
use crate::train::Phase;
use crate::{Error, ErrorKind, Pretokenizer};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What a file begins with: the first byte is in no text, and the line ends are lost where a file is taken for one.
const MAGIC: [u8; 8] = *b"\x89PMCNT\r\n";
/// What it ends with.
const END: [u8; 8] = *b"PMCNTEND";
const VERSION: u32 = 1;
/// Magic, version, kind of record, three zeros, length of the pretokenizer.
const HEADER_BYTES: usize = 20;
/// Number of entries, sum of the counts, digest, end.
const TRAILER_BYTES: usize = 64;
/// No pretokenizer is described in more.
const LONGEST_PRETOKENIZER: u32 = 1 << 24;

/// A file of counts that was read once and found to be whole.
#[derive(Debug, Clone)]
pub struct CountFile {
    path: PathBuf,
    /// The pretokenizer as in `tokenizer.json`.
    pretokenizer: String,
    record: Record,
    n_entries: u64,
    n_occurrences: u128,
    n_bytes: u64,
    largest_count: u64,
    digest: [u8; 32],
    multiplier: u64,
}

impl CountFile {
    /// Writes counts to a file, in place of one that may be there, after one pass. `progress` is called about every 50 ms
    /// and may stop the work.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if a file cannot be written or a run cannot be read; [`ErrorKind::Unsupported`] if the
    /// pretokenizer cannot be written down; [`ErrorKind::Interrupted`] if `progress` breaks. What was at `path` is then
    /// as it was.
    pub fn write(
        path: &Path,
        counts: &UnitCounts,
        pretokenizer: &Pretokenizer,
        record: Record,
        progress: &mut Callback<'_>,
    ) -> Result<(), Error> {
        let mut watch = Watch::new(Phase::WritingCounts, counts.n_bytes(), progress);
        let name = path.file_name().ok_or_else(|| file_error(path, "is no name of a file"))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file =
            TemporaryFile::new(folder.unwrap_or(Path::new(".")), &format!(".{}", name.to_string_lossy()))?;
        let mut digest = Sha256::new();
        let mut write = |bytes: &[u8]| {
            digest.update(bytes);
            file.write(bytes)
        };
        let pretokenizer = describe(pretokenizer)?;
        write(&MAGIC)?;
        write(&VERSION.to_le_bytes())?;
        write(&[u8::from(record == Record::Document), 0, 0, 0])?;
        write(&(pretokenizer.len() as u32).to_le_bytes())?;
        write(pretokenizer.as_bytes())?;
        let (mut n_entries, mut n_occurrences, mut done) = (0_u64, 0_u128, 0);
        for block in counts.blocks()? {
            let block = block?;
            for (_, count) in &block {
                n_entries += 1;
                n_occurrences += u128::from(count);
            }
            write(&block.bytes())?;
            done += block.n_bytes();
            watch.look(done)?;
        }
        write(&n_entries.to_le_bytes())?;
        write(&n_occurrences.to_le_bytes()[..])?;
        let digest = digest.finalize();
        file.write(&digest)?;
        file.write(&END)?;
        file.rename(path)
    }

    /// Opens a file: reads it once, with little memory, and checks all of it. `progress` as for [`CountFile::write`].
    ///
    /// # Errors
    /// [`ErrorKind::File`] with the path if it cannot be read, is no file of counts, is of a later version, ends early or
    /// is damaged; [`ErrorKind::Interrupted`] if `progress` breaks.
    pub fn open(path: &Path, progress: &mut Callback<'_>) -> Result<Self, Error> {
        let cannot_read = |error: std::io::Error| file_error(path, format!("cannot be read ({error})"));
        let mut file = File::open(path).map_err(cannot_read)?;
        let n_bytes = file.metadata().map_err(cannot_read)?.len();
        let mut read = |n_bytes: usize| {
            let mut bytes = Vec::new();
            (&mut file).take(n_bytes as u64).read_to_end(&mut bytes).map_err(cannot_read)?;
            Ok::<_, Error>(bytes)
        };
        let mut digest = Sha256::new();
        let header = read(HEADER_BYTES)?;
        let (record, description_bytes) = read_header(path, &header)?;
        digest.update(&header);
        let description = read(description_bytes as usize)?;
        digest.update(&description);
        let start = (HEADER_BYTES + description.len()) as u64;
        let n_bytes = n_bytes.checked_sub(start + TRAILER_BYTES as u64);
        let n_bytes = n_bytes.filter(|_| description.len() == description_bytes as usize);
        let n_bytes = n_bytes.ok_or_else(|| ends_early(path))?;
        let trailer = Trailer::read(path, &mut file, start + n_bytes)?;

        let run = Run::of_file(path, start, n_bytes, 1);
        let mut watch = Watch::new(Phase::ReadingCounts, n_bytes, progress);
        let (mut n_entries, mut n_occurrences, mut largest_count, mut done) = (0, 0, 0, 0);
        for block in run.blocks()? {
            // Where a bit of the entries is flipped, they may make no sense; the digest says so better.
            let block =
                block.map_err(|error| if error.offset().is_some() { damaged(path) } else { error })?;
            digest.update(block.bytes());
            for (_, count) in &block {
                n_entries += 1;
                n_occurrences += u128::from(count);
                largest_count = count.max(largest_count);
            }
            done += block.n_bytes();
            watch.look(done)?;
        }
        digest.update(trailer.numbers());
        if digest.finalize()[..] != trailer.digest
            || (n_entries, n_occurrences) != (trailer.n_entries, trailer.n_occurrences)
        {
            return Err(damaged(path));
        }
        let pretokenizer = String::from_utf8(description).map_err(|_| damaged(path))?;
        let (path, digest) = (path.to_owned(), trailer.digest);
        Ok(Self {
            path,
            pretokenizer,
            record,
            n_entries,
            n_occurrences,
            n_bytes,
            largest_count,
            digest,
            multiplier: 1,
        })
    }

    /// The same with all counts multiplied: counts of weights whose denominator is another are brought to a common one.
    ///
    /// # Errors
    /// [`ErrorKind::Training`] if a count is then more than 2⁶⁴ − 1.
    pub fn times(self, multiplier: u64) -> Result<Self, Error> {
        match self.multiplier.checked_mul(multiplier) {
            Some(multiplier) if self.largest_count.checked_mul(multiplier).is_some() => {
                Ok(Self { multiplier, ..self })
            }
            _ => {
                let path = self.path.display();
                let message = format!(
                    "{path}: counted {multiplier} times, a unit occurs more than 2^64 - 1 times; count with weights of \
                     fewer digits"
                );
                Err(Error::new(ErrorKind::Training, message))
            }
        }
    }

    /// The SHA-256 of its bytes, which tells it from other files, and by how much its counts are multiplied.
    pub fn fingerprint(&self) -> ([u8; 32], u64) {
        (self.digest, self.multiplier)
    }

    /// The pretokenizer of the units.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if this version of the library does not know it.
    pub fn pretokenizer(&self) -> Result<Pretokenizer, Error> {
        let value = serde_json::from_str(&self.pretokenizer).map_err(|error| error.to_string());
        let pretokenizer =
            value.and_then(|value| read_pretokenizer(&value).map_err(|error| error.to_string()));
        pretokenizer.map_err(|error| file_error(&self.path, format!("has another pretokenizer ({error})")))
    }

    /// The records of the units.
    pub fn record(&self) -> Record {
        self.record
    }

    /// The number of units, where one that comes several times counts several times.
    pub fn n_entries(&self) -> u64 {
        self.n_entries
    }

    /// The sum of the counts.
    pub fn n_occurrences(&self) -> u128 {
        self.n_occurrences * u128::from(self.multiplier)
    }

    /// Checks that the units are those of this pretokenizer and these records.
    ///
    /// # Errors
    /// [`ErrorKind::Training`] with what they are of.
    pub fn check_matches(&self, pretokenizer: &Pretokenizer, record: Record) -> Result<(), Error> {
        self.check(&describe(pretokenizer)?, record, "these are counts for")
    }

    pub(super) fn check_is_like(&self, other: &Self) -> Result<(), Error> {
        other.check(&self.pretokenizer, self.record, &format!("{} has counts of", self.path.display()))
    }

    fn check(&self, pretokenizer: &str, record: Record, whose: &str) -> Result<(), Error> {
        if self.pretokenizer == pretokenizer && self.record == record {
            return Ok(());
        }
        let path = self.path.display();
        let message = if self.record == record {
            format!("{path} has counts of the pretokenizer {}, but {whose} {pretokenizer}", self.pretokenizer)
        } else {
            format!("{path} has counts of {}, but {whose} {}", name_of(self.record), name_of(record))
        };
        Err(Error::new(ErrorKind::Training, message + "; count both alike"))
    }

    /// Its entries.
    pub(super) fn run(&self) -> Run {
        let start = (HEADER_BYTES + self.pretokenizer.len()) as u64;
        Run::of_file(&self.path, start, self.n_bytes, self.multiplier)
    }
}

fn describe(pretokenizer: &Pretokenizer) -> Result<String, Error> {
    Ok(pretokenizer_to_json(pretokenizer, Spelled::ForOniguruma)?.to_string())
}

fn name_of(record: Record) -> &'static str {
    match record {
        Record::Line => "lines",
        Record::Document => "whole documents",
    }
}

fn ends_early(path: &Path) -> Error {
    file_error(path, "ends early: it is only a part of a file of counts; copy it again, or count again")
}

fn damaged(path: &Path) -> Error {
    file_error(path, "is damaged: its digest is not that of its bytes; copy it again, or count again")
}

/// The kind of records, and the length of what describes the pretokenizer.
fn read_header(path: &Path, header: &[u8]) -> Result<(Record, u32), Error> {
    if !MAGIC.starts_with(&header[..header.len().min(MAGIC.len())]) || header.is_empty() {
        return Err(file_error(path, "is not a file of counts"));
    }
    let Some(([version, record, length], _)) =
        header.get(MAGIC.len()..).and_then(|rest| rest.as_chunks::<4>().0.split_first_chunk::<3>())
    else {
        return Err(ends_early(path));
    };
    match u32::from_le_bytes(*version) {
        VERSION => {}
        later if later > VERSION => {
            let message = format!("is of version {later} of the format, and this library reads {VERSION}");
            return Err(file_error(path, message + "; update the library"));
        }
        _ => return Err(damaged(path)),
    }
    let record = match record {
        [0, 0, 0, 0] => Record::Line,
        [1, 0, 0, 0] => Record::Document,
        _ => return Err(damaged(path)),
    };
    let length = u32::from_le_bytes(*length);
    if length > LONGEST_PRETOKENIZER {
        return Err(damaged(path));
    }
    Ok((record, length))
}

/// What a file ends with.
struct Trailer {
    n_entries: u64,
    n_occurrences: u128,
    digest: [u8; 32],
}

impl Trailer {
    fn read(path: &Path, file: &mut File, start: u64) -> Result<Self, Error> {
        let mut bytes = [0; TRAILER_BYTES];
        let result = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
        result.map_err(|error| file_error(path, format!("cannot be read ({error})")))?;
        let (n_entries, rest) = bytes.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let (n_occurrences, rest) = rest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        let (digest, end) = rest.split_first_chunk().unwrap_or((&[0; 32], &[]));
        if end != END {
            return Err(ends_early(path));
        }
        let (n_entries, n_occurrences) =
            (u64::from_le_bytes(*n_entries), u128::from_le_bytes(*n_occurrences));
        Ok(Self { n_entries, n_occurrences, digest: *digest })
    }

    /// The numbers as they are written.
    fn numbers(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.n_entries.to_le_bytes());
        bytes[8..].copy_from_slice(&self.n_occurrences.to_le_bytes());
        bytes
    }
}
