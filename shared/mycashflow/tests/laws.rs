//! Laws of reading and writing orders, over generated orders and bytes.

#![allow(clippy::unwrap_used, reason = "what helps a test fails by panicking")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use tilaussilta_mycashflow::{
    Category, Contact, Decimal, Extra, Limits, Line, LineKind, Order, Payment, Shipment, SpanAttributes, Text,
    read_page, write_order, write_orders,
};

/// A value as shops have them: letters of all lengths in UTF-8, markup and entities; trimmed, as the reader does.
fn text() -> impl Strategy<Value = Text> {
    "([a-z0-9ÄÖäöå€\u{1F600}\u{a0}<>&'\";/\\]\\[!-]|&auml;|&amp;|&#65;|]]>|</Order>|\r\n|\t| ){1,12}"
        .prop_map(|text| Text::new(text.trim_matches([' ', '\t', '\r', '\n'])))
        .prop_filter("an empty value is none", |text| !text.is_empty())
}

fn some_text() -> impl Strategy<Value = Option<Text>> {
    of(text())
}

fn decimal() -> impl Strategy<Value = Option<Decimal>> {
    of((-1_000_000_i64..1_000_000, 0_u32..5)
        .prop_map(|(digits, scale)| rust_decimal::Decimal::new(digits, scale).into()))
}

/// Elements that no specification names: the names begin with `x`.
fn extra(depth: u32) -> BoxedStrategy<Extra> {
    let attributes = btree_map("x[a-z0-9_.:-]{0,4}", "[a-zäö<>&'\" \n]{0,5}", 0..3);
    let children = if depth == 0 { Just(Vec::new()).boxed() } else { vec(extra(depth - 1), 0..3).boxed() };
    ("x[a-zÄ0-9_.:-]{0,4}", attributes, some_text(), children)
        .prop_map(|(name, attributes, text, children)| Extra { name, attributes, text, children })
        .boxed()
}

/// Unknown elements, and unknown attributes and elements of the known elements.
fn extras(known: &'static [&'static str]) -> impl Strategy<Value = Vec<Extra>> {
    let elements = vec(extra(2), 0..2);
    let attributes = btree_map(prop::sample::select(known), some_text(), 0..2);
    (attributes, elements).prop_map(|(attributes, elements)| {
        let attribute = |(element, text)| Extra { name: format!("{element}/@xa"), text, ..Extra::default() };
        attributes.into_iter().map(attribute).chain(elements).collect()
    })
}

fn contact() -> impl Strategy<Value = Option<Contact>> {
    let names = (some_text(), some_text(), some_text(), some_text());
    let place = (some_text(), some_text(), some_text(), some_text());
    let reach = (some_text(), of(any::<bool>()), some_text(), of(any::<bool>()), some_text());
    (names, place, reach, extras(&["FirstName", "Email"])).prop_map(
        |((first_name, last_name, company, vat_code), (street_address, postal_code, city, country), reach, extra)| {
            let (email, email_marketing_allowed, phone, phone_marketing_allowed, ip_address) = reach;
            let contact = Contact {
                first_name,
                last_name,
                company,
                vat_code,
                street_address,
                postal_code,
                city,
                country,
                email,
                email_marketing_allowed,
                phone,
                phone_marketing_allowed,
                ip_address,
                extra,
            };
            (contact != Contact::default()).then_some(contact)
        },
    )
}

fn line() -> impl Strategy<Value = Line> {
    let kind = prop_oneof![
        some_text().prop_map(|product_id| Line { product_id, ..Line::default() }),
        some_text().prop_map(|id| Line {
            kind: LineKind::Payment,
            product_id: Some("PAYMENT".into()),
            payment_method_id: id,
            ..Line::default()
        }),
        text().prop_map(|id| Line { kind: LineKind::Shipping, shipping_method_id: Some(id), ..Line::default() }),
        text().prop_map(|code| Line { kind: LineKind::Coupon, coupon_code: Some(code), ..Line::default() }),
    ];
    let names = (some_text(), some_text(), some_text(), some_text());
    let money = (decimal(), decimal(), decimal(), decimal(), decimal(), decimal(), decimal());
    let category = (some_text(), some_text()).prop_map(|(id, name)| Category { id, name });
    let other = (
        of(any::<bool>()),
        some_text(),
        vec(category, 0..3),
        extras(&["Product", "UnitPrice", "Campaign/CampaignID", "ProductID"]),
    );
    (kind, names, money, other).prop_map(|(line, names, money, (shipped, campaign_id, categories, extra))| {
        let (variation_id, variation_name, product_code, product_name) = names;
        let (quantity, unit_price, vat_rate, unit_tax, total, total_tax, normal_unit_price) = money;
        Line {
            variation_id,
            variation_name,
            product_code,
            product_name,
            quantity,
            unit_price,
            vat_rate,
            unit_tax,
            total,
            total_tax,
            shipped,
            campaign_id,
            normal_unit_price,
            categories,
            extra,
            ..line
        }
    })
}

fn order() -> impl Strategy<Value = Order> {
    let head =
        (any::<u64>(), some_text(), some_text(), of(0_i64..4_000_000_000), some_text(), some_text(), some_text());
    let payment = (some_text(), some_text(), some_text(), some_text()).prop_map(
        |(payment_method_id, name, reference, status)| Payment { payment_method_id, name, reference, status },
    );
    let shipment = (some_text(), some_text(), some_text(), decimal(), of(any::<u32>())).prop_map(
        |(shipping_method_id, name, pickup_point_code, weight, parcel_count)| Shipment {
            shipping_method_id,
            name,
            pickup_point_code,
            weight,
            parcel_count,
        },
    );
    let people = (some_text(), contact(), contact());
    let rest =
        (some_text(), some_text(), some_text(), extras(&["Order", "Comments", "Documents", "Documents/Receipt"]));
    (head, (payment, shipment), people, vec(line(), 0..4), rest).prop_map(
        |(
            (id, order_number, version_id, seconds, status, language, comments),
            (payment, shipment),
            people,
            products,
            rest,
        )| {
            let (customer_id, customer_information, shipping_address) = people;
            let (receipt_url, dispatch_note_url, invoice_url, extra) = rest;
            let created_at = seconds.map(|seconds| Timestamp::from_second(seconds).unwrap());
            let helsinki =
                |at: Timestamp| at.in_tz("Europe/Helsinki").unwrap().strftime("%Y-%m-%d %H:%M:%S").to_string();
            Order {
                id,
                order_number,
                version_id,
                created_at,
                created_at_local: created_at.map(|at| helsinki(at).into()),
                status,
                language,
                comments,
                customer_id,
                customer_information,
                shipping_address,
                payments: (payment != Payment::default()).then_some(payment).into_iter().collect(),
                shipments: (shipment != Shipment::default()).then_some(shipment).into_iter().collect(),
                products,
                receipt_url,
                dispatch_note_url,
                invoice_url,
                extra,
                warnings: Vec::new(),
            }
        },
    )
}

/// The extras sorted by name: which of them came first among different places is not kept.
fn sorted(mut order: Order) -> Order {
    let sort = |extra: &mut Vec<Extra>| extra.sort_by(|a, b| a.name.cmp(&b.name));
    sort(&mut order.extra);
    order
        .customer_information
        .iter_mut()
        .chain(&mut order.shipping_address)
        .for_each(|contact| sort(&mut contact.extra));
    order.products.iter_mut().for_each(|line| sort(&mut line.extra));
    order
}

fn read_one(document: &str) -> Order {
    let mut page = read_page(document.as_bytes(), None, &Limits::default()).unwrap();
    assert_eq!(page.entries.len(), 1);
    page.entries.remove(0).order.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_written_is_read_back_equal(order in order()) {
        let document = write_order(&order);
        prop_assert_eq!(sorted(read_one(&document)), sorted(order), "{}", document);
    }

    #[test]
    fn a_list_gives_each_order_with_its_own_text(orders in vec(order(), 0..4), time_to in any::<i64>()) {
        let span = SpanAttributes { time_to: Some(time_to), ..SpanAttributes::default() };
        let page = read_page(write_orders(&orders, &span).as_bytes(), None, &Limits::default()).unwrap();
        prop_assert_eq!((page.time_to, page.entries.len()), (Some(time_to), orders.len()));
        for (entry, order) in page.entries.iter().zip(&orders) {
            let written = write_order(order);
            prop_assert_eq!(page.slice(entry), written.as_bytes());
            prop_assert_eq!((entry.id, entry.ordered_at), (Some(order.id), order.created_at.map(Timestamp::as_second)));
        }
    }

    #[test]
    fn canonical_json_depends_on_neither_attribute_order_nor_white_space_nor_wrapper(
        attributes in btree_map("x[a-z]{0,3}", "[a-zäö]{0,4}", 0..5),
        values in vec((prop::sample::select(vec!["OrderStatus", "xa", "xb"]), "[a-zäö]{1,4}"), 0..4),
        space in "[ \n\t]{0,3}",
    ) {
        let document = |attributes: &mut dyn Iterator<Item = (&String, &String)>, space: &str| {
            let attributes: String = attributes.map(|(name, value)| format!(" {space}{name}='{value}'")).collect();
            let child = |(name, value): &(&str, String)| format!("{space}<{name}{attributes}>{space}{value}{space}</{name}>");
            let children: String = values.iter().map(child).collect();
            format!("<Order id='7'>{children}{space}</Order>")
        };
        let canonical = |document: &str| read_one(document).canonical_json();
        let plain = canonical(&document(&mut attributes.iter(), ""));
        prop_assert_eq!(&canonical(&document(&mut attributes.iter().rev(), "")), &plain);
        prop_assert_eq!(&canonical(&document(&mut attributes.iter(), &space)), &plain);
        let wrapped = format!("<?xml version='1.0'?>{space}<Orders>{space}{}</Orders>", document(&mut attributes.iter(), ""));
        prop_assert_eq!(&canonical(&wrapped), &plain);
    }

    #[test]
    fn a_page_cut_short_is_an_error(orders in vec(order(), 1..3), cut in any::<prop::sample::Index>()) {
        let document = write_orders(&orders, &SpanAttributes::default());
        prop_assert!(read_page(&document.as_bytes()[..cut.index(document.len())], None, &Limits::default()).is_err());
    }

    #[test]
    fn reading_never_panics_and_ranges_are_in_order(
        pieces in vec(prop_oneof![
            prop::sample::select(vec![
                "<Order", "<Orders>", "</Order>", "</Orders>", " id='1'", ">", "/>", "<City>", "</City>", "&", ";", "&auml;",
                "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "'", "\"", "\u{FEFF}", "<OrderedAt timestamp='5'>", "ä", " ", "\n",
            ]).prop_map(|piece| piece.as_bytes().to_vec()),
            vec(any::<u8>(), 0..4),
        ], 0..40),
        wrap in any::<bool>(),
    ) {
        let mut document = pieces.concat();
        if wrap {
            document = [b"<Orders><Order id='1'>", document.as_slice(), b"</Order><Order id='2'/></Orders>"].concat();
        }
        if let Ok(page) = read_page(&document, None, &Limits::default()) {
            let mut end = 0;
            for entry in &page.entries {
                // A byte that is no character may have taken its beginning from an order.
                let slice = page.slice(entry);
                let begins = slice.starts_with(b"<Order") || std::str::from_utf8(slice).is_err();
                prop_assert!(entry.range.start >= end && begins);
                end = entry.range.end;
            }
        }
    }
}

/// Attributes of a map type are sorted, so that proptest's maps and the reader's agree.
#[test]
fn unknown_attributes_are_a_sorted_map() {
    let order = read_one("<Order id='7'><x b='1' a='2'/></Order>");
    let expected: BTreeMap<_, _> = [("a", "2"), ("b", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert_eq!(order.extra[0].attributes, expected);
}
