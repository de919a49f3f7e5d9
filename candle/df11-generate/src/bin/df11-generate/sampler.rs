use crate::args::Sampling;

/// Chooses tokens. The same seed and logits give the same tokens.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    state: u64,
}

impl Sampler {
    pub fn new(sampling: Sampling) -> Self {
        Self { state: sampling.seed, sampling }
    }

    /// Chooses the next token: temperature, then `top_k`, `top_p` and `min_p`, in this order. Of
    /// equal logits the token with the smaller number comes first.
    pub fn choose(&mut self, logits: &[f32]) -> u32 {
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        let logit = |token: &u32| logits[*token as usize];
        if self.sampling.temperature <= 0.0 {
            let first = order.iter().min_by(|a, b| logit(b).total_cmp(&logit(a)).then(a.cmp(b)));
            return first.copied().unwrap_or(0);
        }
        order.sort_unstable_by(|a, b| logit(b).total_cmp(&logit(a)).then(a.cmp(b)));
        if self.sampling.top_k > 0 {
            order.truncate(self.sampling.top_k);
        }
        let largest = order.first().map_or(0.0, logit);
        let weight = |token: &u32| f64::from((logit(token) - largest) / self.sampling.temperature).exp();
        let mut shares: Vec<f64> = order.iter().map(weight).collect();
        let total: f64 = shares.iter().sum();
        let enough = f64::from(self.sampling.top_p) * total;
        let before = shares.iter().scan(0.0, |sum, share| Some(std::mem::replace(sum, *sum + share)));
        let within = before.take_while(|&sum| sum < enough).count();
        shares.truncate(within.max(1));
        let least = f64::from(self.sampling.min_p);
        // The first one has share 1, and they fall.
        shares.truncate(shares.iter().take_while(|&&share| share >= least).count().max(1));
        let mut point = self.uniform() * shares.iter().sum::<f64>();
        let chosen = shares.iter().position(|share| {
            point -= share;
            point < 0.0
        });
        order.get(chosen.unwrap_or(shares.len() - 1)).copied().unwrap_or(0)
    }

    /// A number from 0 to below 1, by SplitMix64.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) as f64 / 2f64.powi(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 7 };

    /// How often each token is chosen in 10,000 tries.
    fn counts(sampling: Sampling, logits: &[f32]) -> Vec<usize> {
        let (mut sampler, mut counts) = (Sampler::new(sampling), vec![0; logits.len()]);
        (0..10_000).for_each(|_| counts[sampler.choose(logits) as usize] += 1);
        counts
    }

    #[test]
    fn without_temperature_the_first_token_is_taken_and_the_smaller_number_of_equals() {
        let sampling = Sampling { temperature: 0.0, ..NONE };
        assert_eq!(counts(sampling, &[1.0, 3.0, 3.0, f32::NEG_INFINITY])[1], 10_000);
    }

    #[test]
    fn tokens_are_chosen_as_often_as_their_probability_says() {
        let logits = [0.5f32, 0.3, 0.15, 0.05].map(f32::ln);
        for (count, expected) in counts(NONE, &logits).into_iter().zip([5000, 3000, 1500, 500]) {
            assert!(count.abs_diff(expected) < 200, "{count}, {expected} expected");
        }
        // Half the temperature: the square of each probability.
        let cold = counts(Sampling { temperature: 0.5, ..NONE }, &logits);
        assert!(cold[0].abs_diff(6849) < 200, "{cold:?}");
    }

    #[test]
    fn each_limit_leaves_out_what_it_says() {
        let logits = [0.15f32, 0.5, 0.05, 0.3].map(f32::ln);
        let chosen = |sampling| counts(sampling, &logits).into_iter().map(|count| count > 0).collect::<Vec<_>>();
        assert_eq!(chosen(NONE), [true, true, true, true]);
        assert_eq!(chosen(Sampling { top_k: 2, ..NONE }), [false, true, false, true]);
        assert_eq!(chosen(Sampling { top_p: 0.7, ..NONE }), [false, true, false, true]);
        assert_eq!(chosen(Sampling { top_p: 0.85, ..NONE }), [true, true, false, true]);
        assert_eq!(chosen(Sampling { top_p: 0.0, ..NONE }), [false, true, false, false]);
        assert_eq!(chosen(Sampling { min_p: 0.25, ..NONE }), [true, true, false, true]);
        assert_eq!(chosen(Sampling { min_p: 1.0, ..NONE }), [false, true, false, false]);
    }

    #[test]
    fn a_seed_gives_the_same_tokens_again_and_another_seed_others() {
        let logits: Vec<f32> = (0..100).map(|i| (i as f32 * 0.37).sin()).collect();
        let tokens = |seed| {
            let mut sampler = Sampler::new(Sampling { seed, ..NONE });
            (0..20).map(|_| sampler.choose(&logits)).collect::<Vec<_>>()
        };
        assert_eq!(tokens(1), tokens(1));
        assert_ne!(tokens(1), tokens(2));
    }
}
