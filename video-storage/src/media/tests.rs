use std::path::Path;

use proptest::prelude::*;

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

fn probed(bytes: &[u8], piece: usize) -> (Container, MediaFacts) {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let Sniffed::Video(container) = sniff(head, true) else {
        panic!("the file was not recognised");
    };
    let mut probe = Probe::new(container);
    for piece in bytes.chunks(piece) {
        probe.push(piece);
    }
    (container, probe.finish())
}

/// Durations within 50 ms of what `ffprobe` says: codecs' padding is counted differently.
#[test]
fn every_kind_of_file_tells_its_duration_and_picture_size() {
    for (name, container, duration_ms, size) in [
        ("faststart.mp4", Container::Mp4, 2_000, (96, 54)),
        ("moov-last.mp4", Container::Mp4, 2_000, (96, 54)),
        ("fragmented.mp4", Container::Mp4, 2_200, (96, 54)),
        ("fragmented-dash.mp4", Container::Mp4, 2_200, (96, 54)),
        ("fragmented-edited.mp4", Container::Mp4, 2_000, (96, 54)),
        ("quicktime.mov", Container::QuickTime, 2_000, (96, 54)),
        ("turned.mp4", Container::Mp4, 2_000, (54, 96)),
        ("wide-pixels.mp4", Container::Mp4, 2_000, (128, 54)),
        ("matroska.mkv", Container::Matroska, 2_064, (96, 54)),
        ("plain.webm", Container::WebM, 2_008, (96, 54)),
        ("live.webm", Container::WebM, 2_008, (96, 54)),
    ] {
        let bytes = fixture(name);
        for piece in [1, 7, 4_096, bytes.len()] {
            let (found, facts) = probed(&bytes, piece);
            assert_eq!(found, container, "{name}");
            let picture = facts
                .picture
                .unwrap_or_else(|| panic!("{name}: no picture"));
            assert_eq!(picture.size, Some(size), "{name}");
            let found = facts
                .duration_ms
                .unwrap_or_else(|| panic!("{name}: no duration"));
            assert!(found.abs_diff(duration_ms) <= 50, "{name}: {found} ms");
        }
    }
}

#[test]
fn sound_alone_has_no_picture() {
    for name in ["sound-only.mp4", "sound-only.webm"] {
        let (_, facts) = probed(&fixture(name), 4_096);
        assert_eq!(facts.picture, None, "{name}");
        assert!(facts.duration_ms.is_some(), "{name}");
    }
}

#[test]
fn zeros_after_a_film_change_nothing() {
    let mut bytes = fixture("moov-last.mp4");
    let facts = probed(&bytes, 1_000).1;
    bytes.extend_from_slice(&[0; 5_000]);
    assert_eq!(probed(&bytes, 1_000).1, facts);
}

#[test]
fn large_box_sizes_and_a_last_box_without_size_are_understood() {
    let film = fixture("faststart.mp4");
    let media = film.windows(4).position(|kind| kind == b"mdat").unwrap() - 4;
    let length = u32::from_be_bytes(film[media..media + 4].try_into().unwrap()) as usize;

    let mut large = film[..media].to_vec();
    large.extend_from_slice(b"\x00\x00\x00\x01mdat");
    large.extend_from_slice(&(length as u64 + 8).to_be_bytes());
    large.extend_from_slice(&film[media + 8..]);
    assert_eq!(probed(&large, 13).1, probed(&film, 13).1);

    let mut endless = film[..media + length].to_vec();
    endless[media..media + 4].copy_from_slice(&[0; 4]);
    assert_eq!(probed(&endless, 13).1, probed(&film, 13).1);
}

#[test]
fn a_film_cut_off_before_its_description_has_no_picture() {
    let film = fixture("moov-last.mp4");
    assert_eq!(
        probed(&film[..film.len() / 2], 512).1,
        MediaFacts::default()
    );
}

#[test]
fn first_bytes_are_recognised() {
    use Container::{Matroska, Mp4, QuickTime, WebM};
    for (head, expected) in [
        (
            &b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"[..],
            Sniffed::Video(Mp4),
        ),
        (
            b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00",
            Sniffed::Video(Mp4),
        ),
        (
            b"\x00\x00\x00\x18ftypM4V \x00\x00\x00\x00",
            Sniffed::Video(Mp4),
        ),
        (
            b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00",
            Sniffed::Video(QuickTime),
        ),
        (
            b"\x00\x00\x00\x08wide\x00\x00\x00\x01mdat",
            Sniffed::Video(QuickTime),
        ),
        (
            b"\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x01\x00",
            Sniffed::Video(QuickTime),
        ),
        (
            b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
            Sniffed::NotVideo,
        ),
        (
            b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00",
            Sniffed::NotVideo,
        ),
        (b"\x00\x00\x00\x02moov\x00\x00\x00\x00", Sniffed::NotVideo),
        (
            b"\x1A\x45\xDF\xA3\x87\x42\x82\x84webm",
            Sniffed::Video(WebM),
        ),
        (
            b"\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska",
            Sniffed::Video(Matroska),
        ),
        (
            b"\x1A\x45\xDF\xA3\x8A\x42\x82\x87unknown",
            Sniffed::NotVideo,
        ),
        (b"\x1A\x45\xDF\xA3\x84\x42\x86\x81\x01", Sniffed::NotVideo),
        (b"\x89PNG\r\n\x1A\n\x00\x00\x00\rIHDR", Sniffed::NotVideo),
        (b"<!DOCTYPE html><html>", Sniffed::NotVideo),
        (b"title=a&file=b.mp4", Sniffed::NotVideo),
    ] {
        assert_eq!(sniff(head, true), expected, "{head:02x?}");
        assert_eq!(sniff(&head[..6], false), Sniffed::Undecided, "{head:02x?}");
        assert_eq!(sniff(&head[..3], true), Sniffed::NotVideo);
    }
}

#[test]
fn pictures_are_recognised() {
    assert_eq!(
        Picture::sniff(b"\xFF\xD8\xFF\xE0\x00\x10JFIF"),
        Some(Picture::Jpeg)
    );
    assert_eq!(Picture::sniff(b"\x89PNG\r\n\x1A\n\x00"), Some(Picture::Png));
    assert_eq!(
        Picture::sniff(b"RIFF\x00\x00\x00\x00WEBPVP8 "),
        Some(Picture::WebP)
    );
    assert_eq!(Picture::sniff(b"RIFF\x00\x00\x00\x00WAVEfmt "), None);
    assert_eq!(Picture::sniff(b"GIF89a"), None);
    assert_eq!(Picture::sniff(b"<svg xmlns="), None);
    assert_eq!(Picture::sniff(b""), None);
}

const ALL: [&str; 11] = [
    "faststart.mp4",
    "moov-last.mp4",
    "fragmented.mp4",
    "fragmented-dash.mp4",
    "fragmented-edited.mp4",
    "quicktime.mov",
    "wide-pixels.mp4",
    "matroska.mkv",
    "plain.webm",
    "live.webm",
    "sound-only.mp4",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_damage_makes_a_probe_panic(
        file in 0..ALL.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
        piece in 1..3_000_usize,
    ) {
        let mut bytes = fixture(ALL[file]);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        for container in [Container::Mp4, Container::Matroska] {
            let mut probe = Probe::new(container);
            bytes.chunks(piece).for_each(|piece| probe.push(piece));
            let _ = probe.finish();
        }
        let _ = sniff(&bytes[..bytes.len().min(HEAD_BYTES)], true);
    }

    #[test]
    fn no_noise_makes_a_probe_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        for (container, start) in [
            (Container::Mp4, &b""[..]),
            (Container::Mp4, b"\x00\x00\xFF\xFFmoov\x00\x00\xF0\x00trak"),
            (Container::Mp4, b"\x00\x00\xFF\xFFmoof\x00\x00\xF0\x00traf"),
            (Container::Matroska, b"\x18\x53\x80\x67\xFF"),
            (Container::Matroska, b"\x18\x53\x80\x67\xFF\x1F\x43\xB6\x75\xFF"),
        ] {
            let mut probe = Probe::new(container);
            probe.push(start);
            probe.push(&bytes);
            let _ = probe.finish();
        }
        let _ = sniff(&bytes, true);
    }
}
