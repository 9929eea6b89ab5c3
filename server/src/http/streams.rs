//! Limits on connections for live events.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::ids::StaffId;
use service::error::Result;

/// Open streams of live events by person. They stay connected, so one script must not use up all connections.
#[derive(Debug, Default)]
pub struct EventStreams(Arc<Mutex<HashMap<StaffId, usize>>>);

/// An open stream; counted until dropped.
#[derive(Debug)]
pub struct EventStreamGuard {
    staff: StaffId,
    open: Arc<Mutex<HashMap<StaffId, usize>>>,
}

impl EventStreams {
    /// Maximum streams per person: a dozen tabs.
    const PER_PERSON: usize = 12;
    /// Maximum streams of all people together.
    const IN_ALL: usize = 1024;

    /// Number of open streams.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Registers a new stream of a person.
    ///
    /// # Errors
    /// [`domain::DomainError::Busy`] if the person, or all people together, have too many.
    pub fn open(&self, staff: StaffId) -> Result<EventStreamGuard> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(&staff).copied().unwrap_or_default();
        if own >= Self::PER_PERSON || open.values().sum::<usize>() >= Self::IN_ALL {
            return Err(domain::DomainError::Busy(30).into());
        }
        open.insert(staff, own + 1);
        Ok(EventStreamGuard { staff, open: Arc::clone(&self.0) })
    }
}

impl Drop for EventStreamGuard {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.staff) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.staff);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_cannot_use_up_the_streams() {
        let streams = EventStreams::default();
        let (ann, bob) = (StaffId(uuid::Uuid::from_u128(1)), StaffId(uuid::Uuid::from_u128(2)));
        let mut open: Vec<EventStreamGuard> = (0..EventStreams::PER_PERSON).map(|_| streams.open(ann).unwrap()).collect();
        assert!(streams.open(ann).is_err());
        assert!(streams.open(bob).is_ok());
        open.pop();
        assert!(streams.open(ann).is_ok());
        drop(open);
        assert!(streams.0.lock().unwrap().is_empty());
    }
}
