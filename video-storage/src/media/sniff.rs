//! The kind of a file by its first bytes.

use super::Container;

/// How many first bytes are looked at: brands and document types stand well before.
pub(crate) const HEAD_BYTES: usize = 4 * 1024;

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sniffed {
    /// A format that is taken.
    Video(Container),
    /// None that is taken.
    NotVideo,
    /// More bytes are needed.
    Undecided,
}

/// Judges the first bytes of a file. `last` says that no more can be had: the file ends here, or
/// [`HEAD_BYTES`] are there.
pub(crate) fn sniff(head: &[u8], last: bool) -> Sniffed {
    let verdict = if head.starts_with(&EBML_MAGIC) {
        ebml(head)
    } else if head.len() < 12 {
        None
    } else {
        Some(iso_bmff(head))
    };
    match verdict {
        Some(verdict) => verdict,
        None if last => Sniffed::NotVideo,
        None => Sniffed::Undecided,
    }
}

const EBML_MAGIC: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];
const EBML_DOC_TYPE: [u8; 2] = [0x42, 0x82];

/// Still pictures and picture sequences share the box format with films: HEIF, AVIF, Canon raw.
const PICTURE_BRANDS: [&[u8; 4]; 11] = [
    b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"avif", b"avis",
    b"crx ",
];

/// How a QuickTime file from before `ftyp` may begin.
const OLD_QUICKTIME_STARTS: [&[u8; 4]; 6] = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"];

fn iso_bmff(head: &[u8]) -> Sniffed {
    let (size, kind, brand) = (&head[0..4], &head[4..8], &head[8..12]);
    let size = u32::from_be_bytes([size[0], size[1], size[2], size[3]]);
    if kind == b"ftyp" {
        if size < 12 || PICTURE_BRANDS.iter().any(|picture| brand == *picture) {
            return Sniffed::NotVideo;
        }
        return Sniffed::Video(if brand == b"qt  " {
            Container::QuickTime
        } else {
            Container::Mp4
        });
    }
    // 0 means "to the end of the file" and 1 "the size follows in 64 bits".
    let plausible = size == 0 || size == 1 || size >= 8;
    if plausible && OLD_QUICKTIME_STARTS.iter().any(|start| kind == *start) {
        return Sniffed::Video(Container::QuickTime);
    }
    Sniffed::NotVideo
}

/// Finds the document type in the EBML header. `None`: it is not all there yet.
fn ebml(head: &[u8]) -> Option<Sniffed> {
    let (size, size_length) = vint(head.get(4..)?)?;
    let start = 4 + size_length;
    let end = usize::try_from(size).ok()?.checked_add(start)?;
    let mut rest = head.get(start..end)?;
    while !rest.is_empty() {
        let id_length = rest[0].leading_zeros() as usize + 1;
        let (size, size_length) = vint(rest.get(id_length..)?)?;
        let value_start = id_length + size_length;
        let value_end = usize::try_from(size).ok()?.checked_add(value_start)?;
        let value = rest.get(value_start..value_end)?;
        if rest[..id_length] == EBML_DOC_TYPE {
            // Strings may be padded with zero bytes (RFC 8794 §7.4).
            let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
            return Some(match name {
                b"webm" => Sniffed::Video(Container::WebM),
                b"matroska" => Sniffed::Video(Container::Matroska),
                _ => Sniffed::NotVideo,
            });
        }
        rest = &rest[value_end..];
    }
    Some(Sniffed::NotVideo)
}

/// A variable-length size: its value and how many bytes it takes.
fn vint(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let bytes = bytes.get(..length).filter(|_| length <= 8)?;
    let value = bytes
        .iter()
        .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    Some((value & !(1 << (7 * length)), length))
}
