use crate::product::GROUP;

/// The lanes of a group's columns where each two vectors of `lanes` hold the even and the odd ones
/// of as many columns in a row.
pub(crate) const fn order(lanes: usize) -> [u8; GROUP] {
    let mut order = [0; GROUP];
    let mut column = 0;
    while column < GROUP {
        let pair = column / (2 * lanes) * 2 + column % 2;
        order[column] = (pair * lanes + column % (2 * lanes) / 2) as u8;
        column += 1;
    }
    order
}
