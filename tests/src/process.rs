//! Servers as child processes: they die with the process that started them, and they can be killed, paused and continued.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Failure, Result, wait_for};

/// What the kernel counts the blocks of a file in, whatever those of its file system are.
const STAT_BLOCK_BYTES: u64 = 512;

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program, by path or by name.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables added to this process' own; an empty value takes one away.
    pub environment: Vec<(String, String)>,
    /// The program that starts it, with its arguments, and that becomes it: such as one that enters a namespace. Runs as ourselves.
    pub outer: Vec<String>,
    /// User and group id to run as; only root may choose.
    pub user: Option<(u32, u32)>,
    /// Where its standard output goes, beside its standard error when that is the same file. None: it is thrown away.
    pub stdout: Option<PathBuf>,
    /// Where its standard error goes, added to what is there.
    pub log: PathBuf,
}

impl Launch {
    /// A program that logs to a file.
    pub fn new(program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        let log = log.into();
        Launch {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            outer: Vec::new(),
            user: None,
            stdout: Some(log.clone()),
            log,
        }
    }

    /// Adds arguments.
    pub fn arguments<S: AsRef<str>>(mut self, arguments: &[S]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// The command, through `setpriv`, which tells the kernel to kill it when its parent thread ends.
    fn command(&self) -> Result<Command> {
        let mut command = match self.outer.split_first() {
            Some((outer, arguments)) => {
                let mut command = Command::new(outer);
                command.args(arguments).arg("setpriv");
                command
            }
            None => Command::new("setpriv"),
        };
        command.args(["--pdeathsig", "KILL"]);
        if let Some((user, group)) = self.user {
            command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
        }
        command.arg("--").arg(&self.program).args(&self.arguments).stdin(Stdio::null());
        for (name, value) in &self.environment {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        let log = append(&self.log)?;
        match &self.stdout {
            Some(path) if *path == self.log => command.stdout(log.try_clone()?),
            Some(path) => command.stdout(append(path)?),
            None => command.stdout(Stdio::null()),
        };
        command.stderr(log);
        // Ctrl-C goes to the test alone, which stops its servers in order.
        command.process_group(0);
        Ok(command)
    }
}

fn append(path: &Path) -> Result<File> {
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}

type Order = (Command, Sender<std::io::Result<Child>>);

/// The death signal follows the end of the *thread* that started a process, and the threads of a test come and go: all
/// processes are started by one thread that never ends.
static LAUNCHER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (orders, inbox) = channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, reply) in inbox {
            // Nobody waits any more: then the child is dropped, which is as good.
            let _ = reply.send(command.spawn());
        }
    });
    Mutex::new(orders)
});

/// A running, or ended, child process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: Pid,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it.
    pub fn start(name: &str, launch: &Launch) -> Result<Self> {
        let (reply, answer) = channel();
        let command = launch.command()?;
        LAUNCHER.lock().unwrap_or_else(PoisonError::into_inner).send((command, reply))?;
        let child = answer.recv()?.map_err(|error| {
            Failure::from(error)
                .while_doing(format!("starting {name} by setpriv (of util-linux; see scripts/install-build-tools.sh)"))
        })?;
        let pid = Pid::from_child(&child);
        Ok(Process { name: name.to_owned(), child, pid, log: launch.log.clone(), ended: None })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, once it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Fails, with the end of its log, when it has ended.
    pub fn ensure_running(&mut self) -> Result {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(Failure::new(format!("{} has ended ({status}):\n{}", self.name, self.log_tail(20)))),
        }
    }

    /// Sends a signal; nothing happens when it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result {
        if self.ended()?.is_none() {
            kill_process(self.pid, signal)?;
        }
        Ok(())
    }

    /// Waits until it ends.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        wait_for(&what, deadline, async || self.ended()).await
    }

    /// Kills it and every descendant with -9, and waits until all are gone: what a crash of the machine's software looks like.
    pub async fn kill_all(&mut self) -> Result {
        let descendants = self.signal_all(Signal::KILL)?;
        self.wait(Duration::from_secs(10)).await?;
        let what = format!("the children of {} end", self.name);
        wait_for(&what, Duration::from_secs(10), async || Ok(descendants.iter().all(|pid| !is_alive(*pid)).then_some(()))).await
    }

    /// Stops it and every descendant in their tracks.
    pub fn pause(&mut self) -> Result {
        self.ensure_running()?;
        self.signal_all(Signal::STOP).map(drop)
    }

    /// Lets them all go on.
    pub fn resume(&mut self) -> Result {
        self.signal_all(Signal::CONT).map(drop)
    }

    /// Signals the process first, so that it starts nothing more, then its descendants, which are returned.
    fn signal_all(&mut self, signal: Signal) -> Result<Vec<Pid>> {
        // Once a parent is gone its children belong to another: they are found before.
        let mut descendants = descendants(self.pid)?;
        self.signal(if signal == Signal::KILL { Signal::STOP } else { signal })?;
        descendants.extend(self::descendants(self.pid)?);
        for pid in &descendants {
            // It may have ended between the look and the signal.
            let _ = kill_process(*pid, signal);
        }
        self.signal(signal)?;
        Ok(descendants)
    }

    /// Resident memory now, in bytes.
    pub fn resident_bytes(&mut self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The largest resident memory it ever had, in bytes.
    pub fn peak_resident_bytes(&mut self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&mut self, field: &str) -> Result<u64> {
        self.ensure_running()?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| Failure::new(format!("/proc tells no {field}")))
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Ends it now, without an async runtime: a polite signal first, where one is given, and -9 after two seconds.
    pub(crate) fn end(&mut self, polite: Option<Signal>) {
        if let Some(signal) = polite {
            let _ = self.resume();
            let _ = self.signal(signal);
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(2) && matches!(self.ended(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if matches!(self.ended(), Ok(None)) {
            let _ = self.signal_all(Signal::KILL);
            self.ended = self.child.wait().ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// How much of the disk the files take that a process has open below a folder, those without a name among them.
pub fn open_file_bytes(process: u32, folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(format!("/proc/{process}/fd"))?.flatten() {
        // It may have been closed since it was listed.
        let (Ok(path), Ok(file)) = (fs::read_link(entry.path()), fs::metadata(entry.path())) else { continue };
        if path.starts_with(folder) {
            bytes += file.blocks() * STAT_BLOCK_BYTES;
        }
    }
    Ok(bytes)
}

/// Children, their children, and so on.
fn descendants(of: Pid) -> Result<Vec<Pid>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if let (Some(pid), Some((_, parent))) = (Pid::from_raw(id), state_and_parent(id)) {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![of];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, its)| *its == parent.as_raw_nonzero().get()).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

fn is_alive(pid: Pid) -> bool {
    state_and_parent(pid.as_raw_nonzero().get()).is_some_and(|(state, _)| state != 'Z')
}

/// Reads `/proc/PID/stat`: the name in it is in parentheses and may hold anything, so it is read from its end.
fn state_and_parent(id: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Gives a file or folder to the user that a server runs as.
pub(crate) fn give_to(path: &Path, user: Option<(u32, u32)>) -> Result {
    if let Some((user, group)) = user {
        std::os::unix::fs::chown(path, Some(user), Some(group))?;
    }
    Ok(())
}
