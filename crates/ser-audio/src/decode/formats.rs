//! FLAC, MP3, AIFF and the WAV kinds that hound refuses, by symphonia.

use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::default::formats::{AiffReader, FlacReader, MpaReader, WavReader};

use super::mono::Mono;
use super::sniff::Format;
use crate::{Error, Waveform};

pub(super) fn decode(format: Format, source: impl Read + Send + Sync) -> Result<Waveform, Error> {
    // symphonia 0.6.1 multiplies what damaged AIFF and ADPCM headers claim; where overflow is
    // checked, that panics.
    catch_unwind(AssertUnwindSafe(|| decode_stream(format, source))).unwrap_or_else(|_| {
        Err(Error::Malformed {
            format: format.name(),
            reason: "the header holds impossible numbers".to_owned(),
            read: 0,
        })
    })
}

fn decode_stream(format: Format, source: impl Read + Send + Sync) -> Result<Waveform, Error> {
    let name = format.name();
    let failed = |error, read| match error {
        SymphoniaError::IoError(e) if e.kind() != ErrorKind::UnexpectedEof => Error::Io(e),
        SymphoniaError::Unsupported(what) => {
            Error::UnsupportedFormat { found: format!("{name} with an unknown feature ({what})") }
        }
        error => Error::Malformed { format: name, reason: error.to_string(), read },
    };
    let malformed = |reason: &str, read| Error::Malformed { format: name, reason: reason.to_owned(), read };

    let mut reader = open(format, source).map_err(|e| failed(e, 0))?;
    let (params, promised) = reader
        .default_track(TrackType::Audio)
        .and_then(|track| {
            let params = track.codec_params.as_ref()?.audio()?.clone();
            Some((params, track.num_frames))
        })
        .ok_or_else(|| malformed("there is no audio track", 0))?;
    let channels = params.channels.as_ref().map_or(0, |channels| channels.count());
    let sample_rate = params.sample_rate.unwrap_or(0);
    let mut mono = Mono::new(channels)?;
    // The check sum over a whole FLAC finds what its frames' own ones do not.
    let options = AudioDecoderOptions::default().verify(true);
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(&params, &options).map_err(|e| failed(e, 0))?;

    let mut interleaved = Vec::new();
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(SymphoniaError::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(failed(e, mono.frames())),
        };
        let buffer = decoder.decode(&packet).map_err(|e| failed(e, mono.frames()))?;
        let spec = buffer.spec();
        if spec.channels().count() != channels || spec.rate() != sample_rate {
            let reason = "the sample rate or the number of channels changes";
            return Err(malformed(reason, mono.frames()));
        }
        buffer.copy_to_vec_interleaved::<f32>(&mut interleaved);
        interleaved.iter().for_each(|&sample| mono.push(sample));
    }

    let read = mono.frames();
    match promised {
        Some(promised) if read < promised => Err(Error::Truncated { format: name, read, promised }),
        _ if decoder.finalize().verify_ok == Some(false) => {
            Err(malformed("the samples do not match their check sum", read))
        }
        _ => mono.finish(name, sample_rate),
    }
}

fn open<'s>(
    format: Format,
    source: impl Read + Send + Sync + 's,
) -> Result<Box<dyn FormatReader + 's>, SymphoniaError> {
    let source = Box::new(ReadOnlySource::new(source));
    let stream = MediaSourceStream::new(source, Default::default());
    let options = FormatOptions::default();
    Ok(match format {
        Format::Wav => Box::new(WavReader::try_new(stream, options)?),
        Format::Flac => Box::new(FlacReader::try_new(stream, options)?),
        Format::Mp3 => Box::new(MpaReader::try_new(stream, options)?),
        Format::Aiff => Box::new(AiffReader::try_new(stream, options)?),
    })
}
