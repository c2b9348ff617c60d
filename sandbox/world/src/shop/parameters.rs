//! The parameters of a request: from the query and, as the shop's clients send them, from a form of either kind.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt, stream};

use super::ShopRequest;

/// Names and values, decoded, in the order they came.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query and the body; a body that is not a form has no parameters.
    pub(super) fn of(request: &ShopRequest<'_>) -> Self {
        let mut fields = urlencoded(request.query.as_bytes());
        let content_type = request.content_type.unwrap_or_default();
        if let Ok(boundary) = multer::parse_boundary(content_type) {
            fields.extend(multipart(request.body, boundary));
        } else if content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            fields.extend(urlencoded(request.body));
        }
        Self(fields)
    }

    /// The value of `name`; the last one when it is repeated, as in PHP.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|field| field.0 == name).map(|field| field.1.as_str())
    }

    /// Every value of the list `name`: of `name[]`, and of `name[0]`, `name[1]` and so on, as PHP's clients write it.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_part = move |field: &str| {
            let index = field.strip_prefix(name).and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'));
            index.is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
        };
        self.0.iter().filter(move |field| is_part(&field.0)).map(|field| field.1.as_str())
    }

    /// Whether a 0/1 parameter is 1; the vendor's default is 0.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }
}

fn urlencoded(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

/// The text fields up to the first that cannot be read.
fn multipart(body: &[u8], boundary: String) -> Vec<(String, String)> {
    let chunks = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(body))]);
    let mut form = multer::Multipart::new(chunks, boundary);
    let mut fields = Vec::new();
    // A stream in memory is always ready, so nothing here ever has to wait.
    async {
        while let Ok(Some(field)) = form.next_field().await {
            let Some(name) = field.name().map(str::to_owned) else { continue };
            let Ok(value) = field.text().await else { break };
            fields.push((name, value));
        }
    }
    .now_or_never();
    fields
}
