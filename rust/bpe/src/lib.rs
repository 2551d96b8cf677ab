//! Placeholder.
mod error;
pub mod parallel;
pub use error::{Error, ErrorKind};
