//! The two languages of the pages.

use super::request::Ask;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Finnish.
    Finnish,
}

impl Language {
    /// The language of a request: by the switch, by an earlier choice, or by the browser. Answers whether it was chosen now.
    pub(crate) fn of(ask: &Ask, cookie: &str) -> (Self, bool) {
        match (ask.query("lang"), ask.cookie(cookie)) {
            (Some("fi"), _) => (Self::Finnish, true),
            (Some("en"), _) => (Self::English, true),
            (_, Some("fi")) => (Self::Finnish, false),
            (_, Some("en")) => (Self::English, false),
            _ => (Self::of_browser(&ask.languages), false),
        }
    }

    /// The first of a browser's languages that is one of ours.
    fn of_browser(languages: &str) -> Self {
        let mut tags = languages.split(',').map(|tag| tag.split(';').next().unwrap_or("").trim().to_lowercase());
        match tags.find(|tag| tag.starts_with("fi") || tag.starts_with("en")) {
            Some(tag) if tag.starts_with("fi") => Self::Finnish,
            _ => Self::English,
        }
    }

    /// The code in the page and in its address.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Finnish => "fi",
        }
    }

    /// The text in this language.
    pub fn of2(self, english: &'static str, finnish: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Finnish => finnish,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_says_which_language_it_wants() {
        assert_eq!(Language::of_browser("fi-FI,fi;q=0.9,en;q=0.8"), Language::Finnish);
        assert_eq!(Language::of_browser("sv,en-GB;q=0.8,fi;q=0.5"), Language::English);
        assert_eq!(Language::of_browser(""), Language::English);
    }
}
