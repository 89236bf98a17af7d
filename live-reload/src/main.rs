//! The development runner of FlixTube: it builds what has changed, and lets the new process take
//! over from the old one without failing a request.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | the commands and their settings |
//! | [`sources`] | which files a program is built from, and whether they have changed |
//! | [`watch`] | hearing of changes, by the system's events or by polling |
//! | [`builder`] | the loop: change, build, publish; a build that is overtaken is cancelled |
//! | [`services`], [`pages`] | the two things that are built: programs and web pages |
//! | [`folder`] | the folder between builders and runners: programs, pages, reports |
//! | [`runner`] | the loop: new program, start, wait until it is ready, hand over, roll back |
//! | [`generation`] | one process of a service, with its sockets |
//! | [`bound`] | services that do not outlive a runner that is killed |
//! | [`operators`] | the address for operators, which outlives each process |
//! | [`process_group`] | programs that are started, signalled and ended with their children |
//! | [`init`] | the duties of process 1 in a container |
//! | [`health`], [`terminal`] | what probes and people are told |

mod bound;
mod builder;
mod config;
mod folder;
mod generation;
mod health;
mod init;
mod operators;
mod pages;
mod process_group;
mod runner;
mod services;
mod sources;
mod start;
mod terminal;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use config::Command;

fn main() -> ExitCode {
    let command = Command::parse();
    // A health check is a process of its own in the container, and never process 1.
    if init::is_needed() {
        return told(init::run());
    }
    told(start::run(command))
}

fn told(ended: anyhow::Result<ExitCode>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        terminal::say(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}
