//! `decode FILE OUT`: reads a recording of any format and writes it to OUT as a mono WAV of 16 kHz and 16 bits.

use std::error::Error;
use std::fs;

use ser_audio::{WavFormat, Waveform};

fn main() -> Result<(), Box<dyn Error>> {
    let [_, file, out] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: decode FILE OUT".into());
    };
    let waveform = Waveform::from_file(file)?.resample(16_000)?;
    // Not `Waveform::write_wav`, which would take the place of a device such as /dev/null.
    fs::write(out, waveform.to_wav(WavFormat::Int16)?)?;
    Ok(())
}
