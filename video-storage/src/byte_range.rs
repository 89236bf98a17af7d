//! The `Range` request header (RFC 9110 §14): parsed once, against a known length.
//!
//! A server may always ignore `Range`, so whatever is not exactly one well-formed range of bytes
//! gets the whole representation. Only a well-formed range that selects nothing is an error.

/// A non-empty run of bytes inside a representation, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    first: u64,
    last: u64,
}

impl ByteRange {
    /// The offset of the first byte.
    pub(crate) fn first(self) -> u64 {
        self.first
    }

    /// The offset of the last byte.
    pub(crate) fn last(self) -> u64 {
        self.last
    }

    /// How many bytes the range selects; never zero.
    pub(crate) fn len(self) -> u64 {
        self.last - self.first + 1
    }

    /// The value of `Content-Range` for this part of a representation of `length` bytes.
    pub(crate) fn content_range(self, length: u64) -> String {
        format!("bytes {}-{}/{length}", self.first, self.last)
    }
}

/// What a request asks of a representation of known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: there was no usable `Range`.
    Whole,
    /// One part of it.
    Part(ByteRange),
    /// A well-formed range that no byte of the representation lies in.
    Unsatisfiable,
}

impl Selection {
    /// Reads the value of a `Range` header against a representation of `length` bytes.
    pub(crate) fn of(range: &str, length: u64) -> Self {
        let Some(spec) = strip_unit(range) else {
            return Self::Whole;
        };
        let Some((first, last)) = spec.split_once('-') else {
            return Self::Whole;
        };
        match (Digits::parse(first), Digits::parse(last)) {
            (Some(first), Some(last)) => match (first, last) {
                (Digits::None, Digits::None) => Self::Whole,
                (Digits::None, Digits::Some(suffix)) => Self::suffix(saturating(suffix), length),
                (Digits::Some(first), Digits::None) => {
                    Self::between(saturating(first), u64::MAX, length)
                }
                (Digits::Some(first), Digits::Some(last)) if is_less(last, first) => Self::Whole,
                (Digits::Some(first), Digits::Some(last)) => {
                    Self::between(saturating(first), saturating(last), length)
                }
            },
            _ => Self::Whole,
        }
    }

    fn suffix(wanted: u64, length: u64) -> Self {
        if wanted == 0 || length == 0 {
            return Self::Unsatisfiable;
        }
        Self::Part(ByteRange {
            first: length.saturating_sub(wanted),
            last: length - 1,
        })
    }

    fn between(first: u64, last: u64, length: u64) -> Self {
        if first >= length {
            return Self::Unsatisfiable;
        }
        Self::Part(ByteRange {
            first,
            last: last.min(length - 1),
        })
    }
}

/// Range units are case-insensitive (§14.1).
fn strip_unit(range: &str) -> Option<&str> {
    let (unit, spec) = range.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then_some(spec)
}

/// One side of a range: absent, or decimal digits without leading zeros.
enum Digits<'a> {
    None,
    Some(&'a str),
}

impl<'a> Digits<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::None);
        }
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| Self::Some(text.trim_start_matches('0')))
    }
}

/// Compares numbers of any size: the grammar sets no limit to the digits.
fn is_less(left: &str, right: &str) -> bool {
    (left.len(), left) < (right.len(), right)
}

/// The number, or `u64::MAX` for anything larger: no representation is that long, so nothing
/// that follows can tell the difference.
fn saturating(digits: &str) -> u64 {
    if digits.is_empty() {
        return 0;
    }
    digits.parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(first: u64, last: u64) -> Selection {
        Selection::Part(ByteRange { first, last })
    }

    #[test]
    fn one_well_formed_range_selects_a_part() {
        for (range, length, expected) in [
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=2-5", 10, part(2, 5)),
            ("bytes=2-", 10, part(2, 9)),
            ("bytes=0-", 10, part(0, 9)),
            ("bytes=9-9", 10, part(9, 9)),
            ("bytes=5-5000", 10, part(5, 9)),
            ("bytes=-1", 10, part(9, 9)),
            ("bytes=-10", 10, part(0, 9)),
            ("bytes=-11", 10, part(0, 9)),
            ("BYTES=1-2", 10, part(1, 2)),
            ("bytes=0001-00000000000000000000000002", 10, part(1, 2)),
            ("bytes=3-99999999999999999999999999", 10, part(3, 9)),
            ("bytes=-99999999999999999999999999", 10, part(0, 9)),
        ] {
            assert_eq!(Selection::of(range, length), expected, "{range}");
        }
    }

    #[test]
    fn a_well_formed_range_without_a_byte_is_unsatisfiable() {
        for (range, length) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=-0", 10),
            ("bytes=-000", 10),
            ("bytes=18446744073709551615-", 10),
            ("bytes=18446744073709551616-", 10),
            ("bytes=99999999999999999999-999999999999999999999", 10),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
        ] {
            assert_eq!(
                Selection::of(range, length),
                Selection::Unsatisfiable,
                "{range}"
            );
        }
    }

    #[test]
    fn anything_else_selects_the_whole_representation() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=a-b",
            "bytes=1-b",
            "bytes=--1",
            "bytes=-1-",
            "bytes=+1-2",
            "bytes=1.0-2",
            "bytes= 0-1",
            "bytes=0 - 1",
            "bytes =0-1",
            "bytes=5-2",
            "bytes=99999999999999999999-9999999999999999999",
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "seconds=0-1",
            "items=0-1",
        ] {
            assert_eq!(Selection::of(range, 10), Selection::Whole, "{range}");
        }
    }

    proptest! {
        #[test]
        fn a_part_always_lies_within_the_representation(range in "bytes=[0-9]{0,21}-[0-9]{0,21}", length: u64) {
            if let Selection::Part(part) = Selection::of(&range, length) {
                prop_assert!(part.first() <= part.last());
                prop_assert!(part.last() < length);
                prop_assert!(part.len() <= length);
            }
        }

        #[test]
        fn first_and_last_mean_what_they_say(length in 1..1_000_u64, first in 0..1_200_u64, more in 0..1_200_u64) {
            let last = first + more;
            let selected = Selection::of(&format!("bytes={first}-{last}"), length);
            let bytes: Vec<u64> = (0..length).filter(|at| (first..=last).contains(at)).collect();
            match bytes.as_slice() {
                [] => prop_assert_eq!(selected, Selection::Unsatisfiable),
                [low, .., high] => prop_assert_eq!(selected, part(*low, *high)),
                [only] => prop_assert_eq!(selected, part(*only, *only)),
            }
        }

        #[test]
        fn no_header_value_panics(range: String, length: u64) {
            let _ = Selection::of(&range, length);
        }
    }
}
