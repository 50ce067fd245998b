//! Bytes of FLAC, MP3, Ogg, AIFF and M4A: an answer or an error, finite samples, as many as were promised.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use ser_fuzz::audio::check;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.starts_with(b"RIFF") {
        return Corpus::Reject;
    }
    check(bytes);
    Corpus::Keep
});
