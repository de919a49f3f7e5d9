//! The YAML at the top of a README.md: selects the values that also hold for the coded model, and
//! writes them into a card.
//!
//! ```text
//! bytes -> UTF-8 -> the lines between `---` and `---` -> events of the YAML library
//!       -> texts and lists of texts of KEPT_FIELDS -> YAML again
//! ```
//!
//! Why events and not a tree: events follow no alias and nest nothing, so neither can cost more
//! than its own bytes.
//!
//! The same library reads the written YAML again. The YAML is used only if it says exactly what was
//! meant.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::Note;

/// The fields of the source's card that also hold for the coded model.
const KEPT_FIELDS: [&str; 5] = ["license", "license_name", "license_link", "library_name", "pipeline_tag"];

/// Longest front matter. A card that lists the results of hundreds of tests has half of it.
const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting: twice that of cards with results.
const MAX_DEPTH: usize = 16;
/// Longest text that is kept: names and addresses are shorter.
const MAX_TEXT_BYTES: usize = 1000;
/// A note names this many fields and counts the rest.
const MAX_NAMED: usize = 8;

/// A field of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
}

impl Field {
    pub fn text(name: &str, text: &str) -> Field {
        Field { name: name.to_owned(), value: Value::Text(text.to_owned()) }
    }
}

/// The fields of a README that are kept, in their order, and a note of those that are not.
pub(super) fn kept_fields(readme: &[u8]) -> (Vec<Field>, Option<Note>) {
    let Ok(text) = std::str::from_utf8(readme) else {
        return (Vec::new(), Some(Note::ReadmeNotTaken { reason: "is not UTF-8".into() }));
    };
    let Some(yaml) = between_marks(text) else { return (Vec::new(), None) };
    let read = yaml.and_then(|yaml| Reading::of(yaml).map(|reading| (reading, has_comments(yaml))));
    match read {
        Ok((reading, has_comments)) => {
            let note = reading.note(has_comments);
            (reading.kept, note)
        }
        Err(why) => {
            let reason = format!("has front matter that {why}");
            (Vec::new(), Some(Note::ReadmeNotTaken { reason }))
        }
    }
}

/// The YAML of these fields; `None` if it would not say exactly that.
pub(super) fn written(fields: &[Field]) -> Option<String> {
    let mut yaml = String::new();
    for Field { name, value } in fields {
        match value {
            Value::Text(text) => yaml += &format!("{name}: {}\n", scalar(text)),
            Value::List(texts) if texts.is_empty() => yaml += &format!("{name}: []\n"),
            Value::List(texts) => {
                yaml += &format!("{name}:\n");
                texts.iter().for_each(|text| yaml += &format!("- {}\n", scalar(text)));
            }
        }
    }
    let every = |_: &str| true;
    let says = Reading::with(&yaml, every).ok()?;
    (says.kept == fields && says.left_out.is_empty()).then_some(yaml)
}

/// Writes a text so that every version of YAML reads it alike: without quotes if it is a plain
/// name, else with quotes.
fn scalar(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_name { text.into() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")).into() }
}

/// The lines between the two marks at the top; `None` if there is no first mark.
fn between_marks(text: &str) -> Option<Result<&str, String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut begin = None;
    let mut at = 0;
    // A line ends with LF, CR or both, as in YAML.
    for line in text.split_inclusive(['\n', '\r']) {
        let (start, content) = (at, line.trim_end());
        at += line.len();
        match begin {
            None if content.trim_start() == "---" => begin = Some(at),
            None if content.is_empty() => {}
            None => return None,
            Some(begin) if content == "---" && start - begin > MAX_BYTES => {
                return Some(Err(format!("has more than {MAX_BYTES} bytes")));
            }
            Some(begin) if content == "---" => return Some(Ok(&text[begin..start])),
            Some(_) => {}
        }
    }
    begin.map(|_| Err("is never closed".into()))
}

/// What was read from a front matter.
#[derive(Debug, Default)]
struct Reading {
    kept: Vec<Field>,
    /// The names of other fields, and of known fields whose value is neither a text nor a list of
    /// texts.
    left_out: Vec<String>,
}

impl Reading {
    fn of(yaml: &str) -> Result<Reading, String> {
        Reading::with(yaml, |name| KEPT_FIELDS.contains(&name))
    }

    /// Reads a mapping. Keeps the fields whose names pass `is_kept`.
    fn with(yaml: &str, is_kept: impl Fn(&str) -> bool) -> Result<Reading, String> {
        let mut events = Events(Parser::new_from_str(yaml));
        let mut reading = Reading::default();
        match events.next()? {
            Event::StreamEnd => return Ok(reading),
            Event::MappingStart(..) => {}
            _ => return Err("is no mapping".into()),
        }
        loop {
            let name = match events.next()? {
                Event::MappingEnd => break,
                Event::Scalar(name, ..) => name.into_owned(),
                event => {
                    events.skip(&event)?;
                    "a field without a name".into()
                }
            };
            let is_there = || reading.left_out.contains(&name) || reading.kept.iter().any(|field| field.name == name);
            if is_kept(&name) && is_there() {
                return Err(format!("names `{name}` twice"));
            }
            match events.value()? {
                Some(value) if is_kept(&name) => reading.kept.push(Field { name, value }),
                _ => reading.left_out.push(name),
            }
        }
        match (events.next()?, events.next()?) {
            (Event::DocumentEnd, Event::StreamEnd) => Ok(reading),
            _ => Err("holds more than one document".into()),
        }
    }

    fn note(&self, has_comments: bool) -> Option<Note> {
        let shown =
            |name: &String| format!("`{}`", name.chars().take(40).flat_map(char::escape_debug).collect::<String>());
        let mut named: Vec<String> = self.left_out.iter().take(MAX_NAMED).map(shown).collect();
        if let Some(more) = self.left_out.len().checked_sub(MAX_NAMED).filter(|&more| more > 0) {
            named.push(format!("{more} more"));
        }
        if has_comments {
            named.push("comments".into());
        }
        (!named.is_empty()).then(|| Note::FieldsNotTaken { fields: named.join(", ") })
    }
}

/// The events of a document, each once.
struct Events<'a>(Parser<'a, saphyr_parser::StrInput<'a>>);

impl<'a> Events<'a> {
    /// The next event that carries content.
    fn next(&mut self) -> Result<Event<'a>, String> {
        loop {
            match self.0.next_event() {
                Some(Ok((Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _))) => {}
                Some(Ok((event, _))) => return Ok(event),
                Some(Err(error)) => return Err(format!("is no YAML ({})", error.info())),
                None => return Ok(Event::StreamEnd),
            }
        }
    }

    /// The value that begins here, if it is a text or a list of texts.
    fn value(&mut self) -> Result<Option<Value>, String> {
        let event = self.next()?;
        if !matches!(event, Event::SequenceStart(_, None)) {
            let text = text_of(&event);
            self.skip(&event)?;
            return Ok(text.map(Value::Text));
        }
        let mut texts = Some(Vec::new());
        loop {
            let event = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(texts.map(Value::List));
            }
            match (&mut texts, text_of(&event)) {
                (Some(texts), Some(text)) => texts.push(text),
                _ => texts = None,
            }
            self.skip(&event)?;
        }
    }

    /// Skips the rest of what begins with `event`.
    fn skip(&mut self, event: &Event<'_>) -> Result<(), String> {
        let mut depth = usize::from(opens(event));
        while depth > 0 {
            let event = self.next()?;
            match event {
                Event::SequenceEnd | Event::MappingEnd => depth -= 1,
                Event::StreamEnd => return Err("is cut".into()),
                event => depth += usize::from(opens(&event)),
            }
            if depth > MAX_DEPTH {
                return Err(format!("is nested more than {MAX_DEPTH} deep"));
            }
        }
        Ok(())
    }
}

fn opens(event: &Event<'_>) -> bool {
    matches!(event, Event::SequenceStart(..) | Event::MappingStart(..))
}

/// The text of a scalar, if it is one line of printable characters. `None` for a number, a truth
/// value, a null, anything with a tag, and any other event.
fn text_of(event: &Event<'_>) -> Option<String> {
    let Event::Scalar(text, style, _, None) = event else { return None };
    let is_text = *style != ScalarStyle::Plain || is_plain_text(text);
    // U+2028 and U+2029 end lines in YAML 1.1; the others are not characters.
    let is_printed =
        |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let is_kept = is_text && !text.is_empty() && text.len() <= MAX_TEXT_BYTES && text.chars().all(is_printed);
    is_kept.then(|| text.clone().into_owned())
}

/// Whether a scalar without quotes is text: not a null, a truth value or a number.
fn is_plain_text(text: &str) -> bool {
    const OTHER: [&str; 5] = ["", "~", "null", "true", "false"];
    let is_number =
        text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o") || text.starts_with('.');
    !is_number && !OTHER.contains(&text.to_ascii_lowercase().as_str())
}

/// Whether a `#` lies outside every scalar.
fn has_comments(yaml: &str) -> bool {
    let mut covered = Vec::new();
    for event in Parser::new_from_str(yaml) {
        match event {
            Ok((Event::Scalar(..), span)) => covered.push((span.start.index(), span.end.index())),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    let mut covered = covered.into_iter().peekable();
    yaml.chars().enumerate().any(|(at, c)| {
        while covered.next_if(|&(_, end)| end <= at).is_some() {}
        c == '#' && covered.peek().is_none_or(|&(begin, _)| at < begin)
    })
}

#[cfg(test)]
mod tests;
