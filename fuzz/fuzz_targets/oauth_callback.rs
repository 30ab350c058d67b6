#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::oauth_callback(data));
