//! What a browser asks.

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue, Method, header};

/// A request, read.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) host: Option<String>,
    pub(crate) languages: String,
    pub(crate) query_text: String,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn of<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

impl Ask {
    pub(crate) fn new(parts: &http::request::Parts, body: &[u8]) -> Self {
        let query_text = parts.uri.query().unwrap_or_default().to_owned();
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            host: text(&parts.headers, header::HOST),
            languages: text(&parts.headers, header::ACCEPT_LANGUAGE).unwrap_or_default(),
            query: pairs(query_text.as_bytes()),
            query_text,
            form: pairs(body),
            cookies: text(&parts.headers, header::COOKIE)
                .unwrap_or_default()
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// A field of the address that is not empty.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        of(&self.query, name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// A field of the form that is not empty.
    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        of(&self.form, name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// A field of the address or of the form.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.query(name).or_else(|| self.form(name))
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        of(&self.cookies, name)
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// A cookie for all pages, for as long as the browser is open.
pub(crate) fn cookie(name: &str, value: &str, is_secret: bool) -> Result<HeaderValue, InvalidHeaderValue> {
    let more = if is_secret { "; HttpOnly" } else { "" };
    HeaderValue::from_str(&format!("{name}={value}; Path=/; SameSite=Strict{more}"))
}
