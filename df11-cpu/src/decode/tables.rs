use df11_core::Unit;

use super::input::Stream;
use crate::table::Table;

/// What is derived from a unit before it is decoded.
pub(crate) struct Tables<'u> {
    pub unit: &'u Unit<'u>,
    pub table: Table,
    pub stream: Stream<'u>,
}

impl<'u> Tables<'u> {
    pub fn new(unit: &'u Unit<'u>) -> Self {
        Self { unit, table: Table::new(unit.code()), stream: Stream::new(unit.view().encoded_exponent) }
    }
}
