//! The operator's pages: HTML made on the server, without a script that a page needs.
//!
//! [`Console::answer`] takes a request and gives a response, so that any HTTP server can serve it. It answers only to its own
//! host, and only to whoever came once with the token in the address. What changes something needs [`Settings::may_act`] and a
//! CSRF token; without the first, the line in the audit log is all that it writes.

mod actions;
mod compare;
mod completeness;
mod connections;
mod document;
mod language;
mod messages;
mod orders;
mod page;
mod problems;
mod request;
mod today;

use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::{Operator, OperatorError};
pub use language::Language;
use page::Page;
use request::{Ask, cookie};
use subtle::ConstantTimeEq;

/// The style sheet of all pages.
const STYLE: &str = include_str!("web/style.css");
/// The script: it renews the line of what arrives. Every page works without it.
const SCRIPT: &str = include_str!("web/live.js");

/// Nothing is loaded from elsewhere, and no script or style stands in a page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const LANGUAGE: &str = "tilaussilta_lang";

/// How the pages are served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The hosts that are ours, each with its port: `127.0.0.1:8788`.
    pub hosts: Vec<String>,
    /// What the first address must bring as `?token=`, and the cookie from then on.
    pub token: String,
    /// What every form that changes something brings.
    pub csrf: String,
    /// Whether a page may act: retry, dismiss, replay, refresh, record.
    pub may_act: bool,
}

impl Settings {
    /// Settings for a port of this machine, with tokens that nobody can guess.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(port: u16, may_act: bool) -> Result<Self, getrandom::Error> {
        let hosts = vec![format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        Ok(Self { hosts, token: secret()?, csrf: secret()?, may_act })
    }

    /// The cookie's name: browsers send a cookie to every port of a host.
    fn session(&self) -> String {
        let port = self.hosts.first().and_then(|host| host.rsplit(':').next()).unwrap_or_default();
        format!("tilaussilta_session_{port}")
    }
}

/// The pages over a deployment.
#[derive(Clone)]
pub struct Console {
    operator: Operator,
    settings: Settings,
}

/// Why there is no page.
pub(crate) enum Refused {
    /// There is nothing of that name.
    NotFound(String),
    /// It may not be done.
    Forbidden(&'static str),
    /// The deployment does not answer.
    Failed(OperatorError),
}

impl From<OperatorError> for Refused {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::NotFound(what) => Self::NotFound(what),
            other => Self::Failed(other),
        }
    }
}

impl From<ledger::LedgerError> for Refused {
    fn from(error: ledger::LedgerError) -> Self {
        Self::Failed(error.into())
    }
}

impl Console {
    /// The pages over a deployment.
    pub fn new(operator: Operator, settings: Settings) -> Self {
        Self { operator, settings }
    }

    /// Whether a request is one for a page, by its method and path, so that another server can serve the rest.
    pub fn serves(method: &Method, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        let known = [
            "",
            "orders",
            "orders.csv",
            "document",
            "messages",
            "actions",
            "problems",
            "compare",
            "completeness",
            "connections",
            "live",
            "style.css",
            "live.js",
            "favicon.ico",
        ];
        match *method {
            Method::GET | Method::HEAD => known.contains(&path),
            Method::POST => ["retry", "dismiss", "replay", "refresh", "reveal", "test", "compare"]
                .iter()
                .any(|act| path == format!("do/{act}")),
            _ => false,
        }
    }

    /// Answers a request.
    pub async fn answer(&self, parts: &http::request::Parts, body: &[u8]) -> Response<String> {
        let ask = Ask::new(parts, body);
        if !self.settings.hosts.iter().any(|host| ask.host.as_deref() == Some(host)) {
            return plain(StatusCode::MISDIRECTED_REQUEST, "this address is not the console's own");
        }
        match ask.path.as_str() {
            "/style.css" => return asset(STYLE, "text/css; charset=utf-8"),
            "/live.js" => return asset(SCRIPT, "text/javascript; charset=utf-8"),
            "/favicon.ico" => return plain(StatusCode::NOT_FOUND, ""),
            _ => {}
        }
        if let Some(token) = ask.query("token") {
            return match is_equal(token, &self.settings.token) {
                true => self.let_in(),
                false => plain(StatusCode::FORBIDDEN, "the token is wrong: use the address that the program printed"),
            };
        }
        if !ask.cookie(&self.settings.session()).is_some_and(|session| is_equal(session, &self.settings.token)) {
            return plain(StatusCode::FORBIDDEN, "open the address that the program printed, with its token");
        }
        let (language, is_chosen) = Language::of(&ask, LANGUAGE);
        let page = Page { language, settings: &self.settings, path: ask.path.clone(), query: ask.query_text.clone() };
        let answered =
            if ask.method == Method::POST { self.act(&ask, &page).await } else { self.look(&ask, &page).await };
        let mut response = answered.unwrap_or_else(|refused| page.refused(refused));
        if is_chosen && let Ok(cookie) = cookie(LANGUAGE, language.code(), false) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        secured(response)
    }

    async fn look(&self, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
        match ask.path.as_str() {
            "/" => today::today(&self.operator, page).await,
            "/live" => today::live(&self.operator, page).await,
            "/orders" => orders::orders(&self.operator, ask, page).await,
            "/orders.csv" => orders::as_csv(&self.operator, ask).await,
            "/document" => document::document(&self.operator, ask, page, false).await,
            "/messages" => messages::messages(&self.operator, ask, page).await,
            "/actions" => actions::actions(&self.operator, page).await,
            "/problems" => problems::problems(&self.operator, ask, page).await,
            "/compare" => compare::compare(&self.operator, ask, page).await,
            "/completeness" => completeness::completeness(&self.operator, page).await,
            "/connections" => connections::connections(&self.operator, ask, page).await,
            other => Err(Refused::NotFound(other.to_owned())),
        }
    }

    async fn act(&self, ask: &Ask, page: &Page<'_>) -> Result<Response<String>, Refused> {
        if !ask.form("csrf").is_some_and(|csrf| is_equal(csrf, &self.settings.csrf)) {
            return Err(Refused::Forbidden("the form is not one of this console's pages"));
        }
        if ask.path == "/do/reveal" {
            return document::document(&self.operator, ask, page, true).await;
        }
        if !self.settings.may_act {
            return Err(Refused::Forbidden("the console only shows: start it with --allow-actions to act"));
        }
        match ask.path.as_str() {
            "/do/retry" => problems::retry(&self.operator, ask, page).await,
            "/do/dismiss" => problems::dismiss(&self.operator, ask, page).await,
            "/do/replay" => document::replay(&self.operator, ask).await,
            "/do/refresh" => document::refresh(&self.operator, ask).await,
            "/do/compare" => compare::record(&self.operator, ask).await,
            "/do/test" => connections::test(&self.operator, ask, page).await,
            other => Err(Refused::NotFound(other.to_owned())),
        }
    }

    /// Sets the cookie, and takes the token out of the address.
    fn let_in(&self) -> Response<String> {
        let mut response = redirect("/");
        if let Ok(cookie) = cookie(&self.settings.session(), &self.settings.token, true) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        secured(response)
    }
}

/// 256 bits from the operating system, in hexadecimal.
fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares without telling by the time where two texts differ.
fn is_equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn plain(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(format!("{text}\n"));
    *response.status_mut() = status;
    secured(response)
}

fn asset(text: &str, content_type: &'static str) -> Response<String> {
    let mut response = Response::new(text.to_owned());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    secured(response)
}

/// Goes to another page, with GET.
pub(crate) fn redirect(to: &str) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/")));
    response
}

fn secured(mut response: Response<String>) -> Response<String> {
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
