//! Where a byte stands in a text, in lines and columns.

/// The line and column of a byte, both from 1, the column in characters. A byte past the end counts as the end; a byte
/// inside a character counts as its first.
pub fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::line_column;
    use proptest::prelude::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let text = "ab\nÜxy\n";
        assert_eq!(line_column(text, 0), (1, 1));
        assert_eq!(line_column(text, 3), (2, 1));
        assert_eq!(line_column(text, 5), (2, 2));
        assert_eq!(line_column(text, 4), (2, 1), "inside a character");
        assert_eq!(line_column(text, 99), (3, 1));
    }

    proptest! {
        #[test]
        fn any_byte_has_a_place(text in "(?s).*", byte in 0_usize..200) {
            let (line, column) = line_column(&text, byte);
            prop_assert!(line >= 1 && column >= 1);
        }
    }
}
