//! One order, pushed and polled in every way: one revision for each version, with every field.

use futures_util::future::join_all;
use ledger::{DocumentKey, Source};
use mycashflow::{Limits, Order, read_page};
use serde_json::{Value, json};
use tilaussilta_tests::{CONNECTIONS, SHOP_KEY, ShopBench, post, shop_config};
use world::shop::Via;

/// The answer to a question for one order, as the vendor's page shows it.
const SAMPLE: &str = include_str!("../../../shared/mycashflow/testdata/order-58.xml");

fn order_of(xml: &[u8]) -> Order {
    let mut page = read_page(xml, None, &Limits::default()).unwrap();
    assert_eq!(page.entries.len(), 1);
    page.entries.remove(0).order.unwrap()
}

/// A shop whose only order is the vendor's sample, with its number and from its time.
async fn shop_with_the_sample() -> ShopBench {
    let connections = CONNECTIONS.replace("2026-03-01", "2012-08-01");
    let world = ShopBench::with(&connections, shop_config()).await;
    world.shop().skip_ids(57);
    let made_at = "2012-08-19T18:44:53Z".parse().unwrap();
    assert_eq!(world.shop().add_order(made_at, order_of(SAMPLE.as_bytes()), Via::Web), 58);
    world
}

async fn push(world: &ShopBench, body: impl Into<Vec<u8>>) -> (u16, String) {
    world.bench.order(post(&format!("/mycashflow/acme/orders?key={SHOP_KEY}"), &[], body)).await
}

/// The only revision's order as JSON, from the bytes that the ledger keeps.
async fn recorded(world: &ShopBench) -> Value {
    let revisions = world.bench.ledger.revisions(&DocumentKey::order("acme", 58)).await.unwrap();
    assert_eq!(revisions.len(), 1);
    serde_json::from_slice(&order_of(&revisions[0].body).canonical_json()).unwrap()
}

/// Every field of the vendor's sample.
fn sample() -> Value {
    json!({
        "id": 58,
        "order_number": "58",
        "created_at": "2012-08-19T18:44:53Z",
        "created_at_local": "2012-08-19 21:44:53",
        "status": "Open",
        "language": "fi",
        "comments": "Käsittelettehän pikaisesti, koska tämä on kiireisempi kuin muut tilaukset.",
        "payments": [
            { "payment_method_id": "7", "name": "Checkout", "reference": "20120819001532", "status": "Paid" },
        ],
        "shipments": [
            { "shipping_method_id": "6", "name": "SmartPOST", "weight": "0.5", "parcel_count": 1 },
        ],
        "receipt_url": "http://smo43.mycashflow.fi/orderstatus/58/receipt/52d07914f6bcdf448084320f3de6a816",
        "dispatch_note_url": "http://smo43.mycashflow.fi/orderstatus/58/dispatchnote/ba4be2b2ed682be3c646be5ef7f3a77d",
        "invoice_url": "http://smo43.mycashflow.fi/orderstatus/58/invoice/f358b6fe49b80c91425137059e0cb49b",
        "customer_information": {
            "first_name": "Ismo",
            "last_name": "Ruotsalainen",
            "company": "Pulse247 Oy",
            "vat_code": "FI21315706",
            "street_address": "Syväojankatu 3A",
            "postal_code": "87100",
            "city": "Kajaani",
            "country": "fi",
            "email": "ismo@pulse247.info",
            "email_marketing_allowed": false,
            "phone": "020 741 9172",
            "phone_marketing_allowed": false,
            "ip_address": "85.29.85.227",
        },
        "shipping_address": {
            "first_name": "Ismo",
            "last_name": "Ruotsalainen",
            "company": "Pulse247 Oy",
            "street_address": "Syväojankatu 3A",
            "postal_code": "87100",
            "city": "Kajaani",
            "country": "fi",
            "phone": "020 741 9172",
        },
        "products": [
            {
                "type": "product",
                "product_id": "3",
                "product_name": "Lacoste kävelykengät",
                "variation_id": "3",
                "variation_name": "Valkoinen/42",
                "product_code": "123123",
                "unit_price": "41.28",
                "vat_rate": "0",
                "quantity": "1",
                "total": "41.28",
                "shipped": false,
            },
            {
                "type": "product",
                "product_id": "1199",
                "product_name": "Lahjakortti 100€",
                "unit_price": "66.12",
                "vat_rate": "0",
                "quantity": "1",
                "total": "66.12",
                "shipped": false,
                "campaign_id": "496",
                "normal_unit_price": "82.6446",
            },
            {
                "type": "payment",
                "product_id": "PAYMENT",
                "payment_method_id": "7",
                "product_name": "Checkout",
                "quantity": "1",
            },
            {
                "type": "shipping",
                "product_id": "SHIPPING",
                "shipping_method_id": "6",
                "product_name": "SmartPOST",
                "unit_price": "5",
                "vat_rate": "0",
                "quantity": "1",
                "total": "5",
            },
        ],
    })
}

#[tokio::test(start_paused = true)]
async fn the_vendors_sample_comes_through_the_push_with_every_field() {
    let world = shop_with_the_sample().await;
    assert_eq!(push(&world, SAMPLE).await, (200, "recorded: order/58, revision 1".to_owned()));
    assert_eq!(recorded(&world).await, sample());
    let revisions = world.bench.ledger.revisions(&DocumentKey::order("acme", 58)).await.unwrap();
    assert_eq!(revisions[0].body, SAMPLE.as_bytes(), "kept byte for byte");
}

#[tokio::test(start_paused = true)]
async fn the_vendors_sample_comes_through_the_poll_with_every_field() {
    let world = shop_with_the_sample().await;
    assert_eq!(world.poll().await.new, 1);
    assert_eq!(recorded(&world).await, sample());
}

#[tokio::test(start_paused = true)]
async fn pushed_twice_and_polled_is_one_revision_and_changed_is_two() {
    let world = shop_with_the_sample().await;
    assert_eq!(push(&world, SAMPLE).await.1, "recorded: order/58, revision 1");
    assert_eq!(world.push().await[0].1, "duplicate: order/58 is known as revision 1", "as the shop itself writes it");
    let report = world.poll().await;
    assert_eq!((report.new, report.updated), (0, 0));
    assert_eq!(world.sources(58).await, [Source::Push]);

    world.wait(60).await;
    let now = world.bench.now();
    world.shop().update_order(now, 58, |order| order.status = Some("Shipped".into()));
    assert_eq!(world.poll().await.updated, 1);
    assert_eq!(world.sources(58).await, [Source::Push, Source::Poll]);
}

#[tokio::test(start_paused = true)]
async fn thirty_two_writers_at_once_make_one_revision() {
    let world = shop_with_the_sample().await;
    let answers = join_all((0..32).map(|_| push(&world, SAMPLE))).await;
    let recorded = answers.iter().filter(|(_, text)| text.starts_with("recorded")).count();
    assert_eq!((answers.iter().filter(|(status, _)| *status == 200).count(), recorded), (32, 1));
    assert_eq!(world.sources(58).await, [Source::Push]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_in_the_middle_of_the_pushes_makes_no_other_revision() {
    let world = shop_with_the_sample().await;
    let pushes = join_all((0..8).map(|_| push(&world, SAMPLE)));
    let (answers, report) = tokio::join!(pushes, world.poll());
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!((report.failure, report.updated), (None, 0));
    assert_eq!(world.sources(58).await.len(), 1);
}

/// The list of the vendor's page, with what its `…` stand for left out.
#[tokio::test(start_paused = true)]
async fn the_vendors_list_is_recorded_order_by_order() {
    let list = r#"<Orders time_from="1336738000" time_to="1345401893" orders="58">
	<Order id="1">
		<OrderNumber>1</OrderNumber>
		<OrderedAt timestamp="1336738023">2012-05-11 15:07:03</OrderedAt>
	</Order>
	<Order id="58">
		<OrderNumber>58</OrderNumber>
		<OrderedAt timestamp="1345401893">2012-08-19 21:44:53</OrderedAt>
	</Order>
</Orders>"#;
    let world = ShopBench::new().await;
    let text = "recorded: order/1, revision 1; recorded: order/58, revision 1";
    assert_eq!(push(&world, list).await, (200, text.to_owned()));
    assert_eq!(
        recorded(&world).await,
        json!({
            "id": 58, "order_number": "58", "created_at": "2012-08-19T18:44:53Z",
            "created_at_local": "2012-08-19 21:44:53",
        })
    );
}
