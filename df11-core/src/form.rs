use core::fmt;
use core::str::FromStr;

/// The forms in which weights are kept for computing. The same words name them in flags, JSON and
/// other languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// DFloat11 units, as in files: the least memory.
    Df11,
    /// 12 bits for each weight, and escapes: the fastest to multiply with.
    Flat,
    /// BF16, not compressed.
    Bf16,
}

/// A word that names no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchForm;

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Df11, Self::Flat, Self::Bf16];

    /// The word that names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Df11 => "df11",
            Self::Flat => "flat",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Form {
    type Err = NoSuchForm;

    fn from_str(name: &str) -> Result<Self, NoSuchForm> {
        Self::ALL.into_iter().find(|form| form.name() == name).ok_or(NoSuchForm)
    }
}

impl fmt::Display for NoSuchForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [df11, flat, bf16] = Form::ALL.map(Form::name);
        write!(f, "no such form: expected {df11}, {flat} or {bf16}")
    }
}

impl core::error::Error for NoSuchForm {}
