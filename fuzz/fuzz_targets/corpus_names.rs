//! File names, and the contents of tables, read as each kind of corpus: see `ser_fuzz::corpus::check`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_fuzz::corpus;

fuzz_target!(init: corpus::write_seeds(), |files: &str| corpus::check(files));
