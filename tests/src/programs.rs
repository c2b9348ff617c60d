//! The programs as people run them: `sandbox serve` in a process of its own, and what a command printed.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

/// A program in a folder, without what this process's environment says about logs.
pub fn program(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(folder).env_remove("LOG_LEVEL").stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The program `name` that cargo put beside another one: a test knows the path of its own package's programs only.
///
/// # Panics
/// When it is not there.
pub fn beside(binary: &Path, name: &str) -> PathBuf {
    let path = binary.with_file_name(name);
    assert!(path.exists(), "{name} is not built: run the tests of the workspace, or `cargo build` first");
    path
}

/// What a command printed.
///
/// # Panics
/// When it failed.
pub fn printed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Kills a process and all that it started, as `kill -9` does.
///
/// # Panics
/// When it is gone already.
pub fn kill_group(child: &mut Child) {
    let status = Command::new("kill").args(["-9", "--", &format!("-{}", child.id())]).status().expect("kill");
    assert!(status.success());
    child.wait().expect("a child");
}

/// A server of `sandbox`, killed when dropped.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Its address.
    pub url: String,
}

impl Serving {
    /// `sandbox serve` in a folder, which polls only when asked to.
    pub fn start(sandbox: &Path, folder: &Path, more: &[&str]) -> Self {
        Self::spawn(sandbox, folder, &[&["serve", "--every", "0"], more].concat())
    }

    /// Another command that serves.
    ///
    /// # Panics
    /// When it does not say its address.
    pub fn spawn(sandbox: &Path, folder: &Path, arguments: &[&str]) -> Self {
        let mut command = program(sandbox, folder);
        command.args(arguments).args(["--json", "--port", "0"]).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().expect("the sandbox");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut serving = Self { child, output, url: String::new() };
        let said: Value = serde_json::from_str(&serving.line()).expect("its address, as JSON");
        serving.url = said["url"].as_str().expect("its address").to_owned();
        serving
    }

    /// The next line that it prints. Waits for it.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line
    }

    /// POSTs to it; gives the answer's status and text.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn post(&self, path: &str, headers: &[(&'static str, &str)], body: &str) -> (u16, String) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let address = format!("{}{path}", self.url);
        runtime.block_on(sandbox::server::send(&address, &headers, body.to_owned())).expect("an answer")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        kill_group(&mut self.child);
    }
}
