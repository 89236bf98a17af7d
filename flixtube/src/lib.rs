//! The whole of FlixTube in one process: the five services, each with its own HTTP server, on
//! embedded engines below one data folder.
//!
//! The services talk to each other over HTTP on loopback ports and through the event bus, exactly
//! as they do in processes of their own; what is different is only who starts them.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | the settings of the whole system |
//! | [`system`] | starting the services in one process, and stopping them in order |
//! | [`data_folder`] | what lies where below the data folder, and that one process uses it |
//! | [`control`] | how a command finds the system that runs on a data folder |
//! | [`reconcile`] | the command that compares the store with the catalogue |
//! | [`samples`] | the sample videos of the first start |
//! | [`copy`] | the tool that copies everything from one set of engines to another |
//! | [`dead_letters`] | the tool for events that were given up |

pub mod config;
pub mod control;
pub mod copy;
pub mod data_folder;
pub mod dead_letters;
pub mod reconcile;
pub mod samples;
pub mod system;

pub use config::{Command, Config};
pub use system::System;
