use super::*;

fn error(text: &str) -> String {
    Connections::parse(text).unwrap_err().to_string()
}

#[test]
fn reads_the_documented_example() {
    let connections = Connections::parse(
        r#"{ "shops": { "acme": { "url": "https://acme.mycashflow.fi", "key": "k", "push_keys": ["current", "previous"],
                 "start": "2026-01-01" } }, "manu": { "acme": { "secrets": ["first client secret"] } } }"#,
    )
    .unwrap();
    let shop = &connections.shops["acme"];
    assert_eq!(shop.url.as_str(), "https://acme.mycashflow.fi/");
    assert_eq!(shop.start, Some("2025-12-31T22:00:00Z".parse().unwrap()), "midnight in Helsinki");
    assert_eq!(shop.keys().collect::<Vec<_>>(), ["k", "current", "previous"]);
}

#[test]
fn errors_name_the_field_and_never_the_value() {
    assert_eq!(error(r#"{"shops":{"acme":{"key":"hush"}}}"#), "the connections: shops.acme.url: is missing");
    assert_eq!(
        error(r#"{"shops":{"a":{"url":"https://a.fi","key":""}}}"#),
        "the connections: shops.a.key: must not be empty"
    );
    assert_eq!(error(r#"{"manu":{"a":{"secrets":["x",7]}}}"#), "the connections: manu.a.secrets[1]: must be a string");
    assert_eq!(
        error(r#"{"manu":{"a":{"secrets":[]}}}"#),
        "the connections: manu.a.secrets: must list at least one secret"
    );
    for text in [
        r#"{"shops":{"a":{"url":"hush","key":"k"}}}"#,
        r#"{"shops":{"a":{"url":"https://a.fi","key":"k","start":"hush"}}}"#,
        r#"{"shops":{"a":{"url":"https://a.fi","key":"k","hush":1}}}"#,
        r#"{"shops":{"Hush":{"url":"https://a.fi","key":"k"}}}"#,
        r#"{"shops": hush }"#,
    ] {
        assert!(!error(text).to_lowercase().contains("hush"), "{}", error(text));
    }
}

#[test]
fn a_bridge_is_read_and_checked_at_start() {
    let with = |bridge: &str| {
        format!(
            r#"{{"shops":{{"acme":{{"url":"https://a.fi","key":"k"}}}},"manu":{{"m":{{"secrets":["s"],"bridge":{bridge}}}}}}}"#
        )
    };
    let connections =
        Connections::parse(&with(r#"{"shop":"acme","orders":"$.rows[*].order","dry_run":true}"#)).unwrap();
    let bridge = connections.manu["m"].bridge.as_ref().unwrap();
    assert_eq!((bridge.shop.as_str(), bridge.send_email, bridge.dry_run), ("acme", false, true));
    assert_eq!((&bridge.tracking_code, bridge.order_is), (&None, OrderIs::Number));
    let by_id = Connections::parse(&with(r#"{"shop":"acme","orders":"$","order_is":"id"}"#)).unwrap();
    assert_eq!(by_id.manu["m"].bridge.as_ref().unwrap().order_is, OrderIs::Id);
    assert_eq!(
        error(&with(r#"{"shop":"acme","orders":"$","order_is":"name"}"#)),
        "the connections: manu.m.bridge.order_is: must be \"number\" or \"id\""
    );
    assert_eq!(
        error(&with(r#"{"shop":"b","orders":"$"}"#)),
        "the connections: manu.m.bridge.shop: must be the name of one of the shops"
    );
    assert_eq!(error(&with(r#"{"shop":"acme"}"#)), "the connections: manu.m.bridge.orders: is missing");
    assert_eq!(
        error(&with(r#"{"shop":"acme","orders":"rows.order"}"#)),
        "the connections: manu.m.bridge.orders: must be a JSONPath (RFC 9535), for example $.sales_orders[*].number"
    );
    assert_eq!(
        error(&with(r#"{"shop":"acme","orders":"$","dry_run":1}"#)),
        "the connections: manu.m.bridge.dry_run: must be true or false"
    );
}

#[test]
fn a_broken_bridge_of_a_document_in_use_disables_that_bridge_only() {
    let keys = r#","webhook_keys":{"sales-dispatch-activate":"k"}"#;
    let document = |broken: &str| {
        format!(
            r#"{{"shops":{{"acme":{{"url":"https://a.fi","key":"k"}}}},"manu":{{
                    "a":{{"secrets":["a"]{BRIDGE}{keys}}}, "b":{{"secrets":["b"],"bridge":{broken}{keys}}}}}}}"#
        )
    };
    for (broken, problem) in [
        (r#"{"shop":"gone","orders":"$"}"#, "manu.b.bridge.shop: must be the name of one of the shops"),
        (r#"{"shop":"acme"}"#, "manu.b.bridge.orders: is missing"),
        (r#""hush""#, "manu.b.bridge: must be an object"),
    ] {
        let problem = format!("the connections: {problem}");
        assert_eq!(error(&document(broken)), problem, "whoever stores a document is told");
        let deployed = Connections::parse_deployed(&document(broken)).unwrap();
        let (a, b) = (&deployed.manu["a"], &deployed.manu["b"]);
        assert_eq!((a.bridge.is_some(), a.bridge_disabled), (true, false));
        assert_eq!((b.bridge.is_some(), b.bridge_disabled, b.secrets.len()), (false, true, 1), "it still records");
        let warning = format!("{problem}; this bridge is disabled, so the dispatches of its account deliver nothing");
        assert_eq!(deployed.warnings().iter().map(ToString::to_string).collect::<Vec<_>>(), [warning]);
    }
    assert!(Connections::parse_deployed("{").is_err() && Connections::parse_deployed(r#"{"shops":7}"#).is_err());
}

/// An account with these further fields, beside a shop that a bridge may name.
fn with_account(fields: &str) -> String {
    format!(r#"{{"shops":{{"acme":{{"url":"https://a.fi","key":"k"}}}},"manu":{{"m":{{"secrets":["s"]{fields}}}}}}}"#)
}

const DISPATCH: WebhookType = WebhookType::SalesDispatchActivate;
const ITEM: WebhookType = WebhookType::ItemSave;
const BRIDGE: &str = r#","bridge":{"shop":"acme","orders":"$"}"#;

fn account(fields: &str) -> ManuConnection {
    Connections::parse(&with_account(fields)).unwrap().manu.remove("m").unwrap()
}

#[test]
fn an_account_without_keys_needs_none() {
    for fields in ["", r#","webhook_keys":{}"#] {
        let account = account(fields);
        assert!(!account.needs_key(DISPATCH));
        assert!(account.accepts_key(DISPATCH, []) && account.accepts_key(DISPATCH, ["any"]));
    }
}

#[test]
fn one_url_key_is_for_every_webhook() {
    for keys in [r#""now""#, r#"["now"]"#, r#"["now","before"]"#] {
        let account = account(&format!(r#","url_key":{keys}"#));
        for webhook in WebhookType::ALL {
            assert!(account.needs_key(webhook));
            assert!(account.accepts_key(webhook, ["now"]) && account.accepts_key(webhook, ["wrong", "now"]));
            assert_eq!(account.accepts_key(webhook, ["before"]), keys.contains("before"));
            assert!(!account.accepts_key(webhook, []) && !account.accepts_key(webhook, ["", "no", "now ", "Now"]));
            assert!(!account.accepts_key(webhook, ["s"]), "the client secret is no key");
        }
    }
}

#[test]
fn a_webhooks_own_key_opens_no_other_webhook() {
    let keys = r#","webhook_keys":{"sales-dispatch-activate":["now","before"],"item-save":"item"}"#;
    let account = account(keys);
    assert!(account.accepts_key(DISPATCH, ["now"]) && account.accepts_key(DISPATCH, ["before"]));
    assert!(!account.accepts_key(DISPATCH, ["item"]) && !account.accepts_key(DISPATCH, []));
    assert!(account.accepts_key(ITEM, ["item"]) && !account.accepts_key(ITEM, ["now"]));
    assert!(account.accepts_key(WebhookType::SalesInvoice, []), "a webhook that is not named needs no key");
}

#[test]
fn a_webhooks_own_key_stands_in_place_of_the_url_key() {
    let account = account(r#","url_key":"all","webhook_keys":{"sales-dispatch-activate":"own"}"#);
    assert!(account.accepts_key(DISPATCH, ["own"]) && !account.accepts_key(DISPATCH, ["all"]));
    assert!(account.accepts_key(ITEM, ["all"]) && !account.accepts_key(ITEM, ["own"]));
}

#[test]
fn errors_of_keys_name_the_field_and_never_the_value() {
    for (fields, problem) in [
        (r#","url_key":7"#, "manu.m.url_key: must be a string or a list of strings"),
        (r#","url_key":"""#, "manu.m.url_key: must not be empty"),
        (r#","url_key":[]"#, "manu.m.url_key: must list at least one key"),
        (r#","url_key":["hush",""]"#, "manu.m.url_key[1]: must not be empty"),
        (r#","webhook_keys":["hush"]"#, "manu.m.webhook_keys: must be an object of keys by webhook type"),
        (
            r#","webhook_keys":{"hush":"k"}"#,
            "manu.m.webhook_keys: must name webhook types as their addresses do, for example sales-dispatch-activate",
        ),
        (r#","webhook_keys":{"item-save":[1]}"#, "manu.m.webhook_keys.item-save[0]: must be a string"),
        (r#","webhook_keys":{"item-save":[]}"#, "manu.m.webhook_keys.item-save: must list at least one key"),
    ] {
        assert_eq!(error(&with_account(fields)), format!("the connections: {problem}"));
    }
}

fn warnings(text: &str) -> Vec<String> {
    Connections::parse(text).unwrap().warnings().iter().map(ConnectionsWarning::to_string).collect()
}

#[test]
fn a_bridge_whose_dispatches_need_no_key_is_a_warning() {
    let open = "the connections: manu.m.bridge: the address of its dispatches needs no key, so any message that the \
                    account signed can be sent there and deliver an order; set webhook_keys";
    for (fields, expected) in [
        (BRIDGE, vec![open]),
        (&format!(r#"{BRIDGE},"webhook_keys":{{"item-save":"k"}}"#), vec![open]),
        (&format!(r#"{BRIDGE},"webhook_keys":{{"sales-dispatch-activate":"k"}}"#), vec![]),
        (&format!(r#"{BRIDGE},"url_key":"k""#), vec![]),
        ("", vec![]),
    ] {
        assert_eq!(warnings(&with_account(fields)), expected, "{fields}");
    }
    assert!(account(BRIDGE).bridge.is_some(), "it still delivers");
}

#[test]
fn accounts_with_one_secret_record_without_their_bridges() {
    let keys = r#","webhook_keys":{"sales-dispatch-activate":"k"}"#;
    let document = |first: &str, second: &str| {
        format!(
            r#"{{"shops":{{"acme":{{"url":"https://a.fi","key":"k"}}}},"manu":{{
                    "a":{{"secrets":["a1","{first}"]{BRIDGE}{keys}}}, "b":{{"secrets":["{second}","b2"]}},
                    "c":{{"secrets":["c1","c1"]{BRIDGE}{keys}}}}}}}"#
        )
    };
    // The ERP's code reads every letter outside ASCII as a question mark, so the last pair signs alike.
    for (first, second) in [("hush", "hush"), ("hushä", "hush€")] {
        let connections = Connections::parse(&document(first, second)).unwrap();
        let bridge = |name: &str| (connections.manu[name].bridge.is_some(), connections.manu[name].bridge_disabled);
        assert_eq!((bridge("a"), bridge("b")), ((false, true), (false, false)));
        assert_eq!(bridge("c"), (true, false), "one account may list a secret twice");
        assert_eq!(connections.manu["a"].secrets.len(), 2, "it still records");
        let (first, second) = ("manu.a.secrets[1]".to_owned(), "manu.b.secrets[0]".to_owned());
        assert_eq!(connections.warnings(), [ConnectionsWarning::SharedSecret { first, second }]);
        assert_eq!(
            connections.warnings()[0].to_string(),
            "the connections: manu.a.secrets[1] and manu.b.secrets[0] are the same secret: a message of one account is \
                 authentic for the other, so the bridges of both are disabled; give each account a private application of \
                 its own"
        );
    }
    assert_eq!(warnings(&document("hush", "other")), [""; 0]);
    assert!(Connections::parse(&document("hush", "other")).unwrap().manu["a"].bridge.is_some());
}

#[test]
fn a_secret_is_not_shown() {
    assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
}
