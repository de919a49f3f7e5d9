#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| df11_fuzz::files::model_directory(data));
