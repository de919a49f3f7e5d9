//! Dotted names: their components, components that are numbers, and an order in which layer 10
//! follows layer 9.

use std::cmp::Ordering;

/// How the name of a module's matrix ends.
pub(crate) const WEIGHT_SUFFIX: &str = ".weight";

/// The module that owns this matrix; `None` if the tensor is not the `.weight` of a module.
pub(crate) fn module_of(tensor: &str) -> Option<&str> {
    tensor.strip_suffix(WEIGHT_SUFFIX).filter(|module| !module.is_empty())
}

/// Whether a component is a number, such as `0` or `17`.
pub(crate) fn is_decimal(component: &str) -> bool {
    !component.is_empty() && component.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits off the last component. The path above it is empty at the top.
pub(crate) fn parent_and_last(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// Every path on the way down to `path`, including itself: `a`, `a.b`, `a.b.c`.
pub(crate) fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').map(|(dot, _)| &path[..dot]).chain(std::iter::once(path))
}

/// Whether `name` lies below `module`.
pub(crate) fn is_below(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest.starts_with('.'))
}

/// Orders names by component, numbers by value: `layers.9` before `layers.10`.
pub(crate) fn natural_order(a: &str, b: &str) -> Ordering {
    let key = |component: &str| component.parse::<u64>().ok().filter(|_| is_decimal(component));
    let mut components = a.split('.').zip(b.split('.'));
    let different = components.find_map(|(a, b)| {
        let order = match (key(a), key(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => a.cmp(b),
        };
        order.is_ne().then_some(order)
    });
    different.unwrap_or_else(|| a.split('.').count().cmp(&b.split('.').count()).then_with(|| a.cmp(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_ordered_by_number() {
        let mut names = ["l.10.a", "l.9", "l.9.b", "lm", "l.x", "10", "9"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["9", "10", "l.9", "l.9.b", "l.10.a", "l.x", "lm"]);
    }
}
