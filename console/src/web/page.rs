//! What all pages have in common.

use http::{HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};
use mycashflow::time_zone;

use super::{Language, Refused, Settings};
use crate::words::Words;

/// The page that is being made.
pub(crate) struct Page<'a> {
    pub(crate) language: Language,
    pub(crate) settings: &'a Settings,
    pub(crate) path: String,
    pub(crate) query: String,
}

/// The address of each page, with its name in both languages.
const PAGES: [(&str, &str, &str); 8] = [
    ("/", "Today", "Tänään"),
    ("/orders", "Orders", "Tilaukset"),
    ("/messages", "Messages", "Viestit"),
    ("/actions", "Actions", "Toimenpiteet"),
    ("/problems", "Problems", "Selvitettävät"),
    ("/compare", "Compare", "Vertailu"),
    ("/completeness", "Completeness", "Täsmäytys"),
    ("/connections", "Connections", "Yhteydet"),
];

impl Page<'_> {
    /// The text in the page's language.
    pub(crate) fn t(&self, english: &'static str, finnish: &'static str) -> &'static str {
        self.language.of2(english, finnish)
    }

    /// A stored name, such as `caught_up`, in the page's language.
    pub(crate) fn name(&self, name: &str) -> String {
        Words::name(name).of(self.language).to_owned()
    }

    /// The noun of a count in the page's language, in English and in Finnish each for one and for another number.
    pub(crate) fn counted(&self, count: usize, english: [&'static str; 2], finnish: [&'static str; 2]) -> &'static str {
        let form = usize::from(count != 1);
        self.t(english[form], finnish[form])
    }

    /// A whole page.
    pub(crate) fn show(&self, title: &str, content: Markup) -> Response<String> {
        let other = match self.language {
            Language::English => ("fi", "Suomeksi"),
            Language::Finnish => ("en", "In English"),
        };
        let others = form_urlencoded::parse(self.query.as_bytes()).filter(|(name, _)| name != "lang");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others).append_pair("lang", other.0);
        let switch = format!("{}?{}", self.path, query.finish());
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " · Tilaussilta" }
                    link rel="stylesheet" href="/style.css";
                    script src="/live.js" defer {}
                }
                body {
                    a.skip href="#content" { (self.t("Skip to the content", "Siirry sisältöön")) }
                    header {
                        p.brand { "Tilaussilta" }
                        nav aria-label=(self.t("Pages", "Sivut")) {
                            ul {
                                @for (address, english, finnish) in PAGES {
                                    @let is_here = self.path == address;
                                    li {
                                        a href=(address) aria-current=[is_here.then_some("page")] {
                                            (self.t(english, finnish))
                                        }
                                    }
                                }
                            }
                        }
                        a.switch href=(switch) lang=(other.0) hreflang=(other.0) { (other.1) }
                    }
                    main id="content" tabindex="-1" {
                        h1 { (title) }
                        (content)
                    }
                }
            }
        };
        html_response(StatusCode::OK, page)
    }

    /// The page of something that cannot be shown.
    pub(crate) fn refused(&self, refused: Refused) -> Response<String> {
        let (status, title, text) = match refused {
            Refused::NotFound(what) => (StatusCode::NOT_FOUND, self.t("Not found", "Ei löytynyt"), what),
            Refused::Forbidden(why) => (StatusCode::FORBIDDEN, self.t("Not allowed", "Ei sallittu"), why.to_owned()),
            Refused::Failed(error) => (
                StatusCode::BAD_GATEWAY,
                self.t("The deployment does not answer", "Palvelu ei vastaa"),
                ledger::with_sources(&error),
            ),
        };
        let mut response = self.show(title, html! { p role="alert" { (text) } });
        *response.status_mut() = status;
        response
    }

    /// An instant on the clock of Finland, where the shop's people read it.
    pub(crate) fn time(&self, at: Timestamp) -> Markup {
        let shown = at.to_zoned(time_zone().clone());
        let text = match self.language {
            Language::Finnish => shown.strftime("%-d.%-m.%Y %-H.%M.%S").to_string(),
            Language::English => shown.strftime("%F %T").to_string(),
        };
        html! { time datetime=(at) { (text) } }
    }

    /// A form with one button that changes something. It is not there when the console only shows.
    pub(crate) fn button(&self, action: &str, fields: &[(&str, &str)], text: &str) -> Markup {
        if !self.settings.may_act {
            return html! {};
        }
        self.form(action, fields, text)
    }

    /// A form with one button.
    pub(crate) fn form(&self, action: &str, fields: &[(&str, &str)], text: &str) -> Markup {
        html! {
            form.inline method="post" action=(action) {
                input type="hidden" name="csrf" value=(self.settings.csrf);
                @for (name, value) in fields {
                    input type="hidden" name=(name) value=(value);
                }
                button type="submit" { (text) }
            }
        }
    }
}

/// A table that a narrow screen scrolls by itself.
pub(crate) fn table(caption: &str, header: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for name in header { th scope="col" { (name) } } } }
                tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    }
}

/// The address of a document's page.
pub(crate) fn link(document: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("id", document).finish();
    format!("/document?{query}")
}

pub(crate) fn html_response(status: StatusCode, page: Markup) -> Response<String> {
    let mut response = Response::new(page.into_string());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
