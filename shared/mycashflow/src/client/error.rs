//! Why a shop did not do as it was asked.

use std::time::Duration;

use url::Url;

use crate::read::ReadError;
use crate::transport::TransportError;

/// Why a shop did not do as it was asked; after several attempts, why the last one failed. Nothing here holds the URL,
/// the key or a body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No whole answer came.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The shop does not accept the key, or the sender.
    #[error("the shop refused the {}", refused(*status))]
    Denied {
        /// 401 or 403.
        status: u16,
    },
    /// The shop answered with a redirect, which is not followed: the key must not go elsewhere.
    #[error("the shop answered with status {status} and points to {}", pointed(to.as_deref()))]
    Moved {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to: the new address of the shop if the path is the one that was asked, else the scheme and the host. None
        /// when the header is missing or points to another page of the same host.
        to: Option<String>,
    },
    /// The shop asks to be left alone for longer than there is time to wait. Until that time is over, no clone of the
    /// client sends anything. Of a request that has an effect: it was not sent, or refused with 429.
    #[error(
        "the shop answered with status {status} and asks to be left alone for {} s, longer than this run can wait",
        wait.as_secs_f64().ceil()
    )]
    Busy {
        /// The status that the wish came with: 408, 429 or 5xx.
        status: u16,
        /// How long the shop is still to be left alone.
        wait: Duration,
    },
    /// The shop answered with a status that is not success.
    #[error("the shop answered with status {status}")]
    Status {
        /// The status: 304, 4xx or 5xx.
        status: u16,
    },
    /// The shop said success, but what it sent is not an answer: a page of HTML, an error document, nothing at all, or
    /// XML that is broken or cut short.
    #[error("the shop's answer is not the XML that it should be{}", hint(.0))]
    NotAnAnswer(#[source] ReadError),
    /// The shop answered a request that has an effect with success, but with words that may mean a failure.
    #[error("the shop's answer does not say plainly that it was done")]
    Unclear,
    /// The deadline had passed before the request could be sent.
    #[error("no time is left for the request")]
    Deadline,
    /// No order number was given, so nothing was asked.
    #[error("no order number was given")]
    NoOrders,
}

impl ClientError {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(TransportError::TooLarge { .. } | TransportError::Compressed { .. })
            | Self::Denied { .. }
            | Self::Moved { .. }
            | Self::Unclear
            | Self::NoOrders => false,
            Self::Transport(_) | Self::Deadline | Self::Busy { .. } => true,
            Self::Status { status } => is_transient_status(*status),
            Self::NotAnAnswer(error) => match error {
                ReadError::Empty
                | ReadError::Html
                | ReadError::ErrorDocument
                | ReadError::NotOrders { .. }
                | ReadError::Unexplained
                | ReadError::Malformed { .. }
                | ReadError::Truncated { .. } => true,
                // The shop wrote these on purpose, so it will again.
                ReadError::Dtd { .. }
                | ReadError::TooDeep { .. }
                | ReadError::TooLarge { .. }
                | ReadError::Encoding { .. }
                | ReadError::InvalidUtf8 { .. } => false,
            },
        }
    }

    /// Whether the shop may have received the request and done what it asks, so that sending it again might do it twice.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Transport(error) => error.may_have_arrived(),
            Self::NotAnAnswer(_) | Self::Unclear | Self::Moved { .. } => true,
            Self::Status { status } => leaves_it_open(*status),
            Self::Denied { .. } | Self::Busy { .. } | Self::Deadline | Self::NoOrders => false,
        }
    }
}

/// Whether a status says that the same request may succeed later.
pub(super) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// Whether a status leaves it open if the request was done. A client error says that it was refused; a redirect and a server
/// error do not, and neither does 408: a proxy that gave up waiting may say it after the request went on to the shop.
fn leaves_it_open(status: u16) -> bool {
    status == 408 || !(400..500).contains(&status)
}

/// Where a redirect of the question `asked` leads, as far as that may be shown: without its query, and without a path that
/// is not the question's own, for either can repeat the key.
pub(super) fn moved_to(location: Option<&str>, asked: &Url, key: &str) -> Option<String> {
    let target = asked.join(location?).ok().filter(|target| matches!(target.scheme(), "http" | "https"))?;
    let origin = target.origin().ascii_serialization();
    let question = asked.path().rfind("/webhooks/").map(|start| &asked.path()[start..])?;
    let to = match target.path().trim_end_matches('/').strip_suffix(question) {
        Some(path) => format!("{origin}{path}"),
        None if target.origin() == asked.origin() => return None,
        None => origin,
    };
    let encoded: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
    let repeats_key = !key.is_empty() && (to.contains(key) || to.contains(&encoded));
    (to.len() <= 200 && !repeats_key).then_some(to)
}

fn refused(status: u16) -> String {
    match status {
        403 => "request with status 403: the key may be wrong, or a firewall in front of the shop may block the sender"
            .to_owned(),
        _ => format!("key with status {status}"),
    }
}

fn pointed(to: Option<&str>) -> String {
    match to {
        Some(to) => format!(
            "{to}: if the shop has moved there, its url among the connections must say so; if that is a login page, the key \
             may be wrong"
        ),
        None => "another page: if that is a login page, the key may be wrong; or the shop has moved".to_owned(),
    }
}

fn hint(error: &ReadError) -> &'static str {
    match error {
        ReadError::Html => " but a page of HTML: if that is a login page, the key may be wrong",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(location: &str) -> Option<String> {
        let asked = Url::parse("https://acme.example/shop/webhooks/get?order=58&key=hunter2").unwrap();
        moved_to(Some(location), &asked, "hunter2")
    }

    #[test]
    fn a_redirect_shows_the_new_address_and_neither_key_nor_query() {
        for (location, to) in [
            ("https://new.example/shop/webhooks/get?order=58&key=hunter2", "https://new.example/shop"),
            ("https://www.acme.example/webhooks/get/?key=hunter2#top", "https://www.acme.example"),
            ("//new.example/webhooks/get", "https://new.example"),
            ("https://aino:hunter2@new.example:8443/webhooks/get", "https://new.example:8443"),
            ("/webhooks/get", "https://acme.example"),
            ("http://acme.example/shop/webhooks/get", "http://acme.example/shop"),
            ("https://login.example/hunter2?next=/webhooks/get", "https://login.example"),
        ] {
            assert_eq!(shown(location).as_deref(), Some(to), "{location}");
        }
    }

    #[test]
    fn a_redirect_that_may_not_be_shown_is_not() {
        let long = format!("https://new.example/{}/webhooks/get", "x".repeat(200));
        for location in [
            "/admin/login?key=hunter2",
            "https://hunter2.example/",
            "/hunter2/webhooks/get",
            "mailto:aino@acme.example",
            "http://[",
            &long,
        ] {
            assert_eq!(shown(location), None, "{location}");
        }
        assert_eq!(moved_to(None, &Url::parse("https://acme.example/webhooks/get").unwrap(), "k"), None);
    }
}
