//! Golden cases: inputs and the outputs that everyone must agree on, as TOML files in `tests/cases` at the root of the
//! repository, read by the Rust tests here and by the Python tests with `tomllib`. One file, one set of answers.

use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// The path of `tests/cases/<name>.toml`.
pub fn path(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("tests").join("cases").join(format!("{name}.toml"))
}

/// Reads `tests/cases/<name>.toml` into the caller's type, usually a struct with one `case: Vec<…>` field for the
/// `[[case]]` tables of the file. Put `#[serde(deny_unknown_fields)]` on it, so that a misspelt key is not ignored.
///
/// # Errors
/// A sentence with the path, and the line within the file where TOML or the caller's type disagrees with it.
pub fn load<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    let path = path(name);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}
