//! `portmanteau_fuzz::check_encoding` under libFuzzer: `make fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portmanteau_fuzz::check_encoding(bytes));
