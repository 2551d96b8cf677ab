//! The environment variables that say how much memory encoding may take and which instructions it uses: never what comes
//! out. Each is read once.

use crate::pretokenizer::scanner::BackEnd;
use crate::{Error, ErrorKind};
use std::sync::LazyLock;

type Setting<T> = LazyLock<Result<Option<T>, String>>;

static CACHE_BYTES: Setting<usize> = LazyLock::new(|| read("PORTMANTEAU_CACHE_MIB", cache_bytes_from));
static BACK_END: Setting<BackEnd> = LazyLock::new(|| read("PORTMANTEAU_SIMD", back_end_from));

/// What the caches of words of a thread take at most, in bytes, if `PORTMANTEAU_CACHE_MIB` says so.
pub(crate) fn cache_bytes() -> Option<usize> {
    CACHE_BYTES.as_ref().ok().copied().flatten()
}

/// The instructions to use, if `PORTMANTEAU_SIMD` names some.
pub(crate) fn back_end() -> Option<BackEnd> {
    BACK_END.as_ref().ok().copied().flatten()
}

/// Refuses variables that mean nothing.
///
/// # Errors
/// [`ErrorKind::Unsupported`] with the variable, its value and what it may be.
pub(crate) fn check() -> Result<(), Error> {
    let problems = [CACHE_BYTES.as_ref().err(), BACK_END.as_ref().err()];
    match problems.into_iter().flatten().next() {
        Some(problem) => Err(Error::new(ErrorKind::Unsupported, problem.clone())),
        None => Ok(()),
    }
}

/// The value of a variable that is set, and not empty.
fn read<T>(name: &str, value_from: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    let text = std::env::var_os(name).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let text = text.to_string_lossy();
    let problem = |problem| format!("the environment variable {name} is {text:?}; {problem}, or unset it");
    value_from(&text).map(Some).map_err(problem)
}

fn cache_bytes_from(text: &str) -> Result<usize, String> {
    let bytes = text.parse::<usize>().ok().and_then(|mebibytes| mebibytes.checked_mul(1 << 20));
    bytes.ok_or_else(|| "give a whole number of MiB, such as 32".to_owned())
}

fn back_end_from(text: &str) -> Result<BackEnd, String> {
    let available = BackEnd::NAMED.iter().filter(|(_, back_end)| back_end.is_available());
    let found = available.clone().find(|(name, _)| *name == text);
    found.map(|&(_, back_end)| back_end).ok_or_else(|| {
        let names: Vec<&str> = available.map(|&(name, _)| name).collect();
        format!("this processor can run {}: name one of these", names.join(" and "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_is_refused_with_what_would() {
        assert_eq!(cache_bytes_from("8"), Ok(8 << 20));
        for text in ["eight", "-1", "1.5", "18446744073709551615"] {
            assert!(cache_bytes_from(text).is_err(), "{text}");
        }
        assert_eq!(back_end_from("portable"), Ok(BackEnd::Portable));
        assert!(back_end_from("avx").is_err_and(|problem| problem.contains("portable")));
        let unset = read("PORTMANTEAU_VARIABLE_THAT_NOBODY_SETS", cache_bytes_from);
        assert_eq!(unset, Ok(None));
    }
}
