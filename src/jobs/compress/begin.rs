//! Begins the output, after everything that can be refused early has been refused. Also defines
//! when two jobs are the same, so that one may continue with the other's files.

use std::collections::BTreeSet;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3Default;

use super::options::{CodeKind, CompressOptions};
use super::source::{Passed, ToCode};
use crate::Error;
use crate::error::OutputReason;
use crate::jobs::card::refuse_source_readme;
use crate::naming::pattern::PatternDict;
use crate::naming::units::UnitSpec;
use crate::progress::Progress;
use crate::writer::copies::check_others;
use crate::writer::output::journal::{JobLine, key};
use crate::writer::output::{Form, Output};

/// Begins the output of these models, each given with its folder. Everything that can be refused
/// early is refused first.
pub(super) fn begin(
    output: &Path,
    input: &Path,
    form: Form,
    options: &CompressOptions,
    models: &[(&Path, &Passed)],
    progress: &dyn Progress,
) -> Result<Output, Error> {
    if form == Form::Directory {
        let at_top = models.iter().find(|(folder, _)| *folder == Path::new(""));
        check_others(input, at_top.map_or(&BTreeSet::new(), |(_, passed)| &passed.model.source.carried))?;
    }
    let work = models.iter().map(|(_, passed)| passed.work(options)).sum();
    if options.model_card && form == Form::Directory {
        refuse_source_readme(input)?;
    }
    let inputs: Vec<&Path> =
        [input].into_iter().chain(options.pattern_dict.as_ref().and_then(PatternDict::file)).collect();
    if form == Form::Directory && !options.single_file {
        let models: Vec<_> = models.iter().map(|(folder, passed)| (*folder, &passed.model)).collect();
        let job = job_line(&models, options)?;
        progress.begin(work);
        return Output::begin_resumable(output, &inputs, options.force, options.resume, &job);
    }
    let refused = |reason| Err(Error::Output { path: output.to_path_buf(), reason });
    if options.model_card && form == Form::File {
        return refused(OutputReason::CardWithoutDirectory);
    }
    if options.resume {
        return refused(OutputReason::NeverResumed);
    }
    progress.begin(work);
    Output::begin(output, &inputs, form, options.force)
}

/// The journal's line for the job that codes these models, each given with its folder.
fn job_line(models: &[(&Path, &ToCode)], options: &CompressOptions) -> Result<JobLine, Error> {
    // Every option is named here, so that a new one cannot be forgotten. Those left out change no
    // byte, or show in the units.
    let CompressOptions {
        code,
        verify,
        all: _,
        pattern_dict: _,
        single_file: _,
        backend: _,
        force: _,
        resume: _,
        memory: _,
        model_card: _,
    } = options;
    let mut hash = Xxh3Default::new();
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (folder, ToCode { source, specs }) in models {
        add(key(folder).as_bytes());
        for file in &source.files {
            add(file.name.as_bytes());
            add(file.reader.header_bytes());
        }
        for file in &source.small {
            add(file.name.as_bytes());
            add(&file.bytes);
        }
        for UnitSpec { name, tensors, .. } in specs {
            add(name.as_bytes());
            tensors.iter().for_each(|tensor| add(tensor.as_bytes()));
        }
    }
    let code = match code {
        CodeKind::Canonical => "canonical",
        CodeKind::Published => "published",
    };
    let (df11, code) = (env!("CARGO_PKG_VERSION").into(), code.into());
    Ok(JobLine { df11, code, verify: *verify, source: hash.digest() })
}
