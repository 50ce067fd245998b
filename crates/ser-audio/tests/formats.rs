//! FLAC, MP3, Ogg Vorbis, AIFF, M4A and the WAV kinds beyond plain PCM; contents that are refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{asset, chain};
use ser_audio::{Error, Waveform};

#[cfg(feature = "formats")]
mod formats {
    use proptest::prelude::*;
    use ser_audio::{ReadOptions, Truncated};

    use super::common::{asset_bytes, left, max_difference, reference, stereo_mean, tones};
    use super::*;

    fn read(name: &str) -> Waveform {
        Waveform::from_file(asset(name)).unwrap()
    }

    #[test]
    fn lossless_formats_give_the_samples_that_were_written() {
        for name in ["stereo.flac", "stereo.aiff", "float64.wav", "alac.m4a"] {
            let waveform = read(name);
            assert_eq!(waveform.samples(), stereo_mean(), "{name}");
            assert_eq!(waveform.sample_rate(), 16_000, "{name}");
        }
        let deep: Vec<f32> = (0..1500).map(|i| (left(i) * 256 + i % 251) as f32 / 8_388_608.0).collect();
        assert_eq!(read("mono24.flac").samples(), deep);
    }

    #[test]
    fn companded_and_adpcm_wavs_equal_libsndfile_and_ffmpeg() {
        for name in ["ulaw.wav", "alaw.wav", "ms_adpcm.wav", "ima_adpcm.wav"] {
            let waveform = read(name);
            assert_eq!(waveform.samples(), reference(&format!("{name}.f32")), "{name}");
            assert_eq!(waveform.sample_rate(), 8_000, "{name}");
        }
    }

    #[test]
    fn companded_wavs_may_lack_the_length_of_their_extension() {
        for name in ["ulaw.wav", "alaw.wav"] {
            let bytes = asset_bytes(name);
            assert_eq!(bytes[16..20], [18, 0, 0, 0], "{name}");
            let (fmt, rest) = (&bytes[20..36], &bytes[38..]);
            for padding in [&[][..], &[0; 4]] {
                let length = (16 + padding.len() as u32).to_le_bytes();
                let other = [&bytes[..16], &length, fmt, padding, rest].concat();
                let waveform = Waveform::from_bytes(&other).unwrap();
                assert_eq!(waveform.samples(), reference(&format!("{name}.f32")), "{name}");
            }
        }
    }

    #[test]
    fn mp3_equals_libsndfile() {
        // Two float32 synthesis filters differ by a few units in the last place of ±1.
        for (name, rate) in [("stereo.mp3", 32_000), ("untagged.mp3", 16_000)] {
            let waveform = read(name);
            let difference = max_difference(waveform.samples(), &reference(&format!("{name}.f32")));
            assert!(difference < 1e-6, "{name}: {difference}");
            assert_eq!(waveform.sample_rate(), rate, "{name}");
        }
    }

    #[test]
    fn vorbis_and_aac_equal_libsndfile_and_ffmpeg() {
        // Two float32 synthesis filters differ by a few units in the last place of ±1.
        for name in ["stereo.ogg", "aac.m4a"] {
            let waveform = read(name);
            let difference = max_difference(waveform.samples(), &reference(&format!("{name}.f32")));
            assert!(difference < 1e-6, "{name}: {difference}");
            assert_eq!(waveform.sample_rate(), 16_000, "{name}");
        }
    }

    #[test]
    fn an_m4a_in_fragments_without_an_edit_list_keeps_the_encoders_delay() {
        assert_eq!(&read("fragmented.m4a").samples()[1024..], read("aac.m4a").samples());
    }

    #[test]
    fn vorbis_and_aac_delay_and_padding_are_cut() {
        let source = tones(16_000, 4_000, &[(330.0, 0.25), (470.0, 0.15)]);
        for name in ["stereo.ogg", "aac.m4a"] {
            let decoded = read(name).into_samples();
            assert_eq!(decoded.len(), source.len(), "{name}");
            let distance = |lag: usize| -> f32 {
                let shifted = decoded.iter().skip(lag);
                shifted.zip(&source[5..]).take(3_900).map(|(a, b)| (a - b).powi(2)).sum()
            };
            let best = (0..11).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            assert_eq!(best, Some(5), "{name}");
        }
    }

    /// `aac.m4a` with a byte of its edit list, or of its AAC configuration, replaced.
    fn patched(after: &[u8], offset: usize, value: &[u8]) -> Vec<u8> {
        let mut bytes = asset_bytes("aac.m4a");
        let found = bytes.windows(after.len()).position(|window| window == after).unwrap();
        bytes[found + offset..found + offset + value.len()].copy_from_slice(value);
        bytes
    }

    #[test]
    fn an_edit_list_says_where_the_recording_begins_and_ends() {
        let whole = read("aac.m4a").into_samples();
        // `elst`, version and flags, the number of entries, the duration in milliseconds, the media time.
        let later = Waveform::from_bytes(&patched(b"elst", 16, &1324u32.to_be_bytes())).unwrap();
        assert_eq!(later.samples(), &whole[300..]);
        let shorter = Waveform::from_bytes(&patched(b"elst", 12, &100u32.to_be_bytes())).unwrap();
        assert_eq!(shorter.samples(), &whole[..1600]);
        // An empty edit is none: the delay and the padding to the end of the track stay.
        let empty = Waveform::from_bytes(&patched(b"elst", 16, &u32::MAX.to_be_bytes())).unwrap();
        assert_eq!(empty.samples()[1024..], whole);
    }

    /// A box of an MPEG-4 file.
    fn mp4_box(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes(), id.as_slice(), content].concat()
    }

    /// `aac.m4a` without its edit list, and with a tag `iTunSMPB` at the end of its table of contents.
    fn with_itunes_tag(text: &str) -> Vec<u8> {
        let mut bytes = patched(b"edts", 0, b"free");
        // The encoder's own tags make room.
        let tags = bytes.windows(4).position(|window| window == b"udta").unwrap();
        bytes[tags..tags + 4].copy_from_slice(b"free");
        let tag = [
            mp4_box(b"mean", b"\0\0\0\0com.apple.iTunes"),
            mp4_box(b"name", b"\0\0\0\0iTunSMPB"),
            mp4_box(b"data", &[b"\0\0\0\x01\0\0\0\0", text.as_bytes()].concat()),
        ];
        let list = mp4_box(b"ilst", &mp4_box(b"----", &tag.concat()));
        let user_data = mp4_box(b"udta", &mp4_box(b"meta", &[b"\0\0\0\0", list.as_slice()].concat()));
        // The table of contents is the last box of this file.
        let moov = bytes.windows(4).position(|window| window == b"moov").unwrap() - 4;
        let mut contents = bytes.split_off(moov)[8..].to_vec();
        contents.extend(user_data);
        [bytes, mp4_box(b"moov", &contents)].concat()
    }

    #[test]
    fn where_there_is_no_edit_list_itunes_says_where_the_recording_begins_and_ends() {
        let whole = read("aac.m4a").into_samples();
        // The delay of 1,024, the padding of 96, and 4,000 samples.
        let tagged =
            with_itunes_tag(" 00000000 00000400 00000060 0000000000000FA0 00000000 00000000 00000000 00000000");
        assert!(Waveform::from_bytes(&tagged).unwrap().samples() == whole);
        let shorter = with_itunes_tag(" 00000000 00000464 00000000 0000000000000F00");
        assert!(Waveform::from_bytes(&shorter).unwrap().samples() == &whole[100..100 + 0xf00]);
        // More than there is ends at the end; what says nothing is no tag.
        let longer = with_itunes_tag(" 00000000 00000400 00000000 FFFFFFFFFFFFFFFF");
        assert!(Waveform::from_bytes(&longer).unwrap().samples()[..4000] == whole);
        for nothing in ["", " 00000000 00000400", " 0 400 60 0", " 0 4z0 60 FA0", " 0 400 60 10000000000000000"] {
            let samples = Waveform::from_bytes(&with_itunes_tag(nothing)).unwrap().into_samples();
            assert!(samples[1024..1024 + 4000] == whole, "{nothing}");
        }
        // A delay as long as the track leaves nothing, and says so.
        let error = Waveform::from_bytes(&with_itunes_tag(" 0 FFFFFFFFFFFFFFFF 0 FFFFFFFFFFFFFFFF")).unwrap_err();
        assert!(matches!(error, Error::NoAudio { .. }), "{error}");
    }

    #[test]
    fn the_edit_list_goes_before_itunes() {
        let mut bytes = with_itunes_tag(" 00000000 00000464 00000000 0000000000000F00");
        let list = bytes.windows(4).position(|window| window == b"elst").unwrap() - 8;
        bytes[list..list + 4].copy_from_slice(b"edts");
        assert_eq!(Waveform::from_bytes(&bytes).unwrap(), read("aac.m4a"));
    }

    /// One block of Microsoft's ADPCM, mono: 2 samples as they are and 50 in nibbles.
    fn ms_adpcm(nibbles: u8) -> Vec<u8> {
        let coefficients = [256_i16, 0, 512, -256, 0, 0, 192, 64, 240, 0, 460, -208, 392, -232];
        // The tag, one channel, 8,000 Hz, 4,000 bytes a second, blocks of 32 bytes, 4 bits, 32 bytes more: 52 samples
        // a block, 7 pairs of coefficients.
        let mut fmt = vec![2, 0, 1, 0, 0x40, 0x1f, 0, 0, 0xa0, 0x0f, 0, 0, 32, 0, 4, 0, 32, 0, 52, 0, 7, 0];
        fmt.extend(coefficients.iter().flat_map(|x| x.to_le_bytes()));
        // The first pair of coefficients, the widest step, and two samples of 0.
        let block = [vec![0, 0xff, 0x7f, 0, 0, 0, 0], vec![nibbles; 25]].concat();
        let len = |content: &[u8]| (content.len() as u32).to_le_bytes();
        let chunks = [b"WAVEfmt ", len(&fmt).as_slice(), &fmt, b"data", &len(&block), &block].concat();
        [b"RIFF".as_slice(), &len(&chunks), &chunks].concat()
    }

    #[test]
    fn an_adpcm_step_that_overflows_is_an_error_and_no_panic() {
        assert_eq!(Waveform::from_bytes(&ms_adpcm(0x00)).unwrap().samples(), [0.0; 52]);
        // Each nibble of 8 makes the step three times as wide. symphonia multiplies it as an i32, which is checked in
        // a build for tests and wraps in others.
        let read = Waveform::from_bytes(&ms_adpcm(0x88));
        if cfg!(debug_assertions) {
            let error = read.unwrap_err();
            assert!(error.to_string().contains("impossible numbers"), "{error}");
        } else {
            assert_eq!(read.unwrap().samples().len(), 52);
        }
    }

    #[test]
    fn what_an_mpeg_4_container_holds_is_named() {
        let config = [0x05, 0x80, 0x80, 0x80];
        // The object type is the first five bits of the configuration, after the descriptor's length.
        let object = |object: u8| patched(&config, 5, &[object << 3 | 0b001]);
        for (bytes, says) in [
            (asset_bytes("opus.mp4"), "an MPEG-4 container with Opus"),
            (asset_bytes("video.mp4"), "an MPEG-4 video"),
            (object(5), "an M4A with HE-AAC,"),
            (object(29), "an M4A with HE-AAC v2,"),
            (object(4), "an M4A with AAC-LTP"),
            (patched(b"mp4a", 0, b"ac-3"), "Dolby Digital (AC-3)"),
            (patched(b"mp4a", 0, b"enca"), "an encrypted track"),
            (patched(b"mp4a", 0, b"zzzz"), "`zzzz`"),
            (patched(b"soun", 0, b"text"), "without an audio track"),
        ] {
            let error = Waveform::from_bytes(&bytes).unwrap_err();
            assert!(error.is_unsupported_format(), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn an_m4a_that_was_never_finished_says_so() {
        let bytes = asset_bytes("aac.m4a");
        let moov = bytes.windows(4).position(|id| id == b"moov").unwrap() - 4;
        let error = Waveform::from_bytes(&bytes[..moov]).unwrap_err();
        assert!(error.to_string().contains("never finished"), "{error}");
        let error = Waveform::from_bytes(&bytes[..moov + 300]).unwrap_err();
        assert!(error.to_string().contains("cut short"), "{error}");
    }

    #[test]
    fn an_ogg_of_two_recordings_is_refused() {
        let bytes = [asset_bytes("stereo.ogg"), asset_bytes("long.ogg")].concat();
        let error = Waveform::from_bytes(&bytes).unwrap_err();
        assert!(error.is_unsupported_format(), "{error}");
        assert!(error.to_string().contains("several recordings in a row"), "{error}");
    }

    #[test]
    fn an_mp3_that_has_another_behind_it_is_refused() {
        for name in ["stereo.mp3", "long.mp3"] {
            let error = Waveform::from_bytes(&asset_bytes(name).repeat(2)).unwrap_err();
            assert!(error.is_unsupported_format(), "{name}: {error}");
            assert!(error.to_string().contains("several recordings in a row"), "{name}: {error}");
        }
        // What taggers put at the end is no recording.
        let tagged = [asset_bytes("stereo.mp3"), b"TAG".to_vec(), vec![b'x'; 125]].concat();
        assert_eq!(Waveform::from_bytes(&tagged).unwrap(), read("stereo.mp3"));
    }

    #[test]
    fn an_mp3_whose_tag_counts_nothing_is_read_whole() {
        let mut bytes = asset_bytes("long.mp3");
        let tag = bytes.windows(4).position(|window| matches!(window, b"Xing" | b"Info")).unwrap();
        assert_eq!(bytes[tag + 7] & 1, 1, "frames are counted");
        bytes[tag + 8..tag + 12].fill(0);
        let (counted, uncounted) = (read("long.mp3"), Waveform::from_bytes(&bytes).unwrap());
        // The encoder's padding is cut where the frames are counted.
        let padding = uncounted.samples().len() - counted.samples().len();
        assert!(padding < 2 * 1_152, "{padding}");
        assert_eq!(uncounted.samples()[..counted.samples().len()], *counted.samples());
    }

    #[test]
    fn mp3_delay_and_padding_are_cut_where_stated() {
        let decoded = read("stereo.mp3").into_samples();
        let source = tones(32_000, 8_000, &[(330.0, 0.25), (470.0, 0.15)]);
        assert_eq!(decoded.len(), source.len());
        // The encoder's delay is 1,105 samples; the match must be the best to the very sample.
        let distance = |lag: usize| -> f32 {
            let shifted = decoded.iter().skip(lag);
            shifted.zip(&source[5..]).take(7_900).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let best = (0..11).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        assert_eq!(best, Some(5));
    }

    #[test]
    fn the_content_decides_and_not_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aiff-inside.wav");
        std::fs::copy(asset("stereo.aiff"), &path).unwrap();
        assert_eq!(Waveform::from_file(&path).unwrap().samples(), stereo_mean());
    }

    #[test]
    fn an_id3_tag_is_skipped() {
        // 300 bytes: 2 · 128 + 44 in sevens of bits.
        let mut tagged = b"ID3\x04\x00\x00\x00\x00\x02\x2c".to_vec();
        tagged.extend([b'x'; 300]);
        for name in ["stereo.mp3", "stereo.flac"] {
            let mut bytes = tagged.clone();
            bytes.extend(asset_bytes(name));
            assert_eq!(Waveform::from_bytes(&bytes).unwrap(), read(name), "{name}");
        }
    }

    #[test]
    fn several_tags_and_the_zeros_that_taggers_leave_are_skipped() {
        let tag = [&b"ID3\x04\x00\x00\x00\x00\x00\x05"[..], b"xxxxx"].concat();
        let body = asset_bytes("stereo.mp3");
        for before in [tag.repeat(2), [&tag[..], &[0; 40]].concat(), vec![0; 10], [&[0; 1500], &tag[..]].concat()] {
            let bytes = [&before[..], &body].concat();
            assert_eq!(Waveform::from_bytes(&bytes).unwrap(), read("stereo.mp3"), "{} bytes", before.len());
        }
        for length in [100, 1024, 200_000] {
            let error = Waveform::from_bytes(&vec![0; length]).unwrap_err().to_string();
            assert!(error.contains("an unknown kind of file"), "{error}");
        }
    }

    #[test]
    fn files_cut_short_say_how_much_could_be_read() {
        for name in
            ["stereo.flac", "stereo.mp3", "stereo.ogg", "stereo.aiff", "float64.wav", "ms_adpcm.wav", "long.m4a"]
        {
            let bytes = asset_bytes(name);
            let error = Waveform::from_bytes(&bytes[..bytes.len() * 2 / 3]).unwrap_err();
            match error {
                Error::Truncated { read, promised, .. } => {
                    assert!(promised.is_none_or(|promised| read < promised), "{name}");
                }
                Error::Malformed { .. } => {}
                error => panic!("{name}: {error}"),
            }
        }
    }

    #[test]
    fn a_damaged_flac_is_an_error_and_not_a_short_answer() {
        let mut bytes = asset_bytes("stereo.flac");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        let error = Waveform::from_bytes(&bytes).unwrap_err();
        assert!(matches!(error, Error::Truncated { .. } | Error::Malformed { .. }), "{error}");
    }

    #[test]
    fn what_is_kept_of_a_damaged_flac_ends_before_the_damage() {
        let whole = read("long.flac").into_samples();
        let mut bytes = asset_bytes("long.flac");
        bytes[12_000] ^= 0x55;
        let keep = ReadOptions { truncated: Truncated::Keep, ..ReadOptions::default() };
        let kept = Waveform::from_reader(std::io::Cursor::new(bytes), &keep).unwrap().into_samples();
        assert!(kept.len() > 5_000 && kept.len() < 20_000, "{}", kept.len());
        assert_eq!(kept, whole[..kept.len()]);
    }

    #[test]
    fn an_aiff_of_65_535_channels_is_refused() {
        let mut bytes = asset_bytes("stereo.aiff");
        let common = bytes.windows(4).position(|id| id == b"COMM").unwrap();
        bytes[common + 8..common + 10].copy_from_slice(&[0xff, 0xff]);
        let error = Waveform::from_bytes(&bytes).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. } | Error::Channels { .. }), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn damaged_files_never_panic(
            name in prop::sample::select(vec![
                "stereo.flac", "stereo.mp3", "stereo.aiff", "float64.wav", "ulaw.wav", "ms_adpcm.wav",
                "ima_adpcm.wav", "untagged.mp3", "stereo.ogg", "aac.m4a", "alac.m4a", "fragmented.m4a",
            ]),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            in_header in any::<bool>(),
        ) {
            let mut bytes = asset_bytes(name);
            let len = if in_header { 100 } else { bytes.len() };
            for (index, value) in damage {
                bytes[index.index(len)] = value;
            }
            if let Ok(waveform) = Waveform::from_bytes(&bytes) {
                prop_assert!(waveform.samples().iter().all(|x| x.is_finite()));
            }
        }
    }
}

#[cfg(not(feature = "formats"))]
#[test]
fn without_the_feature_the_error_names_it() {
    for name in ["stereo.flac", "stereo.mp3", "stereo.ogg", "stereo.aiff", "float64.wav", "aac.m4a"] {
        let error = Waveform::from_file(asset(name)).unwrap_err();
        assert!(error.is_unsupported_format(), "{name}");
        assert!(chain(&error).contains("feature `formats`"), "{}", chain(&error));
    }
}

#[test]
fn what_is_no_audio_is_named_with_the_fix() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 85084\n";
    let cases: [(&[u8], bool, &str); 10] = [
        (b"", false, "empty (0 bytes)"),
        (pointer, false, "`git lfs pull`"),
        (b"this is not a recording", true, "a text file"),
        (b"FLV\x01\x05\x00\x00\x00\x09", true, "a Flash video"),
        (include_bytes!("assets/opus.ogg"), true, "an Ogg container with Opus"),
        (include_bytes!("assets/opus.webm"), true, "a Matroska or WebM container"),
        (b"\xff\xf1\x50\x80\x01\x3f\xfc", true, "a bare AAC stream (ADTS)"),
        (b"\xff\xfd\x84\x04\x00\x00", true, "layer II (MP2)"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", true, "an AVI video"),
        (b"\x01\x02\x03\x04\x05", true, "an unknown kind of file"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speech.wav");
    for (content, unsupported, says) in cases {
        std::fs::write(&path, content).unwrap();
        let error = Waveform::from_file(&path).unwrap_err();
        let line = chain(&error);
        assert!(line.contains(says), "{line}");
        assert!(line.contains("speech.wav") && !line.contains('\n'), "{line}");
        assert_eq!(error.is_unsupported_format(), unsupported, "{line}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Waveform::from_file("no/such/speech.wav").unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error}");
    assert!(error.to_string().contains("no/such/speech.wav"), "{error}");
}
