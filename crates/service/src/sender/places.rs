//! How many proofs are under way at once, and which take the places.

use super::{Flight, Sender};
use crate::{
    job::{Reason, ReasonCode},
    store::StoreError,
};

impl Sender {
    /// Whether everything that the relayer has is known here: something else may be cancelled.
    pub(super) fn may_send(&self) -> bool {
        self.flights.values().all(|flight| !flight.relay.sent || flight.job.is_some())
    }

    /// Whether a proof takes one of the places: not one that cannot be handed over yet, as its oracle is
    /// silent, or that the signer does not sign.
    pub(super) fn takes_place(&self, flight: &Flight) -> bool {
        match flight.job {
            Some(job) => flight.seen.is_some() || self.chain.relayer().takes_place(job),
            None => !flight.is_held(),
        }
    }

    /// Takes proofs, as there is room.
    pub(super) async fn take(&mut self) -> Result<(), StoreError> {
        let served = |flight: &&Flight| self.models.get(&flight.relay.model).is_some();
        // Of a model whose oracle is silent no more is taken than half of what may be under way.
        let under_way = self.flights.values().filter(served);
        let under_way = under_way.filter(|flight| self.takes_place(flight)).count();
        let most = self.config.max_in_flight;
        let unsigned = self.unsigned_flights().filter(|flight| !self.takes_place(flight)).count();
        let free = most.saturating_sub(under_way);
        let unsigned_free = self.chain.relayer().most_unsigned().saturating_sub(unsigned);
        let room = free.min(unsigned_free);
        let most_held = (self.config.max_in_flight / 2).max(1);
        let is_free = |model: &str| {
            let held =
                self.flights.values().filter(|own| own.relay.model == model && own.is_held());
            held.count() < most_held
        };
        // Others are for whoever serves them.
        let models = self.models.iter().map(|model| model.name());
        let (open, full): (Vec<&str>, Vec<&str>) = models.partition(|model| is_free(model));
        let taken = match room > 0 && !open.is_empty() {
            true => self.store.take_relays(&self.name, &open, room).await?,
            false => 0,
        };
        if taken == room {
            let (count, why) = match unsigned_free < free {
                true => (unsigned, "are not signed by the signer of"),
                false => (most, "are under way with"),
            };
            let message = format!(
                "{count} proofs {why} key {} (`max_in_flight`): it waits for its turn",
                self.name
            );
            self.store.say_untaken(&open, &Reason::new(ReasonCode::Chain, message)).await?;
        }
        let message =
            "other proofs of its model cannot be handed over, and say why: it waits for them";
        self.store.say_untaken(&full, &Reason::new(ReasonCode::Chain, message)).await?;
        self.store.say_stranded(&self.name).await
    }
}
