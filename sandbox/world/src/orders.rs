//! Made-up orders: the shape of real Finnish web shop orders, without any real data.
//!
//! People, companies and places do not exist, e-mail addresses are at `example.com` and `example.fi`, and IP addresses
//! come from the ranges kept for documentation (RFC 5737).

use fastrand::Rng;
use mycashflow::{Category, Contact, Line, LineKind, Order, Payment, Shipment, Text};
use rust_decimal::Decimal;
use smol_str::{ToSmolStr, format_smolstr};

const FIRST_NAMES: [&str; 10] =
    ["Testi", "Malli", "Esimerkki", "Näyte", "Koe", "Aino-Testi", "Väinö-Malli", "Keksitty", "Öky", "Åke-Näyte"];
const LAST_NAMES: [&str; 9] = [
    "Testinen",
    "Mallikas",
    "Esimerkkilä",
    "Näytteinen",
    "Kokeiluniemi",
    "Keksijä",
    "Höpöläinen",
    "Meikäläinen",
    "Öljymäki",
];
const COMPANIES: [&str; 6] =
    ["Esimerkki Oy", "Testi & Pojat Ky", "Mallifirma Oyj", "Näytehuone Tmi", "Höpö <Pipo> Oy", "Keksityn Kauppa ry"];
const STREETS: [&str; 7] =
    ["Esimerkkitie", "Mallikatu", "Testipolku", "Näytekuja", "Höpönraitti", "Keksittyväylä", "Koeämpäristö"];
const CITIES: [&str; 6] = ["Esimerkkilä", "Mallikylä", "Testijärvi", "Näytesaari", "Höpölä", "Koeniemi"];
const COMMENTS: [&str; 8] = [
    "Soittakaa ennen toimitusta, ovikello ei toimi.",
    "Käsittelettehän pikaisesti: tämä on kiireisempi kuin muut tilaukset. Kiitos & hyvää kesää!",
    "Jätetään terassille <takaoven viereen>, jos ketään ei ole kotona.",
    "Budjetti on alle 100 €, älkää lisätkö mitään.",
    "Lahja: hintalappu pois, pakettiin teksti \"Onnea Äiti ❤\".",
    "Koko 38 < 39, mutta jos 38 on loppu, niin 39 käy.",
    "Lasku viitteellä TILAUS-0 / Åke.\nToimitus vasta viikolla 32.",
    "Kirjoitetaan näin: &auml; eikä ä.",
];
const PAYMENTS: [(&str, &str); 4] =
    [("7", "Verkkomaksu"), ("3", "Maksukortti"), ("4", "Lasku 14 pv"), ("9", "Ennakkomaksu & tilisiirto")];
/// Id, name, price in cents and whether the parcel goes to a pick-up point.
const SHIPPINGS: [(&str, &str, i64, bool); 4] = [
    ("6", "Pakettiautomaatti", 500, true),
    ("2", "Noutopiste", 690, true),
    ("5", "Kotiinkuljetus", 1290, false),
    ("1", "Nouto myymälästä", 0, false),
];
/// Which of the shop's language or market versions took an order.
const VERSIONS: [&str; 4] = ["1", "1", "2", "3"];
const LANGUAGES: [&str; 6] = ["fi", "fi", "fi", "fi", "sv", "en"];

/// Something the made-up shop sells.
struct Article {
    name: &'static str,
    /// In ten-thousandths of a euro, tax included: the shop's prices have up to four decimals.
    price: i64,
    /// In tenths of a percent.
    vat: i64,
    variations: &'static [&'static str],
    category: &'static str,
}

const fn article(
    name: &'static str,
    price: i64,
    vat: i64,
    variations: &'static [&'static str],
    category: &'static str,
) -> Article {
    Article { name, price, vat, variations, category }
}

const SIZES: &[&str] = &["Valkoinen/38", "Valkoinen/42", "Tummansininen/40", "Keltainen/45½"];
const ARTICLES: [Article; 14] = [
    article("Mallimerkki kävelykengät", 894_000, 255, SIZES, "Kengät & tossut"),
    article("Mallimerkki kumisaappaat, vihreä", 459_000, 255, SIZES, "Kengät & tossut"),
    article("Villasukat \"Pörrö\"", 199_000, 255, &["S", "M", "L"], "Asusteet"),
    article("Sadetakki Räntä", 1_290_000, 255, &["XS", "S", "M", "L", "XL"], "Ulkoilu"),
    article("Teltta Hyttynen, 2 hengen", 2_499_000, 255, &[], "Ulkoilu"),
    article("Termospullo 0,5 l", 245_000, 255, &["Musta", "Teräs"], "Ulkoilu"),
    article("Kahvi Paahtimo, tumma 500 g", 89_500, 140, &["Pavut", "Suodatinjauhatus"], "Elintarvikkeet"),
    article("Salmiakki-lakritsi 300 g", 49_000, 140, &[], "Elintarvikkeet"),
    article("Ruisnäkkileipä 12 x 250 g", 346_800, 140, &[], "Elintarvikkeet"),
    article("Kirja: Näin syntyy esimerkki", 329_000, 140, &["Kovakantinen", "Pokkari"], "Kirjat"),
    article("Lahjakortti 100 €", 1_000_000, 0, &[], "Lahjakortit"),
    article("Pyyheliina <70 x 140 cm>", 247_934, 255, &["Harmaa", "Pellava"], "Koti & sisustus"),
    article("Mäntysuopa 1 l", 65_289, 255, &[], "Koti & sisustus"),
    article("Sormus Kaiku, säädettävä", 1_190_083, 255, &["Hopea", "Pronssi"], "Korut"),
];

/// Makes the order number `id` of the made-up shop `seed`: the same arguments give the same order.
///
/// It has one to six products and the two fee lines, sometimes a coupon, a campaign, a company or a comment, and is
/// about 4 KB long as XML. The time it was made is left for the shop to say.
pub fn made_up(seed: u64, id: u64) -> Order {
    let rng = &mut Rng::with_seed(seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let customer = customer(rng);
    let shipping_address = shipping_address(rng, &customer);
    let (payment_id, payment) = pick(rng, &PAYMENTS);
    let (shipping_id, shipping, shipping_cents, to_pickup_point) = pick(rng, &SHIPPINGS);
    // The larger of two throws: about four and a half products on average.
    let product_count = rng.u32(1..=6).max(rng.u32(1..=6));
    let mut products: Vec<Line> = (0..product_count).map(|_| product(rng)).collect();
    if chance(rng, 12) {
        products.push(coupon(rng));
    }
    products.push(payment_fee(rng, payment_id, payment));
    products.push(shipping_fee(shipping_id, shipping, shipping_cents));
    let pieces: Decimal = products.iter().filter_map(|line| line.quantity).sum();
    Order {
        id,
        order_number: Some(id.to_smolstr()),
        version_id: Some(VERSIONS[(id % 4) as usize].into()),
        status: Some("Open".into()),
        language: Some(pick(rng, &LANGUAGES).into()),
        comments: chance(rng, 35).then(|| pick(rng, &COMMENTS).into()),
        customer_id: Some(if chance(rng, 60) { rng.u32(1..90_000) } else { 0 }.to_smolstr()),
        customer_information: Some(customer),
        shipping_address: Some(shipping_address),
        payments: vec![Payment {
            payment_method_id: Some(payment_id.into()),
            name: Some(payment.into()),
            reference: Some(format_smolstr!("{:014}", rng.u64(0..100_000_000_000_000))),
            status: chance(rng, 85).then(|| "Paid".into()),
        }],
        shipments: vec![Shipment {
            shipping_method_id: Some(shipping_id.into()),
            name: Some(shipping.into()),
            pickup_point_code: to_pickup_point.then(|| format_smolstr!("0000{:05}", rng.u32(0..100_000))),
            weight: Some(pieces * Decimal::new(rng.i64(1..20), 1)),
            parcel_count: Some(if chance(rng, 90) { 1 } else { 2 }),
        }],
        products,
        receipt_url: Some(document_url(rng, id, "receipt")),
        dispatch_note_url: Some(document_url(rng, id, "dispatchnote")),
        invoice_url: Some(document_url(rng, id, "invoice")),
        ..Order::default()
    }
}

fn customer(rng: &mut Rng) -> Contact {
    let (first, last) = (pick(rng, &FIRST_NAMES), pick(rng, &LAST_NAMES));
    let company = chance(rng, 30);
    let domain = if rng.bool() { "example.com" } else { "example.fi" };
    Contact {
        first_name: Some(first.into()),
        last_name: Some(last.into()),
        company: company.then(|| pick(rng, &COMPANIES).into()),
        vat_code: company.then(|| format_smolstr!("FI0000{:04}", rng.u32(0..10_000))),
        email: Some(format_smolstr!("{}.{}@{domain}", ascii(first), ascii(last))),
        email_marketing_allowed: Some(rng.bool()),
        phone: Some(format_smolstr!("+358 00 000 {:04}", rng.u32(0..10_000))),
        phone_marketing_allowed: Some(chance(rng, 20)),
        ip_address: Some(format_smolstr!("{}.{}", pick(rng, &["192.0.2", "198.51.100", "203.0.113"]), rng.u8(1..255))),
        ..address(rng)
    }
}

/// The customer's own address, or sometimes another person's: a present.
fn shipping_address(rng: &mut Rng, customer: &Contact) -> Contact {
    if chance(rng, 15) {
        let (first, last) = (pick(rng, &FIRST_NAMES), pick(rng, &LAST_NAMES));
        return Contact {
            first_name: Some(first.into()),
            last_name: Some(last.into()),
            email: Some(format_smolstr!("{}.{}@example.com", ascii(first), ascii(last))),
            ..address(rng)
        };
    }
    // The shop writes the customer's address once more, the e-mail address included.
    Contact {
        vat_code: None,
        email_marketing_allowed: None,
        phone_marketing_allowed: None,
        ip_address: None,
        ..customer.clone()
    }
}

fn address(rng: &mut Rng) -> Contact {
    let flat = if rng.bool() { format!(" {} {}", pick(rng, &["A", "B", "C"]), rng.u8(1..90)) } else { String::new() };
    Contact {
        street_address: Some(format_smolstr!("{} {}{flat}", pick(rng, &STREETS), rng.u8(1..120))),
        // Made up like the towns; the zeros are a trap for whoever takes a code for a number.
        postal_code: Some(format_smolstr!("{:05}", rng.u8(1..10))),
        city: Some(pick(rng, &CITIES).into()),
        country: Some("fi".into()),
        ..Contact::default()
    }
}

fn product(rng: &mut Rng) -> Line {
    let index = rng.usize(..ARTICLES.len());
    let article = &ARTICLES[index];
    let normal_price = Decimal::new(article.price, 4).normalize();
    let campaign = chance(rng, 15);
    let unit_price = if campaign { (normal_price * Decimal::new(8, 1)).round_dp(4).normalize() } else { normal_price };
    let quantity = Decimal::from(if chance(rng, 75) { 1 } else { rng.u32(2..12) });
    let unit_tax = tax(unit_price, article.vat);
    let variation = (!article.variations.is_empty()).then(|| rng.usize(..article.variations.len()));
    Line {
        kind: LineKind::Product,
        product_id: Some((1000 + index).to_smolstr()),
        variation_id: variation.map(|place| (100 * index + place).to_smolstr()),
        variation_name: variation.map(|place| article.variations[place].into()),
        product_code: Some(format_smolstr!("MALLI-{:04}-{}", 1000 + index, variation.unwrap_or(0))),
        product_name: Some(article.name.into()),
        quantity: Some(quantity),
        unit_price: Some(unit_price),
        vat_rate: Some(Decimal::new(article.vat, 1).normalize()),
        unit_tax: Some(unit_tax),
        total: Some(unit_price * quantity),
        total_tax: Some(unit_tax * quantity),
        shipped: Some(false),
        campaign_id: campaign.then(|| rng.u32(400..500).to_smolstr()),
        normal_unit_price: campaign.then_some(normal_price),
        categories: vec![
            Category { id: Some((10 + index).to_smolstr()), name: Some(article.category.into()) },
            Category { id: Some("1".into()), name: Some("Etusivun nostot".into()) },
        ],
        ..Line::default()
    }
}

fn coupon(rng: &mut Rng) -> Line {
    let price = Decimal::new(-500, 2);
    Line {
        kind: LineKind::Coupon,
        product_id: Some("COUPON".into()),
        coupon_code: Some(format_smolstr!("KESÄ{:02}", rng.u8(0..100))),
        product_name: Some("Alennuskoodi, 5 € pois".into()),
        ..priced(price, 255)
    }
}

/// As in the vendor's sample, most payment fees have neither price nor total.
fn payment_fee(rng: &mut Rng, id: &str, name: &str) -> Line {
    let free = Line { quantity: Some(Decimal::ONE), ..Line::default() };
    Line {
        kind: LineKind::Payment,
        product_id: Some("PAYMENT".into()),
        payment_method_id: Some(id.into()),
        product_name: Some(name.into()),
        ..if chance(rng, 60) { free } else { priced(Decimal::new(190, 2), 255) }
    }
}

fn shipping_fee(id: &str, name: &str, cents: i64) -> Line {
    Line {
        kind: LineKind::Shipping,
        product_id: Some("SHIPPING".into()),
        shipping_method_id: Some(id.into()),
        product_name: Some(name.into()),
        ..priced(Decimal::new(cents, 2), 255)
    }
}

/// One piece at this price.
fn priced(price: Decimal, vat: i64) -> Line {
    let tax = tax(price, vat);
    Line {
        quantity: Some(Decimal::ONE),
        unit_price: Some(price),
        vat_rate: Some(Decimal::new(vat, 1).normalize()),
        unit_tax: Some(tax),
        total: Some(price),
        total_tax: Some(tax),
        ..Line::default()
    }
}

/// The tax inside a price that includes it, to four decimals.
fn tax(price: Decimal, vat: i64) -> Decimal {
    (price * Decimal::from(vat) / Decimal::from(1000 + vat)).round_dp(4).normalize()
}

fn document_url(rng: &mut Rng, id: u64, kind: &str) -> Text {
    format_smolstr!("https://shop.example.fi/orderstatus/{id}/{kind}/{:032x}", rng.u128(..))
}

fn ascii(name: &str) -> String {
    name.to_lowercase().replace(['ä', 'å'], "a").replace('ö', "o")
}

fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycashflow::{Limits, read_page, write_order};

    #[test]
    fn the_same_seed_and_id_give_the_same_order() {
        assert_eq!(made_up(1, 58), made_up(1, 58));
        assert_ne!(made_up(1, 58).products, made_up(2, 58).products);
        assert_ne!(made_up(1, 58).products, made_up(1, 59).products);
    }

    #[test]
    fn every_order_is_read_back_as_it_was_made_without_a_warning() {
        for id in 1..=500 {
            let order = made_up(7, id);
            let page = read_page(write_order(&order).as_bytes(), &Limits::default()).unwrap();
            assert_eq!(page.entries.len(), 1);
            assert_eq!(page.entries[0].order.as_ref().unwrap(), &order);
        }
    }

    #[test]
    fn an_order_is_about_4_kb_of_xml_on_average() {
        let average = (1..=1000).map(|id| write_order(&made_up(3, id)).len()).sum::<usize>() / 1000;
        assert!((3_600..=4_400).contains(&average), "{average} bytes");
    }

    #[test]
    fn orders_are_as_varied_as_a_shop_s() {
        let orders: Vec<_> = (1..=500).map(|id| made_up(11, id)).collect();
        let lines = |kind| orders.iter().flat_map(|order| &order.products).filter(|line| line.kind == kind).count();
        assert_eq!((lines(LineKind::Payment), lines(LineKind::Shipping)), (500, 500));
        assert!((500..=3000).contains(&lines(LineKind::Product)));
        assert!(lines(LineKind::Coupon) > 0);
        let some = |present: fn(&Order) -> bool| {
            let count = orders.iter().filter(|order| present(order)).count();
            assert!((1..500).contains(&count), "{count} of 500");
        };
        some(|order| order.comments.is_some());
        some(|order| order.version_id.as_deref() == Some("1"));
        some(|order| order.customer_information.as_ref().is_some_and(|customer| customer.company.is_some()));
        some(|order| order.shipments[0].pickup_point_code.is_some());
        some(|order| order.products.iter().any(|line| line.campaign_id.is_some()));
        for character in ["ä", "ö", "€", "&", "<"] {
            let comments = orders.iter().filter_map(|order| order.comments.as_deref());
            assert!(comments.into_iter().any(|comment| comment.contains(character)), "{character}");
        }
    }

    #[test]
    fn money_has_at_most_four_decimals_and_adds_up() {
        for id in 1..=500 {
            for line in made_up(13, id).products {
                let money = [line.unit_price, line.unit_tax, line.total, line.total_tax, line.normal_unit_price];
                assert!(money.into_iter().flatten().all(|amount| amount.scale() <= 4), "{money:?}");
                let price = line.unit_price.unwrap_or_default();
                assert_eq!(line.total.unwrap_or_default(), price * line.quantity.unwrap());
                assert!(line.normal_unit_price.is_none_or(|normal| normal > price));
            }
        }
    }

    #[test]
    fn nothing_points_at_a_real_person_or_place() {
        for id in 1..=500 {
            let order = made_up(5, id);
            let customer = order.customer_information.unwrap();
            for email in [customer.email, order.shipping_address.unwrap().email].map(Option::unwrap) {
                let is_example = email.ends_with("@example.com") || email.ends_with("@example.fi");
                assert!(email.is_ascii() && is_example, "{email}");
            }
            let ip = customer.ip_address.unwrap().parse::<std::net::Ipv4Addr>().unwrap();
            assert!(ip.is_documentation());
            assert!(customer.postal_code.unwrap().starts_with("0000"));
        }
    }
}
