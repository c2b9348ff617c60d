//! What is a document, which one it is, and which versions of it are the same.

use proptest::prelude::*;

use super::*;

fn canonical(body: &str) -> String {
    String::from_utf8(read_document(body.as_bytes()).unwrap().canonical).unwrap()
}

fn id(body: &str) -> String {
    read_document(body.as_bytes()).unwrap().id.to_string()
}

fn error(body: &[u8]) -> String {
    read_document(body).unwrap_err().to_string()
}

/// The name of a document whose canonical JSON is known to be `canonical`.
fn named_by(canonical: &str) -> String {
    content_id(canonical.as_bytes()).to_string()
}

#[test]
fn members_are_sorted_at_every_level_and_white_space_is_dropped() {
    assert_eq!(
        canonical("\r\n{ \"b\" : [ 1 , { \"z\":null, \"y\" :true } , [ ] ] ,\t\"a\": { } }\n"),
        r#"{"a":{},"b":[1,{"y":true,"z":null},[]]}"#
    );
}

#[test]
fn a_name_comes_before_those_it_is_the_start_of() {
    assert_eq!(canonical(r#"{"a b":3,"ab":4,"a":2,"":1,"a!":5}"#), r#"{"":1,"a":2,"a b":3,"a!":5,"ab":4}"#);
}

#[test]
fn order_within_an_array_is_kept() {
    assert_eq!(canonical("[3,1,2]"), "[3,1,2]");
}

#[test]
fn members_of_the_same_name_are_all_kept_in_their_order() {
    assert_eq!(canonical(r#"{"b":0,"a":2,"a":1,"\u0061":3}"#), r#"{"a":2,"a":1,"a":3,"b":0}"#);
    // So many that a sort which is not stable would show it.
    let members = |name: &str| (0..100).map(|n| format!("\"{name}\":{n}")).collect::<Vec<_>>();
    let mixed: Vec<_> = members("b").into_iter().zip(members("a")).map(|(b, a)| format!("{b},{a}")).collect();
    let sorted = [members("a"), members("b")].concat();
    assert_eq!(canonical(&format!("{{{}}}", mixed.join(","))), format!("{{{}}}", sorted.join(",")));
}

#[test]
fn numbers_stay_as_they_are_written() {
    let numbers = "[1,1.0,1.00,1e0,1E+0,-0,0.1000000000000000055511151231257827,12345678901234567890123,1e999]";
    assert_eq!(canonical(numbers), numbers);
    assert_ne!(canonical("[9007199254740993]"), canonical("[9007199254740992]"));
}

#[test]
fn strings_have_one_spelling() {
    assert_eq!(canonical(r#"["\u00e4\u00C4 \/ \u20ac \ud83d\ude00"]"#), r#"["äÄ / € 😀"]"#);
    assert_eq!(
        canonical(r#"["\u0022\u005c\u0008\u000c\u000a\u000d\u0009\u0001\u001F"]"#),
        r#"["\"\\\b\f\n\r\t\u0001\u001f"]"#
    );
    assert_eq!(canonical("[\"\u{7f}\u{2028}\\u007f\"]"), "[\"\u{7f}\u{2028}\u{7f}\"]");
}

#[test]
fn half_a_surrogate_pair_is_kept() {
    assert_eq!(
        canonical(r#"["\uD83D","\uDE00\uD83D","\ud83d\u0041","\ud83dx"]"#),
        r#"["\ud83d","\ude00\ud83d","\ud83dA","\ud83dx"]"#
    );
    assert_eq!(canonical(r#"["\ud83d\ud83d\ude00"]"#), r#"["\ud83d😀"]"#);
}

#[test]
fn any_top_level_value_is_a_document() {
    for json in ["null", "true", "0", "\"text\"", "[]", "{}", r#"[{"id":1}]"#] {
        assert_eq!(canonical(json), json);
        assert_eq!(id(json), named_by(json));
    }
}

#[test]
fn the_id_is_the_top_level_member_as_a_whole_number_or_a_string() {
    assert_eq!(id(r#"{"rows":[{"id":1}],"id":4711}"#), "4711");
    assert_eq!(id(r#"{"id":"4711"}"#), "4711");
    assert_eq!(id(r#"{"id":-5}"#), "-5");
    assert_eq!(id(r#"{"id":123456789012345678901234567890}"#), "123456789012345678901234567890");
    assert_eq!(id(r#"{"id":"6f9619ff-8b86-d011-b42d-00c04fc964ff"}"#), "6f9619ff-8b86-d011-b42d-00c04fc964ff");
    assert_eq!(id(r#"{"\u0069\u0064":"M\u00e4\/1 \"x\""}"#), r#"Mä/1 "x""#);
}

#[test]
fn an_id_is_not_trimmed_nor_made_a_number() {
    assert_eq!(id(r#"{"id":" 4711"}"#), " 4711");
    assert_eq!(id(r#"{"id":"04711"}"#), "04711");
}

#[test]
fn the_last_of_several_ids_counts() {
    assert_eq!(id(r#"{"id":1,"id":{"id":3},"id":2,"idx":4}"#), "2");
}

#[test]
fn a_document_without_a_usable_id_is_named_by_its_content() {
    let too_long = format!(r#"{{"id":"{}"}}"#, "x".repeat(257));
    for json in [
        r#"{"ID":1}"#,
        r#"{"id":null}"#,
        r#"{"id":true}"#,
        r#"{"id":4711.0}"#,
        r#"{"id":4e3}"#,
        r#"{"id":{"id":1}}"#,
        r#"{"id":[1]}"#,
        r#"{"id":""}"#,
        r#"{"id":"  "}"#,
        r#"{"id":"a\nb"}"#,
        r#"{"id":"\ud83d"}"#,
        r#"{"id":"sha256-1"}"#,
        r#"{"rows":[{"id":1}]}"#,
        &too_long,
    ] {
        assert_eq!(id(json), named_by(json), "{json}");
    }
    assert_eq!(id(&format!(r#"{{"id":"{}"}}"#, "x".repeat(256))), "x".repeat(256));
}

#[test]
fn the_name_by_content_is_the_sha256_of_the_canonical_json() {
    // printf '{"a":1,"b":2}' | sha256sum
    let expected = "sha256-43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777";
    assert_eq!(id(r#"{"b":2, "a":1}"#), expected);
}

#[test]
fn a_byte_order_mark_makes_no_difference() {
    assert_eq!(read_document("\u{feff}{\"id\":1}".as_bytes()), read_document(b"{\"id\":1}"));
}

#[test]
fn a_second_byte_order_mark_makes_no_difference() {
    assert_eq!(read_document("\u{feff}\u{feff}{\"id\":1}".as_bytes()), read_document(b"{\"id\":1}"));
    assert_eq!(error("\u{feff}\u{feff}".as_bytes()), "the body is empty, expected a JSON document");
}

/// A body, its canonical JSON, and what `printf %s CANONICAL | sha256sum` prints.
const HASHES: [(&str, &str, &str); 6] = [
    (r#"{"b":2, "a":1}"#, r#"{"a":1,"b":2}"#, "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"),
    (
        "\u{feff}{ \"id\" : 4711, \"customer\" : \"Lumiv\\u00e4lke Oy\", \"total\" : 10.50 }",
        r#"{"customer":"Lumivälke Oy","id":4711,"total":10.50}"#,
        "aeeaeababca88a6a0073ab4a1d51e4235d1174ad8b11a113a7d55ca7b36e868e",
    ),
    (
        r#"{"note":"\uD83D","sum":1e400}"#,
        r#"{"note":"\ud83d","sum":1e400}"#,
        "04f9cc8753ad1c1bda5471c871916bbfdbd5ca4b7c1c7497a465312af294604d",
    ),
    (
        r#"{"note":"\ude00\ud83d\ude00","a":2,"a":1}"#,
        r#"{"a":2,"a":1,"note":"\ude00😀"}"#,
        "d8832173a4da440033ab23a92d6d37a31ff3f289902043769aa050ac6e055286",
    ),
    (
        r#"{"id":12345678901234567890123,"t":"\u0022\u005c\u0008\u001F\/"}"#,
        r#"{"id":12345678901234567890123,"t":"\"\\\b\u001f/"}"#,
        "d3c6c0a1bab0ff303fd3b2d934fccc2772cd695ee80548b5f903d61175c5b6d2",
    ),
    (
        "[1.0, 1e0, null, [ ], { }]",
        "[1.0,1e0,null,[],{}]",
        "599e74d5750602cb4a948c267ddc2d0b801cc003aae2bfe84146d4b02c750deb",
    ),
];

/// The ledger tells versions apart by this hash, so every release must compute the same.
#[test]
fn the_hash_of_a_document_never_changes() {
    for (body, canonical, hash) in HASHES {
        let document = read_document(body.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&document.canonical), canonical);
        assert_eq!(content_id(&document.canonical).as_str(), format!("sha256-{hash}"), "{canonical}");
    }
}

fn published(body: &str) -> String {
    read_document(body.as_bytes()).unwrap().published_json().into_owned()
}

#[test]
fn half_a_surrogate_pair_is_published_as_a_replacement_character() {
    assert_eq!(
        published(r#"{"\uDE00":["\ud83d","\ude00\uD83D","a\ud83d\u0041","\ud83d\ud83d\ude00"]}"#),
        "{\"\u{fffd}\":[\"\u{fffd}\",\"\u{fffd}\u{fffd}\",\"a\u{fffd}A\",\"\u{fffd}😀\"]}"
    );
}

#[test]
fn what_only_looks_like_half_a_surrogate_pair_is_published_as_it_is() {
    for json in [r#"["\\ud83d"]"#, r#"["\"\\\\ud83d","\u001fud83d"]"#, r#"["\\"]"#, "[\"\u{fffd}\"]"] {
        assert_eq!(published(json), json);
    }
    assert_eq!(published(r#"["\\\ud83d\\ud83d"]"#), "[\"\\\\\u{fffd}\\\\ud83d\"]");
}

#[test]
fn numbers_are_published_with_the_digits_that_were_sent() {
    let numbers = "[1.10,12345678901234567890123,1e400,-0,370999999999999999999]";
    assert_eq!(published(numbers), numbers);
}

#[test]
fn rejects_what_is_not_json_and_names_the_place() {
    assert_eq!(error(b""), "the body is empty, expected a JSON document");
    assert_eq!(error(b" \r\n"), "the body is empty, expected a JSON document");
    assert_eq!(error("\u{feff}".as_bytes()), "the body is empty, expected a JSON document");
    assert_eq!(error(b"<Order/>"), "the body is not JSON at line 1, column 1: expected value");
    assert_eq!(error(b"{\"a\":1,\n \"b\"}"), "the body is not JSON at line 2, column 5: expected `:`");
    assert_eq!(error(b"{\"a\":[1,"), "the body is not JSON at line 1, column 8: EOF while parsing a value");
    assert_eq!(error(b"{} {}"), "the body is not JSON at line 1, column 4: trailing characters");
    assert_eq!(error(b"[01]"), "the body is not JSON at line 1, column 3: invalid number");
    assert_eq!(
        error(b"[\"\n\"]"),
        "the body is not JSON at line 1, column 2: control character (\\u0000-\\u001F) found while parsing a string"
    );
    assert_eq!(error(b"{\"a\":\n\"\xe4\"}"), "the body is not UTF-8 at line 2, column 2");
    assert_eq!(error(b"\xff\xfe{\0}\0"), "the body is not UTF-8 at line 1, column 1");
}

#[test]
fn an_error_never_repeats_the_body() {
    for body in [&b"{\"email\":\"aino@example.fi\" x}"[..], b"{\"aino@example.fi\": nul}", b"[\"aino@example.fi\xff\"]"]
    {
        assert!(!format!("{:?}", read_document(body).unwrap_err()).contains("aino"));
    }
}

#[test]
fn rejects_more_than_64_levels_and_names_the_place() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(canonical(&nested(64)), nested(64));
    assert_eq!(error(nested(65).as_bytes()), "the body is nested deeper than 64 levels at line 1, column 65");
    let objects = format!("\n{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
    assert_eq!(error(objects.as_bytes()), "the body is nested deeper than 64 levels at line 2, column 321");
    // Far beyond any stack.
    assert_eq!(error(nested(1_000_000).as_bytes()), "the body is nested deeper than 64 levels at line 1, column 65");
}

/// JSON of any shape, with numbers that are exact in `serde_json::Value`.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// An escape sequence for half of a surrogate pair. Two of them may make a whole one.
fn half_surrogate() -> impl Strategy<Value = String> {
    (0xd800_u32..0xe000, any::<bool>()).prop_map(|(unit, is_upper)| match is_upper {
        true => format!("\\u{unit:04X}"),
        false => format!("\\u{unit:04x}"),
    })
}

/// The same value in another spelling: all strings as `\u` escapes, members backwards, white space everywhere.
fn respell(value: &serde_json::Value) -> String {
    let text = |text: &str| -> String {
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{units}\"")
    };
    match value {
        serde_json::Value::String(string) => text(string),
        serde_json::Value::Array(items) => {
            format!("[ {} ]", items.iter().map(respell).collect::<Vec<_>>().join(" ,\n"))
        }
        serde_json::Value::Object(members) => {
            let members = members.iter().rev().map(|(name, value)| format!("{}\t: {}", text(name), respell(value)));
            format!("{{ {}\r\n}}", members.collect::<Vec<_>>().join(" , "))
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn the_canonical_json_means_the_same(value in json()) {
        let document = read_document(value.to_string().as_bytes()).unwrap();
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&document.canonical).unwrap(), value);
    }

    #[test]
    fn every_spelling_has_the_same_canonical_json_and_id(value in json()) {
        prop_assert_eq!(read_document(respell(&value).as_bytes()), read_document(value.to_string().as_bytes()));
    }

    #[test]
    fn the_canonical_json_of_canonical_json_is_itself(value in json()) {
        let document = read_document(respell(&value).as_bytes()).unwrap();
        prop_assert_eq!(read_document(&document.canonical).unwrap(), document);
    }

    #[test]
    fn what_is_published_is_the_canonical_json_unless_it_has_half_a_surrogate_pair(value in json()) {
        let document = read_document(respell(&value).as_bytes()).unwrap();
        prop_assert_eq!(document.published_json().into_owned().into_bytes(), document.canonical);
    }

    #[test]
    fn what_is_published_can_be_read_whatever_surrogates_were_sent(
        parts in proptest::collection::vec(prop_oneof![half_surrogate(), "[a-zä😀]{0,3}", Just(r"\\".to_owned())], 0..12),
    ) {
        let text = format!(r#"{{"{0}":["{0}"]}}"#, parts.concat());
        let document = read_document(text.as_bytes()).unwrap();
        let published = document.published_json();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&published).is_ok(), "{}", published);
        // Published again, it is the same.
        let again = read_document(published.as_bytes()).unwrap();
        prop_assert_eq!(again.published_json(), published);
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = read_document(&body);
    }

    #[test]
    fn no_text_makes_the_canonical_form_panic_or_hang(text in r#"([{}\[\]:,"\\u0-9a-fn ]|.){0,60}"#) {
        let _ = canonicalize(&text, MAX_DEPTH);
    }
}
