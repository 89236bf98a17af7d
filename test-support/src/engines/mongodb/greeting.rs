//! As much of MongoDB's protocol as it takes to see that a server answers, and which it is
//! (<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>).

/// The message `{buildInfo: 1, $db: "admin"}`, which needs no password.
pub(super) fn build_info() -> Vec<u8> {
    const OP_MSG: u32 = 2013;
    let mut document = Vec::new();
    // An integer of 32 bits, a string with its length and a zero byte at its end, the end.
    document.extend_from_slice(b"\x10buildInfo\0\x01\0\0\0");
    document.extend_from_slice(b"\x02$db\0\x06\0\0\0admin\0");
    document.push(0);
    let with_length = |bytes: &[u8], more: usize| {
        let length = u32::try_from(bytes.len() + more).expect("a short message");
        [&length.to_le_bytes(), bytes].concat()
    };
    let document = with_length(&document, 4);
    let mut message = Vec::new();
    // Its number, what it answers, its kind, no flags, one document.
    for number in [1, 0, OP_MSG, 0] {
        message.extend_from_slice(&u32::to_le_bytes(number));
    }
    message.push(0);
    message.extend_from_slice(&document);
    with_length(&message, 4)
}

/// The server's version in its answer.
pub(super) fn version_in(answer: &[u8]) -> Option<String> {
    const FIELD: &[u8] = b"\x02version\0";
    let at = answer.windows(FIELD.len()).position(|part| part == FIELD)?;
    let text = answer.get(at + FIELD.len() + 4..)?;
    let end = text.iter().position(|byte| *byte == 0)?;
    String::from_utf8(text[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_tells_its_length_and_that_of_its_document() {
        let message = build_info();
        let length_at = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
        assert_eq!(length_at(0) as usize, message.len());
        assert_eq!(length_at(21) as usize, message.len() - 21);
    }

    #[test]
    fn the_version_is_read_from_an_answer() {
        let answer = b"....\x02version\0\x06\0\0\x008.0.1\0\x02gitVersion\0";
        assert_eq!(version_in(answer).as_deref(), Some("8.0.1"));
        assert_eq!(version_in(b"\x02version\0"), None);
    }
}
