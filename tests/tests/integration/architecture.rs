//! The crate graph is the one that `ARCHITECTURE.md` describes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PREFIX: &str = "tilaussilta-";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A row of the table "Packages".
struct Row {
    path: String,
    may_depend_on: BTreeSet<String>,
}

/// The names in backticks of a cell.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The table, by the packages' short names, with the names of folders resolved.
fn table() -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows: Vec<Vec<String>> = text
        .lines()
        .skip_while(|line| *line != "## Packages")
        .skip_while(|line| !line.starts_with("| ---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    let name_of = |row: &Vec<String>| names(&row[0])[0].to_owned();
    let in_folder = |folder: &str| -> Vec<String> {
        rows.iter().filter(|row| names(&row[1])[0].starts_with(&format!("{folder}/"))).map(name_of).collect()
    };
    let rows = rows.iter().map(|row| {
        let may_depend_on = names(&row[3]).into_iter().flat_map(|name| match name {
            "shared" | "functions" => in_folder(name),
            name => vec![name.to_owned()],
        });
        (name_of(row), Row { path: names(&row[1])[0].to_owned(), may_depend_on: may_depend_on.collect() })
    });
    rows.collect()
}

/// The packages of the workspace by their short names: the folder, and what the package itself is built from.
fn packages() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = root().canonicalize().unwrap();
    let short = |name: &Value| name.as_str().unwrap().strip_prefix(PREFIX).map(str::to_owned);
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().canonicalize().unwrap();
        let path = manifest.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        // What tests are made of besides is no part of what a package is.
        let dependencies = dependencies.filter(|dependency| dependency["kind"] != "dev");
        let name = short(&package["name"]).unwrap_or_else(|| panic!("{} begins otherwise", package["name"]));
        (name, (path, dependencies.filter_map(|dependency| short(&dependency["name"])).collect()))
    });
    packages.collect()
}

#[test]
fn packages_depend_on_each_other_as_the_architecture_says() {
    let (table, packages) = (table(), packages());
    assert_eq!(table.keys().collect::<Vec<_>>(), packages.keys().collect::<Vec<_>>());
    for (name, (path, dependencies)) in &packages {
        let row = &table[name];
        assert_eq!(*path, row.path, "the folder of {name}");
        let unexpected: Vec<_> = dependencies.difference(&row.may_depend_on).collect();
        assert!(unexpected.is_empty(), "{name} may not depend on {unexpected:?}");
    }
}

#[test]
fn functions_depend_on_no_function_and_protocols_on_no_aws() {
    for (name, (path, dependencies)) in packages() {
        if path.starts_with("functions/") || path.starts_with("shared/") || path == "cli" {
            let (rows, all) = (table(), dependencies);
            let of_functions: Vec<_> = all.iter().filter(|on| rows[*on].path.starts_with("functions/")).collect();
            assert!(of_functions.is_empty(), "{name} depends on {of_functions:?}");
        }
    }
    for protocol in ["mycashflow", "manu"] {
        let manifest = std::fs::read_to_string(root().join(format!("shared/{protocol}/Cargo.toml"))).unwrap();
        assert!(!manifest.lines().any(|line| line.starts_with("aws")), "{protocol}");
    }
}
