//! The pages of `docs/events`: one for each detail-type, made from the catalogue.

use serde_json::Value;

use crate::asyncapi::asyncapi;
use crate::{assert_committed, path};

/// Where the pages are.
const FOLDER: &str = "../../docs/events";

#[test]
fn the_committed_pages_are_those_of_the_catalogue() {
    let asyncapi = asyncapi();
    let messages = asyncapi["components"]["messages"].as_object().unwrap();
    for (name, message) in messages {
        let page = Page { asyncapi: &asyncapi, sections: Vec::new() }.of(message);
        assert_committed(&path(FOLDER).join(format!("{name}.md")), &page);
    }
    assert_committed(&path(FOLDER).join("README.md"), &index(messages.values()));
    let pages = std::fs::read_dir(path(FOLDER)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let by_hand = ["README.md", "cloudevents.md"];
    let pages = pages.filter(|page| page.ends_with(".md") && !by_hand.contains(&page.as_str())).count();
    assert_eq!(pages, messages.len(), "a page of no detail-type is committed");
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn index<'a>(messages: impl Iterator<Item = &'a Value>) -> String {
    let mut page = "# The events one by one

For whoever writes a consumer: what each event holds, with an example. What holds for all of them is in
[Events](../events.md). These pages and the catalogue [`asyncapi.json`](asyncapi.json) (AsyncAPI 3.0) are generated from
the types in the code; change those, and run `UPDATE=1 cargo test -p tilaussilta-events`. For tools that read
CloudEvents, see [CloudEvents](cloudevents.md).

| `source` | `detail-type` | what it tells |
| --- | --- | --- |
"
    .to_owned();
    for message in messages {
        let (name, source) = (text(message, "name"), &message["payload"]["properties"]["source"]);
        page += &format!("| `{}` | [`{name}`]({name}.md) | {} |\n", text(source, "const"), text(message, "summary"));
    }
    page
}

/// A page in the making.
struct Page<'a> {
    asyncapi: &'a Value,
    /// The definitions that have a section, in their order.
    sections: Vec<String>,
}

impl<'a> Page<'a> {
    fn of(mut self, message: &'a Value) -> String {
        let (name, fields) = (text(message, "name"), &message["payload"]["properties"]);
        let detail = &self.asyncapi["components"]["schemas"][name];
        let mut page = format!(
            "# `{name}`\n\n{} What holds for every event is in [Events](../events.md).\n\n\
             | | |\n| --- | --- |\n| `source` | `{}` |\n| `detail-type` | `{name}` |\n| JSON Schema | \
             [`{name}.schema.json`](../../shared/events/schema/{name}.schema.json) |\n| more examples | \
             [`shared/events/examples/{name}`](../../shared/events/examples/{name}) |\n\n## `detail`\n\n{}",
            text(message, "summary"),
            text(&fields["source"], "const"),
            self.table(detail),
        );
        let mut done = 0;
        while let Some(section) = self.sections.get(done).cloned() {
            let schema = &self.asyncapi["components"]["schemas"][&section];
            page += &format!("\n## {section}\n\n{}\n", text(schema, "description"));
            page += &match schema["oneOf"].as_array() {
                Some(choices) => choices
                    .iter()
                    .map(|choice| format!("- `{}`: {}\n", text(choice, "const"), text(choice, "description")))
                    .fold("\n".to_owned(), |list, line| list + &line),
                None => format!("\n{}", self.table(schema)),
            };
            done += 1;
        }
        page + &format!("\n## Example\n\n```json\n{:#}\n```\n", message["examples"][0]["payload"])
    }

    /// The fields of an object.
    fn table(&mut self, schema: &Value) -> String {
        let mut table = "| field | type | always there | meaning |\n| --- | --- | --- | --- |\n".to_owned();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let always = if required.iter().any(|one| one == name) { "yes" } else { "no" };
            let meaning = text(field, "description").replace('|', "\\|");
            table += &format!("| `{name}` | {} | {always} | {meaning} |\n", self.kind(field));
        }
        table
    }

    /// What a field can hold.
    fn kind(&mut self, schema: &Value) -> String {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap().to_owned();
            if !self.sections.contains(&name) {
                self.sections.push(name.clone());
            }
            return format!("[{name}](#{})", name.to_lowercase());
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            return choices.iter().map(|choice| self.kind(choice)).collect::<Vec<_>>().join(" or ");
        }
        if let Some(values) = schema["enum"].as_array() {
            return values.iter().map(|value| format!("`{}`", value.as_str().unwrap())).collect::<Vec<_>>().join(", ");
        }
        if schema.get("const").is_some() {
            return format!(
                "`{}`",
                schema["const"].as_str().map_or_else(|| schema["const"].to_string(), str::to_owned)
            );
        }
        let names = match &schema["type"] {
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
            Value::String(name) => vec![name.as_str()],
            _ => return "any JSON".to_owned(),
        };
        let words = names.into_iter().map(|name| match name {
            "array" => format!("list of {}", self.kind(&schema["items"])),
            "object" => format!("object of {}", self.kind(&schema["additionalProperties"])),
            "string" if schema["format"] == "date-time" => "string (time)".to_owned(),
            "string" if text(schema, "pattern").starts_with("^-?\\d+") => "string (decimal number)".to_owned(),
            name => name.to_owned(),
        });
        words.collect::<Vec<_>>().join(" or ")
    }
}
