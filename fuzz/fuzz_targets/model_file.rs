//! The bytes of a model file: a recogniser that recognises, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_fuzz::model;

fuzz_target!(init: model::write_model_seeds(), |bytes: &[u8]| model::check(bytes));
