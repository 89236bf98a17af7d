//! Runs the whole of FlixTube in one process.

use std::process::ExitCode;

use anyhow::Context as _;
use flixtube::config::Task;
use flixtube::{Command, System, copy, dead_letters, reconcile, samples};
use service_kit::health::Check;
use service_kit::{command_line, process};
use tokio_util::sync::CancellationToken;
use video_storage::reconcile::{EXIT_FINDINGS, ReconcileArguments};

#[tokio::main]
async fn main() -> ExitCode {
    let command: Command = command_line::parse();
    let done = match &command.task {
        None => run(&command).await.map(|()| ExitCode::SUCCESS),
        Some(Task::Health(question)) => {
            return Check::new(command.config.operators(), question.clone()).run();
        }
        Some(Task::PutSamples(errand)) => put_samples(&command, errand)
            .await
            .map(|()| ExitCode::SUCCESS),
        Some(Task::DeadLetters { action }) => work_on_dead_letters(&command, action)
            .await
            .map(|()| ExitCode::SUCCESS),
        Some(Task::Reconcile(arguments)) => Box::pin(compare(&command, *arguments)).await,
        Some(Task::Copy(settings)) => return copy_everything(&command, settings).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &Command) -> anyhow::Result<()> {
    process::init(&command.process)?;
    let config = &command.config;
    let system = System::bind(config).await?;
    let (address, operators) = (system.local_addr(), system.admin_addr());
    let contexts = system.contexts();
    let shutdown = CancellationToken::new();
    let running = system.run(shutdown.clone());
    let welcome = async {
        if let Some(folder) = &config.samples {
            let added = samples::add_once(folder, config, address);
            if let Err(error) = samples::when_ready(&contexts, added).await {
                // The system works without them.
                tracing::warn!(error = format!("{error:#}"), "the samples were not put in");
            }
        }
        say(&format!(
            "\n  FlixTube is ready: http://{}\n  (for operators: http://{operators}/metrics; stop with Ctrl-C)\n",
            samples::reachable(address)
        ));
    };
    let stop = async {
        process::stop_signal().await?;
        shutdown.cancel();
        // Whoever asks twice does not want to wait for the drain.
        process::stop_signal().await
    };
    tokio::select! {
        ended = running => Ok(ended?),
        // Never ends by itself: the welcome is said once, and then waits with the others.
        () = async { welcome.await; std::future::pending().await } => Ok(()),
        stopped = stop => stopped.context("cannot listen for signals"),
    }
}

async fn put_samples(command: &Command, errand: &samples::Errand) -> anyhow::Result<()> {
    process::init(&command.process)?;
    let config = &command.config;
    let folder = config.samples.as_deref().context("--samples is missing")?;
    errand.run(folder, config.public.owner_token.as_ref()).await
}

async fn work_on_dead_letters(
    command: &Command,
    action: &dead_letters::Action,
) -> anyhow::Result<()> {
    let outcome = dead_letters::run(&command.config.events(), action).await?;
    say(outcome.to_string().trim_end());
    Ok(())
}

/// 0: all is there; 1: it failed; 3: it went through, and something is not as it should be; 130: it
/// was interrupted.
async fn copy_everything(command: &Command, settings: &copy::Settings) -> ExitCode {
    let stop = CancellationToken::new();
    let copied = async {
        process::init(&command.process)?;
        let copying = copy::run(settings, &stop);
        let stopping = async {
            if process::stop_signal().await.is_ok() {
                stop.cancel();
            }
            // Whoever asks twice does not want to wait until it has stopped in order.
            let _ = process::stop_signal().await;
        };
        tokio::select! {
            copied = copying => Ok(copied?),
            () = stopping => Err(copy::CopyError::Interrupted.into()),
        }
    };
    let copied: anyhow::Result<copy::Report> = copied.await;
    match copied {
        Ok(report) => {
            say(report.to_string().trim_end());
            if report.is_whole() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(3)
            }
        }
        Err(error) => {
            say_error(&error);
            match error.downcast_ref() {
                Some(copy::CopyError::Interrupted) => ExitCode::from(130),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn compare(command: &Command, arguments: ReconcileArguments) -> anyhow::Result<ExitCode> {
    process::init(&command.process)?;
    let report = reconcile::run(&command.config, arguments.into()).await?;
    say(report.to_string().trim_end());
    Ok(if report.is_fine() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FINDINGS)
    })
}

#[expect(
    clippy::print_stdout,
    reason = "this is what the person at the terminal asked for"
)]
fn say(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of the program goes to the terminal"
)]
fn say_error(error: &anyhow::Error) {
    eprintln!("flixtube: {error:#}");
}
