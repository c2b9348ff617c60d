//! The events as a contract: the committed schemas and examples are those of the types, what is published fits them, and
//! nothing that consumers rely on is taken away.
//!
//! `UPDATE=1 cargo nextest run -p tilaussilta-events` writes the committed files anew.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

// The workspace calls the package by its short name.
extern crate tilaussilta_events as events;

mod asyncapi;
mod cloudevents;
mod compatibility;
mod examples;
mod pages;
mod schemas;
mod since;
mod types;

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

/// A path in the package.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a committed file with what it should hold, or writes it with UPDATE=1.
fn assert_committed(file: &Path, generated: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, generated).unwrap();
    }
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    assert!(committed == generated, "{} is out of date: run with UPDATE=1", file.display());
}

/// The JSON files of a folder by their names without `suffix`.
fn committed(folder: &Path, suffix: &str) -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<(String, Value)> = entries
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.strip_suffix(suffix)?.to_owned();
            Some((name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()))
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// What a schema has against a value.
fn errors(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path)).collect()
}
