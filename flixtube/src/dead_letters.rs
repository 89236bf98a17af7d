//! The tool for events that were given up: they failed too often, or could not be understood.

use std::fmt;

use clap::Subcommand;
use events::{BusError, BusUrl, DeadLetter, EventBus, Queue};
use uuid::Uuid;

/// Dead letters that are listed per queue, at most.
const LISTED: usize = 1000;

/// What to do with dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// List the dead letters, the oldest first
    List {
        /// Of this queue only: history, metadata or video-storage
        #[arg(long)]
        queue: Option<Queue>,
    },
    /// Put a dead letter back into its queue, to be tried again
    Replay(Letter),
    /// Remove a dead letter for good
    Discard(Letter),
}

/// Which dead letter.
#[derive(Clone, Debug, clap::Args)]
pub struct Letter {
    /// The queue that it is of: history, metadata or video-storage
    #[arg(long)]
    queue: Queue,
    /// The event's id, as it is listed
    event: Uuid,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// The bus cannot be opened.
    #[error(transparent)]
    Open(#[from] events::url::OpenError),
    /// There is no bus.
    #[error("there is no event bus at {url}; --data names the data folder")]
    NoBus {
        /// Where it was looked for.
        url: BusUrl,
    },
    /// The bus does not do it.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// There is no such dead letter.
    #[error("the queue {queue} has no dead letter {event}; `dead-letters list` shows those it has")]
    Unknown {
        /// The queue.
        queue: Queue,
        /// The event.
        event: Uuid,
    },
}

/// What was done, for people to read.
#[derive(Debug)]
pub enum Outcome {
    /// The dead letters, with their queues.
    Listed(Vec<(Queue, DeadLetter)>),
    /// One was put back.
    Replayed,
    /// One was removed.
    Discarded,
}

/// Does it.
pub async fn run(url: &BusUrl, action: &Action) -> Result<Outcome, DeadLetterError> {
    // Opening a bus makes it; looking for dead letters must not.
    if let BusUrl::Embedded(file) = url
        && !file.exists()
    {
        return Err(DeadLetterError::NoBus { url: url.clone() });
    }
    let bus = events::open(url).await?;
    match action {
        Action::List { queue } => list(&*bus, *queue).await,
        Action::Replay(letter) => {
            let done = bus.replay(letter.queue, letter.event).await?;
            letter.known(done, Outcome::Replayed)
        }
        Action::Discard(letter) => {
            let done = bus.discard(letter.queue, letter.event).await?;
            letter.known(done, Outcome::Discarded)
        }
    }
}

async fn list(bus: &dyn EventBus, only: Option<Queue>) -> Result<Outcome, DeadLetterError> {
    let mut listed = Vec::new();
    for queue in Queue::ALL {
        if only.is_none_or(|only| only == queue) {
            let letters = bus.dead_letters(queue, LISTED).await?;
            listed.extend(letters.into_iter().map(|letter| (queue, letter)));
        }
    }
    Ok(Outcome::Listed(listed))
}

impl Letter {
    fn known(&self, done: bool, outcome: Outcome) -> Result<Outcome, DeadLetterError> {
        done.then_some(outcome).ok_or(DeadLetterError::Unknown {
            queue: self.queue,
            event: self.event,
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(letters) if letters.is_empty() => {
                writeln!(f, "There are no dead letters.")
            }
            Self::Listed(letters) => letters.iter().try_for_each(|(queue, letter)| {
                let DeadLetter {
                    envelope,
                    reason,
                    died_at,
                } = letter;
                writeln!(
                    f,
                    "{died_at}  {queue}  {}  {}\n    {reason}",
                    envelope.id, envelope.event_type
                )
            }),
            Self::Replayed => writeln!(f, "The event is in its queue again."),
            Self::Discarded => writeln!(f, "The event is removed."),
        }
    }
}
