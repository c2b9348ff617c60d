//! `sandbox demo`: a short day at a shop and an ERP, with every trouble this product is made for.
//!
//! The world (the shop and the ERP) lives in this process, the functions and the database in another, which the demo
//! kills in the middle of the day. What happens in the world at each step depends on the step alone, and the steps that
//! are done are noted in the folder. So the demo itself can be killed too, between any two steps or within one, and goes
//! on where it was.

mod check;
mod steps;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cloud::embedded::remote_config;
use connections::Connections;
use jiff::{SignedDuration, Timestamp};
use ledger::{Ledger, Retention};
use platform::system_clock;
use serde_json::{Value, json};
use tilaussilta_sandbox::server::Server;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;
use world::Vendors;
use world::shop::ShopConfig;

use super::serve::{made_up_connections, push_keys};
use super::{Problem, TABLE};

/// The shop's and the account's name.
const NAME: &str = "acme";
/// How long before the demo its day begins, so that nothing in it lies in the future.
const DAY_BEFORE: SignedDuration = SignedDuration::from_secs(300);

/// `sandbox demo`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the database and the notes of what is done are kept; a demo that was interrupted there is continued. Without it,
    /// a new folder that is removed at the end.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Wait for Enter after each step.
    #[arg(long)]
    step_by_step: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Says how the day is opened again.
fn tell_how_to_look(folder: Option<&Path>) {
    match folder {
        Some(folder) => {
            println!("\nOpen this day again: sandbox serve --folder {}", folder.display());
            println!("It prints the address of the console. In another terminal: tilaussilta --sandbox show order/1");
        }
        None => println!("To open a day again afterwards, play it with: sandbox demo --folder DIR"),
    }
}

pub(crate) async fn run(options: Options) -> Result<(), Problem> {
    let begun = std::time::Instant::now();
    let temporary = tempfile::tempdir()?;
    let folder = options.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let mut demo = Demo::open(folder, options.json).await?;
    for step in 0..steps::STEPS.len() {
        steps::change_world(&demo, step);
        steps::remember_actions(&demo, step).await?;
        if step < demo.notes.steps_done {
            // It was done before the demo was interrupted: only the world has to be brought there again.
            demo.forget_outbox();
            continue;
        }
        let said = steps::act(&mut demo, step).await?;
        demo.say(&format!("{:>2}. {}\n    {said}", step + 1, steps::STEPS[step]));
        demo.notes.steps_done = step + 1;
        demo.notes.write(&demo.folder)?;
        if options.step_by_step {
            std::io::stdin().read_line(&mut String::new())?;
        }
    }
    let result = check::check(&demo).await?;
    result.print(options.json, begun.elapsed());
    if !options.json {
        tell_how_to_look(options.folder.as_deref());
    }
    match result.wrong() {
        0 => Ok(()),
        wrong => Err(Problem(format!("{wrong} of the checks above found a difference"))),
    }
}

/// What must outlive a killed demo.
#[derive(Clone, Debug)]
struct Notes {
    begun: Timestamp,
    steps_done: usize,
}

impl Notes {
    fn read(folder: &Path) -> Result<Self, Problem> {
        let path = folder.join("notes.json");
        if !path.exists() {
            let notes = Self { begun: Timestamp::now() - DAY_BEFORE, steps_done: 0 };
            notes.write(folder)?;
            return Ok(notes);
        }
        let notes: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let begun = notes["begun"].as_str().unwrap_or_default().parse()?;
        Ok(Self { begun, steps_done: notes["steps_done"].as_u64().unwrap_or(0) as usize })
    }

    /// Writes them so that a kill leaves either the old notes or the new.
    fn write(&self, folder: &Path) -> Result<(), Problem> {
        let half = folder.join("notes.json.new");
        std::fs::write(&half, json!({ "begun": self.begun, "steps_done": self.steps_done }).to_string())?;
        Ok(std::fs::rename(half, folder.join("notes.json"))?)
    }
}

/// The day, as far as it has come.
struct Demo {
    folder: PathBuf,
    notes: Notes,
    world: Vendors,
    /// Sends what the world has to send. It serves the shop on a port of its own.
    outside: Server,
    functions: Child,
    functions_url: String,
    ledger: Ledger,
    quiet: bool,
}

impl Demo {
    async fn open(folder: PathBuf, quiet: bool) -> Result<Self, Problem> {
        let notes = Notes::read(&folder)?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = Url::parse(&format!("http://{}", listener.local_addr()?))?;
        let document = made_up_connections(&base)?.to_string();
        let connections = Connections::parse(&document)?;
        std::fs::write(folder.join("connections.json"), &document)?;
        let world = tilaussilta_sandbox::simulated(&connections, &base, &ShopConfig::default(), system_clock());
        let outside = Server { world: Some(world.clone()), push_keys: push_keys(&connections), ..Server::default() };
        tokio::spawn(outside.clone().serve(listener));
        let (functions, functions_url) = start_functions(&folder).await?;
        let mut demo = Self {
            ledger: Ledger::new(platform::dynamodb_client(&remote_config(&functions_url)), TABLE, Retention::default()),
            folder,
            notes,
            world,
            outside,
            functions,
            functions_url,
            quiet,
        };
        demo.point_world_at_functions();
        if demo.notes.steps_done > 0 {
            demo.say(&format!("going on after step {}", demo.notes.steps_done));
        }
        Ok(demo)
    }

    /// Kills the functions and the database as `kill -9` does, and starts them again on the same file.
    async fn kill_functions(&mut self) -> Result<(), Problem> {
        self.functions.kill().await?;
        Ok(())
    }

    async fn restart_functions(&mut self) -> Result<(), Problem> {
        (self.functions, self.functions_url) = start_functions(&self.folder).await?;
        self.ledger =
            Ledger::new(platform::dynamodb_client(&remote_config(&self.functions_url)), TABLE, Retention::default());
        self.point_world_at_functions();
        Ok(())
    }

    fn point_world_at_functions(&mut self) {
        self.outside.orders_url = self.functions_url.clone();
        self.outside.messages_url = self.functions_url.clone();
    }

    /// Polls as the schedule does, and gives the shop's report.
    async fn poll(&self) -> Result<Value, Problem> {
        let address = format!("{}/2015-03-31/functions/changes-poller/invocations", self.functions_url);
        loop {
            let (_, text) = tilaussilta_sandbox::server::send(&address, &[], "{}").await?;
            let answer: Value = serde_json::from_str(&text)?;
            if let Some(error) = answer["errorMessage"].as_str() {
                return Err(Problem(format!("the poll failed: {error}")));
            }
            if answer["shops"][0]["stopped"] != "lease_held" {
                return Ok(answer["shops"][0].clone());
            }
            self.say("    (a killed poll still holds the lease, for half a minute at most)");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    fn forget_outbox(&self) {
        if let Some(mut shop) = self.world.shop(NAME) {
            shop.take_outbox();
        }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            println!("{line}");
        }
    }
}

/// Starts the functions with their database in a process of its own, which ends with this one.
async fn start_functions(folder: &Path) -> Result<(Child, String), Problem> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["serve", "--json", "--port", "0", "--every", "0", "--with-parent"])
        .arg("--connections")
        .arg(folder.join("connections.json"))
        .arg("--database")
        .arg(folder.join("ledger.db"))
        .arg("--events")
        .arg(folder.join("events.jsonl"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| Problem("the functions have no output".to_owned()))?;
    let first = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
    let said: Value = serde_json::from_str(&first).map_err(|_| Problem("the functions did not start".to_owned()))?;
    Ok((child, said["url"].as_str().unwrap_or_default().to_owned()))
}

/// A clock for what happens in the world at a step: always the same for one day.
fn time_of(notes: &Notes, step: usize) -> Timestamp {
    notes.begun + SignedDuration::from_secs(10 * step as i64)
}
