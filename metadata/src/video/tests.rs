use super::*;

#[test]
fn a_title_has_1_to_200_characters_however_many_bytes_they_take() {
    assert!(Title::new("ä".repeat(200)).is_ok());
    assert!(Title::new("ä".repeat(201)).is_err());
    assert!(Title::new(String::new()).is_err());
}

#[test]
fn a_title_is_kept_as_given() {
    let title = Title::new("  <b>Zwölf</b>  ".to_owned()).unwrap();
    assert_eq!(title.as_str(), "  <b>Zwölf</b>  ");
}

#[test]
fn a_blank_title_or_one_with_a_control_character_is_refused_with_the_rule() {
    for bad in [" ", "\u{3000}\u{a0}", "a\nb", "a\u{0}", "\u{7f}x"] {
        let refusal = Title::new(bad.to_owned()).unwrap_err().to_string();
        assert!(refusal.starts_with("title must be 1 to 200 characters"));
    }
}

#[test]
fn a_description_may_be_empty_and_have_lines_but_no_more_than_5000_characters() {
    assert!(Description::new(String::new()).is_ok());
    assert!(Description::new("line\nline".to_owned()).is_ok());
    assert!(Description::new("€".repeat(5_000)).is_ok());
    assert!(Description::new("€".repeat(5_001)).is_err());
}

#[test]
fn tags_are_trimmed_and_repeated_ones_dropped_in_order() {
    let tags = ["b", " a ", "b ", "a", "B"].map(str::to_owned).to_vec();
    assert_eq!(Tags::new(tags).unwrap().as_slice(), ["b", "a", "B"]);
}

#[test]
fn more_than_20_tags_a_blank_tag_and_a_long_tag_are_refused() {
    let numbered = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    assert!(Tags::new(numbered(20)).is_ok());
    assert!(Tags::new(numbered(21)).is_err());
    assert!(Tags::new(vec!["  ".to_owned()]).is_err());
    assert!(Tags::new(vec!["x".repeat(50)]).is_ok());
    assert!(Tags::new(vec!["x".repeat(51)]).is_err());
    assert!(Tags::new(vec!["a\tb".to_owned()]).is_err());
}

#[test]
fn a_media_type_must_be_one() {
    for good in ["video/mp4", "video/mp4; codecs=\"avc1.42E01E\""] {
        assert!(ContentType::new(good.to_owned()).is_ok());
    }
    for bad in [
        "",
        "video",
        "/mp4",
        "video/",
        "video/mp4\r\nx: y",
        "vidéo/mp4",
    ] {
        assert!(ContentType::new(bad.to_owned()).is_err(), "{bad:?}");
    }
}

#[test]
fn a_hash_has_64_lower_case_hexadecimal_digits() {
    assert!(ContentHash::new("0f".repeat(32)).is_ok());
    for bad in [
        "0F".repeat(32),
        "0f".repeat(31),
        format!("\"{}\"", "0f".repeat(31)),
    ] {
        assert!(ContentHash::new(bad).is_err());
    }
}

#[test]
fn a_time_loses_what_is_finer_than_a_millisecond() {
    let fine: Timestamp = "2026-03-01T10:00:00.123456789Z".parse().unwrap();
    assert_eq!(
        whole_milliseconds(fine).to_string(),
        "2026-03-01T10:00:00.123Z"
    );
}
