//! One opaque error for the crate: what kind of thing went wrong, a sentence that says what, where and what to do,
//! and the place as numbers for callers that want to act on it.

use std::fmt;

/// What kind of thing went wrong. Callers match on this; the message is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A vocabulary or tokenizer file is malformed or contradicts itself.
    Vocabulary,
    /// A feature of a tokenizer file that this crate does not implement, named in the message.
    Unsupported,
    /// A pretokenizer pattern does not compile, or cannot be run on a text.
    Pattern,
    /// The text to encode cannot be encoded (a byte without a token, a forbidden special token).
    Text,
    /// An id to decode has no token.
    TokenId,
    /// Training cannot start or go on with these options.
    Training,
    /// A file cannot be read or written, or is not what it should be. The message begins with its path.
    File,
    /// The caller asked to stop.
    Interrupted,
}

/// The error type of this crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    token_id: Option<u32>,
    offset: Option<u64>,
    line: Option<u64>,
    document: Option<u64>,
}

impl Error {
    /// An error of this kind with a message that says what, where and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), token_id: None, offset: None, line: None, document: None }
    }

    /// Names the token id concerned.
    #[must_use]
    pub fn at_token(mut self, token_id: u32) -> Self {
        self.token_id = Some(token_id);
        self
    }

    /// Names the byte offset (in the text or the file) concerned.
    #[must_use]
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Moves the offset, counted from the start of a part, by where that part starts.
    #[must_use]
    pub(crate) fn shifted_by(mut self, start: usize) -> Self {
        self.offset = self.offset.map(|offset| offset + start as u64);
        self
    }

    /// Withdraws the offset, where it would mislead.
    #[must_use]
    pub(crate) fn without_offset(mut self) -> Self {
        self.offset = None;
        self
    }

    /// Names the line of the file concerned, counted from 1.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// Names the document of the batch concerned, counted from 0.
    #[must_use]
    pub fn in_document(mut self, document: u64) -> Self {
        self.document = Some(document);
        self
    }

    /// Withdraws the document, where there is only one.
    #[must_use]
    pub fn without_document(mut self) -> Self {
        self.document = None;
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The token id concerned, if one is.
    pub fn token_id(&self) -> Option<u32> {
        self.token_id
    }

    /// The byte offset concerned, if one is.
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The line concerned, counted from 1, if one is.
    pub fn line(&self) -> Option<u64> {
        self.line
    }

    /// The document of the batch concerned, counted from 0, if one is.
    pub fn document(&self) -> Option<u64> {
        self.document
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = [("document", self.document), ("line", self.line), ("byte", self.offset)];
        let place: Vec<String> =
            place.iter().filter_map(|(name, value)| value.map(|value| format!("{name} {value}"))).collect();
        if !place.is_empty() {
            write!(formatter, "{}: ", place.join(", "))?;
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
