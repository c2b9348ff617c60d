//! What is read of an order: every element and attribute, and how values are understood.

use insta::assert_snapshot;
use jiff::Timestamp;

use super::*;
use crate::order::{Category, Contact, LineKind, Payment, Shipment};

#[test]
fn reads_every_field_of_the_vendors_sample() {
    let page = read(SAMPLE);
    assert_eq!((page.time_from, page.time_to, page.total), (None, None, None));
    assert_eq!(page.entries.len(), 1);
    let entry = &page.entries[0];
    assert_eq!((entry.id, entry.ordered_at), (Some(58), Some(1_345_401_893)));
    assert!(page.slice(entry).starts_with(b"<Order id=\"58\">"));
    assert!(page.slice(entry).ends_with(b"</Products>\n  </Order>"));

    let address = Contact {
        first_name: some("Ismo"),
        last_name: some("Ruotsalainen"),
        company: some("Pulse247 Oy"),
        street_address: some("Syväojankatu 3A"),
        postal_code: some("87100"),
        city: some("Kajaani"),
        country: some("fi"),
        phone: some("020 741 9172"),
        ..Contact::default()
    };
    let expected = Order {
        id: 58,
        order_number: some("58"),
        version_id: None,
        created_at: Some("2012-08-19T18:44:53Z".parse().unwrap()),
        created_at_local: some("2012-08-19 21:44:53"),
        status: some("Open"),
        language: some("fi"),
        comments: some("Käsittelettehän pikaisesti, koska tämä on kiireisempi kuin muut tilaukset."),
        customer_id: None,
        customer_information: Some(Contact {
            vat_code: some("FI21315706"),
            email: some("ismo@pulse247.info"),
            email_marketing_allowed: Some(false),
            phone_marketing_allowed: Some(false),
            ip_address: some("85.29.85.227"),
            ..address.clone()
        }),
        shipping_address: Some(address),
        payments: vec![Payment {
            payment_method_id: some("7"),
            name: some("Checkout"),
            reference: some("20120819001532"),
            status: some("Paid"),
        }],
        shipments: vec![Shipment {
            shipping_method_id: some("6"),
            name: some("SmartPOST"),
            pickup_point_code: None,
            weight: decimal("0.5"),
            parcel_count: Some(1),
        }],
        products: vec![
            Line {
                product_id: some("3"),
                variation_id: some("3"),
                variation_name: some("Valkoinen/42"),
                product_code: some("123123"),
                product_name: some("Lacoste kävelykengät"),
                quantity: decimal("1"),
                unit_price: decimal("41.28"),
                vat_rate: decimal("0"),
                total: decimal("41.28"),
                shipped: Some(false),
                ..Line::default()
            },
            Line {
                product_id: some("1199"),
                product_name: some("Lahjakortti 100€"),
                quantity: decimal("1"),
                unit_price: decimal("66.12"),
                vat_rate: decimal("0"),
                total: decimal("66.12"),
                shipped: Some(false),
                campaign_id: some("496"),
                normal_unit_price: decimal("82.6446"),
                ..Line::default()
            },
            Line {
                kind: LineKind::Payment,
                product_id: some("PAYMENT"),
                payment_method_id: some("7"),
                product_name: some("Checkout"),
                quantity: decimal("1"),
                ..Line::default()
            },
            Line {
                kind: LineKind::Shipping,
                product_id: some("SHIPPING"),
                shipping_method_id: some("6"),
                product_name: some("SmartPOST"),
                quantity: decimal("1"),
                unit_price: decimal("5"),
                vat_rate: decimal("0"),
                total: decimal("5"),
                ..Line::default()
            },
        ],
        receipt_url: some("http://smo43.mycashflow.fi/orderstatus/58/receipt/52d07914f6bcdf448084320f3de6a816"),
        dispatch_note_url: some(
            "http://smo43.mycashflow.fi/orderstatus/58/dispatchnote/ba4be2b2ed682be3c646be5ef7f3a77d",
        ),
        invoice_url: some("http://smo43.mycashflow.fi/orderstatus/58/invoice/f358b6fe49b80c91425137059e0cb49b"),
        extra: Vec::new(),
        warnings: Vec::new(),
    };
    assert_eq!(entry.order, Ok(expected));
}

#[test]
fn reads_what_clients_report_beyond_the_sample() {
    let order = one(with(
        "<OrderVersionID>2</OrderVersionID>
        <ShippingMethod ShippingID='6' PickUpPointCode='0123'>SmartPOST</ShippingMethod>
        <CustomerInformation><CustomerID>0</CustomerID></CustomerInformation>
        <Products><Product>
            <ProductID CouponCode='KESA'>COUPON</ProductID><UnitTax>-1.2345</UnitTax><TotalTax>-2.4690</TotalTax>
            <Categories><Category id='4'>Kengät</Category><Category id='9'/></Categories>
        </Product></Products>",
    ));
    assert_eq!(order.version_id, some("2"));
    assert_eq!(order.shipments[0].pickup_point_code, some("0123"));
    assert_eq!(order.customer_id, some("0"));
    assert_eq!(order.customer_information, None);
    let line = &order.products[0];
    assert_eq!((line.kind, line.coupon_code.as_deref()), (LineKind::Coupon, Some("KESA")));
    assert_eq!((line.unit_tax.clone(), line.total_tax.clone()), (decimal("-1.2345"), decimal("-2.4690")));
    assert_eq!(line.total_tax.as_ref().unwrap().to_string(), "-2.4690");
    let [first, second] = [("4", some("Kengät")), ("9", None)].map(|(id, name)| Category { id: some(id), name });
    assert_eq!(line.categories, [first, second]);
}

#[test]
fn reads_the_span_of_a_list() {
    let page = read(
        "<Orders time_from=\"1336738000\" time_to=\"1345401893\" orders=\"58\">\n\t<Order id=\"1\">\n\t\t<OrderNumber>1</OrderNumber>
        <OrderedAt timestamp=\"1336738023\">2012-05-11 15:07:03</OrderedAt>\n\t</Order>\n\t<Order id=\"58\"/>\n</Orders>\n",
    );
    assert_eq!((page.time_from, page.time_to, page.total), (Some(1_336_738_000), Some(1_345_401_893), Some(58)));
    let keys: Vec<_> = page.entries.iter().map(|entry| (entry.id, entry.ordered_at)).collect();
    assert_eq!(keys, [(Some(1), Some(1_336_738_023)), (Some(58), None)]);
    assert_eq!(page.slice(&page.entries[1]), b"<Order id=\"58\"/>");
    assert!(page.entries[0].order.as_ref().unwrap().warnings.is_empty());
}

#[test]
fn reads_an_order_under_any_root() {
    for document in ["<Order id='7'/>", "<Orders><Order id='7'/></Orders>", "<Answer><Order id='7'></Order></Answer>"] {
        assert_eq!(one(document).id, 7);
    }
    let nested = read("<Answer><Orders time_to='5'><Order id='7'/></Orders><Took>1 s</Took></Answer>");
    assert_eq!((nested.time_to, nested.entries[0].id), (Some(5), Some(7)));
}

#[test]
fn an_empty_list_is_a_page_without_orders() {
    for document in ["<Orders/>", "<Orders></Orders>", "<Orders time_from='1' time_to='' orders='0'>\n</Orders>"] {
        assert_eq!(read(document).entries, []);
    }
}

#[test]
fn reads_all_spellings() {
    for name in ["ZipCode", "Zipcode", "Zipcodeph"] {
        let order = one(with(&format!("<ShippingAddress><{name}>00100</{name}></ShippingAddress>")));
        assert_eq!(order.shipping_address.unwrap().postal_code, some("00100"));
    }
    for name in ["Code", "codeph"] {
        let order = one(with(&format!("<Products><Product><{name}>A1</{name}></Product></Products>")));
        assert_eq!(order.products[0].product_code, some("A1"));
    }
}

#[test]
fn keeps_what_the_specification_does_not_name() {
    let order = one(
        "<Order id='7' xsi:type='o'><Gift wrap='red'>yes <Card>Onnea</Card></Gift><orderstatus>Open</orderstatus>
        <OrderStatus since='1'>Open<b>!</b></OrderStatus>
        <Documents>stray &amp; <!-- -->lost<CreditNote>x</CreditNote><Invoice lang='fi'/></Documents>
        <CustomerInformation><Email verified='1'>a@example.com</Email></CustomerInformation>
        <Products page='1'><Product n='1'><Colour>red</Colour><Campaign x='y'><End>z</End></Campaign><Categories><Category/><Category a='b'/></Categories></Product></Products></Order>",
    );
    let gift = Extra {
        name: "Gift".to_owned(),
        attributes: [("wrap".to_owned(), "red".to_owned())].into(),
        text: some("yes"),
        children: vec![extra("Card", "Onnea")],
    };
    let expected = [
        extra("Order/@xsi:type", "o"),
        gift,
        extra("orderstatus", "Open"),
        extra("OrderStatus/@since", "1"),
        extra("OrderStatus/b", "!"),
        extra("Documents/text()", "stray & lost"),
        extra("Documents/CreditNote", "x"),
        extra("Documents/Invoice/@lang", "fi"),
        extra("Products/@page", "1"),
    ];
    assert_eq!(order.extra, expected);
    assert_eq!(order.status, some("Open"));
    assert_eq!(order.customer_information.unwrap().extra, [extra("Email/@verified", "1")]);
    let line = [
        extra("Product/@n", "1"),
        extra("Colour", "red"),
        extra("Campaign/@x", "y"),
        extra("Campaign/End", "z"),
        extra("Categories/Category[2]/@a", "b"),
    ];
    assert_eq!(order.products[0].extra, line);
    assert_eq!(order.warnings, [""; 0]);
}

#[test]
fn keeps_a_repeated_element_and_warns() {
    let order = one(with(
        "<OrderStatus>Open</OrderStatus><OrderStatus>Shipped</OrderStatus>
        <Products><Product/><Product><Total>1</Total><Total>2</Total></Product></Products>",
    ));
    assert_eq!((order.status, order.extra), (some("Open"), vec![extra("OrderStatus", "Shipped")]));
    assert_eq!(
        (order.products[1].total.clone(), &*order.products[1].extra),
        (decimal("1"), &[extra("Total", "2")][..])
    );
    let warnings =
        ["Order/OrderStatus", "Order/Products/Product[2]/Total"].map(|path| format!("{path}: repeated, kept in extra"));
    assert_eq!(order.warnings, warnings);
}

#[test]
fn a_second_customer_does_not_mix_with_the_first() {
    let order = one(with(
        "<CustomerInformation><CustomerID>1</CustomerID></CustomerInformation>
        <CustomerInformation><CustomerID>2</CustomerID></CustomerInformation>",
    ));
    assert_eq!((order.customer_id, order.extra[0].children[0].text.as_deref()), (some("1"), Some("2")));
}

#[test]
fn an_empty_element_does_not_hide_the_one_that_follows() {
    let order = one(with("<OrderStatus/><OrderStatus>Open</OrderStatus><OrderNumber x='1'/><OrderNumber x='2'/>"));
    assert_eq!((order.status, order.order_number), (some("Open"), None));
    assert_eq!(order.extra[0], extra("OrderNumber/@x", "1"));
    assert_eq!(order.extra[1].attributes["x"], "2");
    assert_eq!(order.warnings.len(), 1);
}

#[test]
fn empty_elements_are_absent() {
    let empty = with(
        "<OrderNumber/><OrderStatus> \n </OrderStatus><OrderedAt timestamp=''/><Comments></Comments><PaymentMethod PaymentID=''/>
        <ShippingWeight/><Documents/><CustomerInformation><City/></CustomerInformation><ShippingAddress/><Products/>",
    );
    assert_eq!(one(empty), Order { id: 7, ..Order::default() });
}

#[test]
fn takes_white_space_off_the_ends_only() {
    let order = one(with(
        "<OrderNumber>\n 58\t</OrderNumber><Comments>\r\n  a\r\n\r\n  b &#32;</Comments><OrderStatus>\u{a0}x</OrderStatus>",
    ));
    assert_eq!(order.order_number, some("58"));
    assert_eq!(order.comments, some("a\n\n  b"));
    assert_eq!(order.status, some("\u{a0}x"));
}

#[test]
fn decodes_both_layers_of_comments_and_one_of_everything_else() {
    let order = one(with(
        "<Comments>K&amp;auml;si &amp;lt;b&amp;gt; &amp;amp;auml; &#x20AC; AT&amp;T <![CDATA[&auml; & <i>]]></Comments>
        <OrderStatus>a&amp;auml;<!-- no -->b<![CDATA[<&]]></OrderStatus>",
    ));
    assert_eq!(order.comments, some("Käsi <b> &auml; € AT&T ä & <i>"));
    assert_eq!(order.status, some("a&auml;b<&"));
}

#[test]
fn decodes_html_entities_that_slipped_into_the_xml() {
    let order =
        one("<Order id='7' shop='K&auml;s'><OrderStatus>K&auml;sittelyss&auml;&nbsp;&euro;</OrderStatus></Order>");
    assert_eq!(order.status, some("Käsittelyssä\u{a0}€"));
    assert_eq!(order.extra, [extra("Order/@shop", "Käs")]);
}

#[test]
fn tells_fees_from_products() {
    let cases = [
        ("<ProductID>3</ProductID>", LineKind::Product),
        ("<ProductName>PAYMENT</ProductName>", LineKind::Product),
        ("<ProductID>PAYMENT</ProductID>", LineKind::Payment),
        ("<ProductID PaymentID='7'>7</ProductID>", LineKind::Payment),
        ("<ProductID>SHIPPING</ProductID>", LineKind::Shipping),
        ("<ProductID ShippingID='6'/>", LineKind::Shipping),
        ("<ProductID CouponCode='X'>1</ProductID>", LineKind::Coupon),
    ];
    for (product_id, kind) in cases {
        assert_eq!(one(with(&format!("<Products><Product>{product_id}</Product></Products>"))).products[0].kind, kind);
    }
}

#[test]
fn decimals_are_kept_as_written() {
    for written in ["0", "5", "5.00", "-82.6446", "1234567890123456789.123456789"] {
        let order = one(with(&format!("<ShippingWeight>{written}</ShippingWeight>")));
        assert_eq!(order.shipments[0].weight.as_ref().unwrap().to_string(), written);
    }
}

/// A line whose total is this.
fn with_total(total: &str) -> String {
    with(&format!("<Products><Product><Total>{total}</Total></Product></Products>"))
}

#[test]
fn rejects_money_that_is_no_decimal() {
    for written in ["1,5", "1.", ".5", "+1", "--1", "1 000", "1_000", "0x1", "NaN", "€5", "1.2.3", "1e", "1e5.0", "INF"]
    {
        let error = unreadable(with_total(written));
        assert!(error.starts_with("Order/Products/Product[1]/Total on line 1: not a decimal number"), "{error}");
        assert!(!error.contains(&format!(" {written}")), "{error}");
    }
    assert_snapshot!(unreadable(with("<Products><Product/><Product>\n<UnitPrice vat='0'>12,50</UnitPrice></Product></Products>")), @"Order/Products/Product[2]/UnitPrice on line 2: not a decimal number such as 82.6446 (it has a comma), but 5 characters");
    assert_snapshot!(unreadable(with_total("12345678901234567890123456789.5")), @"Order/Products/Product[1]/Total on line 1: more than 29 digits, or 64 behind the point, but 31 characters");
    assert_snapshot!(unreadable(with_total("1e400")), @"Order/Products/Product[1]/Total on line 1: more than 29 digits, or 64 behind the point, but 5 characters");
    for name in ["UnitPrice", "UnitTax", "Quantity", "Total", "TotalTax", "Campaign/NormalUnitPrice"] {
        let line = name.split('/').rev().fold("x".to_owned(), |inside, name| format!("<{name}>{inside}</{name}>"));
        let error = unreadable(with(&format!("<Products><Product>{line}</Product></Products>")));
        assert!(error.starts_with(&format!("Order/Products/Product[1]/{name} on line 1: not a decimal")), "{error}");
    }
}

#[test]
fn numbers_of_php_are_the_same_numbers() {
    for (written, number) in [
        ("-1.4210854715202E-14", "-0.000000000000014210854715202"),
        ("8.8817841970013e-16", "0.00000000000000088817841970013"),
        ("1.0E-5", "0.000010"),
        ("1.0E+3", "1000"),
    ] {
        let order = one(with_total(written));
        assert_eq!(order.products[0].total, decimal(number), "{written}");
        assert_eq!(order.to_json()["products"][0]["total"], number);
    }
}

#[test]
fn rejects_an_order_without_a_number() {
    assert_snapshot!(unreadable("<Order/>"), @"Order/@id on line 1: missing");
    assert_snapshot!(unreadable("<Order id=''></Order>"), @"Order/@id on line 1: missing");
    assert_snapshot!(unreadable("<Order id='-1'></Order>"), @"Order/@id on line 1: not a whole number of up to 64 bits, but 2 characters");
    assert_snapshot!(unreadable("<Order id='18446744073709551616'/>"), @"Order/@id on line 1: not a whole number of up to 64 bits, but 20 characters");
}

#[test]
fn what_is_beside_the_point_is_kept_as_text_with_a_warning() {
    let line = |inside: &str| format!("<Products><Product>{inside}</Product></Products>");
    let address = |inside: &str| format!("<ShippingAddress>{inside}</ShippingAddress>");
    let price = line("<UnitPrice vat='24%'>1.50</UnitPrice>");
    let cases = [
        ("<ShippingWeight>n. 2 kg</ShippingWeight>".to_owned(), "ShippingWeight", "n. 2 kg"),
        ("<ShippingWeight>0,5</ShippingWeight>".to_owned(), "ShippingWeight", "0,5"),
        ("<ShippingPackages>1.00</ShippingPackages>".to_owned(), "ShippingPackages", "1.00"),
        ("<OrderedAt timestamp='soon'/>".to_owned(), "OrderedAt/@timestamp", "soon"),
        ("<OrderedAt timestamp='999999999999999'/>".to_owned(), "OrderedAt/@timestamp", "999999999999999"),
        (price.clone(), "UnitPrice/@vat", "24%"),
        (line("<Shipped>osittain</Shipped>"), "Shipped", "osittain"),
        (address("<Email allowMarketing='maybe'>a@example.com</Email>"), "Email/@allowMarketing", "maybe"),
        (address("<Phone allowMarketing='2'/>"), "Phone/@allowMarketing", "2"),
    ];
    for (inside, name, text) in cases {
        let order = one(with(&inside));
        let lines = order.products.iter().flat_map(|line| &line.extra);
        let contacts = order.shipping_address.iter().flat_map(|contact| &contact.extra);
        let kept: Vec<_> = order.extra.iter().chain(lines).chain(contacts).cloned().collect();
        assert_eq!(kept, [extra(name, text)], "{inside}");
        assert_eq!(order.warnings.len(), 1, "{inside}");
        assert!(order.warnings[0].contains(&format!("/{name}: ")), "{:?}", order.warnings);
        assert!(order.warnings[0].ends_with("; kept in extra") && !order.warnings[0].contains(text), "{inside}");
    }
    assert_snapshot!(one(with(&price)).warnings[0], @"Order/Products/Product[1]/UnitPrice/@vat: not a decimal number such as 82.6446, but 3 characters; kept in extra");
    assert_eq!(one(with(&price)).products[0].unit_price, decimal("1.50"));
}

#[test]
fn a_timestamp_that_cannot_be_read_leaves_the_time_to_its_text() {
    let order = one(with("<OrderedAt timestamp='0000-00-00'>2012-08-19 21:44:53</OrderedAt>"));
    assert_eq!((order.created_at, order.extra), (at(1_345_401_893), vec![extra("OrderedAt/@timestamp", "0000-00-00")]));
    let order = one(with("<OrderedAt>0000-00-00 00:00:00</OrderedAt>"));
    assert_eq!((order.created_at, order.created_at_local), (None, some("0000-00-00 00:00:00")));
    assert_snapshot!(order.warnings.join(""), @"Order/OrderedAt: the text is not a local time such as 2012-08-19 21:44:53");
}

#[test]
fn a_time_with_an_offset_is_that_instant() {
    for (text, instant) in [
        ("2026-07-01T10:00:00+00:00", "2026-07-01T10:00:00Z"),
        ("2026-07-01 10:00:00-0500", "2026-07-01T15:00:00Z"),
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        ("2026-07-01 10:00:00 +0300", "2026-07-01T07:00:00Z"),
        ("2026-07-01 10:00:00+03", "2026-07-01T07:00:00Z"),
        ("2026-07-01 10:00:00 UTC", "2026-07-01T10:00:00Z"),
        ("2026-07-01 10:00:00", "2026-07-01T07:00:00Z"),
        ("2026-01-01 10:00:00", "2026-01-01T08:00:00Z"),
    ] {
        let order = one(with(&format!("<OrderedAt>{text}</OrderedAt>")));
        assert_eq!(order.created_at, Some(instant.parse().unwrap()), "{text}");
        assert_eq!((order.created_at_local, order.warnings), (some(text), Vec::new()));
    }
    assert_eq!(warnings("<OrderedAt timestamp='1782900000'>2026-07-01T13:00:00+03:00</OrderedAt>").1, "");
    assert_snapshot!(warnings("<OrderedAt timestamp='1782900001'>2026-07-01T13:00:00+03:00</OrderedAt>").1, @"Order/OrderedAt: the text is not the timestamp's time, but -1 seconds away");
}

fn warnings(ordered_at: &str) -> (Option<Timestamp>, String) {
    let order = one(with(ordered_at));
    (order.created_at, order.warnings.join("\n"))
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(seconds).unwrap())
}

#[test]
fn checks_the_local_time_against_the_timestamp() {
    // 2024-10-27 01:30:00Z is 03:30 for the second time that night; an hour before it was 03:30 too.
    for (seconds, local) in [(1_729_989_000, "2024-10-27 03:30:00"), (1_729_992_600, "2024-10-27 03:30:00")] {
        let ordered_at = format!("<OrderedAt timestamp='{seconds}'>{local}</OrderedAt>");
        assert_eq!(warnings(&ordered_at), (at(seconds), String::new()));
    }
    // 2024-03-31: after 02:59:59 comes 04:00:00.
    assert_eq!(warnings("<OrderedAt timestamp='1711846799'>2024-03-31 02:59:59</OrderedAt>").1, "");
    assert_eq!(warnings("<OrderedAt timestamp='1711846800'>2024-03-31 04:00:00</OrderedAt>").1, "");
    assert_snapshot!(warnings("<OrderedAt timestamp='1711846800'>2024-03-31 03:00:00</OrderedAt>").1, @"Order/OrderedAt: the text is not the timestamp's time in Europe/Helsinki, but -3600 seconds away");
    assert_snapshot!(warnings("<OrderedAt timestamp='1345401893'>2012-08-19 18:44:53</OrderedAt>").1, @"Order/OrderedAt: the text is not the timestamp's time in Europe/Helsinki, but -10800 seconds away");
    assert_snapshot!(warnings("<OrderedAt timestamp='1345401893'>19.8.2012 21:44</OrderedAt>").1, @"Order/OrderedAt: the text is not a local time such as 2012-08-19 21:44:53");
}

#[test]
fn computes_a_missing_timestamp() {
    assert_eq!(warnings("<OrderedAt>2012-08-19 21:44:53</OrderedAt>"), (at(1_345_401_893), String::new()));
    let (instant, warning) = warnings("<OrderedAt>2024-10-27 03:30:00</OrderedAt>");
    assert_eq!(instant, at(1_729_989_000));
    assert_snapshot!(warning, @"Order/OrderedAt: no timestamp, and the local time occurred twice: the earlier is taken");
    let (instant, warning) = warnings("<OrderedAt>2024-03-31 03:30:00</OrderedAt>");
    assert_eq!(instant, at(1_711_848_600));
    assert_snapshot!(warning, @"Order/OrderedAt: no timestamp, and the local time never occurred: an hour is skipped");
    assert_eq!(warnings("<OrderedAt>eilen</OrderedAt>").0, None);
}

#[test]
fn reads_tags_however_they_are_written() {
    let tags = [
        "<OrderStatus>Open</OrderStatus>",
        "<OrderStatus >Open</OrderStatus\n>",
        "<OrderStatus\n>Open</OrderStatus>",
        "<OrderStatus>\r\n<!-- a -->Open<?b?>\t</OrderStatus>",
        "<OrderStatus><![CDATA[Open]]></OrderStatus>",
        "<OrderStatus>O&#112;en</OrderStatus>",
    ];
    for tag in tags {
        assert_eq!(one(with(tag)), Order { id: 7, status: some("Open"), ..Order::default() }, "{tag}");
    }
    for variation in ["id=\"a>b/\"", " \n id='a>b/' ", "id = \"a&gt;b/\"", "id=\"\ta>b/ \""] {
        let order = one(with(&format!("<Products><Product><Variation {variation}>M</Variation></Product></Products>")));
        let line = Line { variation_id: some("a>b/"), variation_name: some("M"), ..Line::default() };
        assert_eq!(order.products, [line], "{variation}");
    }
}

#[test]
fn reads_amounts_of_every_length_alike() {
    let longest = "99999999999999999.9999999999";
    for digits in 1..longest.len() {
        let written = longest[..digits].trim_end_matches('.');
        let order = one(with(&format!("<ShippingWeight> {written} </ShippingWeight>")));
        assert_eq!(order.shipments[0].weight, decimal(written));
        let order = one(with(&format!("<ShippingWeight>-{written}</ShippingWeight>")));
        assert_eq!(order.shipments[0].weight, decimal(&format!("-{written}")));
    }
}
