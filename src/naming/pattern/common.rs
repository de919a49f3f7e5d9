//! The common part of two engines: patterns for which Rust's `regex` and Python's `re.fullmatch`
//! match the same set of names.
//!
//! A pattern is parsed as Rust reads it. It passes only if Python reads it in the same way:
//!
//! ```text
//! a  \.  \t  \x41  \u0041  .  [a-z_-]  [^0-9]
//!         the same for every name
//! \d  \w  \s  \b
//!         the same if all names are printable ASCII; else each engine has its own Unicode
//! (...)  (?:...)  (?P<name>...)  a|b
//!         the same
//! *  +  ?  {2}  {2,}  {2,5}, also lazy
//!         the same on something that is no repetition and no assertion,
//!         and that is never empty if it may occur twice
//! ^  \A, and $ if nothing follows
//!         the same: in Python `$` also matches before a last line end,
//!         but then the line end is left over
//! ```

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    AssertionKind, Ast, ClassSet, ClassSetItem, Group, GroupKind, HexLiteralKind, Literal, LiteralKind, Repetition,
    RepetitionKind, RepetitionRange, Span, SpecialLiteralKind,
};

use crate::error::PatternReason;

/// Deepest nesting of groups. Python's parser calls itself several times a level, and gives up at a
/// depth of 1000 calls.
const MAX_DEPTH: u32 = 50;

/// Checks that both engines match `pattern` with the same names. `are_plain` tells whether all
/// names are printable ASCII.
///
/// # Errors
/// The part that they read differently.
pub(super) fn check(pattern: &str, are_plain: bool) -> Result<(), PatternReason> {
    let parsed = ParserBuilder::new().nest_limit(MAX_DEPTH).build().parse(pattern);
    let ast = parsed.map_err(|error| PatternReason::NotForPython { message: error.kind().to_string() })?;
    Checker { pattern, are_plain }.check(&ast, true)
}

/// Whether all names are printable ASCII.
pub(super) fn are_plain<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.all(|name| name.bytes().all(|byte| matches!(byte, b' '..=b'~')))
}

struct Checker<'a> {
    pattern: &'a str,
    are_plain: bool,
}

impl Checker<'_> {
    /// Checks a part of the pattern. `is_last` is true if nothing follows it.
    fn check(&self, ast: &Ast, is_last: bool) -> Result<(), PatternReason> {
        match ast {
            Ast::Empty(_) | Ast::Dot(_) => Ok(()),
            Ast::Literal(literal) => self.literal(literal),
            Ast::ClassPerl(class) => self.needs_plain(&class.span),
            Ast::ClassBracketed(class) => match &class.kind {
                ClassSet::Item(item) => self.item(item, &class.span),
                ClassSet::BinaryOp(op) => self.refuse(&op.span, "Python has no operations on sets"),
            },
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine | AssertionKind::StartText => Ok(()),
                AssertionKind::EndLine if is_last => Ok(()),
                AssertionKind::EndLine => {
                    self.refuse(&assertion.span, "in Python it matches before a last line end too; put it last")
                }
                AssertionKind::WordBoundary => self.needs_plain(&assertion.span),
                _ => self.refuse(&assertion.span, "Python reads it as something else, or not at all"),
            },
            Ast::Repetition(repetition) => self.repetition(repetition),
            Ast::Group(group) => self.group(group, is_last),
            Ast::Alternation(alternation) => alternation.asts.iter().try_for_each(|ast| self.check(ast, is_last)),
            Ast::Concat(concat) => {
                let last = concat.asts.len().saturating_sub(1);
                concat.asts.iter().enumerate().try_for_each(|(at, ast)| self.check(ast, is_last && at == last))
            }
            Ast::Flags(flags) => self.refuse(&flags.span, "the engines differ in flags and where they may stand"),
            Ast::ClassUnicode(class) => self.refuse(&class.span, "Python has no Unicode classes"),
        }
    }

    fn refuse(&self, span: &Span, why: &'static str) -> Result<(), PatternReason> {
        let (begin, end) = (span.start.offset, span.end.offset);
        let part = self.pattern.get(begin..end).unwrap_or_default().to_owned();
        Err(PatternReason::ReadDifferently { part, why })
    }

    fn needs_plain(&self, span: &Span) -> Result<(), PatternReason> {
        match self.are_plain {
            true => Ok(()),
            false => self.refuse(span, "names here are not all printable ASCII; write [0-9] or the characters"),
        }
    }

    fn literal(&self, literal: &Literal) -> Result<(), PatternReason> {
        match literal.kind {
            LiteralKind::Verbatim | LiteralKind::Meta | LiteralKind::Superfluous | LiteralKind::HexFixed(_) => Ok(()),
            LiteralKind::Special(SpecialLiteralKind::Space) => self.refuse(&literal.span, "write a space"),
            LiteralKind::Special(_) => Ok(()),
            LiteralKind::HexBrace(HexLiteralKind::X | HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong)
            | LiteralKind::Octal => self.refuse(&literal.span, r"write the character, \xhh or \uhhhh"),
        }
    }

    /// Checks an item between the brackets of `class`.
    fn item(&self, item: &ClassSetItem, class: &Span) -> Result<(), PatternReason> {
        match item {
            ClassSetItem::Empty(_) => Ok(()),
            ClassSetItem::Literal(literal) if literal.kind == LiteralKind::Verbatim && literal.c == '-' => {
                self.dash(&literal.span, class)
            }
            ClassSetItem::Literal(literal) => self.literal(literal),
            ClassSetItem::Range(range) => {
                self.literal(&range.start)?;
                self.literal(&range.end)
            }
            ClassSetItem::Perl(class) => self.needs_plain(&class.span),
            ClassSetItem::Union(union) => union.items.iter().try_for_each(|item| self.item(item, class)),
            ClassSetItem::Ascii(class) => self.refuse(&class.span, "Python has no POSIX classes"),
            ClassSetItem::Unicode(class) => self.refuse(&class.span, "Python has no Unicode classes"),
            ClassSetItem::Bracketed(class) => self.refuse(&class.span, "Python has no sets in sets"),
        }
    }

    /// Checks a dash. At either end of a class it means itself; elsewhere one engine may see a
    /// range.
    fn dash(&self, dash: &Span, class: &Span) -> Result<(), PatternReason> {
        let before = &self.pattern[class.start.offset..dash.start.offset];
        let after = &self.pattern[dash.end.offset..class.end.offset];
        let is_first = (before == "[" || before == "[^") && !after.starts_with('-');
        let is_last = after == "]" && !before.ends_with('-');
        if is_first || is_last { Ok(()) } else { self.refuse(class, r"put `-` at one end, or write \-") }
    }

    fn repetition(&self, repetition: &Repetition) -> Result<(), PatternReason> {
        let Repetition { span, op, greedy, ast } = repetition;
        let text = &self.pattern[op.span.start.offset..op.span.end.offset];
        let text = if *greedy { text } else { text.strip_suffix('?').unwrap_or(text) };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let braced = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let is_spelled_alike = braced.is_none_or(|range| {
            let (least, most) = range.split_once(',').unwrap_or((range, ""));
            is_number(least) && (most.is_empty() || is_number(most))
        });
        if !is_spelled_alike {
            return self.refuse(&op.span, "write it as {2}, {2,} or {2,5}");
        }
        if matches!(**ast, Ast::Repetition(_) | Ast::Assertion(_) | Ast::Empty(_)) {
            return self.refuse(span, "Python repeats neither a repetition nor an assertion; put it in (?:...)");
        }
        let may_stand_twice = !matches!(
            op.kind,
            RepetitionKind::ZeroOrOne
                | RepetitionKind::Range(RepetitionRange::Exactly(1) | RepetitionRange::Bounded(_, 1))
        );
        if may_stand_twice && may_be_empty(ast) {
            return self.refuse(span, "what is repeated may be empty, and engines differ in when they stop");
        }
        self.check(ast, false)
    }

    fn group(&self, group: &Group, is_last: bool) -> Result<(), PatternReason> {
        match &group.kind {
            GroupKind::CaptureIndex(_) => {}
            GroupKind::CaptureName { starts_with_p, name } => {
                let is_identifier = name.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if !starts_with_p || !is_identifier {
                    return self.refuse(&group.span, "name groups as in (?P<name>...), or leave the name out");
                }
            }
            GroupKind::NonCapturing(flags) if flags.items.is_empty() => {}
            GroupKind::NonCapturing(flags) => return self.refuse(&flags.span, "the engines differ in flags"),
        }
        self.check(&group.ast, is_last)
    }
}

/// Whether a part of a pattern can match the empty text.
fn may_be_empty(ast: &Ast) -> bool {
    match ast {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Assertion(_) => true,
        Ast::Literal(_) | Ast::Dot(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) | Ast::ClassBracketed(_) => false,
        Ast::Repetition(repetition) => {
            let least = match repetition.op.kind {
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore => 0,
                RepetitionKind::OneOrMore => 1,
                RepetitionKind::Range(
                    RepetitionRange::Exactly(least)
                    | RepetitionRange::AtLeast(least)
                    | RepetitionRange::Bounded(least, _),
                ) => least,
            };
            least == 0 || may_be_empty(&repetition.ast)
        }
        Ast::Group(group) => may_be_empty(&group.ast),
        Ast::Alternation(alternation) => alternation.asts.iter().any(may_be_empty),
        Ast::Concat(concat) => concat.asts.iter().all(may_be_empty),
    }
}

#[cfg(test)]
mod tests;
