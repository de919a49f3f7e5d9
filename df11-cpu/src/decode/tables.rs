use df11_core::{Code, Unit};

use super::input::{Stream, Tail};
use crate::table::Table;

/// A unit, and what is derived from it before decoding.
pub(crate) struct Tables<'u> {
    unit: Unit<'u>,
    tail: Tail,
    pub table: Table,
}

impl<'u> Tables<'u> {
    pub fn new(unit: Unit<'u>) -> Self {
        Self { table: Table::new(unit.code()), tail: Tail::of(unit.view().encoded_exponent), unit }
    }

    pub fn unit(&self) -> &Unit<'u> {
        &self.unit
    }

    pub fn code(&self) -> &Code {
        self.unit.code()
    }

    pub fn stream(&self) -> Stream<'_> {
        Stream { bytes: self.unit.view().encoded_exponent, tail: &self.tail }
    }

    pub fn into_unit(self) -> Unit<'u> {
        self.unit
    }
}
