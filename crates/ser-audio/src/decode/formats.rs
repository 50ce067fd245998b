//! FLAC, MP3, Ogg Vorbis, AIFF, M4A and the WAV kinds that hound refuses, by symphonia.

use std::io::{ErrorKind, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, TimeBase};
use symphonia::default::formats::{AiffReader, FlacReader, IsoMp4Reader, MpaReader, OggReader, WavReader};

use super::budget::{Budget, Metered, Spent};
use super::info::{AudioInfo, Format};
use super::mp4;
use super::options::ReadOptions;
use super::sink::Sink;
use super::vorbis::has_usual_codebooks;
use crate::{Error, Waveform};

/// What a packet costs, in bytes of the budget: no recording is made of empty ones.
const PACKET: u64 = 64;

/// The longest packet that is believed, in frames; a FLAC's is the longest.
const MAX_PACKET: u64 = 65_536;

pub(super) fn decode(
    format: Format,
    source: impl Read + Seek + Send + Sync,
    options: &ReadOptions,
) -> Result<Waveform, Error> {
    caught(format, || {
        let recording = Recording::open(format, source)?;
        let mut sink = Sink::new(format.name(), recording.channels(), recording.sample_rate(), options)?;
        sink.cut(recording.delay, recording.promised)?;
        recording.decode(sink)
    })
}

/// Decodes what hound refuses, from a stream that begins where the sink is.
pub(super) fn decode_wav(stream: impl Read + Send + Sync, sink: Sink) -> Result<Waveform, Error> {
    caught(Format::Wav, || {
        let budget = Budget::new();
        let stream = ReadOnlySource::new(Metered::new(stream, &budget));
        let mut recording = Recording::new(Format::Wav, stream, budget)?;
        recording.promised = recording.promised.map(|frames| sink.seen() + frames);
        recording.decode(sink)
    })
}

/// Reads the header; where it does not say how long the recording is, the packets too, without decoding them.
pub(super) fn info(format: Format, source: impl Read + Seek + Send + Sync) -> Result<AudioInfo, Error> {
    caught(format, || Recording::open(format, source)?.info())
}

/// symphonia 0.6.1 multiplies what damaged headers claim; where overflow is checked, that panics.
fn caught<T>(format: Format, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let panicked = |_| Err(malformed(format, "it holds impossible numbers", 0));
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked)
}

/// A container whose audio track is ready to be decoded.
struct Recording<'s> {
    format: Format,
    reader: Box<dyn FormatReader + 's>,
    track: u32,
    params: AudioCodecParameters,
    /// Whether packets are timed in frames.
    timed: bool,
    /// The frames that the encoder put before the recording, where the decoder does not cut them.
    delay: u64,
    /// The frames of the recording itself, where the file says so.
    promised: Option<u64>,
    /// Whether an MP3's tag says that it has no frames, as that of a stream that could not be rewritten in the end does.
    claims_nothing: bool,
    budget: Budget,
}

impl<'s> Recording<'s> {
    fn open(format: Format, mut source: impl Read + Seek + Send + Sync + 's) -> Result<Self, Error> {
        let budget = Budget::new();
        if format == Format::M4a {
            let edit = mp4::read_edit(&mut source)?;
            let source = Metered::new(source, &budget).with_stated_len(edit.stated_len);
            let mut recording = Self::new(format, source, budget)?;
            let rate = u64::from(recording.sample_rate());
            recording.delay = edit.start(rate);
            recording.promised = edit.len(rate, recording.promised);
            return Ok(recording);
        }
        let source = ReadOnlySource::new(Metered::new(source, &budget));
        Self::new(format, source, budget)
    }

    fn new(format: Format, source: impl MediaSource + 's, budget: Budget) -> Result<Self, Error> {
        let stream = MediaSourceStream::new(Box::new(source), Default::default());
        let options = FormatOptions::default();
        let reader = open(format, stream, options).map_err(|e| failed(format, e, 0))?;
        let (track, params) = reader
            .default_track(TrackType::Audio)
            .and_then(|track| Some((track, track.codec_params.as_ref()?.audio()?.clone())))
            .ok_or_else(|| malformed(format, "there is no audio track", 0))?;
        let timed =
            track.time_base.is_some() && track.time_base == params.sample_rate.and_then(TimeBase::try_from_recip);
        let (track, stated) = (track.id, track.num_frames);
        let (promised, claims_nothing) =
            (stated.filter(|&frames| frames > 0), format == Format::Mp3 && stated == Some(0));
        Ok(Self { format, reader, track, params, timed, delay: 0, promised, claims_nothing, budget })
    }

    fn channels(&self) -> usize {
        self.params.channels.as_ref().map_or(0, |channels| channels.count())
    }

    fn sample_rate(&self) -> u32 {
        self.params.sample_rate.unwrap_or(0)
    }

    fn info(mut self) -> Result<AudioInfo, Error> {
        let frames = match self.promised {
            Some(frames) => frames,
            None => {
                let mut frames = 0;
                while let Some(packet) = self.next_packet(frames)? {
                    frames += self.frames(&packet);
                }
                frames.saturating_sub(self.delay)
            }
        };
        AudioInfo::new(self.format, self.sample_rate(), self.channels(), frames)
    }

    fn decode(mut self, mut sink: Sink) -> Result<Waveform, Error> {
        let problem = self.decode_into(&mut sink).err();
        match problem {
            // What exceeds a limit is not damage.
            Some(error @ (Error::TooLong { .. } | Error::Io(_))) => Err(error),
            problem => sink.finish(problem),
        }
    }

    fn decode_into(&mut self, sink: &mut Sink) -> Result<(), Error> {
        let format = self.format;
        let extra_data = self.params.extra_data.as_deref().unwrap_or_default();
        if format == Format::Ogg && !has_usual_codebooks(extra_data) {
            return Err(malformed(format, "its codebooks are larger than those of any encoder", 0));
        }
        // A FLAC's check sum over all samples takes as long as a fifth of its decoding: those of its frames, and their
        // number, have to do.
        let mut decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&self.params, &AudioDecoderOptions::default())
            .map_err(|e| failed(format, e, 0))?;
        // A second covers an MP3's bit reservoir and what overlaps from block to block.
        let run_up = u64::from(self.sample_rate());
        let decode_from = if self.timed { sink.first().saturating_sub(run_up) } else { 0 };

        let mut interleaved = Vec::new();
        let mut stated = 0;
        let mut first_pts = None;
        while !sink.is_full() {
            let Some(packet) = self.next_packet(sink.seen())? else { break };
            let frames = self.frames(&packet);
            // symphonia passes over a damaged frame of FLAC; its time shows in the next one.
            let begin = *first_pts.get_or_insert(packet.pts.get());
            if format == Format::Flac && u64::try_from(packet.pts.get().saturating_sub(begin)) != Ok(stated) {
                return Err(self.truncated(sink.seen()));
            }
            stated += frames;
            let end = sink.seen().saturating_add(frames);
            if decode_from > 0 && end <= decode_from {
                sink.skip(frames);
                continue;
            }
            // A decoder that starts in the middle may fail, or give less, until it has what the first packets need.
            let starting = decode_from > 0 && end <= sink.first();
            let buffer = match decoder.decode(&packet) {
                Err(_) if starting => {
                    sink.skip(frames);
                    continue;
                }
                decoded => decoded.map_err(|e| failed(format, e, sink.seen()))?,
            };
            let spec = buffer.spec();
            if spec.channels().count() != sink.channels() || spec.rate() != self.sample_rate() {
                let reason = "the sample rate or the number of channels changes";
                return Err(malformed(format, reason, sink.seen()));
            }
            buffer.copy_to_vec_interleaved::<f32>(&mut interleaved);
            self.budget.earn(interleaved.len() as u64);
            if starting && interleaved.len() as u64 != frames * sink.channels() as u64 {
                sink.skip(frames);
            } else {
                sink.push(&interleaved)?;
            }
        }
        if self.format == Format::M4a {
            // Phones state the time between packets, not their length: only the end of the file shows that some lack.
            if self.timed && self.promised.is_none() {
                sink.truncate(stated);
            }
            return Ok(());
        }
        if format == Format::Mp3 && sink.is_full() && self.promised.is_some_and(|frames| sink.end() >= frames) {
            self.check_end()?;
        }
        let read = sink.seen();
        match self.promised {
            Some(promised) if !sink.is_full() && read < promised => Err(self.truncated(read)),
            _ => Ok(()),
        }
    }

    /// Refuses an MP3 that goes on for a quarter of a second or more after the frames that its tag states: it has another behind it.
    fn check_end(&mut self) -> Result<(), Error> {
        let mut rest = 0;
        while let Ok(Some(packet)) = self.next_packet(0) {
            rest += packet.block_dur().get();
            if 4 * rest >= u64::from(self.sample_rate()) {
                return Err(several_recordings(self.format));
            }
        }
        Ok(())
    }

    fn truncated(&self, read: u64) -> Error {
        let read = read.saturating_sub(self.delay);
        Error::Truncated { format: self.format.name(), read, promised: self.promised }
    }

    /// The frames that a packet adds to the recording.
    fn frames(&self, packet: &Packet) -> u64 {
        match self.format {
            // symphonia 0.6.1 counts an MP3's encoder delay in, and an Ogg's not.
            Format::Mp3 => packet.dur.saturating_sub(packet.trim_start).get(),
            _ => packet.dur.get(),
        }
    }

    /// The next packet of the audio track; none at the end.
    fn next_packet(&mut self, read: u64) -> Result<Option<Packet>, Error> {
        loop {
            self.budget.spend(PACKET).map_err(|e| failed(self.format, e.into(), read))?;
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id != self.track => {}
                Ok(Some(mut packet)) => {
                    if self.claims_nothing {
                        // symphonia 0.6.1 takes the tag's word and would cut all of it.
                        packet.dur = packet.block_dur();
                        packet.trim_end = Duration::ZERO;
                    }
                    if self.timed {
                        self.budget.earn(self.frames(&packet).min(MAX_PACKET));
                    }
                    return Ok(Some(packet));
                }
                Ok(None) => return Ok(None),
                Err(SymphoniaError::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => match self.format {
                    // An Ogg's last page, and an M4A's table, say that they are the last.
                    Format::Ogg | Format::M4a => return Err(self.truncated(read)),
                    _ => return Ok(None),
                },
                Err(e) => return Err(failed(self.format, e, read)),
            }
        }
    }
}

fn open<'s>(
    format: Format,
    stream: MediaSourceStream<'s>,
    options: FormatOptions,
) -> Result<Box<dyn FormatReader + 's>, SymphoniaError> {
    Ok(match format {
        Format::Wav => Box::new(WavReader::try_new(stream, options)?),
        Format::Flac => Box::new(FlacReader::try_new(stream, options)?),
        Format::Mp3 => Box::new(MpaReader::try_new(stream, options)?),
        Format::Ogg => Box::new(OggReader::try_new(stream, options)?),
        Format::Aiff => Box::new(AiffReader::try_new(stream, options)?),
        Format::M4a => Box::new(IsoMp4Reader::try_new(stream, options)?),
    })
}

fn failed(format: Format, error: SymphoniaError, read: u64) -> Error {
    match error {
        SymphoniaError::IoError(e) if e.get_ref().is_some_and(|cause| cause.is::<Spent>()) => {
            malformed(format, &e.to_string(), read)
        }
        SymphoniaError::IoError(e) if e.kind() != ErrorKind::UnexpectedEof => Error::Io(e),
        SymphoniaError::Unsupported(what) => {
            Error::UnsupportedFormat { found: format!("{format} with an unknown feature ({what})") }
        }
        SymphoniaError::ResetRequired => several_recordings(format),
        error => malformed(format, &error.to_string(), read),
    }
}

fn several_recordings(format: Format) -> Error {
    Error::UnsupportedFormat { found: format!("{format} of several recordings in a row (chained)") }
}

fn malformed(format: Format, reason: &str, read: u64) -> Error {
    Error::Malformed { format: format.name(), reason: reason.to_owned(), read }
}
