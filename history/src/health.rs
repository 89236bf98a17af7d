//! What the service knows of its dependencies, learnt from its own calls and never from a probe.

use events::PublishError;
use service_kit::context::{Gate, ServiceContext};

use crate::view_log::ViewLogError;

/// Open once the bus has been reached, and while what is published is taken.
pub(crate) const EVENTS_GATE: &str = "events";

/// The gates of the service's readiness.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    view_log: Gate,
    events: Gate,
}

impl Health {
    pub(crate) fn of(context: &ServiceContext) -> Self {
        Self {
            view_log: context.readiness.gate("view-log"),
            events: context.readiness.gate(EVENTS_GATE),
        }
    }

    /// The view log was opened.
    pub(crate) fn view_log_opened(&self) {
        self.view_log.set(true);
    }

    /// The bus was opened and is connected.
    pub(crate) fn bus_opened(&self) {
        self.events.set(true);
    }

    /// Whether the last call of the view log was answered.
    pub(crate) fn view_log_answers(&self) -> bool {
        self.view_log.is_open()
    }

    /// Passes the result of a call of the view log on, and takes note of whether it answers.
    pub(crate) fn of_view_log<T>(
        &self,
        result: Result<T, ViewLogError>,
    ) -> Result<T, ViewLogError> {
        self.view_log
            .set(!matches!(result, Err(ViewLogError::Unavailable(_))));
        result
    }

    /// Passes the result of publishing on, and takes note of whether the bus works.
    pub(crate) fn of_bus(&self, result: Result<(), PublishError>) -> Result<(), PublishError> {
        self.events.set(result.is_ok());
        result
    }
}
