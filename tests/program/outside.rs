//! Verbs that are programs of their own: where they are looked for, and what they are given.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::{Place, text};

/// Writes a program that says its name and its arguments, and ends with code 5.
fn write_program(path: &Path, name: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, format!("#!/bin/sh\necho \"{name}\" \"$@\"\nexit 5\n")).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set");
}

/// Runs a copy of df11, which has `beside` beside it, in the folder `current`.
fn run(place: &Place, path: &str, arguments: &[&str]) -> Output {
    let program = place.at("beside/df11");
    if !program.exists() {
        fs::create_dir_all(place.at("beside")).expect("made");
        fs::copy(env!("CARGO_BIN_EXE_df11"), &program).expect("copied");
    }
    fs::create_dir_all(place.at("current")).expect("made");
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", path).current_dir(place.at("current")).output().expect("it runs")
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &[&str]) {
    let [found, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert_eq!((output.status.code(), &*found), (Some(code), stdout), "{errors}");
    stderr.iter().for_each(|word| assert!(errors.contains(word), "`{word}` is not in: {errors}"));
}

#[test]
fn a_program_beside_df11_comes_first_then_those_of_path_and_never_one_of_the_current_folder() {
    let place = Place::new();
    let (elsewhere, path) = (place.at("path"), format!("/bin:.:current:{}", text(&place.at("path"))));
    for name in ["generate", "two-2"] {
        write_program(&place.at("current").join(format!("df11-{name}")), "current");
        let arguments = [name, "MODEL", "-p", "two words", "--help"];
        if name == "generate" {
            check(&run(&place, &path, &arguments), 2, "", &["error: ", "install the package df11-generate"]);
        } else {
            check(&run(&place, &path, &arguments), 2, "", &["error: ", "two-2"]);
        }
        write_program(&elsewhere.join(format!("df11-{name}")), "path");
        check(&run(&place, &path, &arguments), 5, "path MODEL -p two words --help\n", &[]);
        write_program(&place.at(&format!("beside/df11-{name}")), "beside");
        check(&run(&place, &path, &arguments), 5, "beside MODEL -p two words --help\n", &[]);
    }
}

#[test]
fn own_verbs_win_and_what_is_no_name_or_no_program_stays_a_mistyped_verb() {
    let place = Place::new();
    let path = text(&place.at("path")).to_owned();
    for name in ["df11-backends", "df11-UPPER", "df11-../x", "df11-help"] {
        write_program(&place.at("path").join(name), "path");
    }
    fs::create_dir_all(place.at("path/df11-folder")).expect("made");
    fs::write(place.at("path/df11-plain"), "#!/bin/sh\n").expect("written");
    let own = run(&place, &path, &["backends"]);
    assert!(own.status.success() && String::from_utf8_lossy(&own.stdout).contains("portable"));
    for name in ["UPPER", "../x", "folder", "plain"] {
        check(&run(&place, &path, &[name]), 2, "", &["error: unrecognized subcommand"]);
    }
    check(&run(&place, &path, &["compres"]), 2, "", &["similar", "compress"]);
}
