use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::*;

fn event(id: u32) -> String {
    format!(r#"{{"detail-type":"order.created","detail":{{"id":"mycashflow/acme/order/{id}/1"}}}}"#)
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, text: String::new() }
}

/// A consumer that answers each event by its script, and the last answer of it for ever.
#[derive(Default)]
struct Scripted {
    scripts: HashMap<String, Vec<Outcome>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Scripted {
    fn with(mut self, id: u32, outcomes: &[Outcome]) -> Self {
        self.scripts.insert(event(id), outcomes.to_vec());
        self
    }
}

impl Post for Scripted {
    fn post(&self, event: String) -> BoxFuture<'_, Outcome> {
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            let asked = asked.entry(event.clone()).or_default();
            *asked += 1;
            *asked
        };
        let script = &self.scripts[&event];
        let outcome = script[(asked - 1).min(script.len() - 1)].clone();
        Box::pin(std::future::ready(outcome))
    }
}

/// A consumer that never answers, and how many requests it holds.
struct Hanging(Arc<AtomicUsize>);

impl Post for Hanging {
    fn post(&self, _event: String) -> BoxFuture<'_, Outcome> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
}

/// Posts events, and gives what was told until nothing was under way any more.
async fn told(consumer: Scripted, events: impl IntoIterator<Item = u32>) -> Vec<Attempt> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let writing = Arc::clone(&told);
    let forwarder = Forwarder::new(consumer, move |attempt| writing.lock().unwrap().push(attempt.clone()));
    events.into_iter().for_each(|id| forwarder.send(event(id)));
    while forwarder.pending() > 0 {
        // The clock is paused, so this only lets the others run.
        sleep(Duration::from_millis(1)).await;
    }
    std::mem::take(&mut *told.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_event_is_posted_again_until_it_is_accepted() {
    let begun = Instant::now();
    let script = [Outcome::NoAnswer("refused".to_owned()), answered(503), answered(204)];
    let told = told(Scripted::default().with(58, &script), [58]).await;
    let outcomes: Vec<_> = told.iter().map(|attempt| attempt.outcome.clone()).collect();
    assert_eq!(outcomes, script);
    let pauses: Vec<_> = told.iter().map(|attempt| attempt.again_in).collect();
    assert_eq!(pauses, [Some(FIRST_PAUSE), Some(FIRST_PAUSE * 2), None]);
    assert!(begun.elapsed() >= FIRST_PAUSE * 3, "it waits");
    let lines: Vec<_> = told.iter().map(ToString::to_string).collect();
    let begin = "forwarded order.created mycashflow/acme/order/58/1: ";
    assert_eq!(lines[0], format!("{begin}no answer (refused) in 0 ms, attempt 1 of 5, again in 500 ms"));
    assert_eq!(lines[2], format!("{begin}204 in 0 ms"));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_consumer_rejects_is_not_posted_again() {
    for status in [301, 400, 404, 422] {
        let told = told(Scripted::default().with(58, &[answered(status)]), [58]).await;
        assert_eq!(told.len(), 1, "{status}");
        assert!(told[0].to_string().ends_with(", not accepted"), "{}", told[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_given_up_after_five_attempts() {
    let told = told(Scripted::default().with(58, &[answered(500)]), [58]).await;
    assert_eq!(told.len(), 5);
    assert!(told[4].to_string().ends_with(", given up after 5 attempts"), "{}", told[4]);
}

#[tokio::test(start_paused = true)]
async fn events_that_fail_hold_up_no_other() {
    let failing = 1..=100;
    let consumer = failing.clone().fold(Scripted::default(), |all, id| all.with(id, &[answered(500)]));
    let told = told(consumer.with(200, &[answered(200)]), failing.chain([200])).await;
    let accepted = told.iter().position(|attempt| attempt.outcome.is_accepted()).unwrap();
    assert_eq!(accepted, 100, "after the first attempts of the others, before their second ones");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_hangs_is_asked_a_few_things_at_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let forwarder = Forwarder::new(Hanging(Arc::clone(&asked)), |_| {});
    (0..100).for_each(|id| forwarder.send(event(id)));
    sleep(Duration::from_secs(1)).await;
    assert_eq!((asked.load(Ordering::SeqCst), forwarder.pending()), (AT_ONCE, 100));
}
