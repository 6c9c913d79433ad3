//! What is closed to others is seen by the function that it is shown to, and by nobody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use common::Box;
use sandbox::{OutsideIds, Shown};

/// A folder of mode 0700 with files of mode 0600, a program of mode 0700, and links.
fn closed(folder: &Path) {
    let project = folder.join("project");
    fs::create_dir_all(project.join("inner")).unwrap();
    for (name, mode, content) in [
        ("text", 0o600, "tea"),
        ("inner/text", 0o640, "cake"),
        ("program", 0o700, "#!/bin/sh\necho ran\n"),
    ] {
        fs::write(project.join(name), content).unwrap();
        fs::set_permissions(project.join(name), Permissions::from_mode(mode)).unwrap();
    }
    symlink("inner/text", project.join("link")).unwrap();
    for folder in [&project.join("inner"), &project, folder] {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
    }
}

fn shows(from: &Path) -> Box {
    let mut plan = common::plan();
    plan.shown = vec![
        Shown::at(from.join("project"), "/var/task"),
        Shown::at(from.join("project/text"), "/opt/text"),
    ];
    Box::with(plan)
}

fn look(inside: &Box) -> String {
    let code = "cat text link /opt/text; ./program; stat -c %u:%g text inner; \
                echo x 2>/dev/null >text || echo kept; chmod 777 text 2>/dev/null || echo kept; ls";
    inside.run("/bin/sh", &["-c", code]).1
}

const SEEN: &str = "teacaketearan\n1000:1000\n1000:1000\nkept\nkept\ninner\nlink\nprogram\ntext\n";

#[test]
fn a_folder_that_is_closed_to_others_is_seen_and_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    closed(folder.path());
    assert_eq!(look(&shows(folder.path())), SEEN);
    let mode = fs::metadata(folder.path().join("project/text")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn as_root_it_may_belong_to_anybody() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    closed(folder.path());
    for name in ["", "text", "inner", "inner/text", "program"] {
        let path = folder.path().join("project").join(name);
        chown(path, Some(4_711), Some(4_712)).unwrap();
    }
    // A second owner, of a part of its own.
    let mut plan = common::plan();
    plan.shown = vec![
        Shown::at(folder.path().join("project"), "/var/task"),
        Shown::at(folder.path().join("project/text"), "/opt/text"),
    ];
    let other = folder.path().join("other");
    fs::write(&other, "pie").unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o600)).unwrap();
    plan.shown.push(Shown::at(&other, "/opt/other"));
    let inside = Box::with(plan);
    assert_eq!(look(&inside), SEEN);
    assert_eq!(inside.run("/bin/cat", &["/opt/other"]).1, "pie");
}

#[test]
fn every_sandbox_keeps_the_ids_that_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    closed(folder.path());
    let inside = shows(folder.path());
    assert_eq!(inside.sandbox.plan().outside, common::plan().outside);
}

#[test]
fn nothing_of_an_owner_is_seen_that_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    closed(folder.path());
    let inside = shows(folder.path());
    let at = folder.path().display();
    let code = format!("ls {at}/project /root /home 2>/dev/null | wc -l; id -u");
    assert_eq!(inside.run("/bin/sh", &["-c", &code]).1, "0\n1000\n");
}

const ALONE: &str = "SANDBOX_TEST_NO_IDS_MAPPED";

/// In memory, where nothing maps ids: in a mount namespace of the test's own, so that nothing of it is left.
#[test]
#[allow(clippy::disallowed_methods, reason = "it runs itself once more")]
fn where_a_file_system_maps_no_ids_the_sandbox_has_those_of_its_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let Ok(folder) = std::env::var(ALONE) else {
        let folder = tempfile::tempdir().unwrap();
        let test = "where_a_file_system_maps_no_ids_the_sandbox_has_those_of_its_owner";
        let status = std::process::Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-ec"])
            .arg(format!(
                "mount -t ramfs none \"${ALONE}\"; exec \"$0\" --exact {test}"
            ))
            .arg(std::env::current_exe().unwrap())
            .env(ALONE, folder.path())
            .status();
        assert!(status.unwrap().success());
        return;
    };
    let folder = Path::new(&folder);
    closed(folder);
    let inside = shows(folder);
    assert_eq!(look(&inside), SEEN);
    let root = OutsideIds { uid: 0, gid: 0 };
    assert_eq!(inside.sandbox.plan().outside, Some(root));
    // It is root outside in name alone.
    let code = "cat /proc/self/status | grep CapEff; chroot / true 2>/dev/null || echo refused; \
                echo x 2>/dev/null >/proc/sys/kernel/core_pattern || echo refused; ls /root 2>/dev/null || echo nothing";
    assert_eq!(
        inside.run("/bin/sh", &["-c", code]).1,
        "CapEff:\t0000000000000000\nrefused\nrefused\nnothing\n"
    );
}

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    common::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user_too");
}

#[test]
fn whether_functions_have_ids_of_their_own_is_told() {
    let program = sandbox::MakerProgram {
        path: common::built("maker"),
        arguments: Vec::new(),
    };
    let found = sandbox::look(&program);
    let own = found
        .list
        .iter()
        .find(|one| one.name.ends_with("id of its own"));
    let is_told = matches!(own.unwrap().state, sandbox::State::Missing(_));
    assert_eq!(is_told, !sandbox::gives_ids(1_879_048_192, 1));
}
