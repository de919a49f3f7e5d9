use super::*;

struct Place(tempfile::TempDir);

impl Place {
    /// A place with an input file `in`.
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a folder"));
        fs::write(place.at("in"), b"x").expect("written");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> usize {
        fs::read_dir(self.0.path()).expect("listed").count()
    }

    fn begin(&self, form: Form, force: bool) -> Result<Output, Error> {
        Output::begin(&self.at("out"), &[&self.at("in")], form, force)
    }

    /// Makes OUTPUT: a file, or a folder with one weight file.
    fn make(&self, form: Form, force: bool, bytes: &[u8]) -> Result<(), Error> {
        let output = self.begin(form, force)?;
        let file = output.file(Path::new("model.safetensors"))?;
        file.write(bytes, 0)?;
        file.finish()?;
        output.commit()
    }

    fn output(&self) -> Vec<u8> {
        let out = self.at("out");
        fs::read(if out.is_dir() { out.join("model.safetensors") } else { out }).expect("read")
    }
}

const FORMS: [Form; 2] = [Form::File, Form::Directory];

#[test]
fn what_is_not_committed_leaves_nothing() {
    for form in FORMS {
        let place = Place::new();
        let output = place.begin(form, false).expect("free");
        output.file(Path::new("a")).expect("created").write(b"abc", 0).expect("written");
        output.file(Path::new("b")).expect("created").finish().expect("renamed");
        drop(output);
        assert_eq!(place.names(), 1, "{form:?}");
    }
}

#[test]
fn an_output_that_exists_is_replaced_only_by_force_and_only_by_its_like() {
    for (form, other) in FORMS.into_iter().zip(FORMS.into_iter().rev()) {
        let place = Place::new();
        place.make(form, false, b"old").expect("free");
        assert!(matches!(place.begin(form, false), Err(Error::Output { .. })));
        assert!(matches!(place.begin(other, true), Err(Error::Output { .. })));
        assert_eq!(place.output(), b"old");
        let output = place.begin(form, true).expect("forced");
        let file = output.file(Path::new("model.safetensors")).expect("created");
        file.write(b"new", 0).expect("written");
        file.finish().expect("synced");
        assert_eq!(place.output(), b"old");
        output.commit().expect("exchanged");
        assert_eq!((place.output(), place.names()), (b"new".to_vec(), 2));
    }
}

#[test]
fn an_output_that_appears_meanwhile_stays_and_so_does_the_work() {
    for form in FORMS {
        for meanwhile in FORMS {
            let place = Place::new();
            let output = place.begin(form, false).expect("free");
            let work = output.path(Path::new(""));
            let file = output.file(Path::new("model.safetensors")).expect("created");
            file.write(b"new", 0).expect("written");
            file.finish().expect("renamed");
            match meanwhile {
                Form::File => fs::write(place.at("out"), b"precious").expect("written"),
                Form::Directory => {
                    fs::create_dir(place.at("out")).expect("created");
                    fs::write(place.at("out/model.safetensors"), b"precious").expect("written");
                }
            }
            let message = output.commit().expect_err("taken").to_string();
            assert!(message.contains(work.to_str().expect("UTF-8")), "{message}");
            assert!(place.output() == b"precious" && work.exists(), "{form:?}, {meanwhile:?}");
        }
    }
}

#[test]
fn one_that_force_would_not_replace_and_appears_meanwhile_stays_too() {
    let place = Place::new();
    place.make(Form::Directory, false, b"old").expect("free");
    let output = place.begin(Form::Directory, true).expect("forced");
    fs::write(place.at("out/thesis.tex"), b"precious").expect("written");
    let message = output.commit().expect_err("a stranger").to_string();
    assert!(message.contains("thesis.tex"), "{message}");
    assert_eq!(fs::read(place.at("out/thesis.tex")).expect("read"), b"precious");
}

#[test]
fn a_second_run_is_refused_whatever_it_wants_until_the_first_has_ended() {
    for first in FORMS {
        let place = Place::new();
        let output = place.begin(first, false).expect("free");
        for (form, force) in
            [(Form::File, false), (Form::File, true), (Form::Directory, false), (Form::Directory, true)]
        {
            let message = place.begin(form, force).expect_err("another run").to_string();
            assert!(message.contains("another run is writing"), "{message}");
        }
        drop(output);
        place.make(first, false, b"new").expect("free again");
    }
}

/// Leaves the folder as a kill would leave it at this moment, with the lock released.
fn killed(output: Output) {
    let mut output = output;
    output.over = true;
}

#[test]
fn what_a_killed_run_has_not_finished_is_not_in_the_way() {
    for form in FORMS {
        let place = Place::new();
        let output = place.begin(form, false).expect("free");
        output.file(Path::new("model.safetensors")).expect("created").write(b"half", 0).expect("written");
        killed(output);
        place.make(form, false, b"new").expect("begun anew");
        assert_eq!((place.output(), place.names()), (b"new".to_vec(), 2));
    }
}

#[test]
fn a_run_killed_between_its_last_steps_is_named_and_ended_by_force() {
    for form in FORMS {
        let place = Place::new();
        place.make(form, false, b"old").expect("free");
        // The work is finished, but not in its place.
        let output = place.begin(form, true).expect("forced");
        output.file(Path::new("model.safetensors")).expect("created").finish().expect("renamed");
        output.working.note_done().expect("noted");
        killed(output);
        fs::rename(place.at("out"), place.at("aside")).expect("renamed");
        let message = place.begin(form, false).expect_err("in the way").to_string();
        assert!(message.contains("finished work") && message.contains("start over"), "{message}");
        fs::rename(place.at("aside"), place.at("out")).expect("renamed");
        // The work is in its place, and what it replaced still exists.
        let output = place.begin(form, true).expect("forced");
        output.file(Path::new("model.safetensors")).expect("created").finish().expect("renamed");
        output.working.note_done().expect("noted");
        rename::exchange(&output.working.output(), &place.at("out")).expect("exchanged");
        killed(output);
        let message = place.begin(form, false).expect_err("exists").to_string();
        assert!(message.contains("out.partial"), "{message}");
        place.make(form, true, b"new").expect("forced");
        assert_eq!((place.output(), place.names()), (b"new".to_vec(), 2), "{form:?}");
    }
}

#[test]
fn where_nothing_can_be_exchanged_the_old_output_comes_back_after_a_kill() {
    let place = Place::new();
    place.make(Form::Directory, false, b"old").expect("free");
    let output = place.begin(Form::Directory, true).expect("forced");
    output.file(Path::new("model.safetensors")).expect("created").finish().expect("renamed");
    output.working.note_done().expect("noted");
    fs::rename(place.at("out"), output.working.replaced()).expect("renamed");
    killed(output);
    place.begin(Form::Directory, false).expect_err("in the way");
    assert_eq!(place.output(), b"old");
    place.make(Form::Directory, true, b"new").expect("forced");
    assert_eq!((place.output(), place.names()), (b"new".to_vec(), 2));
}

#[test]
fn what_df11_has_not_made_stays_in_its_folder_whatever_it_is_asked() {
    for below in ["out.partial", "out.partial/output"] {
        let place = Place::new();
        let output = place.begin(Form::Directory, false).expect("free");
        output.file(Path::new("model.safetensors")).expect("created").finish().expect("renamed");
        killed(output);
        let thesis = place.at(below).join("thesis.tex");
        fs::write(&thesis, b"precious").expect("written");
        for force in [false, true] {
            let message = place.begin(Form::Directory, force).expect_err("in the way").to_string();
            assert!(message.contains("thesis.tex"), "{message}");
            assert_eq!(fs::read(&thesis).expect("read"), b"precious");
        }
    }
}

#[test]
fn what_comes_into_the_folder_of_a_run_that_fails_stays() {
    let place = Place::new();
    let output = place.begin(Form::Directory, false).expect("free");
    output.file(Path::new("model.safetensors")).expect("created").finish().expect("renamed");
    fs::write(place.at("out.partial/output/thesis.tex"), b"precious").expect("written");
    drop(output);
    assert_eq!(fs::read(place.at("out.partial/output/thesis.tex")).expect("read"), b"precious");
    assert!(!exists(&place.at("out.partial/output/model.safetensors")));
}
