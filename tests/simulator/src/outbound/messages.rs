//! The ERP's messages on their way to the listener, each in one of the forms in which it may arrive.

use harness::{post, text};

use super::{MANU_SECRET, Sent, Simulation};
use crate::assumptions::Assumption;
use crate::plan::pick;

/// What the messages say: letters that an encoding can lose, and a sign that windows-1252 has outside of Latin-1.
const NOTE: &str = "Seinäjoki – 5 €";

/// How a message arrives.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    Bom,
    Windows1252,
    LostLetters,
    JoinedHeaders,
    OddJson,
}

/// Sends a message, and once more when it was not recorded, as the ERP's user does.
pub(super) async fn send(sim: &Simulation) {
    let id = sim.name("item");
    let mut forms = vec![Form::Plain];
    forms.extend(sim.falsehoods.iter().filter_map(form_of));
    let form = pick(&forms);
    let (note, json_note) = match form {
        Form::OddJson => ("", pick(&[r#""\ud83d""#, "1e400"]).to_owned()),
        Form::LostLetters => ("", "\"Sein\u{FFFD}joki\"".to_owned()),
        _ => (NOTE, format!("\"{NOTE}\"")),
    };
    let document = format!("{{\"id\":\"{id}\",\"note\":{json_note}}}");
    let code = manu::verify_code(document.as_bytes(), MANU_SECRET).to_string();
    let (content_type, body) = match form {
        Form::Bom => ("application/json", [b"\xEF\xBB\xBF", document.as_bytes()].concat()),
        Form::Windows1252 => ("application/json; charset=windows-1252", windows_1252(&document)),
        _ => ("application/json", document.clone().into_bytes()),
    };
    let code = if form == Form::JoinedHeaders { format!("{},{code}", "0".repeat(32)) } else { code };
    for _ in 0..3 {
        let headers = [("content-type", content_type), (manu::HEADER, code.as_str())];
        let mut request = post("/manu/acme/item-save", &headers, body.clone());
        if form == Form::LostLetters {
            *request.body_mut() = document.clone().into();
        }
        let answering = manu_listener::handle(&sim.actions.base, request);
        let Some(answer) = sim.unless_killed(answering).await else { continue };
        let (status, _) = text(&answer);
        let event = format!("manu/acme/item-save/{id}/1");
        let lossy = form == Form::LostLetters;
        sim.messages.borrow_mut().push(Sent { event, body: body.clone(), note, lossy, status });
        if status != 503 {
            return;
        }
    }
}

fn form_of(falsehood: Assumption) -> Option<Form> {
    match falsehood {
        Assumption::BomMessage => Some(Form::Bom),
        Assumption::Windows1252Message => Some(Form::Windows1252),
        Assumption::LostLettersMessage => Some(Form::LostLetters),
        Assumption::JoinedHeaders => Some(Form::JoinedHeaders),
        Assumption::OddJson => Some(Form::OddJson),
        _ => None,
    }
}

fn windows_1252(text: &str) -> Vec<u8> {
    let byte = |c: char| match c {
        '€' => 0x80,
        '–' => 0x96,
        c => c as u8,
    };
    text.chars().map(byte).collect()
}
