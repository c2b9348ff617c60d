//! What a refusal says, and how long a shop is left alone that asks for it.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_redirect_names_the_new_address_and_hides_key_and_query() {
    for status in [301, 302, 303, 307, 308] {
        let script =
            Script::new([redirect(status, "https://new.example/webhooks/get?order=58&key=hunter2"), answer(200, PAGE)]);
        let error = script.client().get(&[58]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the shop answered with status {status} and points to https://new.example: if the shop has moved there, its url \
                 among the connections must say so; if that is a login page, the key may be wrong"
            )
        );
        assert_eq!((script.count(), error.may_have_arrived()), (1, true), "the key goes nowhere else");
    }
    for outcome in [redirect(302, "/admin/login?next=/webhooks/get%3Fkey=hunter2"), answer(302, "")] {
        let error = Script::new([outcome]).client().get(&[58]).await.unwrap_err();
        let expected = "the shop answered with status 302 and points to another page: if that is a login page, the key may be \
                        wrong; or the shop has moved";
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_html_says_that_the_key_may_be_wrong() {
    let script = Script::new([answer(200, "<!doctype html><title>Kirjaudu</title>")]);
    let error = script.client().with_attempts(1).get(&[58]).await.unwrap_err();
    let expected = "the shop's answer is not the XML that it should be but a page of HTML: if that is a login page, the key \
                    may be wrong";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_shops_wish_to_be_left_alone_is_honoured_in_full() {
    let script = Script::new([busy(3), busy(15), answer(200, PAGE)]);
    script.client().changes(Stream::Created, 0).await.unwrap();
    assert_eq!(script.pauses(), [seconds(3), seconds(15)]);
    // With a deadline it may be longer than any pause of the client's own.
    let script = Script::new([busy(100), answer(200, PAGE)]);
    script.client().with_deadline(Instant::now() + seconds(101)).changes(Stream::Created, 0).await.unwrap();
    assert_eq!(script.pauses(), [seconds(100)]);
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_be_left_alone_for_longer_than_there_is_time_ends_all_requests() {
    for (status, deadline) in [(429, Some(280)), (503, Some(280)), (500, Some(3600)), (429, None)] {
        let script = Script::new([away(status), answer(200, PAGE), answer(200, PAGE)]);
        let started = Instant::now();
        let client = script.client();
        let client = deadline.map_or(client.clone(), |left| client.with_deadline(started + seconds(left)));
        let error = client.changes(Stream::Created, 0).await.unwrap_err();
        let expected = format!(
            "the shop answered with status {status} and asks to be left alone for 3600 s, longer than this run can wait"
        );
        assert_eq!(error.to_string(), expected);
        assert!(error.is_transient());
        // Neither another question nor a request with an effect, by no clone.
        assert!(matches!(client.clone().get(&[58]).await, Err(ClientError::Busy { .. })));
        let error = client.with_attempts(9).deliver(58, true, None).await.unwrap_err();
        assert!(matches!(error, ClientError::Busy { .. }) && !error.may_have_arrived(), "{error:?}");
        assert_eq!((script.count(), started.elapsed()), (1, Duration::ZERO), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_was_left_alone_is_asked_again() {
    let script = Script::new([away(429), answer(200, PAGE)]);
    let client = script.client().with_deadline(Instant::now() + seconds(4000));
    assert!(client.deliver(58, true, None).await.is_err());
    client.get(&[58]).await.unwrap();
    assert_eq!(script.pauses(), [seconds(3600)]);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_may_have_happened_is_told_from_one_that_was_turned_away() {
    for (status, may_have_arrived) in [(429, false), (503, true)] {
        let error = Script::new([away(status)]).client().deliver(58, true, None).await.unwrap_err();
        assert_eq!(error.may_have_arrived(), may_have_arrived, "{error:?}");
    }
}
