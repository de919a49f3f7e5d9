//! Adds the flag that helps to an error or a note. The library says what is wrong and names no
//! flag. Only this file says what to do about it on the command line.

use df11::error::{Error, Exclusive, Fitting, JobDifference, ModelReason, OutputReason};
use df11::{Note, shown::shown};

/// The text of an error, and the flag that helps.
pub fn error(error: &Error) -> String {
    with(error.to_string(), of_error(error))
}

/// The text of a note, and the flag that helps.
pub fn note(note: &Note) -> String {
    with(note.to_string(), of_note(note))
}

fn with(words: String, advice: Option<String>) -> String {
    match advice {
        Some(advice) => format!("{words}; {advice}"),
        None => words,
    }
}

fn of_error(error: &Error) -> Option<String> {
    Some(match error {
        Error::Output { reason, .. } => return of_output(reason),
        Error::OptionsExclude { which: Exclusive::PublishedAndAll } => "leave out --code published or --all".into(),
        Error::OptionsExclude { which: Exclusive::PublishedAndCard } => {
            "leave out --code published or --model-card".into()
        }
        Error::TooLittleMemory { bytes, .. } => {
            format!("allow more with --memory {}M", bytes.div_ceil(1_000_000))
        }
        Error::Kept { error, .. } => {
            let way_on = "the same command with --resume continues, with --force it starts over";
            match of_error(error) {
                Some(advice) => format!("{advice}; {way_on}"),
                None => way_on.into(),
            }
        }
        Error::MatricesUnknown { .. } | Error::Pattern { .. } => "--pattern-dict takes patterns".into(),
        Error::NotWhole { .. } => "--partial restores it".into(),
        Error::Unwritable { fitting: Fitting::FileForEachUnit, .. } => "run without --single-file".into(),
        Error::BackendFailed { .. } => "choose it with --backend cpu".into(),
        Error::NotAModel { reason: ModelReason::HasKeptReadme { .. }, .. } => "or run without --model-card".into(),
        Error::NotAModel { reason: ModelReason::MainFileAlone, .. } => "--partial restores what it holds".into(),
        Error::NotAModel { reason: ModelReason::Unfinished, .. } => "--resume continues, --force starts over".into(),
        Error::NotAModel { reason: ModelReason::NothingPublished | ModelReason::PatternsTooLarge, .. } => {
            "leave --code published out".into()
        }
        _ => return None,
    })
}

fn of_output(reason: &OutputReason) -> Option<String> {
    Some(match reason {
        OutputReason::Exists { partial: None } => "--force replaces it".into(),
        OutputReason::Exists { partial: Some(partial) } => {
            format!("--force replaces it, and removes {} too", shown(partial))
        }
        OutputReason::NoModel | OutputReason::Foreign { .. } => "--force replaces only a model".into(),
        OutputReason::LeftFiles { .. } => "--resume continues with it, --force removes it".into(),
        OutputReason::LeftWork { .. } | OutputReason::LeftReplaced { .. } => "--force removes it".into(),
        OutputReason::OtherJob { difference } => format!("{}--force starts over", repeated(difference)),
        OutputReason::JournalUnreadable { .. } | OutputReason::OtherTensor { .. } => "--force does that".into(),
        OutputReason::CardWithoutDirectory => "leave --model-card out".into(),
        OutputReason::NeverResumed => "leave --resume out".into(),
        OutputReason::Changed { reason } | OutputReason::WorkKept { reason, .. } => return of_output(reason),
        _ => return None,
    })
}

/// How to repeat the interrupted job, if a flag is what makes it differ from this one.
fn repeated(difference: &JobDifference) -> String {
    match difference {
        JobDifference::Code { begun, .. } => format!("--code {} repeats it, ", shown(begun)),
        JobDifference::Verification { begun: true } => "it is repeated without --no-verify, ".into(),
        JobDifference::Verification { begun: false } => "--no-verify repeats it, ".into(),
        _ => String::new(),
    }
}

fn of_note(note: &Note) -> Option<String> {
    match note {
        Note::OfPart { note, .. } | Note::WhenRestored { note } => of_note(note),
        Note::NotEnough { .. } => Some("--pattern-dict takes patterns".into()),
        Note::NoUnits { .. } => Some("compress --dry-run says why each of them stays as it is".into()),
        Note::Flat { .. } => Some("give the BF16 model with --like to restore their shapes".into()),
        Note::MuchRaw { all_helps: true, .. } => {
            Some("--all codes those that are large enough; then only df11 reads the model".into())
        }
        Note::TiedKept { .. } => Some("--all codes it; then only df11 reads the model".into()),
        Note::BlockTooFull { .. } => Some("--code canonical makes no such block".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    /// The flags named in a text.
    fn flags(text: &str) -> BTreeSet<String> {
        let is_of_name = |letter: char| letter.is_ascii_lowercase() || letter == '-';
        let after = text.split("--").skip(1).map(|rest| rest.split(|letter| !is_of_name(letter)).next().unwrap_or(""));
        after.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn every_flag_that_is_advised_exists() {
        let advised = flags(include_str!("advice.rs").split("mod tests").next().expect("before the tests"));
        let known: BTreeSet<String> = crate::Cli::command()
            .get_subcommands()
            .flat_map(|verb| verb.get_arguments())
            .filter_map(|argument| argument.get_long().map(str::to_owned))
            .collect();
        assert!(advised.len() > 10, "{advised:?}");
        assert!(advised.is_subset(&known), "{:?}", advised.difference(&known).collect::<Vec<_>>());
    }

    #[test]
    fn advice_follows_the_words_on_the_same_line() {
        let refused = |reason| Error::Output { path: "out".into(), reason };
        let exists = refused(OutputReason::Exists { partial: None });
        assert_eq!(
            error(&exists),
            "out: exists already; give another name, or let it be replaced; --force replaces it"
        );
        let kept = Error::Kept { error: Box::new(Error::Stopped), partial: "out.partial".into(), files: 3 };
        assert_eq!(
            error(&kept),
            "stopped before the end; 3 finished files kept in out.partial, and the same job can continue with what \
             is there; the same command with --resume continues, with --force it starts over"
        );
        assert_eq!(error(&Error::Stopped), "stopped before the end");
        let begun = refused(OutputReason::OtherJob { difference: JobDifference::Verification { begun: false } });
        assert_eq!(flags(&error(&begun)), BTreeSet::from(["force".to_owned(), "no-verify".to_owned()]));
        let flat = Note::Flat { tensors: 1, first: "w\n".into() };
        let flat = note(&Note::OfPart { part: "vae".into(), note: Box::new(flat) });
        assert!(flat.starts_with("vae: the shapes of 1 tensor are") && flat.contains("--like"), "{flat}");
        assert!(!flat.contains('\n'), "{flat}");
    }
}
