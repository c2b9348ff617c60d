//! The file of an export that can be broken off and go on: beside it stands a cursor, which says up to which byte the file is
//! whole, and up to which order.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// Orders between two cursors: what a broken-off export does again.
const ORDERS_A_CURSOR: u64 = 100;
/// The version of the cursor's format.
const FORMAT: u32 = 1;

/// What is exported. An export goes on only with the same wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wish {
    pub(super) connection: String,
    /// As the person wrote it: `7d` means another time later.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) csv: bool,
}

/// Where an order stands in the list: by when it was recorded, and by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) recorded_at: Timestamp,
    pub(super) document: String,
}

/// How far an export has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    format: u32,
    wish: Wish,
    /// The time that the wish meant when the export began.
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// Up to here the file is whole.
    bytes: u64,
    /// The last order up to there; none before the first.
    pub(super) after: Option<Place>,
    /// The orders up to there, those that cannot be read included.
    pub(super) orders: u64,
    /// Of these, how many cannot be read, or are erased.
    pub(super) unreadable: u64,
}

/// The file, and how far it has come.
pub(super) struct Export {
    file: File,
    cursor_path: PathBuf,
    pub(super) cursor: Cursor,
    since_cursor: u64,
    pending: Vec<u8>,
}

fn cursor_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".cursor");
    PathBuf::from(name)
}

impl Export {
    /// Begins an export into a file, whose first bytes are `head`.
    pub(super) fn begin(
        path: &Path,
        wish: Wish,
        (since, until): (Timestamp, Timestamp),
        head: &[u8],
    ) -> Result<Self, Problem> {
        let cursor_path = cursor_path(path);
        if cursor_path.exists() {
            let (path, cursor) = (path.display(), cursor_path.display());
            return Err(Problem(format!(
                "{path} is an export that was broken off: --resume continues it, or remove {cursor}"
            )));
        }
        let file = File::create(path).map_err(|error| not_written(path, &error))?;
        let cursor = Cursor { format: FORMAT, wish, since, until, bytes: 0, after: None, orders: 0, unreadable: 0 };
        let mut export = Self { file, cursor_path, cursor, since_cursor: 0, pending: head.to_vec() };
        export.save().map_err(|error| not_written(path, &error))?;
        Ok(export)
    }

    /// Goes on with an export that was broken off; none when there is neither a file nor a cursor. What the file holds beyond
    /// its cursor is written again.
    pub(super) fn resume(path: &Path, wish: &Wish) -> Result<Option<Self>, Problem> {
        let cursor_path = cursor_path(path);
        let text = match fs::read_to_string(&cursor_path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = path.display();
                return Err(Problem(format!("{path} has no cursor beside it: it is complete, or no export wrote it")));
            }
            Err(error) => return Err(not_written(&cursor_path, &error)),
        };
        let cursor: Cursor = serde_json::from_str(&text)
            .ok()
            .filter(|cursor: &Cursor| cursor.format == FORMAT)
            .ok_or_else(|| Problem(format!("{} is no cursor of an export", cursor_path.display())))?;
        if cursor.wish != *wish {
            let Wish { connection, from, to, csv } = &cursor.wish;
            let format = if *csv { "--csv" } else { "--jsonl" };
            return Err(Problem(format!(
                "{} was begun with {connection} --from {from} --to {to} {format}, and continues only with these",
                path.display()
            )));
        }
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new().write(true).open(path)?;
            if file.metadata()?.len() < cursor.bytes {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is shorter than its cursor says"));
            }
            file.set_len(cursor.bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().map_err(|error| not_written(path, &error))?;
        Ok(Some(Self { file, cursor_path, cursor, since_cursor: 0, pending: Vec::new() }))
    }

    /// Takes in the text of an order; none of one that cannot be read.
    pub(super) fn add(&mut self, place: Place, text: Option<&[u8]>) -> io::Result<()> {
        match text {
            Some(text) => self.pending.extend_from_slice(text),
            None => self.cursor.unreadable += 1,
        }
        self.cursor.orders += 1;
        self.cursor.after = Some(place);
        self.since_cursor += 1;
        if self.since_cursor == ORDERS_A_CURSOR { self.save() } else { Ok(()) }
    }

    /// Writes what is pending, and only then the cursor that counts it.
    fn save(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.file.sync_data()?;
        self.cursor.bytes += self.pending.len() as u64;
        self.pending.clear();
        self.since_cursor = 0;
        // Renamed over the old one, so that there is always a whole one.
        let new = self.cursor_path.with_extension("cursor.new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&self.cursor)?)?;
        file.sync_data()?;
        fs::rename(&new, &self.cursor_path)
    }

    /// Everything is written: the cursor goes.
    pub(super) fn end(mut self) -> io::Result<Cursor> {
        self.save()?;
        fs::remove_file(&self.cursor_path)?;
        Ok(self.cursor)
    }
}

fn not_written(path: &Path, error: &io::Error) -> Problem {
    Problem(format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn wish() -> Wish {
        Wish { connection: "mycashflow/acme".to_owned(), from: "7d".to_owned(), to: "now".to_owned(), csv: true }
    }

    fn place(order: u64) -> Place {
        // Several were recorded at the same instant.
        let recorded_at = Timestamp::from_second(1_772_438_400 + order as i64 / 7).unwrap();
        Place { recorded_at, document: format!("order/{order:05}") }
    }

    const ORDERS: u64 = 950;

    /// Exports what is left, up to `limit` orders; answers whether that was all.
    fn work(mut export: Export, limit: u64) -> bool {
        let after = export.cursor.after.clone();
        let left = (0..ORDERS).filter(|order| after.as_ref().is_none_or(|after| place(*order) > *after));
        for (done, order) in left.enumerate() {
            if done as u64 == limit {
                return false;
            }
            // Some have two rows, and some cannot be read.
            let text = format!("row {order}\n").repeat(1 + usize::from(order % 3 == 0));
            export.add(place(order), (order % 10 != 4).then_some(text.as_bytes())).unwrap();
        }
        assert_eq!(export.end().unwrap().unreadable, ORDERS / 10);
        true
    }

    fn begin(path: &Path) -> Export {
        Export::begin(path, wish(), (Timestamp::UNIX_EPOCH, Timestamp::MAX), b"head\n").unwrap()
    }

    #[test]
    fn an_export_that_is_broken_off_anywhere_doubles_and_drops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole.csv");
        assert!(work(begin(&whole), u64::MAX));
        let expected = fs::read(&whole).unwrap();
        assert!(!cursor_path(&whole).exists());
        for steps in [1, 99, 100, 101, 350] {
            let path = folder.path().join(format!("{steps}.csv"));
            let mut is_done = work(begin(&path), steps);
            let mut places = BTreeSet::new();
            while !is_done {
                // A process that is killed may leave a part of a row behind its last cursor.
                let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                file.write_all(b"row 4").unwrap();
                let export = Export::resume(&path, &wish()).unwrap().unwrap();
                // Fewer than a cursor's orders would never get any further.
                let stuck = !places.insert(export.cursor.orders);
                is_done = work(export, if stuck { steps + ORDERS_A_CURSOR } else { steps });
            }
            assert_eq!(fs::read(&path).unwrap(), expected, "broken off every {steps} orders");
        }
    }

    #[test]
    fn an_export_goes_on_only_with_the_same_wish_and_its_own_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.csv");
        assert!(Export::resume(&path, &wish()).unwrap().is_none(), "there is nothing to go on with");
        assert!(!work(begin(&path), 300));
        let problem = |result: Result<_, Problem>| result.map(drop).unwrap_err().0;
        let again = Export::begin(&path, wish(), (Timestamp::UNIX_EPOCH, Timestamp::MAX), b"");
        assert!(problem(again.map(Some)).contains("--resume continues it"));
        let other = Wish { csv: false, ..wish() };
        assert!(problem(Export::resume(&path, &other)).contains("--from 7d --to now --csv"));
        OpenOptions::new().write(true).open(&path).unwrap().set_len(3).unwrap();
        assert!(problem(Export::resume(&path, &wish())).contains("shorter than its cursor"));
        fs::remove_file(cursor_path(&path)).unwrap();
        assert!(problem(Export::resume(&path, &wish())).contains("no cursor beside it"));
    }
}
