//! How large a Vorbis decoder becomes, before it is made.

/// The most entries of all codebooks, and the most numbers of all their vectors: libvorbis wrote 10,400 and 60,246 for one of the
/// tests' recordings.
const MAX_ENTRIES: u64 = 1 << 18;
const MAX_VALUES: u64 = 1 << 22;

/// The length of the identification header, which symphonia puts before the setup header.
const IDENTIFICATION: usize = 30;

/// Whether the codebooks of a setup header (Vorbis I specification, 3.2.1 and 4.2.4) are of a usual size. Twenty bytes can
/// claim a hundred megabytes. Where the header is damaged, the decoder gets no further either.
pub(super) fn has_usual_codebooks(extra_data: &[u8]) -> bool {
    let setup = extra_data.get(IDENTIFICATION..).and_then(|setup| setup.strip_prefix(b"\x05vorbis"));
    setup.is_none_or(|bytes| are_usual(&mut Bits { bytes, position: 0 }).unwrap_or(true))
}

/// `None` where the bits end or contradict the specification.
fn are_usual(bits: &mut Bits) -> Option<bool> {
    let (mut all_entries, mut all_values) = (0, 0);
    for _ in 0..=bits.read(8)? {
        if bits.read(24)? != 0x56_43_42 {
            return None;
        }
        let (dimensions, entries) = (bits.read(16)?, bits.read(24)?);
        all_entries += entries;
        all_values += entries * dimensions;
        if all_entries > MAX_ENTRIES || all_values > MAX_VALUES {
            return Some(false);
        }
        if bits.read(1)? == 1 {
            // The lengths of the codes, in order.
            bits.skip(5)?;
            let mut known = 0;
            while known < entries {
                known += bits.read(u64::BITS - (entries - known).leading_zeros())?;
            }
        } else {
            let is_sparse = bits.read(1)? == 1;
            for _ in 0..entries {
                if !is_sparse || bits.read(1)? == 1 {
                    bits.skip(5)?;
                }
            }
        }
        let n_values = match bits.read(4)? {
            0 => continue,
            1 => root(entries, dimensions)?,
            2 => entries * dimensions,
            _ => return None,
        };
        bits.skip(64)?;
        let width = bits.read(4)? + 1;
        bits.skip(1 + n_values * width)?;
    }
    Some(true)
}

/// The largest number whose power of this degree is at most `x`.
fn root(x: u64, degree: u64) -> Option<u64> {
    let degree = u32::try_from(degree).ok().filter(|degree| *degree > 0)?;
    let is_more = |root: u64| root.checked_pow(degree).is_none_or(|power| power > x);
    let mut root = (x as f64).powf(1.0 / f64::from(degree)) as u64 + 1;
    while is_more(root) {
        root -= 1;
    }
    Some(root)
}

/// Bits from the lowest of each byte on.
struct Bits<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl Bits<'_> {
    fn read(&mut self, n_bits: u32) -> Option<u64> {
        (0..n_bits).try_fold(0, |value, shift| {
            let byte = *self.bytes.get((self.position / 8) as usize)?;
            let bit = u64::from(byte >> (self.position % 8) & 1);
            self.position += 1;
            Some(value | bit << shift)
        })
    }

    fn skip(&mut self, n_bits: u64) -> Option<()> {
        self.position += n_bits;
        (self.position <= 8 * self.bytes.len() as u64).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A setup header of codebooks whose codes are all 17 bits long: 131,072 entries in 19 bytes.
    fn header(codebooks: u64, dimensions: u64) -> Vec<u8> {
        let mut bits = Vec::new();
        let mut write = |value: u64, n_bits: u32| {
            bits.extend((0..n_bits).map(|shift| (value.checked_shr(shift).unwrap_or(0) & 1) as u8))
        };
        write(codebooks - 1, 8);
        for _ in 0..codebooks {
            write(0x56_43_42, 24);
            write(dimensions, 16);
            write(131_072, 24);
            write(1, 1);
            write(16, 5);
            write(131_072, 18);
            // A lookup of one value of one bit.
            write(1, 4);
            write(0, 64);
            write(0, 4);
            write(0, 1);
            let n_values = root(131_072, dimensions).unwrap();
            write(0, n_values as u32);
        }
        let bytes = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | bit));
        [&[0; IDENTIFICATION][..], b"\x05vorbis", &bytes.collect::<Vec<u8>>()].concat()
    }

    #[test]
    fn some_bytes_do_not_become_gigabytes() {
        assert!(has_usual_codebooks(&header(2, 16)));
        assert!(!has_usual_codebooks(&header(3, 1)), "too many entries");
        assert!(!has_usual_codebooks(&header(2, 31)), "too many values");
        // What ends early or makes no sense is left to the decoder.
        let whole = header(2, 31);
        for length in [0, 20, 36, 40, 60] {
            assert!(has_usual_codebooks(&whole[..length]), "{length}");
        }
    }

    #[test]
    fn roots_are_the_largest_ones() {
        for (x, degree, expected) in
            [(131_072, 31, 1), (131_072, 17, 2), (6_561, 8, 3), (6_560, 8, 2), (0, 3, 0), (7, 1, 7)]
        {
            assert_eq!(root(x, degree), Some(expected), "{x} {degree}");
        }
        assert_eq!(root(8, 0), None);
    }
}
