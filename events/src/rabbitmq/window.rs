//! Messages that are sent together, and what becomes of them.
//!
//! The client library hands a message that the broker sends back to whichever confirmation comes
//! next, its own or not; only when all of a window are confirmed is it certain which of them were
//! returned.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};

use super::message::Message;

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// It is on the disks of all its queues.
    Confirmed,
    /// There is no queue for it.
    Returned,
    /// A queue has refused it, or kept silent while others answered.
    Refused,
    /// It was not sent, or lost its connection before it was confirmed. It may have arrived.
    Unknown,
}

/// Messages that are sent together, and what is known of them.
pub(super) struct Window {
    messages: Vec<Message>,
    pub(super) outcomes: Vec<Outcome>,
    /// The identities of those that were sent back.
    returned: Vec<(String, String, String)>,
}

impl Window {
    pub(super) fn of(messages: Vec<Message>) -> Self {
        Self {
            outcomes: vec![Outcome::Unknown; messages.len()],
            messages,
            returned: Vec::new(),
        }
    }

    /// Sends all, in their order, and waits for all confirmations. Dropped before its end, it
    /// leaves what is known so far.
    pub(super) async fn send(&mut self, channel: &Channel) -> Result<(), lapin::Error> {
        let mut confirmations = FuturesUnordered::new();
        for (index, message) in self.messages.iter().enumerate() {
            let options = BasicPublishOptions {
                // A message without a queue comes back instead of vanishing.
                mandatory: true,
                // RabbitMQ does not know it any more.
                immediate: false,
            };
            let sent = channel.basic_publish(
                message.exchange.into(),
                message.routing_key.as_str().into(),
                options,
                &message.body,
                message.properties.clone(),
            );
            let confirmation = sent.await?;
            confirmations.push(async move { (index, confirmation.await) });
        }
        while let Some((index, confirmation)) = confirmations.next().await {
            let (outcome, returned) = match confirmation? {
                Confirmation::Ack(returned) => (Outcome::Confirmed, returned),
                Confirmation::Nack(returned) => (Outcome::Refused, returned),
                Confirmation::NotRequested => (Outcome::Unknown, None),
            };
            self.outcomes[index] = outcome;
            if let Some(returned) = returned {
                let id = returned.properties.message_id().as_ref();
                let id = id.map_or_else(String::new, ToString::to_string);
                let exchange = returned.exchange.to_string();
                self.returned
                    .push((exchange, returned.routing_key.to_string(), id));
            }
        }
        Ok(())
    }

    pub(super) fn is_unanswered(&self) -> bool {
        self.outcomes
            .iter()
            .all(|outcome| *outcome == Outcome::Unknown)
    }

    /// Corrects the outcomes of those that were sent back, which the broker confirms as well, and
    /// answers how many there are.
    pub(super) fn note_returned(&mut self) -> u64 {
        let mut count = 0;
        for (exchange, routing_key, id) in &self.returned {
            let identity = (exchange.as_str(), routing_key.as_str(), id.as_str());
            for (message, outcome) in self.messages.iter().zip(&mut self.outcomes) {
                if message.identity() == identity && *outcome != Outcome::Returned {
                    *outcome = Outcome::Returned;
                    count += 1;
                }
            }
        }
        count
    }

    /// The outcomes when the rest will not come.
    pub(super) fn broken_off(mut self) -> Vec<Outcome> {
        if !self.returned.is_empty() {
            // Some of the confirmed ones may have been sent back without our knowing.
            self.outcomes.fill(Outcome::Unknown);
        }
        self.outcomes
    }

    /// The outcomes when some queues have answered and others have not: those are not to hold up
    /// the ones that work.
    pub(super) fn timed_out(mut self) -> Vec<Outcome> {
        self.note_returned();
        for outcome in &mut self.outcomes {
            if *outcome == Outcome::Unknown {
                *outcome = Outcome::Refused;
            }
        }
        self.outcomes
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::envelope::Envelope;
    use crate::event::ViewCounted;

    /// Three messages: the first two are confirmed, the last is not yet.
    fn window() -> Window {
        let messages = (1..=3).map(|number| {
            let event = Envelope::of(&ViewCounted {
                session: Uuid::from_u128(number),
                video: Uuid::nil(),
                number: 1,
            });
            Message::event(&event, &event.to_json())
        });
        let mut window = Window::of(messages.collect());
        window.outcomes[0] = Outcome::Confirmed;
        window.outcomes[1] = Outcome::Confirmed;
        window
    }

    fn sent_back(window: &mut Window, index: usize) {
        let (exchange, routing_key, id) = window.messages[index].identity();
        let identity = (exchange.to_owned(), routing_key.to_owned(), id.to_owned());
        window.returned.push(identity);
    }

    #[test]
    fn a_message_that_was_sent_back_is_known_whosever_confirmation_brought_it() {
        let mut window = window();
        sent_back(&mut window, 1);
        assert_eq!(window.note_returned(), 1);
        assert_eq!(window.outcomes[0], Outcome::Confirmed);
        assert_eq!(window.outcomes[1], Outcome::Returned);
    }

    #[test]
    fn when_the_connection_breaks_what_was_confirmed_stays_so_unless_some_was_sent_back() {
        use Outcome::{Confirmed, Unknown};
        assert_eq!(window().broken_off(), [Confirmed, Confirmed, Unknown]);
        let mut window = window();
        sent_back(&mut window, 0);
        assert_eq!(window.broken_off(), [Unknown, Unknown, Unknown]);
    }

    #[test]
    fn what_is_silent_while_others_answer_counts_as_refused() {
        use Outcome::{Confirmed, Refused, Returned};
        let mut window = window();
        sent_back(&mut window, 0);
        assert_eq!(window.timed_out(), [Returned, Confirmed, Refused]);
    }
}
