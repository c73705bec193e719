//! Numbers and texts as people read them, the same wherever they are told.

/// A number with its thousands apart: `27,004`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text on one line: each stretch of white space is one blank.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number that tells texts apart, the same in every build and on every machine: 64-bit FNV-1a
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>). Not against people who look for two of the same.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_lines_are_one() {
        let numbers = [0, 999, 1000, 27_004, 1_234_567].map(thousands);
        assert_eq!(numbers, ["0", "999", "1,000", "27,004", "1,234,567"]);
        assert_eq!(one_line("  a\n\t b "), "a b");
        // As the authors list them.
        assert_eq!(
            [hash(""), hash("a"), hash("foobar")],
            [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]
        );
    }
}
