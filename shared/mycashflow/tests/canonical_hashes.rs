//! The content hash of a document stays what it was when the document was first recorded: otherwise an upgrade would make
//! a new revision of every order. The hashes are those of version dfbe505, over `Order::canonical_json`.

#![allow(clippy::unwrap_used, reason = "what helps a test fails by panicking")]

use sha2::{Digest, Sha256};
use tilaussilta_mycashflow::{Limits, read_page};

const UNKNOWN: &str = "<Order id='7' xsi:type='o' a='1'><Gift wrap='red' b='&auml;'>yes <Card>Onnea</Card></Gift><orderstatus>Open</orderstatus>\
    <OrderStatus since='1'>Open<b>!</b></OrderStatus><Documents>stray &amp; <!-- -->lost<CreditNote>x</CreditNote><Invoice lang='fi'/></Documents>\
    <CustomerInformation><CustomerID>12</CustomerID><Email verified='1' allowMarketing='TRUE'>a@example.com</Email></CustomerInformation>\
    <Products page='1'><Product n='1'><Colour>red</Colour><Campaign x='y'><End>z</End></Campaign><Categories><Category/><Category a='b'/></Categories></Product></Products></Order>";
const NUMBERS: &str = "<Order id='18446744073709551615'><OrderedAt timestamp='1345401893'>2012-08-19 21:44:53</OrderedAt>\
    <ShippingWeight>007.50</ShippingWeight><ShippingPackages>03</ShippingPackages><Products><Product><Quantity>-1</Quantity>\
    <UnitPrice vat='25.50'>-82.6446</UnitPrice><UnitTax>-0.00</UnitTax><Total>1234567890123456789.123456789</Total><TotalTax>00.5</TotalTax>\
    <Shipped>1</Shipped></Product></Products></Order>";
const REPEATED: &str = "<Order id='7'><OrderStatus/><OrderStatus>Open</OrderStatus><OrderStatus>Shipped</OrderStatus><OrderNumber x='1'/>\
    <OrderNumber x='2'/><Products/><Products><Product><codeph>A1</codeph><Code>A2</Code></Product></Products><Products><Product/></Products>\
    <ShippingAddress><Zipcodeph>00100</Zipcodeph><ZipCode>00200</ZipCode></ShippingAddress><ShippingAddress/></Order>";
const LETTERS: &[u8] = b"<?xml version='1.0' encoding='ISO-8859-1'?>\r\n<Orders><Order id='7'><Comments>K&amp;auml;si &amp;lt;b&amp;gt; \xE4\x80 \
    <![CDATA[&auml; & <i>]]>\r\nx</Comments><City a='1\t2'> Sein\xE4joki &#x20AC;&nbsp;</City><OrderedAt>2024-10-27 03:30:00</OrderedAt></Order></Orders>";

#[test]
fn the_hash_of_a_document_stays_what_it_was() {
    for (document, hash) in [
        (
            include_bytes!("../testdata/order-58.xml").as_slice(),
            "449b459c9ef36c71292f74c43bc3fa24de00ddcff2f4cd57f59dc4ca53f68e83",
        ),
        (UNKNOWN.as_bytes(), "89e5866c4679e5610e7cb1b6a8c3544be5b4a1f57282a215e27eda53822a5a39"),
        (NUMBERS.as_bytes(), "31692432282e633e797ec0478d42bcf7507e2ab194ca831fd740b4fc1f931e7a"),
        (REPEATED.as_bytes(), "21671ec1531166b6addf9585371b9de015d4aad1057705f9adef8a110384da09"),
        (LETTERS, "5f0877b79571db2fb9d4cdf54c269acb922c5897edc90ba906d99a39eabedcab"),
    ] {
        let page = read_page(document, None, &Limits::default()).unwrap();
        let canonical = page.entries[0].order.as_ref().unwrap().canonical_json();
        let found: String = Sha256::digest(&canonical).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, hash, "{}", String::from_utf8_lossy(&canonical));
    }
}
