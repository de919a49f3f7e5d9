//! One measurement, as JSON and as a line for people.

/// What was measured. What does not apply is absent: `null` in JSON.
#[derive(Debug, Default, serde::Serialize)]
pub struct Row {
    pub level: Option<&'static str>,
    pub threads: usize,
    /// `encode`, `decode`, `product` or `read`.
    pub op: &'static str,
    /// `warm` or `fresh`, for `encode` and `decode`.
    pub output: Option<&'static str>,
    /// The form of the weights, for `product` and `read`.
    pub form: Option<&'static str>,
    /// Vectors of a product.
    pub batch: Option<usize>,
    /// Bytes of BF16 encoded or decoded.
    pub gb_per_s: Option<f64>,
    /// Weights of the matrix multiplied; each counts once, whatever the batch.
    pub gweights_per_s: Option<f64>,
    /// Bytes of the weights, in their form, that a product or a plain reading reads.
    pub read_gb_per_s: Option<f64>,
    pub memcpy_gb_per_s: f64,
}

/// The columns of `Row::of_coding`.
pub fn coding_columns() -> String {
    format!("{:<8}  threads  output  op          GB/s  of memcpy\n", "level")
}

/// The columns of `Row::of_product`.
pub fn product_columns() -> String {
    format!("{:<8}  threads  form  batch  Gweights/s      GB/s  of reading\n", "level")
}

impl Row {
    /// A line for a row of `encode` or `decode`.
    pub fn of_coding(&self) -> String {
        let (level, output, gb) = (text(self.level), text(self.output), self.gb_per_s.unwrap_or_default());
        let Row { threads, op, memcpy_gb_per_s, .. } = self;
        let share = gb / memcpy_gb_per_s;
        format!("{level:<8}  {threads:>7}  {output:<6}  {op}  {gb:>8.3}  {share:>9.3}\n")
    }

    /// A line for a row of `product` or `read`. `reading` is the speed of plain reading.
    pub fn of_product(&self, reading: f64) -> String {
        let (level, form) = (self.level.unwrap_or(self.op), text(self.form));
        let batch = self.batch.map_or_else(|| "-".to_owned(), |batch| batch.to_string());
        let weights = self.gweights_per_s.map_or_else(|| "-".to_owned(), |speed| format!("{speed:.3}"));
        let gb = self.read_gb_per_s.unwrap_or_default();
        let (threads, share) = (self.threads, gb / reading);
        format!("{level:<8}  {threads:>7}  {form:<4}  {batch:>5}  {weights:>10}  {gb:>8.3}  {share:>10.3}\n")
    }
}

fn text(word: Option<&'static str>) -> &'static str {
    word.unwrap_or("-")
}
