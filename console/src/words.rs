//! The fixed texts of what an operator sees, in both languages. A text from outside, such as a shop's answer or why a body
//! cannot be read, stays as it is.

use jiff::SignedDuration;

use crate::web::Language;

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) english: String,
    pub(crate) finnish: String,
}

impl Words {
    pub(crate) fn new(english: impl Into<String>, finnish: impl Into<String>) -> Self {
        Self { english: english.into(), finnish: finnish.into() }
    }

    /// A text from outside.
    pub(crate) fn outside(text: &str) -> Self {
        Self::new(text, text)
    }

    /// What a part of the product wrote down as the reason of something.
    pub(crate) fn reason(text: &str) -> Self {
        let known = REASONS.iter().find_map(|(english, finnish)| Some((text.strip_prefix(english)?, finnish)));
        // What follows a known beginning is a number, or from outside.
        let finnish = known.map(|(rest, finnish)| format!("{finnish}{rest}"));
        Self::new(text, finnish.unwrap_or_else(|| text.to_owned()))
    }

    /// The words that are stored or sent, such as `caught_up`, as people read them.
    pub(crate) fn name(name: &str) -> Self {
        match NAMES.iter().find(|(stored, ..)| *stored == name) {
            Some((_, english, finnish)) => Self::new(*english, *finnish),
            None => Self::new(name.replace('_', " "), name.replace('_', " ")),
        }
    }

    /// How long ago something was.
    pub(crate) fn ago(age: SignedDuration) -> Self {
        let (minutes, hours) = (age.as_mins().max(0), age.as_hours());
        let (count, english, finnish) = match (minutes, hours) {
            (..60, _) => (minutes, "min", "min"),
            (_, ..48) => (hours, "h", "t"),
            _ => (hours / 24, "days", "pv"),
        };
        Self::new(format!("{count} {english} ago"), format!("{count} {finnish} sitten"))
    }

    pub(crate) fn of(&self, language: Language) -> &str {
        match language {
            Language::English => &self.english,
            Language::Finnish => &self.finnish,
        }
    }
}

/// Stored names, in English and in Finnish.
const NAMES: [(&str, &str, &str); 32] = [
    // What happened to a document, and actions.
    ("received", "received", "vastaanotettu"),
    ("found", "found", "löydetty"),
    ("recorded", "recorded", "kirjattu"),
    ("published", "published", "julkaistu"),
    ("dispatched", "dispatched", "myynnin toimitus"),
    ("quarantined", "quarantined", "ei luettavissa"),
    ("deliver", "deliver", "toimitetuksi merkitseminen"),
    ("add_comment", "add comment", "kommentti"),
    ("resend", "resend", "uudelleenlähetys"),
    ("refresh", "refresh", "kysely kaupalta"),
    // What became of an action.
    ("done", "done", "tehty"),
    ("done_before", "done before", "tehty jo aiemmin"),
    ("dry_run", "dry run", "harjoitus"),
    ("rejected", "rejected", "hylätty"),
    ("unknown", "unknown", "ei tiedossa"),
    ("later", "later", "myöhemmin"),
    ("dismissed", "dismissed", "kuitattu"),
    // Why a poll stopped.
    ("caught_up", "caught up", "ajan tasalla"),
    ("deadline", "out of time", "aika loppui"),
    ("lease_held", "another run polls", "toinen kysely on käynnissä"),
    ("lease_lost", "another run took over", "toinen kysely jatkoi"),
    ("failed", "failed", "epäonnistui"),
    // What can be paused.
    ("poll", "poll", "kysely"),
    ("relay", "relay", "julkaisu"),
    ("actions", "actions", "toimenpiteet"),
    // How a copy came.
    ("push", "pushed", "lähetetty"),
    ("backfill", "backfilled", "jälkikäteen luettu"),
    // What became of a body in quarantine that was read again.
    ("duplicate", "duplicate", "jo kirjattu"),
    ("superseded", "superseded", "uudempi on kirjattu"),
    ("unreadable", "unreadable", "ei luettavissa"),
    // Streams of a shop.
    ("created", "created", "tehdyt tilaukset"),
    ("updated", "updated", "muuttuneet tilaukset"),
];

/// How reasons begin that the product itself writes, in English and in Finnish. The longest of one beginning stands first.
const REASONS: [(&str, &str); 28] = [
    ("delivered, as the shop shows", "toimitettu, kuten kauppa näyttää"),
    ("delivered", "toimitettu"),
    ("it was delivered already: the shop was not called", "se oli jo toimitettu: kauppaan ei otettu yhteyttä"),
    (
        "it was delivered a moment ago: the shop was not called",
        "se toimitettiin hetki sitten: kauppaan ei otettu yhteyttä",
    ),
    ("would be delivered", "merkittäisiin toimitetuksi"),
    ("comment added", "kommentti lisätty"),
    ("the shop was asked to send it again", "kauppaa pyydettiin lähettämään se uudelleen"),
    ("the ledger has it as revision ", "Tilaussillassa se on versio "),
    ("it is in quarantine: ", "ei luettavissa (talletettu): "),
    ("the shop has no such order", "kaupassa ei ole sellaista tilausta"),
    ("the shop does not have the order yet", "kaupassa ei ole vielä tilausta"),
    ("the order cannot be read: ", "tilaus ei ole luettavissa: "),
    (
        "another attempt is in progress, or its response may still arrive",
        "toinen yritys on kesken, tai sen vastaus voi vielä tulla",
    ),
    (
        "the delivery was sent: the shop does not show the order as delivered; it is looked at again, and not delivered again",
        "toimitus lähetettiin: kauppa ei näytä tilausta toimitettuna; se tarkistetaan vielä, eikä sitä lähetetä uudelleen",
    ),
    (
        "the delivery was sent before: the shop does not show the order as delivered; it is looked at again, and not \
         delivered again",
        "toimitus lähetettiin aiemmin: kauppa ei näytä tilausta toimitettuna; se tarkistetaan vielä, eikä sitä lähetetä \
         uudelleen",
    ),
    ("not finished in time: ", "ei valmistunut ajoissa: "),
    ("the key is missing", "avain puuttuu"),
    ("the key is wrong", "avain on väärä"),
    ("more orders than one answer shows", "tilauksia on enemmän kuin yksi vastaus näyttää"),
    ("more changes than one answer shows", "muutoksia on enemmän kuin yksi vastaus näyttää"),
    ("the shop answers with an error for this order", "kauppa vastaa tästä tilauksesta virheellä"),
    (
        "the shop says that its answer begins later than it was asked to",
        "kauppa kertoo vastauksensa alkavan myöhemmin kuin pyydettiin",
    ),
    ("the run reached its deadline without making progress", "kyselyn aika loppui, ennen kuin se pääsi eteenpäin"),
    ("no-key", "avain puuttuu"),
    ("wrong-key", "väärä avain"),
    ("no-code", "varmistuskoodi puuttuu"),
    ("wrong-code", "väärä varmistuskoodi"),
    ("by ", "kuittaaja: "),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_missing_in_a_language() {
        for (name, english, finnish) in NAMES {
            assert!(!english.is_empty() && !finnish.is_empty() && !finnish.contains('_'), "{name}");
        }
        for (index, (english, finnish)) in REASONS.iter().enumerate() {
            assert!(!finnish.is_empty() && english != finnish, "{english}");
            assert!(
                !REASONS[..index].iter().any(|(first, _)| english.starts_with(first)),
                "{english} is never reached"
            );
        }
    }

    #[test]
    fn what_follows_a_known_beginning_stays_as_it_is() {
        let reason = Words::reason("it is in quarantine: line 7: no number");
        assert_eq!(reason.of(Language::Finnish), "ei luettavissa (talletettu): line 7: no number");
        assert_eq!(Words::reason("the shop answers 500"), Words::outside("the shop answers 500"));
        assert_eq!(Words::name("caught_up").of(Language::English), "caught up");
        assert_eq!(Words::name("some_thing").of(Language::Finnish), "some thing");
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let ago = |minutes| Words::ago(SignedDuration::from_mins(minutes)).english;
        assert_eq!(
            [ago(-1), ago(59), ago(60), ago(2879), ago(2880)],
            ["0 min ago", "59 min ago", "1 h ago", "47 h ago", "2 days ago"]
        );
    }
}
