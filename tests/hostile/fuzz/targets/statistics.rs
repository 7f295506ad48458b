#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| repsim_fuzz::statistics(bytes));
