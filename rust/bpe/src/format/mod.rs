//! Reading and writing the files in which others keep tokenizers.

pub mod bundled;
pub mod huggingface;
mod huggingface_rules;
pub mod merges_txt;
pub mod tekken;
pub mod tiktoken;
mod token_list;
