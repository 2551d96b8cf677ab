//! A text as token ids, in chunks that are read again and again: in memory as long as it may, then in a temporary file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use super::sequences::Sequences;
use super::temporary_file::{file_error, TemporaryFile};
use crate::Error;

/// Slots of a chunk.
const CHUNK: usize = 1 << 20;

/// Units as token ids, with weights, in the order in which they were added.
#[derive(Debug)]
pub(super) struct TokenStore {
    chunks: Vec<Stored>,
    open: Sequences,
    n_tokens: usize,
    /// Bytes of memory that whole chunks may take, and take.
    most_bytes: usize,
    n_bytes: usize,
    folder: PathBuf,
    file: Option<TemporaryFile>,
    n_file_bytes: u64,
}

#[derive(Debug)]
enum Stored {
    Kept(Sequences),
    /// Where in the file it is, and how many bytes long.
    Written(u64, usize),
}

/// A chunk for as long as it is read.
pub(super) enum Chunk<'s> {
    Kept(&'s Sequences),
    Read(Sequences),
}

impl Deref for Chunk<'_> {
    type Target = Sequences;

    fn deref(&self) -> &Sequences {
        match self {
            Chunk::Kept(sequences) => sequences,
            Chunk::Read(sequences) => sequences,
        }
    }
}

impl TokenStore {
    /// An empty one, which takes about `most_bytes` of memory; what is more goes to a file in `folder`.
    pub(super) fn new(most_bytes: usize, folder: &Path) -> Self {
        Self {
            chunks: Vec::new(),
            open: Sequences::new(),
            n_tokens: 0,
            most_bytes,
            n_bytes: 0,
            folder: folder.to_owned(),
            file: None,
            n_file_bytes: 0,
        }
    }

    /// An empty one with the same limit.
    pub(super) fn like(&self) -> Self {
        Self::new(self.most_bytes, &self.folder)
    }

    /// Appends a unit; units of fewer than two tokens, or of weight 0, are left out.
    ///
    /// # Errors
    /// [`crate::ErrorKind::File`] if memory is full and the file cannot be written; and as [`Sequences::push`].
    pub(super) fn push(
        &mut self,
        token_ids: impl ExactSizeIterator<Item = u32>,
        weight: u64,
    ) -> Result<(), Error> {
        self.n_tokens += token_ids.len();
        self.open.push(token_ids, weight)?;
        if self.open.len() >= CHUNK {
            let chunk = std::mem::replace(&mut self.open, Sequences::new());
            self.store(chunk)?;
        }
        Ok(())
    }

    fn store(&mut self, chunk: Sequences) -> Result<(), Error> {
        let n_bytes = size_of::<u32>() * chunk.len();
        if self.n_bytes + n_bytes <= self.most_bytes {
            self.n_bytes += n_bytes;
            self.chunks.push(Stored::Kept(chunk));
            return Ok(());
        }
        let bytes = chunk.to_bytes();
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(TemporaryFile::new(&self.folder, "portmanteau-tokens")?),
        };
        file.write(&bytes)?;
        self.chunks.push(Stored::Written(self.n_file_bytes, bytes.len()));
        self.n_file_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Visits every unit with its weight.
    pub(super) fn for_each_unit(
        &self,
        mut visit: impl FnMut(&[u32], u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        (0..self.n_chunks()).try_for_each(|number| self.chunk(number)?.for_each_unit(&mut visit))
    }

    /// The number of tokens of all units, not counting their weights.
    pub(super) fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// The number of chunks.
    pub(super) fn n_chunks(&self) -> usize {
        self.chunks.len() + 1
    }

    /// The numbers of the chunks, as tasks.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Result<usize, Error>> {
        (0..self.n_chunks()).map(Ok)
    }

    /// A chunk, in which every token has one slot.
    ///
    /// # Errors
    /// [`crate::ErrorKind::File`] if it is in the file and cannot be read.
    pub(super) fn chunk(&self, number: usize) -> Result<Chunk<'_>, Error> {
        match (self.chunks.get(number), &self.file) {
            (Some(Stored::Kept(chunk)), _) => Ok(Chunk::Kept(chunk)),
            (Some(&Stored::Written(start, length)), Some(file)) => {
                read(file.path(), start, length).map(Chunk::Read)
            }
            _ => Ok(Chunk::Kept(&self.open)),
        }
    }
}

fn read(path: &Path, start: u64, length: usize) -> Result<Sequences, Error> {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let bytes =
        read().map_err(|error: std::io::Error| file_error(path, format!("cannot be read ({error})")))?;
    Ok(Sequences::from_bytes(&bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_memory_comes_back_from_the_file() {
        let folder = std::env::temp_dir();
        let mut store = TokenStore::new(0, &folder);
        let unit = |number: u32| (number..number + 3 + number % 50, u64::from(number) << (number % 24));
        for number in 0..200_000 {
            let (token_ids, weight) = unit(number);
            store.push(token_ids, weight).unwrap();
        }
        assert!(store.n_chunks() > 3);
        let mut number = 1; // the first has no weight
        for chunk in 0..store.n_chunks() {
            let check = |token_ids: &[u32], weight: u64| {
                let expected = unit(number);
                assert_eq!((token_ids, weight), (&*expected.0.collect::<Vec<_>>(), expected.1));
                number += 1;
                Ok(())
            };
            store.chunk(chunk).and_then(|chunk| chunk.for_each_unit(check)).unwrap();
        }
        assert_eq!(number, 200_000);
        let path = store.file.as_ref().unwrap().path().to_owned();
        std::fs::write(&path, b"short").unwrap();
        assert!(store.chunk(0).is_err_and(|error| error.to_string().contains("cannot be read")));
        drop(store);
        assert!(!path.exists());
    }
}
