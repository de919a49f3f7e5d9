use std::ops::Range;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use df11::bf16;
use rayon::prelude::*;

use crate::linear::bf16_of;

/// Partial sums of a dot: as many as two vectors of eight hold, so that a compiler can use them,
/// and the order of additions stays the same without.
const SUMS: usize = 16;

/// Elements of keys that are worth a thread.
const WORTH_A_THREAD: usize = 1 << 15;

/// Attention of some tokens over those before them, in one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention {
    pub head_dim: usize,
    pub kv_heads: usize,
    /// The row of the first query among the keys.
    pub first: usize,
    pub sees: Sees,
    /// What scores are multiplied with.
    pub scale: f32,
}

/// Which tokens a query sees.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sees {
    /// All of the text.
    All,
    /// Those before it, and itself.
    Before,
    /// The last ones of those, this many.
    Window(usize),
}

/// `softmax(scale * q k^T) v`, each query over the keys that it sees.
///
/// q is `[tokens, heads, head_dim]`, k and v are `[room, kv_heads, head_dim]`, of which the
/// rows up to that of the last query are used. The result is `[tokens, heads * head_dim]`.
pub(crate) fn attend(attention: Attention, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    q.apply_op3_no_bwd(k, v, &attention)
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        l1: &Layout,
        k: &CpuStorage,
        l2: &Layout,
        v: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (tokens, heads, head_dim) = l1.shape().dims3()?;
        let (q, k, v) = (bf16_of(q, l1)?, bf16_of(k, l2)?, bf16_of(v, l3)?);
        let (room, kv_heads, _) = l2.shape().dims3()?;
        let fits = l2.shape() == l3.shape() && l2.dims() == [room, self.kv_heads, self.head_dim];
        if !fits || head_dim != self.head_dim || room < self.first + tokens || heads % kv_heads != 0 {
            candle_core::bail!("attention of {:?} over {:?} and {:?}", l1.dims(), l2.dims(), l3.dims());
        }
        let mut y = vec![bf16::ZERO; q.len()];
        let enough = (WORTH_A_THREAD / (head_dim * (self.first + tokens))).max(1);
        let each = y.par_chunks_mut(head_dim).zip(q.par_chunks(head_dim)).enumerate().with_min_len(enough);
        // One buffer for scores a thread and run of heads, not one a head.
        each.for_each_init(Vec::new, |scores, (index, (y, q))| {
            let (token, head) = (index / heads, index % heads);
            let kv_head = head / (heads / kv_heads);
            let seen = self.sees.rows(self.first + token, self.first + tokens);
            let rows = |all| rows(all, seen.clone(), kv_heads, kv_head, head_dim);
            self.one(q, rows(k), rows(v), scores, y);
        });
        Ok((CpuStorage::BF16(y), (tokens, heads * head_dim).into()))
    }
}

impl Attention {
    /// One head of one query.
    fn one<'a>(
        &self,
        q: &[bf16],
        keys: impl Iterator<Item = &'a [bf16]>,
        values: impl Iterator<Item = &'a [bf16]>,
        scores: &mut Vec<f32>,
        y: &mut [bf16],
    ) {
        let q: Vec<f32> = q.iter().map(|q| q.to_f32() * self.scale).collect();
        scores.clear();
        scores.extend(keys.map(|key| dot(&q, key)));
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        let mut sums = vec![0.0f32; y.len()];
        for (score, value) in scores.iter().zip(values) {
            let share = libm::expf(score - largest);
            total += share;
            sums.iter_mut().zip(value).for_each(|(sum, value)| *sum += share * value.to_f32());
        }
        y.iter_mut().zip(sums).for_each(|(y, sum)| *y = bf16::from_f32(sum / total));
    }
}

impl Sees {
    /// The keys that the query in row `own` of `all` sees.
    fn rows(self, own: usize, all: usize) -> Range<usize> {
        match self {
            Self::All => 0..all,
            Self::Before => 0..own + 1,
            Self::Window(tokens) => (own + 1).saturating_sub(tokens)..own + 1,
        }
    }
}

/// The vectors of one head in some rows.
fn rows(
    all: &[bf16],
    positions: Range<usize>,
    heads: usize,
    head: usize,
    head_dim: usize,
) -> impl Iterator<Item = &[bf16]> {
    let row = heads * head_dim;
    all[positions.start * row..positions.end * row]
        .chunks_exact(row)
        .map(move |row| &row[head * head_dim..][..head_dim])
}

fn dot(q: &[f32], key: &[bf16]) -> f32 {
    let mut sums = [0.0f32; SUMS];
    for (q, key) in q.chunks(SUMS).zip(key.chunks(SUMS)) {
        for ((sum, q), key) in sums.iter_mut().zip(q).zip(key) {
            *sum += q * key.to_f32();
        }
    }
    sums.iter().sum()
}
