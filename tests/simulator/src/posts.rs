//! The shop's POSTs on their way to the function that takes them in.

use std::rc::Rc;
use std::time::Duration;

use world::in_process::lock;
use world::shop::OutgoingPost;

use super::chronicle::Answered;
use super::plan::{percent, pick};
use super::runs::after_polls;
use super::world::World;
use harness::{SHOP_KEY, post, text};

/// Tries of a POST that is not answered with 200, by a shop that tries again.
const TRIES: u32 = 3;

/// Sends the POSTs that are due on their way: most at once, some late, twice, or never.
pub(super) fn collect(world: &Rc<World>) {
    for due in lock(&world.shop).take_outbox() {
        let troubled = percent(world.plan.post_mishaps);
        let copies = if troubled { fastrand::u32(0..3) } else { 1 };
        for _ in 0..copies {
            let most = if troubled { pick(&[400, 30_000, 1_200_000]) } else { 400 };
            let delay = Duration::from_millis(fastrand::u64(0..most));
            let due = due.clone();
            world.send_out(|world| deliver(world, due, delay));
        }
    }
}

async fn deliver(world: Rc<World>, due: OutgoingPost, delay: Duration) {
    tokio::time::sleep(delay).await;
    let headers = [("content-type", due.content_type)];
    let path = format!("/mycashflow/acme/orders?key={SHOP_KEY}");
    for _ in 0..TRIES {
        let answering = mycashflow_order::handle(&world.deps, post(&path, &headers, due.body.clone()));
        let killed = !world.weather.is_calm() && percent(world.plan.post_mishaps / 4);
        let polls = if killed { fastrand::u32(0..12) } else { u32::MAX };
        let answer = after_polls(polls, answering).await;
        let shown = answer.as_ref().map_or((0, "killed".to_owned()), text);
        world.trace.note(|| format!("post: order {}: {} {}", due.order, shown.0, shown.1));
        if answer.is_some() {
            let mut chronicle = world.chronicle.borrow_mut();
            let hash = chronicle.read(&due.body).and_then(|orders| orders.first()?.1);
            let (status, text) = shown.clone();
            let (body, at) = (due.body.clone(), world.now());
            chronicle.answered.push(Answered { order: due.order, hash, body, status, text, at });
        }
        if shown.0 == 200 || percent(50) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(fastrand::u64(1..120))).await;
    }
}
