//! Messages that are handed over while the actions are paused.

use ledger::{Part, Pause};
use world::shop::ShopRequest;

use super::*;

impl Actions {
    async fn pause(&self) {
        let pause = Pause { part: Part::Actions, since: self.bench.now(), who: "someone".to_owned() };
        self.bench.ledger.pause(&pause).await.unwrap();
    }

    /// Hands over what there is, now and every 12 minutes.
    async fn hand_over(&self, times: usize) {
        for _ in 0..times {
            if let Some(event) = self.messaging.receive_event(ACTIONS, QUEUE_BATCH) {
                let answer = self.invoke(event.clone()).await.unwrap();
                self.messaging.settle(ACTIONS, &event, &answer);
            }
            tokio::time::advance(Duration::from_secs(721)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_eight_times_in_a_pause_a_message_is_a_dead_letter_and_nothing_was_done() {
    let actions = Actions::new().await;
    actions.pause().await;
    actions.messaging.send(ACTIONS, deliver(2).to_string());
    actions.hand_over(8).await;
    assert_eq!(actions.letters().len(), 0, "84 minutes are over, and it still waits");
    actions.hand_over(1).await;
    assert_eq!(actions.letters(), ["none"], "SQS moved it, without a reason");
    assert_eq!((actions.status(2).as_str(), actions.mails(MailKind::DeliveryConfirmation)), ("Open", 0));
    actions.bench.ledger.resume(Part::Actions).await.unwrap();
    actions.work_off(&deliver(2)).await;
    assert_eq!(actions.status(2), "Shipped", "sent again, it is done");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_four_times_in_a_pause_has_one_try_left() {
    for (times, letters) in [(3, 0), (4, 1)] {
        let actions = Actions::new().await;
        actions.pause().await;
        actions.messaging.send(ACTIONS, deliver(2).to_string());
        actions.hand_over(times).await;
        actions.bench.ledger.resume(Part::Actions).await.unwrap();
        lock(&actions.shop).fail_next(ShopFault::Status(503), 4);
        actions.hand_over(1).await;
        assert_eq!(actions.letters().len(), letters, "handed over {times} times before: {:?}", actions.letters());
        let ask = ShopRequest { method: "GET", path: "/webhooks/get", query: "", content_type: None, body: b"" };
        while lock(&actions.shop).handle(actions.bench.now(), &ask).fault.is_some() {}
        actions.hand_over(1).await;
        let told = actions.letters();
        assert_eq!(actions.status(2) == "Shipped", letters == 0, "handed over {times} times before: {told:?}");
    }
}
