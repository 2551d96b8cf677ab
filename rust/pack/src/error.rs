//! One opaque error for the crate: a sentence that says what, where and what to do, and the document concerned.

use std::fmt;

/// The error type of this crate: options that cannot be, lengths that cannot be packed, a plan that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    message: String,
    document: Option<u64>,
}

impl Error {
    /// An error with a message that says what, where and what to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), document: None }
    }

    /// Names the document concerned, counted from 0.
    #[must_use]
    pub fn in_document(mut self, document: usize) -> Self {
        self.document = Some(document as u64);
        self
    }

    /// The document concerned, counted from 0, if one is.
    pub fn document(&self) -> Option<u64> {
        self.document
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(document) = self.document {
            write!(formatter, "document {document}: ")?;
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;
