//! What can be asked of a shop, and how each question looks as an HTTP request.

use std::fmt;

use http::Method;
use url::Url;

/// Which of the two time lines of a shop to follow (`docs/vendors/mycashflow.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Orders by the time they were made.
    Created,
    /// Orders by the time they last changed.
    Updated,
}

impl Stream {
    /// The parameter that carries the start of the window, in Unix seconds.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Created => "created_after_ts",
            Self::Updated => "updated_after_ts",
        }
    }
}

/// One call to a shop's Webhooks extension (`docs/vendors/mycashflow.md`).
///
/// Its `Debug` form names the action and leaves out what it carries, which can be a customer's message.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// One order.
    Get {
        /// The order's number.
        order: u64,
    },
    /// Several orders.
    GetMany {
        /// Their numbers.
        orders: Vec<u64>,
    },
    /// The next orders of a stream, at most 100.
    Changes {
        /// Which time line.
        stream: Stream,
        /// Where on it to start, in Unix seconds. Whether the bound itself is included is not known.
        after: i64,
    },
    /// Have the shop POST an order once more to the address in its settings.
    Send {
        /// The order's number.
        order: u64,
    },
    /// Mark an order and all its products as delivered.
    Deliver {
        /// The order's number.
        order: u64,
        /// Whether the shop mails a confirmation to the customer.
        send_email: bool,
        /// The carrier's tracking code. The vendor's page does not name this parameter; existing clients send it.
        tracking_code: Option<String>,
    },
    /// Add a comment to an order.
    AddComment {
        /// The order's number.
        order: u64,
        /// The comment.
        message: String,
        /// Whether the customer sees the comment and is mailed it.
        public_message: bool,
    },
}

impl Request {
    /// The HTTP request, for the shop at `base` (`https://acme.mycashflow.fi`, or with a path in front of the
    /// extension's own). A query or fragment in `base` is dropped.
    ///
    /// `key` is the shop's API key: the last parameter, in the query of a GET and in the form of a POST, as on the
    /// vendor's page.
    ///
    /// ```
    /// use tilaussilta_mycashflow::Request;
    ///
    /// let http = Request::Get { order: 43 }.to_http(&"https://acme.mycashflow.fi".parse()?, "gvbnkiytfghu76tg");
    /// assert_eq!(http.url.as_str(), "https://acme.mycashflow.fi/webhooks/get?order=43&key=gvbnkiytfghu76tg");
    /// # Ok::<(), url::ParseError>(())
    /// ```
    pub fn to_http(&self, base: &Url, key: &str) -> HttpRequest {
        let mut url = base.clone();
        url.set_path(&format!("{}/webhooks/{}", base.path().trim_end_matches('/'), self.endpoint()));
        url.set_query(None);
        url.set_fragment(None);

        let mut parameters = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.parameters() {
            parameters.append_pair(name, &value);
        }
        let parameters = parameters.append_pair("key", key).finish();
        if self.is_get() {
            url.set_query(Some(&parameters));
            HttpRequest { method: Method::GET, url, form: None }
        } else {
            HttpRequest { method: Method::POST, url, form: Some(parameters) }
        }
    }

    /// Whether this is a GET. That does not make it harmless to repeat: [`Request::Send`] is one too.
    pub fn is_get(&self) -> bool {
        !matches!(self, Self::Deliver { .. } | Self::AddComment { .. })
    }

    /// The last segment of the path.
    fn endpoint(&self) -> &'static str {
        match self {
            Self::Get { .. } | Self::GetMany { .. } => "get",
            Self::Changes { .. } => "changes",
            Self::Send { .. } => "send",
            Self::Deliver { .. } | Self::AddComment { .. } => "process",
        }
    }

    /// All parameters but the key, in the order of the vendor's page.
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let flag = |value: &bool| u8::from(*value).to_string();
        match self {
            Self::Get { order } | Self::Send { order } => vec![("order", order.to_string())],
            Self::GetMany { orders } => orders.iter().map(|order| ("order_ids[]", order.to_string())).collect(),
            Self::Changes { stream, after } => vec![(stream.parameter(), after.to_string())],
            Self::Deliver { order, send_email, tracking_code } => {
                let mut parameters = vec![
                    ("action", "deliver".to_owned()),
                    ("order", order.to_string()),
                    ("send_email", flag(send_email)),
                ];
                parameters.extend(tracking_code.iter().map(|code| ("tracking_code", code.clone())));
                parameters
            }
            Self::AddComment { order, message, public_message } => vec![
                ("action", "add_comment".to_owned()),
                ("order", order.to_string()),
                ("message", message.clone()),
                ("public_message", flag(public_message)),
            ],
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Get { .. } => "Get",
            Self::GetMany { .. } => "GetMany",
            Self::Changes { .. } => "Changes",
            Self::Send { .. } => "Send",
            Self::Deliver { .. } => "Deliver",
            Self::AddComment { .. } => "AddComment",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

/// An HTTP request, ready to be sent. Its `Debug` form leaves out the query and the form, which hold the key.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// GET or POST.
    pub method: Method,
    /// Where to, with the parameters of a GET.
    pub url: Url,
    /// The body of a POST, `application/x-www-form-urlencoded`.
    pub form: Option<String>,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(request: &Request) -> HttpRequest {
        request.to_http(&Url::parse("https://acme.mycashflow.fi").unwrap(), "gvbnkiytfghu76tg")
    }

    fn get(request: &Request) -> String {
        let HttpRequest { method, url, form } = http(request);
        assert_eq!((method, form), (Method::GET, None));
        assert!(request.is_get());
        url.into()
    }

    fn post(request: &Request) -> String {
        let HttpRequest { method, url, form } = http(request);
        assert_eq!((method, url.as_str()), (Method::POST, "https://acme.mycashflow.fi/webhooks/process"));
        assert!(!request.is_get());
        form.unwrap()
    }

    #[test]
    fn gets_look_as_on_the_vendors_page() {
        assert_eq!(
            get(&Request::Get { order: 43 }),
            "https://acme.mycashflow.fi/webhooks/get?order=43&key=gvbnkiytfghu76tg"
        );
        assert_eq!(
            get(&Request::GetMany { orders: vec![23, 43, 3] }),
            "https://acme.mycashflow.fi/webhooks/get?order_ids%5B%5D=23&order_ids%5B%5D=43&order_ids%5B%5D=3&key=gvbnkiytfghu76tg"
        );
        assert_eq!(
            get(&Request::Changes { stream: Stream::Created, after: 1_483_185_600 }),
            "https://acme.mycashflow.fi/webhooks/changes?created_after_ts=1483185600&key=gvbnkiytfghu76tg"
        );
        assert_eq!(
            get(&Request::Changes { stream: Stream::Updated, after: 0 }),
            "https://acme.mycashflow.fi/webhooks/changes?updated_after_ts=0&key=gvbnkiytfghu76tg"
        );
        assert_eq!(
            get(&Request::Send { order: 34 }),
            "https://acme.mycashflow.fi/webhooks/send?order=34&key=gvbnkiytfghu76tg"
        );
    }

    #[test]
    fn posts_carry_all_parameters_and_the_key_in_the_form() {
        assert_eq!(
            post(&Request::Deliver { order: 45, send_email: true, tracking_code: None }),
            "action=deliver&order=45&send_email=1&key=gvbnkiytfghu76tg"
        );
        assert_eq!(
            post(&Request::Deliver { order: 45, send_email: false, tracking_code: Some("JJFI 1/2".to_owned()) }),
            "action=deliver&order=45&send_email=0&tracking_code=JJFI+1%2F2&key=gvbnkiytfghu76tg"
        );
        assert_eq!(
            post(&Request::AddComment {
                order: 23,
                message: "Lähti & on matkalla\n1+1".to_owned(),
                public_message: true
            }),
            "action=add_comment&order=23&message=L%C3%A4hti+%26+on+matkalla%0A1%2B1&public_message=1&key=gvbnkiytfghu76tg"
        );
        assert_eq!(
            post(&Request::AddComment { order: 23, message: String::new(), public_message: false }),
            "action=add_comment&order=23&message=&public_message=0&key=gvbnkiytfghu76tg"
        );
    }

    #[test]
    fn a_path_in_the_base_is_kept_and_its_query_is_not() {
        for base in ["http://127.0.0.1:1/shop%20a", "http://127.0.0.1:1/shop%20a/?key=other#top"] {
            let request = Request::Get { order: 1 }.to_http(&Url::parse(base).unwrap(), "k");
            assert_eq!(request.url.as_str(), "http://127.0.0.1:1/shop%20a/webhooks/get?order=1&key=k");
        }
    }

    #[test]
    fn a_key_of_any_characters_arrives_as_it_is() {
        let key = "a b+c&d=e%20ä#?/";
        let base = Url::parse("https://acme.mycashflow.fi").unwrap();
        let get = Request::Get { order: 1 }.to_http(&base, key);
        assert_eq!(get.url.query_pairs().last().unwrap(), ("key".into(), key.into()));
        assert_eq!(get.url.query_pairs().count(), 2);
        let post = Request::Deliver { order: 1, send_email: false, tracking_code: None }.to_http(&base, key);
        let form = post.form.unwrap();
        let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        assert_eq!(pairs.last().unwrap(), &("key".into(), key.into()));
        assert_eq!(pairs.len(), 4);
    }

    #[test]
    fn debug_shows_neither_key_nor_message() {
        let base = Url::parse("https://user:hunter2@acme.mycashflow.fi").unwrap();
        let comment = Request::AddComment { order: 1, message: "hei Aino".to_owned(), public_message: false };
        let shown = format!(
            "{comment:?} {:?} {:?}",
            comment.to_http(&base, "hunter2"),
            Request::Get { order: 1 }.to_http(&base, "hunter2")
        );
        assert!(!shown.contains("hunter2") && !shown.contains("Aino"), "{shown}");
        assert!(shown.contains("/webhooks/process"), "{shown}");
    }
}
