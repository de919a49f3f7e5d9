//! Consecutive items on each device, in the order of the model.

use std::ops::Range;

use df11_core::Form;

use super::cache::Cache;
use super::items::Item;

/// What an item needs of its device in one form.
pub(super) struct Demand<'a> {
    /// Bytes of its weights.
    pub weights: u64,
    /// Bytes of the buffer that its largest matrix is decoded into. Items of a device share one.
    pub buffer: u64,
    cache: Option<&'a Cache>,
    layer: Option<u64>,
    batch: u64,
}

impl<'a> Demand<'a> {
    pub fn of(item: &Item, form: Form, cache: Option<&'a Cache>, batch: u64) -> Demand<'a> {
        let (weights, buffer) = match form {
            Form::Df11 => (item.df11_bytes, item.largest_coded),
            Form::Flat => (item.flat_bytes, 0),
            _ => (item.bf16_bytes, 0),
        };
        Demand { weights, buffer, cache, layer: item.layer, batch }
    }

    /// Bytes of its KV cache.
    pub fn cache(&self, tokens: u64) -> u64 {
        self.cache.map_or(0, |cache| cache.bytes(self.layer, tokens).saturating_mul(self.batch))
    }
}

/// Bytes that some items need of one device.
#[derive(Clone, Copy, Default)]
pub(super) struct Needed {
    pub weights: u64,
    pub cache: u64,
    pub buffer: u64,
}

impl Needed {
    pub fn with(self, demand: &Demand<'_>, tokens: u64) -> Needed {
        Needed {
            weights: self.weights.saturating_add(demand.weights),
            cache: self.cache.saturating_add(demand.cache(tokens)),
            buffer: self.buffer.max(demand.buffer),
        }
    }

    pub fn total(self) -> u64 {
        self.weights.saturating_add(self.cache).saturating_add(self.buffer)
    }
}

/// The items of each device, if all have room. Each device takes as many as it can hold. No other
/// choice of consecutive items gets further, so this finds a placement if there is one.
pub(super) fn place(demands: &[Demand<'_>], devices: &[u64], tokens: u64) -> Option<Vec<Range<usize>>> {
    let mut first = 0;
    let mut ranges = Vec::with_capacity(devices.len());
    for &bytes in devices {
        let (mut end, mut needed) = (first, Needed::default());
        while let Some(demand) = demands.get(end) {
            needed = needed.with(demand, tokens);
            if needed.total() > bytes {
                break;
            }
            end += 1;
        }
        ranges.push(first..end);
        first = end;
    }
    (first == demands.len()).then_some(ranges)
}

/// The most tokens of each sequence for which there is a placement. `None` if even the weights have
/// no room, or if there is room for any number.
pub(super) fn most_tokens(demands: &[Demand<'_>], devices: &[u64]) -> Option<u64> {
    /// More tokens than any memory holds.
    const TOO_MANY: u64 = 1 << 40;
    let fits = |tokens| place(demands, devices, tokens).is_some();
    let (mut most, mut too_many) = (0, TOO_MANY);
    if !fits(most) || fits(too_many) {
        return None;
    }
    while too_many - most > 1 {
        let middle = most + (too_many - most) / 2;
        *(if fits(middle) { &mut most } else { &mut too_many }) = middle;
    }
    Some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(weights: u64, buffer: u64) -> Demand<'static> {
        Demand { weights, buffer, cache: None, layer: None, batch: 1 }
    }

    #[test]
    fn items_stay_in_order_and_share_a_buffer() {
        let demands = [demand(5, 2), demand(5, 3), demand(4, 1), demand(9, 0)];
        assert_eq!(place(&demands, &[13, 5, 9], 0), Some(vec![0..2, 2..3, 3..4]));
        assert_eq!(place(&demands, &[12, 5, 9], 0), None, "the second item's buffer has no room");
        assert_eq!(place(&demands, &[13, 4, 9], 0), None, "nothing goes back to an earlier device");
    }

    #[test]
    fn without_a_cache_there_is_room_for_any_number_of_tokens() {
        assert_eq!(most_tokens(&[demand(5, 0)], &[5]), None);
        assert!(place(&[demand(5, 0)], &[5], u64::MAX).is_some());
    }
}
