//! How text becomes words and words become what is looked up: one way for every engine, so that a
//! catalogue finds the same videos wherever it is stored.
//!
//! Text is *folded* (compatibility decomposition, marks dropped, full case folding) and split into
//! words wherever a character is neither letter nor digit. Of each word the catalogue stores its
//! prefixes of 1 to [`LONGEST_PREFIX`] characters as *terms*. A word of a query is looked up as one
//! term, by equality; one that is longer than any term is looked up by its beginning and then
//! compared with the video's words themselves.
//!
//! Decomposition and folding follow the Unicode Standard, sections 3.11 and 3.13.

use std::collections::BTreeSet;

use caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::video::{Invalid, Text};

/// The longest prefix of a word that is stored, in characters.
pub(crate) const LONGEST_PREFIX: usize = 12;

/// How many matches, the newest, a search takes before it sorts them.
pub(crate) const MATCHES_TAKEN: usize = 1_000;

/// How many videos with its rarest word a search examines before it gives up.
pub(crate) const CANDIDATES_EXAMINED: usize = 10_000;

/// The longest query in characters, before folding.
const LONGEST_QUERY: usize = 200;

/// The longest sort key of a title in characters. Decomposition makes up to 18 characters of one
/// (U+FDFA), and a sort key travels in cursors; 600 still holds 200 Hangul syllables whole.
const LONGEST_TITLE_KEY: usize = 600;

/// Text without what people do not think of when they type it into a search box.
///
/// "Straße" and "STRASSE" are the same afterwards, and so are "İstanbul", "Istanbul" and
/// "ıstanbul": full case folding keeps the dotless ı apart, but a search that misses Turkish words
/// because of the keyboard in use is worse than one that takes the two for the same letter.
pub(crate) fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|character| !is_combining_mark(*character))
        .default_case_fold()
        .map(|character| if character == 'ı' { 'i' } else { character })
        // Folding can give what decomposes again; and a mark that was no mark before is one now.
        .nfkd()
        .filter(|character| !is_combining_mark(*character))
        .collect()
}

/// What lists that are sorted by title compare: the folded title.
pub(crate) fn title_key(title: &str) -> String {
    first_chars(&fold(title), LONGEST_TITLE_KEY).to_owned()
}

/// The different words of a video's title, description and tags.
pub(crate) fn words_of(text: &Text) -> BTreeSet<String> {
    let Text {
        title,
        description,
        tags,
    } = text;
    let mut all = words(title.as_str());
    all.append(&mut words(description.as_str()));
    for tag in tags.as_slice() {
        all.append(&mut words(tag));
    }
    all
}

/// The terms under which a video with these words is stored: every prefix of every word.
pub(crate) fn terms<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    words.into_iter().flat_map(prefixes).collect()
}

/// What a person searches for: each of its words must begin a word of the video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SearchQuery {
    words: Vec<String>,
}

impl SearchQuery {
    /// Reads a query.
    ///
    /// Words that another one implies are left out: what has a word that begins with "them" has
    /// one that begins with "the". A query without any word ("!?") matches no video; it is no
    /// error, because people type it on the way to a real one.
    pub(crate) fn new(query: &str) -> Result<Self, Invalid> {
        if query.chars().count() > LONGEST_QUERY {
            return Err(Invalid {
                field: "q",
                accepted: "at most 200 characters",
            });
        }
        let all = words(query);
        let is_implied = |word: &String| {
            all.iter()
                .any(|other| other != word && other.starts_with(word.as_str()))
        };
        let words = all
            .iter()
            .filter(|word| !is_implied(word))
            .cloned()
            .collect();
        Ok(Self { words })
    }

    /// The term of each word. All of them must be stored with a video for it to match.
    pub(crate) fn terms(&self) -> Vec<&str> {
        let terms: BTreeSet<&str> = self.words.iter().map(|word| term_of(word)).collect();
        terms.into_iter().collect()
    }

    /// The words of which the term is only the beginning: a video that matches has a word that
    /// begins with each of them.
    pub(crate) fn longer_than_terms(&self) -> impl Iterator<Item = &str> {
        let words = self.words.iter().map(String::as_str);
        words.filter(|word| term_of(word) != *word)
    }

    /// Whether terms alone do not decide: then [`matches`](Self::matches) does.
    pub(crate) fn needs_verification(&self) -> bool {
        self.longer_than_terms().next().is_some()
    }

    /// Whether a video with these words matches.
    pub(crate) fn matches(&self, words: &[&str]) -> bool {
        !self.words.is_empty()
            && self
                .words
                .iter()
                .all(|wanted| words.iter().any(|word| word.starts_with(wanted.as_str())))
    }
}

fn words(text: &str) -> BTreeSet<String> {
    fold(text)
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn prefixes(word: &str) -> impl Iterator<Item = &str> {
    word.char_indices()
        .take(LONGEST_PREFIX)
        .map(|(start, character)| &word[..start + character.len_utf8()])
}

fn term_of(word: &str) -> &str {
    first_chars(word, LONGEST_PREFIX)
}

fn first_chars(text: &str, count: usize) -> &str {
    match text.char_indices().nth(count) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::video::{Description, Tags, Title};

    fn text(title: &str, description: &str, tags: &[&str]) -> Text {
        Text {
            title: Title::new(title.to_owned()).unwrap(),
            description: Description::new(description.to_owned()).unwrap(),
            tags: Tags::new(tags.iter().map(|tag| (*tag).to_owned()).collect()).unwrap(),
        }
    }

    fn finds(query: &str, title: &str) -> bool {
        let words = words_of(&text(title, "", &[]));
        let stored = terms(words.iter().map(String::as_str));
        let query = SearchQuery::new(query).unwrap();
        let by_terms =
            !query.terms().is_empty() && query.terms().iter().all(|term| stored.contains(term));
        let by_words = query.matches(&words.iter().map(String::as_str).collect::<Vec<_>>());
        if query.needs_verification() {
            assert!(by_terms || !by_words, "terms may only find too much");
            by_terms && by_words
        } else {
            assert_eq!(by_terms, by_words, "terms alone decide");
            by_terms
        }
    }

    #[test]
    fn case_and_accents_do_not_matter() {
        assert!(finds("strasse", "Die Straße"));
        assert!(finds("STRASSE", "Die Straße"));
        assert!(finds("STRAẞE", "strasse"));
        assert!(finds("creme brulee", "Crème Brûlée"));
        assert!(finds("CRÈME", "creme"));
        assert!(finds("ὈΔΥΣΣΕΎΣ", "οδυσσευς"));
        assert!(finds("ФИЛЬМ", "фильм"));
    }

    #[test]
    fn every_kind_of_i_is_one_letter() {
        for title in ["İstanbul", "Istanbul", "ıstanbul", "istanbul", "ISTANBUL"] {
            for query in ["İstanbul", "istanbul", "ıstanbul", "ISTANBUL"] {
                assert!(finds(query, title), "{query} in {title}");
            }
        }
    }

    #[test]
    fn compatibility_forms_are_the_plain_letters() {
        assert!(finds("film", "ﬁlm"));
        assert!(finds("flixtube 2", "ＦｌｉｘＴｕｂｅ ②"));
        assert!(finds("ハン", "ﾊﾝ"));
    }

    #[test]
    fn any_beginning_of_a_word_finds_it_and_no_other_part_does() {
        assert!(finds("s", "sunset"));
        assert!(finds("sunse", "sunset"));
        assert!(finds("sunset", "sunset"));
        assert!(!finds("unset", "sunset"));
        assert!(!finds("sunsets", "sunset"));
    }

    #[test]
    fn a_word_longer_than_any_term_is_compared_to_its_end() {
        let title = "Donaudampfschifffahrtsgesellschaft";
        assert!(finds("donaudampfsc", title));
        assert!(finds("donaudampfschifffahrt", title));
        assert!(finds("donaudampfschifffahrtsgesellschaft", title));
        assert!(!finds("donaudampfschiffkapitän", title));
        assert!(!finds("donaudampfschifffahrtsgesellschaften", title));
    }

    #[test]
    fn all_words_must_match_in_any_order_and_place() {
        let words = words_of(&text("Red kite", "over the Black Forest", &["bird", "4k"]));
        let found = |query: &str| {
            SearchQuery::new(query)
                .unwrap()
                .matches(&words.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert!(found("forest red 4k"));
        assert!(found("bi ki"));
        assert!(!found("forest green"));
    }

    #[test]
    fn a_query_without_a_word_matches_nothing() {
        for query in ["", "  ", "?!", "→ 🎬", "\u{301}"] {
            assert!(!finds(query, "anything 🎬"), "{query:?}");
            assert!(SearchQuery::new(query).unwrap().terms().is_empty());
        }
    }

    #[test]
    fn a_word_that_another_implies_is_not_looked_up() {
        let query = SearchQuery::new("the them t THEM").unwrap();
        assert_eq!(query.terms(), ["them"]);
    }

    #[test]
    fn a_query_may_have_200_characters() {
        assert!(SearchQuery::new(&"ä".repeat(200)).is_ok());
        let refusal = SearchQuery::new(&"ä".repeat(201)).unwrap_err();
        assert_eq!(refusal.to_string(), "q must be at most 200 characters");
    }

    #[test]
    fn titles_are_ordered_without_case_and_accents() {
        let mut titles = ["Zebra", "änderung", "apfel", "Äpfel", "Ab"];
        titles.sort_by_key(|title| title_key(title));
        assert_eq!(titles, ["Ab", "änderung", "apfel", "Äpfel", "Zebra"]);
    }

    #[test]
    fn the_sort_key_of_a_title_is_bounded_and_whole_for_ordinary_ones() {
        assert_eq!(title_key(&"한".repeat(200)).chars().count(), 600);
        assert_eq!(title_key(&"\u{fdfa}".repeat(200)).chars().count(), 600);
    }

    #[test]
    fn folding_any_single_character_twice_changes_nothing_more() {
        for character in '\u{0}'..=char::MAX {
            let once = fold(&character.to_string());
            assert_eq!(fold(&once), once, "U+{:04X}", u32::from(character));
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn folding_ignores_how_a_text_was_composed(text in "\\PC{0,40}") {
            let composed: String = text.nfc().collect();
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(fold(&composed), fold(&decomposed));
        }

        #[test]
        fn a_video_is_found_by_every_beginning_of_every_word_of_its_title(
            title in "[a-zA-ZäöüßÉİı0-9]{1,20}( [a-zA-Zäß한글]{1,20}){0,4}",
            length in 1_usize..25,
        ) {
            for word in title.split(' ') {
                let beginning: String = word.chars().take(length).collect();
                prop_assert!(finds(&beginning, &title), "{} in {}", beginning, title);
            }
        }

        #[test]
        fn terms_alone_decide_about_short_words_and_never_miss(
            title in "[ab]{1,14}( [ab]{1,14}){0,3}",
            query in "[ab]{1,14}( [ab]{1,14}){0,2}",
        ) {
            finds(&query, &title);
        }

        #[test]
        fn a_term_has_1_to_12_characters(title in "\\PC{1,60}") {
            let words = words(&title);
            for term in terms(words.iter().map(String::as_str)) {
                prop_assert!((1..=LONGEST_PREFIX).contains(&term.chars().count()));
            }
        }
    }
}
