use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Module, Result, Shape, Tensor};
use df11::core::product::{Bias, Output};
use df11::shown::shown;
use df11::{Work, bf16, core};

use crate::Error;
use crate::weights::{Matrix, Weights};

/// `y = x W^T + bias`, from weights that stay in their form. x is BF16 on the CPU.
///
/// Each y has the same bits from every form, for any number of vectors and threads (df11-core's
/// FLAT.md, "Products"). They are not the bits of candle's own matmul, which adds in another order.
#[derive(Clone, Debug)]
pub struct Linear {
    matrix: Matrix,
    bias: Option<Arc<[f32]>>,
    y: DType,
}

impl Linear {
    /// Multiplies with `matrix`, and rounds each y to BF16 once.
    pub fn new(matrix: Matrix) -> Self {
        Self { matrix, bias: None, y: DType::BF16 }
    }

    /// Adds `bias`, which has an element for each row, before y is rounded.
    ///
    /// # Errors
    /// `Weights` for another number of elements.
    pub fn with_bias(self, bias: Vec<f32>) -> std::result::Result<Self, Error> {
        let (found, expected) = (bias.len(), self.matrix.rows());
        if found != expected {
            let error = core::Error::BufferSize { buffer: "bias", found, expected };
            return Err(Error::weights(&self.matrix.name, error));
        }
        Ok(Self { bias: Some(bias.into()), ..self })
    }

    /// Leaves y in F32: for logits.
    pub fn with_f32_output(self) -> Self {
        Self { y: DType::F32, ..self }
    }

    /// The weights.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// Multiplies several matrices with the same x. Those that were loaded together are multiplied
    /// in one call, which prepares x once. All have the same output dtype.
    ///
    /// # Errors
    /// As `forward`.
    pub fn forward_all(linears: &[&Self], x: &Tensor) -> Result<Vec<Tensor>> {
        let mut results = Vec::with_capacity(linears.len());
        for linears in linears.chunk_by(|a, b| Arc::ptr_eq(&a.matrix.loaded, &b.matrix.loaded) && a.y == b.y) {
            let [leading @ .., columns] = x.dims() else { candle_core::bail!("x is a scalar, not a vector") };
            let vectors: usize = leading.iter().product();
            if let Some(Self { matrix, .. }) = linears.iter().find(|linear| linear.matrix.columns() != *columns) {
                let (name, needed) = (shown(&*matrix.name), matrix.columns());
                candle_core::bail!("{name}: x has vectors of {columns} elements, but {needed} columns");
            }
            let all = x.contiguous()?.apply_op1_no_bwd(&Product { linears, columns: *columns })?;
            let mut start = 0;
            for linear in linears {
                let elements = vectors * linear.matrix.rows();
                let shape = [leading, &[linear.matrix.rows()]].concat();
                results.push(all.narrow(0, start, elements)?.reshape(shape)?);
                start += elements;
            }
        }
        Ok(results)
    }
}

impl Module for Linear {
    /// x is BF16, on the CPU, and its last dimension is the columns.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        // One result for each of the linears.
        Ok(Self::forward_all(&[self], x)?.swap_remove(0))
    }
}

/// Products of matrices that one thing loaded holds. The results follow one another.
struct Product<'a> {
    linears: &'a [&'a Linear],
    columns: usize,
}

impl CustomOp1 for Product<'_> {
    fn name(&self) -> &'static str {
        "df11-product"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some(&first) = self.linears.first() else { candle_core::bail!("no matrix to multiply with") };
        let x = bf16_of(storage, layout)?;
        let vectors = x.len().checked_div(self.columns).unwrap_or(0);
        let elements = self.linears.iter().map(|linear| vectors * linear.matrix.rows()).sum();
        let y = match first.y {
            DType::F32 => {
                let mut y = vec![0.0; elements];
                self.multiply(first, x, vectors, &mut y, Output::F32)?;
                CpuStorage::F32(y)
            }
            _ => {
                let mut y = vec![bf16::ZERO; elements];
                self.multiply(first, x, vectors, &mut y, Output::Bf16)?;
                CpuStorage::BF16(y)
            }
        };
        Ok((y, elements.into()))
    }
}

impl Product<'_> {
    fn multiply<'y, T>(
        &self,
        first: &Linear,
        x: &[bf16],
        vectors: usize,
        mut y: &'y mut [T],
        output: impl Fn(&'y mut [T]) -> Output<'y>,
    ) -> Result<()> {
        let (loaded, work) = (&first.matrix.loaded, Work::Pool);
        let mut requests = Vec::with_capacity(self.linears.len());
        for linear in self.linears {
            let (own, rest) = y.split_at_mut(vectors * linear.matrix.rows());
            y = rest;
            let bias = linear.bias.as_deref().map(Bias::F32);
            requests.push(core::Linear { rows: linear.matrix.rows, bias, y: output(own) });
        }
        let scratch = loaded.scratch(first.matrix.rows.shape.columns(), vectors, work);
        let done = first.matrix.scratch.with(scratch, |scratch| loaded.product(x, &mut requests, scratch, work));
        Ok(done.map_err(|error| Error::weights(&first.matrix.name, error))?)
    }
}

/// Loads matrices that are multiplied with the same vectors, and their biases: the tensors `weight`
/// and `bias` of these modules.
pub(crate) fn linears<const N: usize>(
    weights: &mut Weights,
    modules: &[String; N],
    shapes: [[usize; 2]; N],
    biased: bool,
) -> std::result::Result<[Linear; N], Error> {
    let names = modules.each_ref().map(|module| format!("{module}.weight"));
    let asked: Vec<_> = names.iter().map(String::as_str).zip(shapes).collect();
    let mut linears = Vec::with_capacity(N);
    for (matrix, module) in weights.matrices(&asked)?.into_iter().zip(modules) {
        let linear = Linear::new(matrix);
        linears.push(match biased {
            true => {
                let rows = linear.matrix().rows();
                linear.with_bias(weights.vector(&format!("{module}.bias"), rows)?)?
            }
            false => linear,
        });
    }
    // As many matrices as were asked for.
    Ok(linears.try_into().unwrap_or_else(|_| unreachable!()))
}

/// The elements of a contiguous BF16 tensor.
pub(crate) fn bf16_of<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [bf16]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::BF16(all), Some((start, end))) => Ok(&all[start..end]),
        (CpuStorage::BF16(_), None) => candle_core::bail!("a contiguous tensor is needed: call contiguous()"),
        _ => candle_core::bail!("a BF16 tensor is needed: call to_dtype(DType::BF16)"),
    }
}
