//! The manifest of a model file, whatever JSON it is: a recogniser that recognises, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ser_fuzz::model;

fuzz_target!(init: model::write_manifest_seeds(), |manifest: &str| model::check_manifest(manifest));
