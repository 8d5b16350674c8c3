#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runnerctl_fuzz::manifest(data));
