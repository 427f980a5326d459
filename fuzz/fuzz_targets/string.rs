//! What holds of it is in `fuzz/checks`; `make fuzz` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| waltap_fuzz_checks::run("string", input));
