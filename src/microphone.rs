//! Sound from a microphone.

use crate::Error;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{ErrorKind, FromSample, SampleFormat, SizedSample, Stream, StreamConfig};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// The system's default microphone, its channels mixed to one. It listens until it is dropped.
///
/// ```no_run
/// use ser_core::{Error, Microphone, Recognizer};
///
/// fn listen() -> Result<(), Error> {
///     let recognizer = Recognizer::from_file("model.safetensors")?;
///     let microphone = Microphone::open()?;
///     let mut live = recognizer.live(microphone.sample_rate(), 3.0)?;
///     loop {
///         for segment in live.push(&microphone.read()?)? {
///             println!("{:.2} s: {}", segment.start, segment.prediction.emotion());
///         }
///     }
/// }
/// ```
pub struct Microphone {
    _stream: Stream,
    sample_rate: u32,
    chunks: Receiver<Result<Vec<f32>, cpal::Error>>,
    losses: Arc<AtomicUsize>,
}

impl fmt::Debug for Microphone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Microphone").field("sample_rate", &self.sample_rate).finish_non_exhaustive()
    }
}

/// What can go wrong with a microphone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MicrophoneError {
    #[error("there is no microphone: plug one in, or give a file")]
    None,
    #[error("the microphone gives samples of type {0}, which are not read")]
    Format(SampleFormat),
    #[error("cannot listen to the microphone")]
    Device(#[from] cpal::Error),
}

impl Microphone {
    /// Begins to listen.
    ///
    /// # Errors
    /// No microphone, or one that cannot be used or may not be.
    pub fn open() -> Result<Self, Error> {
        Ok(Self::begin()?)
    }

    fn begin() -> Result<Self, MicrophoneError> {
        let device = cpal::default_host().default_input_device().ok_or(MicrophoneError::None)?;
        let config = device.default_input_config()?;
        let (format, config) = (config.sample_format(), StreamConfig::from(config));
        let (sender, chunks) = channel();
        let listen = match format {
            SampleFormat::I8 => listen::<i8>,
            SampleFormat::U8 => listen::<u8>,
            SampleFormat::I16 => listen::<i16>,
            SampleFormat::U16 => listen::<u16>,
            SampleFormat::I24 => listen::<cpal::I24>,
            SampleFormat::U24 => listen::<cpal::U24>,
            SampleFormat::I32 => listen::<i32>,
            SampleFormat::U32 => listen::<u32>,
            SampleFormat::F32 => listen::<f32>,
            SampleFormat::F64 => listen::<f64>,
            other => return Err(MicrophoneError::Format(other)),
        };
        let losses = Arc::default();
        let stream = listen(&device, config, sender, Arc::clone(&losses))?;
        stream.play()?;
        Ok(Self { _stream: stream, sample_rate: config.sample_rate, chunks, losses })
    }

    /// The sample rate in hertz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Waits for the next samples, full scale at ±1. None are lost between two calls, however late they come.
    ///
    /// # Errors
    /// A microphone that is gone or gives no more.
    pub fn read(&self) -> Result<Vec<f32>, Error> {
        let chunk = self.chunks.recv().map_err(|_| MicrophoneError::None)?;
        Ok(chunk.map_err(MicrophoneError::Device)?)
    }

    /// How often the system has lost sound, as a machine that has too much to do may.
    pub fn losses(&self) -> usize {
        self.losses.load(Ordering::Relaxed)
    }
}

fn listen<T: SizedSample>(
    device: &cpal::Device,
    config: StreamConfig,
    chunks: Sender<Result<Vec<f32>, cpal::Error>>,
    losses: Arc<AtomicUsize>,
) -> Result<Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let n_channels = usize::from(config.channels).max(1);
    let mix = move |frame: &[T]| frame.iter().map(|&x| f32::from_sample_(x)).sum::<f32>() / n_channels as f32;
    let errors = chunks.clone();
    // Sending fails where nobody listens any more.
    device.build_input_stream(
        config,
        move |samples: &[T], _: &_| drop(chunks.send(Ok(samples.chunks_exact(n_channels).map(mix).collect()))),
        move |error| match error.kind() {
            ErrorKind::Xrun => drop(losses.fetch_add(1, Ordering::Relaxed)),
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
            _ => drop(errors.send(Err(error))),
        },
        None,
    )
}
