//! `POST /mycashflow/SHOP/orders`.

use tests::{Bench, SHOP_KEY, post, text};

#[tokio::test(start_paused = true)]
async fn an_order_is_recorded_once() {
    let bench = Bench::new().await;
    let order = r#"<Order id="58"><OrderedAt timestamp="1345401893">2012-08-19 21:44:53</OrderedAt></Order>"#;
    let path = format!("/mycashflow/acme/orders?key={SHOP_KEY}");
    let first = mycashflow_order::handle(&bench.deps, post(&path, &[], order)).await;
    assert_eq!(text(&first), (200, "recorded: order/58, revision 1".to_owned()));
    let second = mycashflow_order::handle(&bench.deps, post(&path, &[], order)).await;
    assert_eq!(text(&second), (200, "duplicate: order/58 is known as revision 1".to_owned()));
}
