//! Naive oracles, generators and golden cases that hold the fast code to the definitions.

pub mod cases;
pub mod folder;
pub mod naive_encode;
pub mod naive_histogram;
pub mod naive_pack;
pub mod naive_pretokenize;
pub mod naive_train;
pub mod sample;
pub mod vocabularies;
