//! What happens, a line each as it happens.

use std::collections::BTreeMap;

use cloud::messaging::Messaging;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc::UnboundedReceiver;
use world::Vendors;

/// Tells each event that is published, and each mail that a simulated shop sends.
pub(crate) struct Teller {
    world: Vendors,
    published: UnboundedReceiver<String>,
    mails: BTreeMap<String, usize>,
}

impl Teller {
    pub(crate) fn new(messaging: &Messaging, world: Vendors) -> Self {
        Self { published: messaging.listen(), world, mails: BTreeMap::new() }
    }

    /// Tells what is new.
    pub(crate) fn tell(&mut self) {
        let time = Timestamp::now().to_zoned(TimeZone::system()).strftime("%T").to_string();
        while let Ok(event) = self.published.try_recv() {
            let (detail_type, id) = forward::names(&event);
            println!("{time}  published {detail_type} {id}");
        }
        for name in self.world.shops.keys() {
            let Some(shop) = self.world.shop(name) else { continue };
            let mails = shop.mails();
            let told = self.mails.entry(name.clone()).or_default();
            for mail in mails.iter().skip(*told) {
                println!("{time}  the shop {name} mailed the customer of order {}: {:?}", mail.order, mail.kind);
            }
            *told = mails.len();
        }
    }
}
