//! The tool's side: looking at dead letters, putting them back, removing them.
//!
//! A queue cannot be looked at without taking from it. So each call takes messages without
//! acknowledging them, and gives back what it does not want; should it die in between, the broker
//! gives them back. While it looks, another tool finds less than there is.

use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{Channel, Connection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::connection::{BrokerError, patiently};
use super::message::Received;
use super::publisher::Lane;
use super::topology;
use crate::bus::{BusError, DeadLetter};
use crate::routing::Queue;

/// The place of those who look at dead letters: one at a time in a process.
///
/// They share one channel, because the broker handles what comes by one channel in its order: what
/// the last one gave back is there again for the next.
#[derive(Debug, Default)]
pub(super) struct Desk {
    channel: Mutex<Option<Channel>>,
}

/// What was taken from a queue and not acknowledged. Dropped with its channel, all goes back.
struct Taken {
    channel: Channel,
    queue: String,
    is_something: bool,
}

impl Desk {
    /// The oldest dead letters.
    pub(super) async fn list(
        &self,
        connection: &Connection,
        queue: Queue,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, BrokerError> {
        let mut place = self.channel.lock().await;
        let mut taken = Taken::nothing(place.take(), connection, queue).await?;
        let mut letters = Vec::new();
        while letters.len() < limit
            && let Some((_, message)) = taken.take().await?
        {
            letters.push(message.dead_letter());
        }
        *place = Some(taken.give_back().await?);
        Ok(letters)
    }

    /// Puts the oldest of this id back into its queue.
    pub(super) async fn replay(
        &self,
        connection: &Connection,
        lane: &Lane,
        queue: Queue,
        event: Uuid,
    ) -> Result<bool, BusError> {
        let mut place = self.channel.lock().await;
        let taken = Taken::nothing(place.take(), connection, queue).await;
        let mut taken = taken.map_err(BusError::of)?;
        let mut is_found = false;
        while !is_found && let Some((tag, message)) = taken.take().await.map_err(BusError::of)? {
            is_found = message.id() == event;
            if is_found {
                // First there, then gone from here.
                lane.publish_patiently(message.replayed(queue)).await?;
                taken.remove(tag).await.map_err(BusError::of)?;
            }
        }
        *place = Some(taken.give_back().await.map_err(BusError::of)?);
        Ok(is_found)
    }

    /// Removes all of this id.
    pub(super) async fn discard(
        &self,
        connection: &Connection,
        queue: Queue,
        event: Uuid,
    ) -> Result<bool, BrokerError> {
        let mut place = self.channel.lock().await;
        let mut taken = Taken::nothing(place.take(), connection, queue).await?;
        let mut is_found = false;
        while let Some((tag, message)) = taken.take().await? {
            if message.id() == event {
                taken.remove(tag).await?;
                is_found = true;
            }
        }
        *place = Some(taken.give_back().await?);
        Ok(is_found)
    }
}

impl Taken {
    async fn nothing(
        channel: Option<Channel>,
        connection: &Connection,
        queue: Queue,
    ) -> Result<Self, BrokerError> {
        let channel = match channel.filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => patiently(connection.create_channel()).await?,
        };
        Ok(Self {
            channel,
            queue: topology::dead_letter_queue(queue),
            is_something: false,
        })
    }

    /// Takes the oldest that is there.
    async fn take(&mut self) -> Result<Option<(u64, Received)>, BrokerError> {
        let options = BasicGetOptions { no_ack: false };
        let get = self.channel.basic_get(self.queue.as_str().into(), options);
        let Some(BasicGetMessage { mut delivery, .. }) = patiently(get).await? else {
            return Ok(None);
        };
        self.is_something = true;
        Ok(Some((delivery.delivery_tag, Received::of(&mut delivery))))
    }

    async fn remove(&mut self, tag: u64) -> Result<(), BrokerError> {
        let only_this = BasicAckOptions { multiple: false };
        patiently(self.channel.basic_ack(tag, only_this)).await
    }

    /// Gives everything back that is left, and the channel.
    async fn give_back(self) -> Result<Channel, BrokerError> {
        if self.is_something {
            let all = BasicNackOptions {
                multiple: true,
                requeue: true,
            };
            // Zero is everything that this channel has not settled.
            patiently(self.channel.basic_nack(0, all)).await?;
        }
        Ok(self.channel)
    }
}
