//! Files that training writes: what does not fit memory, counts and checkpoints. Each has a temporary name until it is whole.

use crate::{Error, ErrorKind};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// An error that names the file.
pub(in crate::train) fn file_error(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::File, format!("{}: {what}", path.display()))
}

/// A file that nobody else has, removed when it is dropped unless it was given its name.
#[derive(Debug)]
pub(in crate::train) struct TemporaryFile {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl TemporaryFile {
    /// A new file in `folder`, whose name begins with `name`.
    pub(in crate::train) fn new(folder: &Path, name: &str) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{name}.{}-{number}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { path, file, is_kept: false }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(file_error(
                        &path,
                        format!("cannot be created ({error}); choose another folder"),
                    ))
                }
            }
        }
    }

    pub(in crate::train) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::train) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| {
            file_error(
                &self.path,
                format!("cannot be written ({error}); make room, or choose another folder"),
            )
        })
    }

    /// Puts what was written on the disk, and the file in the place of `path`, at once.
    pub(in crate::train) fn rename(mut self, path: &Path) -> Result<(), Error> {
        let result = self.file.sync_all().and_then(|()| std::fs::rename(&self.path, path));
        self.is_kept = result.is_ok();
        result.map_err(|error| file_error(path, format!("cannot be written ({error})")))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // A file that cannot be removed now is in nobody's way; there is no one to tell.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
