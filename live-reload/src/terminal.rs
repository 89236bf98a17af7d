//! What people are told. It goes to standard error, like the logs of the services.

use std::io::IsTerminal as _;

/// Says one thing, with the program's name before it.
pub(crate) fn say(text: &str) {
    show(&format!("live-reload: {text}"));
}

/// Shows lines as they are: what a compiler or a service wrote.
#[expect(
    clippy::print_stderr,
    reason = "this is what the person at the terminal waits for"
)]
pub(crate) fn show(text: &str) {
    eprintln!("{}", text.trim_end_matches('\n'));
}

/// Whether a person looks at it, who likes colours.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// The text without colours and other commands to a terminal (ECMA-48 control sequences).
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            // A control sequence ends with a letter of this range.
            Some('[') => {
                letters.find(|letter| ('@'..='~').contains(letter));
            }
            // An operating system command, such as a hyperlink, ends with BEL or ESC \.
            Some(']') => {
                while let Some(letter) = letters.next() {
                    if letter == '\u{7}' {
                        break;
                    }
                    if letter == '\u{1b}' {
                        letters.next();
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_has_no_colours_and_no_links() {
        let coloured =
            "\u{1b}[1;31merror\u{1b}[0m: \u{1b}]8;;https://x\u{1b}\\E0308\u{1b}]8;;\u{7} ä";
        assert_eq!(plain(coloured), "error: E0308 ä");
    }
}
