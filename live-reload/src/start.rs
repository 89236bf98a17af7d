//! Putting the parts together for each command.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bound;
use crate::builder;
use crate::config::{BuildSettings, Command, HealthQuestion, Place, RunSettings};
use crate::folder::{BUILD, Folder};
use crate::generation::Service;
use crate::health::{Readiness, ask};
use crate::operators;
use crate::pages::Pages;
use crate::runner::Runner;
use crate::services::Services;
use crate::terminal::say;

/// Does what the command says, until it is done or a signal ends it.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(carry_out(command))
}

async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    let mut parts = Parts::default();
    match command {
        Command::Health(question) => return answer(question).await,
        Command::Become {
            runner,
            program,
            arguments,
        } => {
            let error = bound::become_it(runner, &program, &arguments);
            return Err(error).context("the service cannot be started");
        }
        Command::Build { build } => {
            let folder = open(&build.out)?;
            let programs = build.programs.clone();
            parts.build(build, programs, &folder)?;
        }
        Command::Run {
            service,
            from,
            listen,
            admin_listen,
            run,
            arguments,
        } => {
            let folder = open(&from)?;
            let place = Place {
                service,
                listen,
                admin_listen,
            };
            parts.run(place, run, arguments, &folder, false)?;
        }
        Command::Dev {
            services,
            build,
            run,
        } => {
            let folder = open(&build.out)?;
            // Bound before a build of minutes begins: a port that is taken is told at once.
            for place in &services {
                parts.run(place.clone(), run.clone(), Vec::new(), &folder, true)?;
            }
            let run = services.into_iter().map(|place| place.service);
            let programs: BTreeSet<_> = run.chain(build.programs.clone()).collect();
            parts.build(build, programs.into_iter().collect(), &folder)?;
        }
    }
    parts.attend().await
}

async fn answer(question: HealthQuestion) -> anyhow::Result<ExitCode> {
    let ready = match question {
        HealthQuestion::Build { folder } => {
            let report = Folder::open(&folder)
                .ok()
                .and_then(|folder| folder.report(BUILD));
            match report {
                Some(report) if !report.versions.is_empty() => Readiness::Ready,
                _ => Readiness::NotReady("nothing was built yet".to_owned()),
            }
        }
        HealthQuestion::Run { admin_listen } => ask(reachable(admin_listen)).await,
    };
    Ok(match ready {
        Readiness::Ready => ExitCode::SUCCESS,
        Readiness::NotReady(why) => {
            say(&why);
            ExitCode::FAILURE
        }
    })
}

/// An address at which this machine reaches a server that listens on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn open(path: &std::path::Path) -> anyhow::Result<Folder> {
    Folder::open(path).with_context(|| format!("the folder {} cannot be used", path.display()))
}

/// What runs in this process. A part that ends with an error ends the others.
#[derive(Default)]
struct Parts {
    running: JoinSet<anyhow::Result<u8>>,
    background: JoinSet<()>,
    /// Connections of operators; they end with the processes that answer them.
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Parts {
    fn build(
        &mut self,
        settings: BuildSettings,
        programs: Vec<String>,
        folder: &Folder,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(!programs.is_empty(), "name at least one program to build");
        if let Some(web) = &settings.web {
            let web = web
                .canonicalize()
                .with_context(|| format!("there is no front end in {}", web.display()))?;
            let pages = Pages::new(web, settings.web_copy.as_deref(), folder.clone())
                .context("the pages cannot be read")?;
            self.loop_of(pages, settings.clone(), folder);
        }
        let workspace = settings.workspace.canonicalize().with_context(|| {
            format!("there is no workspace in {}", settings.workspace.display())
        })?;
        let services = Services::new(workspace, programs, folder.clone());
        self.loop_of(services, settings, folder);
        Ok(())
    }

    fn loop_of(
        &mut self,
        recipe: impl builder::Recipe + Send + 'static,
        settings: BuildSettings,
        folder: &Folder,
    ) {
        let (folder, stop) = (folder.clone(), self.stop.clone());
        self.running.spawn(async move {
            builder::run(recipe, &settings, &folder, stop).await?;
            Ok(0)
        });
    }

    fn run(
        &mut self,
        place: Place,
        settings: RunSettings,
        arguments: Vec<String>,
        folder: &Folder,
        is_one_of_many: bool,
    ) -> anyhow::Result<()> {
        let Place {
            service: name,
            listen,
            admin_listen,
        } = place;
        let bind = |address: SocketAddr| {
            TcpListener::bind(address).with_context(|| {
                format!("cannot listen on {address} for {name}; another program may hold the port")
            })
        };
        let listener = bind(listen)?;
        let (serving, its_operators) = watch::channel(None);
        if let Some(address) = admin_listen {
            let listener = bind(address)?;
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let tasks = self.tasks.clone();
            self.background
                .spawn(operators::serve(listener, its_operators, tasks));
        }
        say(&format!(
            "{name} is answered on http://{}",
            listener.local_addr()?
        ));
        let service = Service {
            name,
            arguments,
            listener,
            is_one_of_many,
        };
        let runner = Runner::new(service, settings, folder.clone(), serving)?;
        self.running.spawn(runner.run(self.stop.clone()));
        Ok(())
    }

    /// Waits for a signal or for the first part that fails, and stops everything.
    async fn attend(mut self) -> anyhow::Result<ExitCode> {
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut stop_signal = async || {
            tokio::select! {
                _ = hang_up.recv() => {}
                _ = interrupt.recv() => {}
                _ = quit.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        let mut failed = None;
        tokio::select! {
            () = stop_signal() => say("stopping"),
            ended = self.running.join_next() => {
                // No part ends by itself unless it fails.
                failed = ended.and_then(|ended| flat(ended).err());
            }
        }
        self.stop.cancel();
        let mut code = 0;
        let all = async {
            while let Some(ended) = self.running.join_next().await {
                match flat(ended) {
                    Ok(ended) => code = code.max(ended),
                    Err(error) => failed = failed.take().or(Some(error)),
                }
            }
        };
        tokio::select! {
            () = all => {}
            // Whoever asks twice does not want to wait. All processes are killed with their owners.
            () = stop_signal() => {
                say("stopping at once");
                code = 130;
            }
        }
        self.running.shutdown().await;
        match failed {
            Some(error) => Err(error),
            None => Ok(ExitCode::from(code)),
        }
    }
}

fn flat<T>(ended: Result<anyhow::Result<T>, tokio::task::JoinError>) -> anyhow::Result<T> {
    ended.context("a part of the runner panicked")?
}
