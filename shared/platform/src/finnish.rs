//! The answers in Finnish, for the users of the ERP. Logs and metrics stay English.

use intake::QuarantineReason;
use ledger::Appended;
use manu::{DocumentError, MAX_DEPTH};

/// What became of a document.
pub(crate) fn appended(name: &str, appended: Appended) -> String {
    match appended {
        Appended::Recorded { revision } => format!("kirjattu: {name}, versio {revision}"),
        Appended::Duplicate { revision } => format!("kaksoiskappale: {name} on jo kirjattu versiona {revision}"),
        Appended::Stale { revision } => format!("vanhentunut: {name} on kirjattu uudempana, versio {revision}"),
    }
}

/// Why a message could not be read.
pub(crate) fn reason(reason: &QuarantineReason) -> String {
    match reason {
        QuarantineReason::NotJsonType => {
            "viestin on oltava JSONia, ja sen sisältötyypin JSON tai puuttua kokonaan".to_owned()
        }
        QuarantineReason::Message(DocumentError::Empty) => "viesti on tyhjä, odotettiin JSON-dokumenttia".to_owned(),
        QuarantineReason::Message(DocumentError::NotUtf8 { line, column }) => {
            format!("viesti ei ole UTF-8-muotoa rivillä {line}, sarakkeessa {column}")
        }
        QuarantineReason::Message(DocumentError::LettersLost { line, column }) => format!(
            "viestistä katosi merkkejä matkalla, ensimmäinen rivillä {line}, sarakkeessa {column}: se on lähetettävä \
             UTF-8-muodossa"
        ),
        QuarantineReason::Message(DocumentError::NotJson { line, column, reason }) => {
            format!("viesti ei ole JSONia rivillä {line}, sarakkeessa {column}: {reason}")
        }
        QuarantineReason::Message(DocumentError::TooDeep { line, column }) => {
            format!("viestissä on yli {MAX_DEPTH} sisäkkäistä tasoa rivillä {line}, sarakkeessa {column}")
        }
        QuarantineReason::TooLarge { size_bytes, limit_bytes } => {
            format!("viesti vie pakattuna {size_bytes} tavua, ja raja on {limit_bytes}")
        }
        other => other.to_string(),
    }
}

/// That a message is kept although it could not be read.
pub(crate) const IN_QUARANTINE: &str = "viesti on tallessa karanteenissa";
/// That a message is neither recorded nor kept.
pub(crate) const SEND_AGAIN: &str = "viestiä ei voitu kirjata juuri nyt: lähetä se uudelleen";
