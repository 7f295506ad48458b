//! The operating system's wall around models: a process that has opened its inputs reads what they and
//! libtorch need, writes to the folders of its outputs, and reaches no other process and no network.
//!
//! Landlock (Linux 5.19 and later) holds the files, seccomp the system calls. Both are for the life of the
//! process and bind the thread that models run on, with all threads that it starts.

use std::sync::OnceLock;

use clap::ArgMatches;

use super::files::Files;
use super::output::Messages;
use super::outputs;
use crate::analysis::JUDGED;
use crate::confine;
use crate::error::{Error, Result};
use crate::torchscript::device::DeviceChoice;

/// The walls that stand, as reports name them.
static STANDING: OnceLock<Vec<&'static str>> = OnceLock::new();

/// How a command is to be held; `None` of one that runs no model, or trusts those it runs.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    device: DeviceChoice,
    /// Nothing but these walls is wanted.
    alone: bool,
}

impl Hold {
    /// What the options of a command ask for.
    pub fn of(matches: &ArgMatches) -> Option<Self> {
        let flag = |name| matches.try_get_one::<bool>(name).ok().flatten().copied();
        let device = matches.try_get_one::<DeviceChoice>("device").ok().flatten().copied();
        match flag("trust_model")? {
            true => None,
            false => Some(Self {
                device: device.unwrap_or_default(),
                alone: flag("only_confined").unwrap_or(false),
            }),
        }
    }

    /// Puts up the walls around a run that reads and writes these files.
    ///
    /// # Errors
    /// A folder cannot be written to, or nothing but these walls is wanted and one of them cannot stand.
    pub fn confine(self, files: &Files, messages: &Messages) -> Result<()> {
        let device = self.device.warm();
        let written = outputs::prepare(files)?;
        let mut standing = vec![];
        for (name, built) in confine::hold(&outputs::read_paths(), &written, device) {
            match built {
                Ok(()) => standing.push(name),
                Err(reason) if self.alone => {
                    let problem = format!("{name} cannot hold this process: {reason}");
                    return Err(Error::usage(problem, "leave out --only-confined"));
                }
                Err(reason) => messages.detail(&format!(
                    "{name} does not hold this process ({reason}): models are held by what their code may use alone"
                )),
            }
        }
        let judged = if self.alone { None } else { Some(JUDGED) };
        let all: Vec<&str> = judged.into_iter().chain(standing.iter().copied()).collect();
        messages.detail(&format!("models are held by {}", all.join(", ")));
        let _ = STANDING.set(standing);
        Ok(())
    }
}

/// The walls that stand.
pub fn walls() -> Vec<String> {
    STANDING.get().map_or(vec![], |names| names.iter().map(|name| (*name).to_owned()).collect())
}
