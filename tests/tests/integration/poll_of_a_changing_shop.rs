//! The poller, while the shop changes, hesitates or errs in the middle of its questions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use mycashflow::{BoxFuture, HttpRequest, HttpResponse, Transport, TransportError};
use poll::Stopped;
use tilaussilta_tests::{CONNECTIONS, ShopBench, shop_config};
use world::in_process::lock;
use world::shop::{ShopConfig, Via};

/// Sees each question with its answer, and may put another in its place.
type Happens = dyn Fn(&HttpRequest, HttpResponse) -> HttpResponse + Send + Sync;

/// The way to the shop, with something that happens on it.
struct Eventful {
    inner: Arc<dyn Transport>,
    happens: Box<Happens>,
    /// How long the answer then is on its way.
    delay: Duration,
}

impl Transport for Eventful {
    fn send(&self, request: HttpRequest, timeout: Duration) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let answer = self.inner.send(request.clone(), timeout).await?;
            let answer = (self.happens)(&request, answer);
            tokio::time::sleep(self.delay).await;
            Ok(answer)
        })
    }
}

/// A page that begins inside the last one proves nothing by itself: an order that changed in between moves behind what
/// the last page did not show.
#[tokio::test(start_paused = true)]
async fn pages_of_the_updated_stream_join_although_an_order_moves_between_them() {
    let mut world = ShopBench::with(CONNECTIONS, ShopConfig { time_to: false, ..shop_config() }).await;
    let orders = world.orders(150);
    world.poll().await;
    world.wait(7200).await;
    // From here on the created stream no longer shows the others.
    world.orders(1);
    world.poll().await;
    world.wait(7200).await;
    // Ten a second: the first page ends in the middle, and nothing follows for two hours.
    let now = world.bench.now();
    for (index, order) in orders.iter().enumerate() {
        let at = now + Duration::from_secs(index as u64 / 10);
        world.shop().update_order(at, *order, |order| order.status = Some("Shipped".into()));
    }
    world.wait(7200).await;
    let (shop, moved) = (world.shared_shop(), orders[50]);
    let (later, once) = (world.bench.now(), AtomicBool::new(true));
    world.deps.transport = Arc::new(Eventful {
        inner: world.deps.transport.clone(),
        happens: Box::new(move |request, answer| {
            let updated = request.url.query().is_some_and(|query| query.contains("updated_after_ts"));
            if updated && once.swap(false, Ordering::Relaxed) {
                let change = |order: &mut mycashflow::Order| order.comments = Some("Muutettu".into());
                lock(&shop).update_order(later, moved, change);
            }
            answer
        }),
        delay: Duration::ZERO,
    });
    assert_eq!(world.poll().await.stopped, Stopped::CaughtUp, "it goes on from the page as it is now");
    let recorded = world.recorded();
    let behind: Vec<u64> = orders.into_iter().filter(|order| recorded[order] < 2).collect();
    assert_eq!(behind, [0; 0], "each order has the revision of its change");
}

#[tokio::test(start_paused = true)]
async fn a_mark_stays_when_the_shop_says_that_there_is_no_such_order() {
    let mut world = ShopBench::new().await;
    let order = world.orders(1)[0];
    let key = ledger::DocumentKey::order("acme", order);
    world.bench.ledger.mark_for_refresh(&key, world.bench.now()).await.unwrap();
    world.deps.transport = Arc::new(Eventful {
        inner: world.deps.transport.clone(),
        happens: Box::new(|request, answer| match request.url.path() {
            "/webhooks/get" => HttpResponse { status: 404, ..answer },
            _ => answer,
        }),
        delay: Duration::ZERO,
    });
    world.poll().await;
    assert_eq!(world.state().await.refreshes.len(), 1, "clients have seen shops answer 404 to anything");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_a_slow_shop_keeps_its_lease() {
    let mut world = ShopBench::new().await;
    world.orders(3);
    let first = AtomicBool::new(true);
    world.deps.transport = Arc::new(Eventful {
        inner: world.deps.transport.clone(),
        // So the first question takes most of a minute.
        happens: Box::new(move |_, answer| match first.swap(false, Ordering::Relaxed) {
            true => HttpResponse { status: 500, ..answer },
            false => answer,
        }),
        delay: Duration::from_secs(26),
    });
    let next = async {
        tokio::time::sleep(Duration::from_secs(45)).await;
        world.poll().await
    };
    let (run, next) = tokio::join!(world.poll(), next);
    assert_eq!(next.stopped, Stopped::LeaseHeld, "{next:?}");
    assert_eq!((run.stopped, run.new), (Stopped::CaughtUp, 3), "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_searches_for_what_the_shop_cannot_serve_keeps_its_lease() {
    let mut world = ShopBench::new().await;
    let poisoned = world.orders(3)[1];
    world.shop().poison(poisoned);
    world.deps.transport = Arc::new(Eventful {
        inner: world.deps.transport.clone(),
        happens: Box::new(|_, answer| answer),
        // Each question is over before the lease would be looked after while it is waited for.
        delay: Duration::from_secs(4),
    });
    let next = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        world.poll().await
    };
    let (run, next) = tokio::join!(world.poll(), next);
    assert_eq!(next.stopped, Stopped::LeaseHeld, "{next:?}");
    assert!(run.gaps_open > 0 && run.stopped != Stopped::LeaseLost, "{run:?}");
}

/// The first page of a walk shows what was visible when it was asked for. What becomes visible behind a walk of minutes
/// must be within reach of the next one, although the cursor follows orders that were made in the meantime.
#[tokio::test(start_paused = true)]
async fn a_commit_that_becomes_visible_behind_a_long_walk_is_found_by_the_next() {
    let mut world = ShopBench::with(CONNECTIONS, ShopConfig { creation_updates: false, ..shop_config() }).await;
    world.poll().await;
    world.wait(3600).await;
    let begun = world.bench.now();
    let make = |ago: i64, visible_after: i64| {
        let mut shop = world.shop();
        shop.set_visible_after(SignedDuration::from_secs(visible_after));
        shop.add_made_up(begun - SignedDuration::from_secs(ago), 7, Via::Api)
    };
    let late = make(530, 540);
    for index in 0..330 {
        make(500 - index, 0);
    }
    let (shop, clock, questions) = (world.shared_shop(), world.bench.deps.clock.clone(), AtomicU64::new(0));
    world.deps.transport = Arc::new(Eventful {
        inner: world.deps.transport.clone(),
        happens: Box::new(move |_, answer| {
            // Somebody orders while the last full page is on its way, a minute and a half after the first was asked for.
            if questions.fetch_add(1, Ordering::Relaxed) == 2 {
                lock(&shop).add_made_up(clock() + SignedDuration::from_secs(25), 7, Via::Api);
            }
            answer
        }),
        delay: Duration::from_secs(28),
    });
    let walk = world.poll().await;
    assert_eq!((walk.stopped, walk.new), (Stopped::CaughtUp, 331), "{walk:?}");
    world.wait(300).await;
    assert_eq!(world.poll().await.new, 1);
    assert!(world.recorded().contains_key(&late));
}
