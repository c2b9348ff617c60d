//! The shop's pushes on their way to the function that receives them.

use std::rc::Rc;
use std::time::Duration;

use world::in_process::lock;
use world::shop::OutgoingPost;

use super::assumptions::Assumption;
use super::model::{Answered, status_in};
use super::plan::{percent, pick};
use super::runs::after_polls;
use super::simulation::Simulation;
use harness::{SHOP_KEY, post, text};

/// Attempts to deliver a push that is not answered with 200, by a shop that repeats it.
const ATTEMPTS: u32 = 3;

/// Sends the pushes that are due: most at once, some late, twice, or never.
pub(super) fn collect(sim: &Rc<Simulation>) {
    for due in lock(&sim.shop).take_outbox() {
        let troubled = percent(sim.plan.push_faults);
        let copies = if troubled { fastrand::u32(0..3) } else { 1 };
        for _ in 0..copies {
            let most = if troubled { pick(&[400, 30_000, 1_200_000]) } else { 400 };
            let delay = Duration::from_millis(fastrand::u64(0..most));
            let due = due.clone();
            sim.spawn_with(|sim| deliver(sim, due, delay));
        }
    }
}

async fn deliver(sim: Rc<Simulation>, due: OutgoingPost, delay: Duration) {
    tokio::time::sleep(delay).await;
    let path = format!("/mycashflow/acme/orders?key={SHOP_KEY}");
    let pushed = status_in(&due.body, due.order);
    let (content_type, body) = written(&sim, &due);
    // A form is percent-encoded, so it has no letters to lose.
    let lossy = sim.plan.falsehoods.contains(Assumption::LostLetters) && percent(50) && !body.is_ascii();
    for _ in 0..ATTEMPTS {
        let mut request = post(&path, &[("content-type", content_type)], body.clone());
        let mut body = body.clone();
        if lossy {
            // Lambda hands a body over as text when it takes the content type for one.
            let text = without_letters(&body);
            body = text.clone().into_bytes();
            *request.body_mut() = text.into();
        }
        let answering = mycashflow_order::handle(&sim.deps, request);
        let killed = !sim.faults.are_over() && percent(sim.plan.push_faults / 4);
        let polls = if killed { fastrand::u32(0..12) } else { u32::MAX };
        let answer = after_polls(polls, answering).await;
        let shown = answer.as_ref().map_or((0, "killed".to_owned()), text);
        sim.trace.note(|| format!("push: order {}: {} {}", due.order, shown.0, shown.1));
        if answer.is_some() {
            let (status, text) = shown.clone();
            let (order, pushed, at) = (due.order, pushed.clone(), sim.now());
            sim.model.borrow_mut().answered.push(Answered { order, pushed, body, lossy, status, text, at });
        }
        if shown.0 == 200 || percent(50) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(fastrand::u64(1..120))).await;
    }
}

/// The body of a push and its content type: the document, or a form around it. A form says nothing of the document's
/// encoding, so only a shop that keeps to UTF-8 may send one.
fn written(sim: &Simulation, due: &OutgoingPost) -> (&'static str, Vec<u8>) {
    let falsehoods = &sim.plan.falsehoods;
    if !falsehoods.contains(Assumption::PushAsForm) || falsehoods.contains(Assumption::CharsetOfHeader) {
        return (due.content_type, due.body.clone());
    }
    let value: String = url::form_urlencoded::byte_serialize(&due.body).collect();
    ("application/x-www-form-urlencoded", format!("order={value}").into_bytes())
}

/// A body as text, in which U+FFFD stands for letters outside ASCII.
fn without_letters(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().map(|c| if c.is_ascii() { c } else { char::REPLACEMENT_CHARACTER }).collect()
}
