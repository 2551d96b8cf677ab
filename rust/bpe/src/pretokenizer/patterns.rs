//! The pretokenizers that have names: a table from name to rules.
//!
//! Each expression is written so that `fancy-regex` and Oniguruma (the engine behind Hugging Face's `Split`) agree on
//! it, and so that it cuts exactly as its original does: possessive quantifiers, which are there for speed only, are
//! plain ones, and tiktoken's `$` (end of text) is `\z` (in Oniguruma `$` is the end of a line).

/// A pretokenizer that has a name.
#[derive(Debug)]
pub struct NamedPattern {
    /// The name that users type.
    pub name: &'static str,
    /// Whose it is, and what it does that others do not.
    pub description: &'static str,
    /// Whether runs of digits are cut out before the expression is applied (Hugging Face's `Digits`).
    pub isolate_digits: bool,
    /// Expressions at whose matches the text is cut before.
    pub before: &'static [&'static str],
    /// The expression: its matches are pretokens, and so is what lies between two matches.
    pub regex: &'static str,
    /// The original's spelling, where it differs.
    pub original: Option<&'static str>,
}

impl NamedPattern {
    /// The expressions that cut the text, one after the other.
    pub(super) fn regexes(&self) -> impl Iterator<Item = &'static str> {
        self.before.iter().copied().chain([self.regex])
    }
}

/// The pattern of this name.
pub(super) fn find(name: &str) -> Option<&'static NamedPattern> {
    NAMED_PATTERNS.iter().find(|pattern| pattern.name == name)
}

/// Whether an expression is (part of) a pattern that has a name, so that it is known to compile.
pub(super) fn is_known(regex: &str) -> bool {
    NAMED_PATTERNS.iter().any(|pattern| pattern.regexes().any(|known| known == regex))
}

/// All patterns that have a name.
pub const NAMED_PATTERNS: &[NamedPattern] = &[
    NamedPattern {
        name: "r50k",
        description: "GPT-2, as Hugging Face's ByteLevel has it",
        isolate_digits: false,
        before: &[],
        regex: r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        original: None,
    },
    NamedPattern {
        name: "r50k_tiktoken",
        description: "GPT-2, as tiktoken has it",
        isolate_digits: false,
        before: &[],
        regex: r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+\z|\s+(?!\S)|\s",
        original: Some(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"),
    },
    NamedPattern {
        name: "cl100k",
        description: "GPT-4 and Llama 3, as Hugging Face files have it",
        isolate_digits: false,
        before: &[],
        regex: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        original: None,
    },
    NamedPattern {
        name: "cl100k_tiktoken",
        description: "GPT-4, as tiktoken has it: white space at the end of the text is one pretoken, newlines included",
        isolate_digits: false,
        before: &[],
        regex: r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s",
        original: Some(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        ),
    },
    NamedPattern {
        name: "qwen2",
        description: "Qwen 2 to 3: GPT-4 with single digits",
        isolate_digits: false,
        before: &[],
        regex: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        original: None,
    },
    NamedPattern {
        name: "qwen3_5",
        description: "Qwen 3.5: Qwen 2 with combining marks in words",
        isolate_digits: false,
        before: &[],
        regex: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        original: None,
    },
    NamedPattern {
        name: "o200k",
        description: "GPT-4o: words are cut where capitals begin, contractions stay with their word",
        isolate_digits: false,
        before: &[],
        regex: r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        original: None,
    },
    NamedPattern {
        name: "tekken",
        description: "Mistral's tekken: GPT-4o with single digits, without contractions",
        isolate_digits: false,
        before: &[],
        regex: r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        original: None,
    },
    NamedPattern {
        name: "deepseek_v3",
        description: "DeepSeek V3: digits in threes, runs of Chinese and Japanese, words, punctuation, each cut in turn",
        isolate_digits: false,
        before: &[r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+"],
        regex: r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
        original: None,
    },
    NamedPattern {
        name: "superbpe_stage1",
        description: "SuperBPE as its authors recommend it since November 2025, stage 1: GPT-4o without contractions",
        isolate_digits: false,
        before: &[],
        regex: r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        original: None,
    },
    NamedPattern {
        name: "superbpe_stage2",
        description: "SuperBPE as recommended since November 2025, stage 2 and inference: digits, runs of punctuation",
        isolate_digits: false,
        before: &[],
        regex: r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]{2,}[\r\n/]*| +(?!\S)",
        original: None,
    },
    NamedPattern {
        name: "superbpe_paper_stage1",
        description: "SuperBPE as in the paper, stage 1: digits in threes from the right, words, punctuation, white space",
        isolate_digits: true,
        before: &[],
        regex: r"(?=(\d{3})+(?!\d))| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        original: None,
    },
    NamedPattern {
        name: "superbpe_paper_stage2",
        description: "SuperBPE as in the paper, stage 2 and inference: only digits are kept apart",
        isolate_digits: true,
        before: &[],
        regex: r"(?=(\d{3})+(?!\d))",
        original: None,
    },
];
