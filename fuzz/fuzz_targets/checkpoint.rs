//! The bytes of a checkpoint: a run that goes on, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_fuzz::checkpoint;

fuzz_target!(init: checkpoint::write_seeds(), |bytes: &[u8]| checkpoint::check(bytes));
