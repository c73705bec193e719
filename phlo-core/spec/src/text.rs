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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_lines_are_one() {
        let numbers = [0, 999, 1000, 27_004, 1_234_567].map(thousands);
        assert_eq!(numbers, ["0", "999", "1,000", "27,004", "1,234,567"]);
        assert_eq!(one_line("  a\n\t b "), "a b");
    }
}
