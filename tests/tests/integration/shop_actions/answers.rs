//! What the shop answers, and what is concluded from it: done means seen, and a wish to be left alone is obeyed.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Answers that do not say whether something was done, or say that it was not, with status 200.
const UNCLEAR: [(&str, &str); 9] = [
    ("a PHP error", "<br />\n<b>Fatal error</b>:  Call to a member function send() on null in x.php:12<br />\n"),
    ("a PHP warning before success", "<br />\n<b>Warning</b>:  mysql_connect() in x.php:3<br />\n<ok/>"),
    ("a JSON error", r#"{"status":"error","message":"The order could not be changed"}"#),
    ("errors", r#"<?xml version="1.0"?><errors><item>permission denied</item></errors>"#),
    ("an error inside", "<response><error>no such order</error></response>"),
    ("false", "false"),
    ("an XML false", "<result>false</result>"),
    ("nothing", ""),
    ("a login page", "<!doctype html><title>Kirjaudu</title>"),
];

/// Decides about a request: the answer in place of the shop's.
type Hook = Box<dyn Fn(&HttpRequest) -> Option<HttpResponse> + Send + Sync>;

/// The way to the shop, with answers of our own to some requests.
struct Hooked {
    shop: Arc<dyn Transport>,
    hook: Hook,
    /// How many requests there were, those to `process` apart.
    process: AtomicUsize,
    others: AtomicUsize,
}

impl Transport for Hooked {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        let counter = if is_process(&request) { &self.process } else { &self.others };
        counter.fetch_add(1, Ordering::Relaxed);
        match (self.hook)(&request) {
            Some(answer) => Box::pin(std::future::ready(Ok(answer))),
            None => self.shop.send(request, timeout),
        }
    }
}

impl Hooked {
    fn over(
        actions: &mut Actions,
        hook: impl Fn(&HttpRequest) -> Option<HttpResponse> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let shop = actions.deps.transport.clone();
        let hooked =
            Arc::new(Self { shop, hook: Box::new(hook), process: AtomicUsize::new(0), others: AtomicUsize::new(0) });
        actions.deps.transport = hooked.clone();
        hooked
    }

    fn requests(&self) -> (usize, usize) {
        (self.process.load(Ordering::Relaxed), self.others.load(Ordering::Relaxed))
    }
}

fn is_process(request: &HttpRequest) -> bool {
    request.url.path().ends_with("/process")
}

fn says(status: u16, body: &'static str) -> HttpResponse {
    HttpResponse { status, date: None, content_type: None, retry_after: None, location: None, body: body.into() }
}

/// What a shop's order looks like after a delivery.
fn mark_delivered(order: &mut mycashflow::Order) {
    order.status = Some("Shipped".into());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_done_when_the_shop_shows_it_whatever_was_answered() {
    for (name, body) in UNCLEAR.into_iter().chain([("ok", "<ok/>"), ("1", "1")]) {
        for status in [200, 400, 404, 500, 503] {
            let mut actions = Actions::new().await;
            let (shop, clock) = (actions.shop.clone(), actions.bench.deps.clock.clone());
            let hooked = Hooked::over(&mut actions, move |request| {
                is_process(request).then(|| {
                    lock(&shop).update_order(clock(), 2, mark_delivered);
                    says(status, body)
                })
            });
            let case = format!("{name} with status {status}");
            for expected in ["done", "done_before"] {
                assert_eq!(actions.invoke(deliver(2)).await.unwrap()["results"][0]["outcome"], expected, "{case}");
            }
            assert_eq!(hooked.requests().0, 1, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_not_seen_is_looked_at_again_and_ends_as_a_dead_letter_and_is_sent_once() {
    for (name, body) in UNCLEAR.into_iter().chain([("ok", "<ok/>"), ("1", "1")]) {
        for status in [200, 500] {
            let mut actions = Actions::new().await;
            let hooked = Hooked::over(&mut actions, move |request| is_process(request).then(|| says(status, body)));
            let case = format!("{name} with status {status}");
            for _ in 0..2 {
                assert_eq!(actions.invoke(deliver(2)).await.unwrap()["results"][0]["outcome"], "later", "{case}");
            }
            actions.work_off(&deliver(2)).await;
            assert_eq!(hooked.requests().0, 1, "{case}");
            let letters = actions.letters();
            assert!(letters.len() == 1 && letters[0].contains("not delivered again"), "{case}: {letters:?}");

            // Moved back into the queue it is only looked at, and is done when somebody has delivered the order.
            actions.work_off(&deliver(2)).await;
            assert_eq!((actions.letters().len(), hooked.requests().0), (2, 1), "{case}");
            lock(&actions.shop).update_order(actions.bench.now(), 2, mark_delivered);
            tokio::time::advance(Duration::from_secs(3600)).await;
            actions.work_off(&deliver(2)).await;
            assert_eq!((actions.letters().len(), hooked.requests().0), (2, 1), "{case}");
            assert_eq!(actions.invoke(deliver(2)).await.unwrap()["results"][0]["outcome"], "done_before", "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_was_refused_and_not_done_is_a_dead_letter_and_can_be_tried_anew() {
    let mut actions = Actions::new().await;
    let refuses = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let refusing = refuses.clone();
    Hooked::over(&mut actions, move |request| {
        (is_process(request) && refusing.load(Ordering::Relaxed)).then(|| says(400, "<error>archived</error>"))
    });
    actions.work_off(&deliver(2)).await;
    assert_eq!(actions.letters(), ["order 2: the shop answered with status 400"]);
    refuses.store(false, Ordering::Relaxed);
    actions.work_off(&deliver(2)).await;
    assert_eq!((actions.status(2).as_str(), actions.letters().len()), ("Shipped", 1));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_seen_by_its_lines_where_the_status_has_another_word() {
    for status in ["Open", "Käsittelyssä", "Completed"] {
        let mut actions = Actions::new().await;
        let (shop, clock) = (actions.shop.clone(), actions.bench.deps.clock.clone());
        Hooked::over(&mut actions, move |request| {
            is_process(request).then(|| {
                lock(&shop).update_order(clock(), 2, |order| {
                    order.status = Some(status.into());
                    for line in order.products.iter_mut().filter(|line| line.kind == mycashflow::LineKind::Product) {
                        line.shipped = Some(true);
                    }
                });
                says(200, "<ok/>")
            })
        });
        assert_eq!(actions.invoke(deliver(2)).await.unwrap()["results"][0]["outcome"], "done", "{status}");
        // Another message finds it delivered, also when the time is over in which that is known without a look.
        tokio::time::advance(Duration::from_secs(16 * 60)).await;
        let mut other = deliver(2);
        other["id"] = json!("other");
        let answer = actions.invoke(other).await.unwrap();
        assert_eq!(answer["results"][0]["reason"], "it was delivered already: the shop was not called", "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_message_that_asks_for_what_was_not_sent_says_so() {
    let with = |id: &str, send_email: bool, code: Option<&str>| {
        let mut message =
            json!({ "id": id, "shop": "acme", "action": "deliver", "order": 2, "send_email": send_email });
        if let Some(code) = code {
            message["tracking_code"] = json!(code);
        }
        message
    };
    let twice = |missing: &str| {
        format!(
            "the order was delivered a moment ago without the {missing} that this message asks for, and is not delivered twice"
        )
    };
    let moment = "it was delivered a moment ago: the shop was not called".to_owned();
    for (first, second, outcome, reason) in [
        ((false, None), (true, None), "rejected", twice("mail to the customer")),
        ((true, None), (true, Some("JJFI1")), "rejected", twice("tracking code")),
        ((true, Some("JJFI1")), (true, Some("JJFI2")), "rejected", twice("tracking code")),
        ((false, None), (true, Some("JJFI1")), "rejected", twice("mail to the customer and tracking code")),
        ((true, Some("JJFI1")), (true, Some("JJFI1")), "done", moment.clone()),
        ((true, Some("JJFI1")), (false, None), "done", moment),
    ] {
        let actions = Actions::new().await;
        assert_eq!(actions.invoke(with("a", first.0, first.1)).await.unwrap()["results"][0]["outcome"], "done");
        let answer = actions.invoke(with("b", second.0, second.1)).await.unwrap();
        let case = format!("{first:?}, then {second:?}");
        assert_eq!(answer, json!({ "results": [{ "order": 2, "outcome": outcome, "reason": reason }] }), "{case}");
        assert_eq!(lock(&actions.shop).log().deliver, 1, "{case}");
        if outcome == "rejected" {
            actions.work_off(&with("c", second.0, second.1)).await;
            assert_eq!(actions.letters(), [format!("order 2: {reason}")], "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_comment_is_done_by_a_plain_success_and_unknown_after_any_other_answer() {
    for (name, body) in UNCLEAR {
        let mut actions = Actions::new().await;
        let hooked = Hooked::over(&mut actions, move |request| is_process(request).then(|| says(200, body)));
        actions.work_off(&comment(2)).await;
        let letters = actions.letters();
        assert!(
            letters.len() == 1 && letters[0].contains("it is unknown whether the comment was added"),
            "{name}: {letters:?}"
        );
        assert_eq!(actions.invoke(comment(2)).await.unwrap()["results"][0]["outcome"], "unknown", "{name}");
        assert_eq!(hooked.requests().0, 1, "{name}");
    }
    for answer in [says(200, "<ok/>"), says(200, "OK"), says(201, "<comment id='7'/>"), says(204, "")] {
        let mut actions = Actions::new().await;
        let body = answer.body.clone();
        Hooked::over(&mut actions, move |request| is_process(request).then(|| answer.clone()));
        assert_eq!(actions.invoke(comment(2)).await.unwrap()["results"][0]["outcome"], "done", "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_wants_to_be_left_alone_for_long_gets_one_request_of_an_invocation() {
    let away = |status: u16| HttpResponse { retry_after: Some(Duration::from_secs(3600)), ..says(status, "slow down") };
    for status in [429, 503] {
        // At the first question, and not before the delivery itself.
        for of_process in [false, true] {
            let mut actions = Actions::new().await;
            let hooked =
                Hooked::over(&mut actions, move |request| (is_process(request) == of_process).then(|| away(status)));
            let begun = Instant::now();
            let message =
                json!({ "id": "m", "shop": "acme", "action": "deliver", "orders": [1, 2, 3], "send_email": true });
            let answer = actions.invoke(message).await.unwrap();
            let case = format!("{status} {of_process}: {answer}");
            for result in answer["results"].as_array().unwrap() {
                assert_eq!(result["outcome"], "later", "{case}");
                assert!(result["reason"].as_str().unwrap().contains("asks to be left alone for 3600 s"), "{case}");
            }
            let expected = if of_process { (1, 1) } else { (0, 1) };
            assert_eq!(hooked.requests(), expected, "{case}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_wish_to_be_left_alone_is_obeyed_within_the_invocation() {
    let mut actions = Actions::new().await;
    let turned_away = AtomicUsize::new(0);
    let hooked = Hooked::over(&mut actions, move |request| {
        (is_process(request) && turned_away.fetch_add(1, Ordering::Relaxed) == 0)
            .then(|| HttpResponse { retry_after: Some(Duration::from_secs(40)), ..says(429, "") })
    });
    let begun = Instant::now();
    assert_eq!(actions.invoke(deliver(2)).await.unwrap()["results"][0]["outcome"], "done");
    assert!(begun.elapsed() >= Duration::from_secs(40));
    assert_eq!((hooked.requests(), actions.mails(MailKind::DeliveryConfirmation)), ((2, 2), 1));
}

#[tokio::test(start_paused = true)]
async fn a_firewall_a_new_address_and_a_login_page_say_what_they_may_mean_and_the_message_comes_again() {
    let moved = HttpResponse {
        location: Some("https://new.example/webhooks/get?order=2&key=planted-shop-key-7731".to_owned()),
        ..says(301, "")
    };
    for (answer, expected) in [
        (says(403, "<html>blocked</html>"), "a firewall in front of the shop may block the sender"),
        (
            moved,
            "points to https://new.example: if the shop has moved there, its url among the connections must say so",
        ),
        (says(200, "<!doctype html><title>Kirjaudu</title>"), "if that is a login page, the key may be wrong"),
    ] {
        let mut actions = Actions::new().await;
        let hooked = Hooked::over(&mut actions, move |_| Some(answer.clone()));
        let answer = actions.invoke(deliver(2)).await.unwrap();
        assert_eq!(answer["results"][0]["outcome"], "later");
        let reason = answer["results"][0]["reason"].as_str().unwrap();
        assert!(reason.contains(expected) && !reason.contains("7731") && !reason.contains("order=2"), "{reason}");
        assert!(hooked.requests().1 <= 2, "{reason}");
    }
}
