//! The shop's pushes on their way to the function that receives them.

use std::rc::Rc;
use std::time::Duration;

use world::in_process::lock;
use world::shop::OutgoingPost;

use super::model::Answered;
use super::plan::{percent, pick};
use super::runs::after_polls;
use super::simulation::Simulation;
use harness::{SHOP_KEY, post, text};

/// Attempts to deliver a push that is not answered with 200, by a shop that repeats it.
const TRIES: u32 = 3;

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
    let headers = [("content-type", due.content_type)];
    let path = format!("/mycashflow/acme/orders?key={SHOP_KEY}");
    for _ in 0..TRIES {
        let answering = mycashflow_order::handle(&sim.deps, post(&path, &headers, due.body.clone()));
        let killed = !sim.faults.are_over() && percent(sim.plan.push_faults / 4);
        let polls = if killed { fastrand::u32(0..12) } else { u32::MAX };
        let answer = after_polls(polls, answering).await;
        let shown = answer.as_ref().map_or((0, "killed".to_owned()), text);
        sim.trace.note(|| format!("post: order {}: {} {}", due.order, shown.0, shown.1));
        if answer.is_some() {
            let mut model = sim.model.borrow_mut();
            let hash = model.read(&due.body).and_then(|orders| orders.first()?.1);
            let (status, text) = shown.clone();
            let (body, at) = (due.body.clone(), sim.now());
            model.answered.push(Answered { order: due.order, hash, body, status, text, at });
        }
        if shown.0 == 200 || percent(50) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(fastrand::u64(1..120))).await;
    }
}
