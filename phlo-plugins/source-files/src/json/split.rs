//! Cuts JSON between records, and makes an array's elements look like objects one after the other.

use memchr::{memchr2, memrchr};

use crate::blocks::{Broken, Split};

/// Cuts after lines.
pub(crate) struct LineSplit;

impl Split for LineSplit {
    fn split(&mut self, buffer: &mut [u8], last: bool) -> Result<usize, Broken> {
        Ok(if last { buffer.len() } else { memrchr(b'\n', buffer).map_or(0, |at| at + 1) })
    }
}

/// Cuts after values: those of an array, if the file holds one, or the file's own.
#[derive(Debug, Default)]
pub(crate) struct ValueSplit {
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has come yet.
    #[default]
    Begin,
    /// Values, one after the other.
    Sequence,
    /// In an array: at its first value, or its end.
    First,
    /// In an array: after a comma.
    Next,
    /// In an array: after a value.
    After,
    /// After the array.
    Done,
}

impl Split for ValueSplit {
    fn split(&mut self, buffer: &mut [u8], last: bool) -> Result<usize, Broken> {
        let broken = |at, why: &str| Err(Broken { at, why: why.to_owned() });
        let (mut at, mut end) = (0, 0);
        loop {
            at += buffer[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
            let Some(&byte) = buffer.get(at) else { break };
            match (self.state, byte) {
                (State::Begin, b'[') => {
                    (buffer[at], self.state) = (b' ', State::First);
                    at += 1;
                }
                (State::After, b',') => {
                    (buffer[at], self.state) = (b' ', State::Next);
                    at += 1;
                }
                (State::First | State::After, b']') => {
                    (buffer[at], self.state) = (b' ', State::Done);
                    at += 1;
                }
                (State::After, _) => return broken(at, "`,` or `]` should follow an element of the array"),
                (State::Done, _) => return broken(at, "something follows the array"),
                (State::Begin | State::Sequence | State::First | State::Next, _) => {
                    match value_len(&buffer[at..], last) {
                        Ok(Some(len)) => at += len,
                        Ok(None) if last => {
                            return broken(at, "the file ends in the middle of the value that begins here");
                        }
                        Ok(None) => return Ok(end),
                        Err(within) => return broken(at + within, "this is not JSON"),
                    }
                    self.state = if matches!(self.state, State::Begin | State::Sequence) {
                        State::Sequence
                    } else {
                        State::After
                    };
                }
            }
            end = at;
        }
        if last && matches!(self.state, State::First | State::Next | State::After) {
            return broken(end, "the file ends in the middle of the array");
        }
        Ok(if last { buffer.len() } else { end })
    }
}

/// How long the value is that begins the text; `None` if the text ends before it does. Only brackets and quotes are checked:
/// the rest is the decoder's. The error says where a value cannot begin or brackets do not fit.
fn value_len(text: &[u8], last: bool) -> Result<Option<usize>, usize> {
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' => {
                if open.pop() != Some(byte) {
                    return Err(at);
                }
            }
            b'"' => match string_len(&text[at..]) {
                Some(len) => at += len - 1,
                None => return Ok(None),
            },
            _ if !open.is_empty() => {}
            b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => {
                let is_end = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b']' | b'}' | b'{' | b'[' | b'"');
                return Ok(match text[at..].iter().position(is_end) {
                    Some(len) => Some(at + len),
                    None if last => Some(text.len()),
                    None => None,
                });
            }
            _ => return Err(at),
        }
        at += 1;
        if open.is_empty() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// The length of the string that begins the text, quotes included.
pub(crate) fn string_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a decoder gets, whatever the buffer's size.
    fn values(text: &str, buffer: usize) -> Result<String, String> {
        let (mut split, mut out, mut rest) = (ValueSplit::default(), String::new(), String::new());
        let mut chunks = text.as_bytes().chunks(buffer).peekable();
        while let Some(chunk) = chunks.next() {
            let mut bytes = std::mem::take(&mut rest).into_bytes();
            bytes.extend_from_slice(chunk);
            let last = chunks.peek().is_none();
            let end = split.split(&mut bytes, last).map_err(|broken| broken.why)?;
            out.push_str(std::str::from_utf8(&bytes[..end]).unwrap());
            rest = String::from_utf8(bytes[end..].to_vec()).unwrap();
        }
        Ok(out)
    }

    #[test]
    fn elements_of_an_array_are_told_apart_at_any_buffer_size() {
        for (text, wanted) in [
            (r#"[{"a":"]},["},{"a":[1,{"b":"\""}]}]"#, r#" {"a":"]},["} {"a":[1,{"b":"\""}]} "#),
            ("  [ ]\n", "     \n"),
            ("{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n{\"a\":2}"),
            ("[1, 2]\n", " 1  2 \n"),
            ("", ""),
            ("{\n\"a\": {}\n}\n", "{\n\"a\": {}\n}\n"),
        ] {
            for buffer in 1..=text.len().max(1) {
                assert_eq!(values(text, buffer).as_deref(), Ok(wanted), "{text} by {buffer}");
            }
        }
    }

    #[test]
    fn what_is_not_an_array_or_a_sequence_of_values_is_refused() {
        for (text, why) in [
            (r#"[{"a":1}{"a":2}]"#, "`,` or `]` should follow an element of the array"),
            (r#"[{"a":1}] x"#, "something follows the array"),
            (r#"[{"a":1}, {"a":"#, "the file ends in the middle of the value that begins here"),
            (r#"[{"a":1},"#, "the file ends in the middle of the array"),
            ("[,]", "this is not JSON"),
            ("{]", "this is not JSON"),
            ("a,b\n1,2\n", "this is not JSON"),
        ] {
            for buffer in 1..=text.len() {
                assert_eq!(values(text, buffer), Err(why.to_owned()), "{text} by {buffer}");
            }
        }
    }
}
