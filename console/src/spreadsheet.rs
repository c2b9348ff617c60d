//! Texts of others in tables that a spreadsheet opens.

use std::borrow::Cow;

/// A field of a table as a spreadsheet may be given it: one that it would take for a formula is led by an apostrophe. A
/// number stays as it is.
pub fn spreadsheet_safe(field: &str) -> Cow<'_, str> {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let is_number = || field.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'));
    if is_formula && !is_number() { Cow::Owned(format!("'{field}")) } else { Cow::Borrowed(field) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_no_formula_any_more() {
        for text in ["=1+1", "+SUM(A1)", "-cmd|x", "@x", "\t=1", "\r=1"] {
            assert_eq!(spreadsheet_safe(text), format!("'{text}"));
        }
        for text in ["-12.50", "+358401234567", "Kahvi", ""] {
            assert_eq!(spreadsheet_safe(text), text);
        }
    }
}
