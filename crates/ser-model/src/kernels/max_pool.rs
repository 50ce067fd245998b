use super::vectors::vectorised_fn;
use std::ops::Range;

/// Channels whose maxima are kept in registers.
const LANES: usize = 32;

/// The maxima of `N` channels from `at` on over rows of `channels` values, and the rows that they are in.
#[inline(always)]
fn maxima<const N: usize>(
    rows: &[f32],
    channels: usize,
    at: usize,
    scale: &[f32],
    shift: &[f32],
    best: &mut [f32; N],
    places: &mut [u8],
) {
    let (mut maxima, mut in_row) = ([f32::NEG_INFINITY; N], [0u32; N]);
    let (scale, shift) = (&scale[..N], &shift[..N]);
    for (place, row) in rows.chunks_exact(channels).enumerate() {
        let row = &row[at..][..N];
        for lane in 0..N {
            let value = row[lane] * scale[lane] + shift[lane];
            let is_greater = value > maxima[lane];
            maxima[lane] = if is_greater { value } else { maxima[lane] };
            in_row[lane] = if is_greater { place as u32 } else { in_row[lane] };
        }
    }
    *best = maxima;
    places.iter_mut().zip(in_row).for_each(|(place, row)| *place = row as u8);
}

/// By channel.
#[derive(Clone, Copy)]
pub(crate) struct PoolChannels<'a> {
    pub bias: &'a [f32],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
}

/// The maxima of what is made of `N` channels from `at` on: it rises with the values, or falls where the scale is negative, so
/// that it is made of the greatest and the least alone.
#[inline(always)]
fn activated_maxima<const N: usize>(rows: &[f32], at: usize, channels: PoolChannels) -> [f32; N] {
    let (bias, scale, shift) = (&channels.bias[at..][..N], &channels.scale[at..][..N], &channels.shift[at..][..N]);
    let (mut greatest, mut least) = ([f32::NEG_INFINITY; N], [f32::INFINITY; N]);
    for row in rows.chunks_exact(channels.scale.len()) {
        let row = &row[at..][..N];
        for lane in 0..N {
            greatest[lane] = if row[lane] > greatest[lane] { row[lane] } else { greatest[lane] };
            least[lane] = if row[lane] < least[lane] { row[lane] } else { least[lane] };
        }
    }
    // `array::from_fn` is not inlined here, and would run without vectors.
    for lane in 0..N {
        let x = if scale[lane] < 0.0 { least[lane] } else { greatest[lane] };
        greatest[lane] = (x + bias[lane]).max(0.0) * scale[lane] + shift[lane];
    }
    greatest
}

/// Maxima over windows of frames, to `ceil(frames / stride)`, padded with -∞ as TensorFlow's `same`: where the number of
/// missing frames is odd, one more is missing on the right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MaxPool {
    /// Frames in a window; at most 254, and 15 over frames and bins, for the indices of maxima.
    pub kernel: usize,
    /// Frames from one window to the next.
    pub stride: usize,
}

impl MaxPool {
    /// Every frame by itself.
    pub const NONE: Self = Self { kernel: 1, stride: 1 };

    pub fn output_len(self, frames: usize) -> usize {
        frames.div_ceil(self.stride)
    }

    /// Missing frames before the first.
    fn left(self, frames: usize) -> usize {
        let needed = self.output_len(frames).saturating_sub(1) * self.stride + self.kernel;
        needed.saturating_sub(frames) / 2
    }

    /// The frames of each window.
    pub fn windows(self, frames: usize) -> impl Iterator<Item = Range<usize>> {
        let left = self.left(frames);
        (0..self.output_len(frames)).map(move |output| {
            let start = output * self.stride;
            start.saturating_sub(left)..(start + self.kernel - left).min(frames)
        })
    }

    /// The frames of some windows, of which there is one.
    pub fn frames_of(self, frames: usize, windows: Range<usize>) -> Range<usize> {
        let mut all = self.windows(frames).skip(windows.start).take(windows.len());
        let first = all.next().unwrap_or(0..0);
        first.start..all.last().unwrap_or(first).end
    }

    /// The windows that hold a frame, and its place in each.
    pub fn windows_with(self, frames: usize, frame: usize) -> impl Iterator<Item = (usize, usize)> {
        let left = self.left(frames);
        let first = (frame + left + 1).saturating_sub(self.kernel).div_ceil(self.stride);
        let end = self.output_len(frames).min((frame + left) / self.stride + 1);
        (first..end).map(move |window| (window, frame - (window * self.stride).saturating_sub(left)))
    }

    /// Writes the maxima of `scale * x + shift` in the windows from `first` on, as many as fit, and the place of the first
    /// of each in its window.
    #[inline(always)]
    pub fn forward(
        self,
        values: &[f32],
        scale: &[f32],
        shift: &[f32],
        first: usize,
        output: &mut [f32],
        places: &mut [u8],
    ) {
        let channels = scale.len();
        let outputs = output.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
        for ((best, places), window) in outputs.zip(self.windows(values.len() / channels).skip(first)) {
            let rows = &values[window.start * channels..window.end * channels];
            let (vectors, rest) = best.as_chunks_mut();
            for (index, (best, places)) in vectors.iter_mut().zip(places.chunks_exact_mut(LANES)).enumerate() {
                let at = index * LANES;
                maxima::<LANES>(rows, channels, at, &scale[at..], &shift[at..], best, places);
            }
            let start = channels - rest.len();
            for (index, best) in rest.iter_mut().enumerate() {
                let at = start + index;
                let best = std::slice::from_mut(best).as_chunks_mut().0;
                maxima::<1>(rows, channels, at, &scale[at..], &shift[at..], &mut best[0], &mut places[at..=at]);
            }
        }
    }

    vectorised_fn! {
        /// As [`Self::forward`] without places, of what a ReLU gives of `x + bias`: one pass over the values, which are those of
        /// the window `first` and the following of so many frames.
        pub fn infer(
            pool: MaxPool,
            values: &[f32],
            frames: usize,
            channels: PoolChannels,
            first: usize,
            output: &mut [f32],
        ) {
            let n = channels.scale.len();
            let start = pool.frames_of(frames, first..first + 1).start;
            for (best, window) in output.chunks_exact_mut(n).zip(pool.windows(frames).skip(first)) {
                let rows = &values[(window.start - start) * n..(window.end - start) * n];
                let (vectors, rest) = best.as_chunks_mut::<LANES>();
                for (index, best) in vectors.iter_mut().enumerate() {
                    *best = activated_maxima(rows, index * LANES, channels);
                }
                let start = n - rest.len();
                for (index, best) in rest.iter_mut().enumerate() {
                    [*best] = activated_maxima(rows, start + index, channels);
                }
            }
        }
    }

    /// The same over frames and bins `[frames, bins, channels]`: the place is that in the window, row by row.
    #[inline(always)]
    pub fn forward_2d(
        self,
        values: &[f32],
        bins: usize,
        scale: &[f32],
        shift: &[f32],
        output: &mut [f32],
        places: &mut [u8],
    ) {
        let channels = scale.len();
        let mut outputs = output.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
        for frames in self.windows(values.len() / (bins * channels)) {
            for window in self.windows(bins) {
                let Some((best, places)) = outputs.next() else { return };
                best.fill(f32::NEG_INFINITY);
                places.fill(0);
                let positions = frames.clone().flat_map(|frame| window.clone().map(move |bin| frame * bins + bin));
                for (place, position) in positions.enumerate() {
                    let x = &values[position * channels..][..channels];
                    for ((((best, at), &x), scale), shift) in
                        best.iter_mut().zip(&mut *places).zip(x).zip(scale).zip(shift)
                    {
                        let value = x * scale + shift;
                        let is_greater = value > *best;
                        *best = if is_greater { value } else { *best };
                        *at = if is_greater { place as u8 } else { *at };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_tensorflows() {
        // tf.nn.max_pool1d(range(n), k, s, "SAME"), TensorFlow's documented rule: pad = max((ceil(n/s) - 1) s + k - n, 0).
        let windows = |kernel, stride, n| MaxPool { kernel, stride }.windows(n).collect::<Vec<_>>();
        assert_eq!(windows(5, 2, 6), [0..4, 1..6, 3..6]);
        assert_eq!(windows(5, 2, 5), [0..3, 0..5, 2..5]);
        assert_eq!(windows(3, 2, 4), [0..3, 2..4]);
        assert_eq!(windows(2, 2, 3), [0..2, 2..3]);
        assert_eq!(windows(1, 1, 2), [0..1, 1..2]);
        assert_eq!(windows(5, 2, 1), vec![0..1; 1]);
        assert_eq!(windows(1, 3, 7), [0..1, 3..4, 6..7]);
        assert!(windows(5, 2, 0).is_empty());
    }

    #[test]
    fn a_negative_scale_turns_minima_into_maxima_and_the_first_of_equals_wins() {
        let values = [1.0, 5.0, 3.0, 2.0, 3.0, 4.0, 0.0, 4.0];
        let (mut output, mut places) = ([0.0; 4], [9; 4]);
        let pool = MaxPool { kernel: 3, stride: 2 };
        pool.forward(&values, &[2.0, -1.0], &[0.5, 0.0], 0, &mut output, &mut places);
        assert_eq!(output, [6.5, -2.0, 6.5, -4.0]);
        assert_eq!(places, [1, 1, 0, 0]);
    }

    #[test]
    fn maxima_of_any_number_of_channels_are_those_of_their_windows() {
        for (channels, frames) in [(1, 9), (31, 6), (32, 7), (71, 12)] {
            let values: Vec<f32> = (0..frames * channels).map(|i| ((i * 37 % 101) as f32 - 50.0) / 8.0).collect();
            let scale: Vec<f32> = (0..channels).map(|c| [2.0, -0.5, 0.25][c % 3]).collect();
            let shift: Vec<f32> = (0..channels).map(|c| c as f32).collect();
            for pool in [MaxPool { kernel: 5, stride: 2 }, MaxPool { kernel: 3, stride: 2 }, MaxPool::NONE] {
                let n = pool.output_len(frames) * channels;
                let (mut output, mut places) = (vec![0.0; n], vec![9; n]);
                let (first, second) = output.split_at_mut(2 * channels);
                let (first_places, second_places) = places.split_at_mut(2 * channels);
                pool.forward(&values, &scale, &shift, 0, first, first_places);
                pool.forward(&values, &scale, &shift, 2, second, second_places);
                let bias: Vec<f32> = (0..channels).map(|c| c as f32 / 4.0 - 2.0).collect();
                let activated: Vec<f32> =
                    values.iter().zip(bias.iter().cycle()).map(|(x, bias)| (x + bias).max(0.0)).collect();
                let (mut expected, mut inferred) = (vec![0.0; n], vec![0.0; n]);
                pool.forward(&activated, &scale, &shift, 0, &mut expected, &mut vec![0; n]);
                let by_channel = PoolChannels { bias: &bias, scale: &scale, shift: &shift };
                let (start, end) = inferred.split_at_mut(2 * channels);
                for (first, output) in [(0, start), (2, end)] {
                    let of_part = pool.frames_of(frames, first..first + output.len() / channels);
                    let values = &values[of_part.start * channels..of_part.end * channels];
                    MaxPool::infer(pool, values, frames, by_channel, first, output);
                }
                assert_eq!(inferred, expected);
                for (window, range) in pool.windows(frames).enumerate() {
                    for c in 0..channels {
                        let value = |frame: usize| values[frame * channels + c] * scale[c] + shift[c];
                        let best = range.clone().map(value).fold(f32::NEG_INFINITY, f32::max);
                        let place = range.clone().position(|frame| value(frame) == best).unwrap();
                        assert_eq!(output[window * channels + c], best);
                        assert_eq!(usize::from(places[window * channels + c]), place);
                    }
                    for frame in 0..frames {
                        let held = pool.windows_with(frames, frame).find(|&(with, _)| with == window);
                        let place = range.contains(&frame).then(|| (window, frame - range.start));
                        assert_eq!(held, place, "{pool:?}, window {window}, frame {frame}");
                    }
                }
            }
        }
    }

    #[test]
    fn maxima_over_frames_and_bins_are_those_of_their_windows() {
        let (frames, bins, channels) = (7, 5, 2);
        let values: Vec<f32> = (0..frames * bins * channels).map(|i| ((i * 37 % 101) as f32 - 50.0) / 8.0).collect();
        let (scale, shift) = ([2.0, -1.0], [0.5, 0.25]);
        for pool in
            [MaxPool { kernel: 2, stride: 2 }, MaxPool { kernel: 3, stride: 2 }, MaxPool { kernel: 4, stride: 4 }]
        {
            let n = pool.output_len(frames) * pool.output_len(bins) * channels;
            let (mut output, mut places) = (vec![0.0; n], vec![9; n]);
            pool.forward_2d(&values, bins, &scale, &shift, &mut output, &mut places);
            let windows = pool.windows(frames).flat_map(|f| pool.windows(bins).map(move |b| (f.clone(), b)));
            for (window, (in_frames, in_bins)) in windows.enumerate() {
                for c in 0..channels {
                    let value =
                        |frame: usize, bin: usize| values[(frame * bins + bin) * channels + c] * scale[c] + shift[c];
                    let all = in_frames.clone().flat_map(|f| in_bins.clone().map(move |b| value(f, b)));
                    let best = all.fold(f32::NEG_INFINITY, f32::max);
                    let place = usize::from(places[window * channels + c]);
                    assert_eq!(output[window * channels + c], best);
                    let at = value(in_frames.start + place / in_bins.len(), in_bins.start + place % in_bins.len());
                    assert_eq!(at, best, "{pool:?}, window {window}");
                }
            }
        }
    }
}
