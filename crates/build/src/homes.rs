//! Where version managers keep the interpreters that they install.
//!
//! Lives here: their folders, as their own documentation and variables name them.
//! Does not live here: asking what lies there (`interpreters`), which version is wanted (`node`, `python`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::interpreters::{Candidate, Origin, is_executable};

/// Versions that one manager may have installed; the folders beyond are not looked at.
const VERSIONS_MAX: usize = 200;
/// Where the data of a user's programs is below the home folder, unless `XDG_DATA_HOME` names another place.
const DATA_HOME: &str = ".local/share/";

/// A folder that holds one folder for each installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    manager: &'static str,
    versions: PathBuf,
    /// Where the binaries are in a version's folder.
    binaries: &'static str,
}

/// Where the managers of one language may be: the variable that moves one, where it is otherwise, what is below it.
struct Manager {
    name: &'static str,
    variable: &'static str,
    below_home: &'static str,
    versions: &'static str,
    binaries: &'static str,
}

const NODE: [Manager; 7] = [
    manager("nvm", "NVM_DIR", ".nvm", "versions/node"),
    Manager {
        binaries: "installation/bin",
        ..manager("fnm", "FNM_DIR", ".local/share/fnm", "node-versions")
    },
    // Where fnm was before it followed the XDG folders.
    Manager {
        binaries: "installation/bin",
        ..manager("fnm", "", ".fnm", "node-versions")
    },
    manager("volta", "VOLTA_HOME", ".volta", "tools/image/node"),
    manager("asdf", "ASDF_DATA_DIR", ".asdf", "installs/nodejs"),
    manager(
        "mise",
        "MISE_DATA_DIR",
        ".local/share/mise",
        "installs/node",
    ),
    manager("nodenv", "NODENV_ROOT", ".nodenv", "versions"),
];

const PYTHON: [Manager; 4] = [
    manager("pyenv", "PYENV_ROOT", ".pyenv", "versions"),
    manager("uv", "UV_PYTHON_INSTALL_DIR", ".local/share/uv/python", ""),
    manager("asdf", "ASDF_DATA_DIR", ".asdf", "installs/python"),
    manager(
        "mise",
        "MISE_DATA_DIR",
        ".local/share/mise",
        "installs/python",
    ),
];

/// The homes of Node.js versions.
pub(crate) fn of_node(environment: &BTreeMap<String, String>) -> Vec<Home> {
    homes(&NODE, environment)
}

/// The homes of Python versions.
pub(crate) fn of_python(environment: &BTreeMap<String, String>) -> Vec<Home> {
    homes(&PYTHON, environment)
}

impl Home {
    /// The binaries of this name, those of the newest version first.
    pub(crate) fn candidates(&self, name: &str) -> Vec<Candidate> {
        let Ok(entries) = fs::read_dir(&self.versions) else {
            return Vec::new();
        };
        let folders = entries.flatten().map(|entry| entry.path());
        let mut folders: Vec<PathBuf> = folders.take(VERSIONS_MAX).collect();
        folders.sort_by_cached_key(|folder| std::cmp::Reverse(numbers_of(folder)));
        let binaries = folders
            .iter()
            .map(|folder| folder.join(self.binaries).join(name));
        binaries
            .filter(|path| is_executable(path))
            .map(|path| Candidate {
                path,
                origin: Origin::Manager(self.manager),
            })
            .collect()
    }
}

const fn manager(
    name: &'static str,
    variable: &'static str,
    below_home: &'static str,
    versions: &'static str,
) -> Manager {
    Manager {
        name,
        variable,
        below_home,
        versions,
        binaries: "bin",
    }
}

fn homes(managers: &[Manager], environment: &BTreeMap<String, String>) -> Vec<Home> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    managers
        .iter()
        .filter_map(|manager| {
            let root = set(manager.variable).map(PathBuf::from).or_else(|| {
                // The XDG Base Directory Specification: a folder that is not absolute does not count.
                let data = set("XDG_DATA_HOME").map(Path::new);
                let data = data.filter(|folder| folder.is_absolute());
                match (manager.below_home.strip_prefix(DATA_HOME), data) {
                    (Some(below), Some(data)) => Some(data.join(below)),
                    (_, _) => Some(Path::new(set("HOME")?).join(manager.below_home)),
                }
            })?;
            Some(Home {
                manager: manager.name,
                versions: root.join(manager.versions),
                binaries: manager.binaries,
            })
        })
        .collect()
}

/// The numbers in a folder's name, so that `v20.9.0` comes before `v20.10.0`, and `cpython-3.12.1-linux` counts too.
fn numbers_of(folder: &Path) -> Vec<u32> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_where_their_variables_or_the_home_folder_say() {
        let environment: BTreeMap<String, String> = [
            ("HOME", "/home/ada"),
            ("VOLTA_HOME", "/opt/volta"),
            ("NVM_DIR", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let folders: Vec<PathBuf> = of_node(&environment)
            .into_iter()
            .map(|home| home.versions.join("V").join(home.binaries))
            .collect();
        for expected in [
            "/home/ada/.nvm/versions/node/V/bin",
            "/home/ada/.local/share/fnm/node-versions/V/installation/bin",
            "/opt/volta/tools/image/node/V/bin",
            "/home/ada/.asdf/installs/nodejs/V/bin",
        ] {
            assert!(folders.contains(&PathBuf::from(expected)), "{expected}");
        }
        assert_eq!(of_python(&BTreeMap::new()), []);
    }

    #[test]
    fn managers_that_keep_to_the_data_folder_follow_it() {
        let below = |data: &str| -> Vec<String> {
            let environment = [("HOME", "/home/ada"), ("XDG_DATA_HOME", data)];
            let environment = environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
            [of_node(&environment), of_python(&environment)]
                .into_iter()
                .flatten()
                .filter(|home| ["fnm", "uv", "mise", "pyenv"].contains(&home.manager))
                .map(|home| home.versions.display().to_string())
                .collect()
        };
        let elsewhere = [
            "/data/fnm/node-versions",
            "/home/ada/.fnm/node-versions",
            "/data/mise/installs/node",
            "/home/ada/.pyenv/versions",
            "/data/uv/python/",
            "/data/mise/installs/python",
        ];
        assert_eq!(below("/data"), elsewhere);
        let at_home = elsewhere.map(|it| it.replace("/data", "/home/ada/.local/share"));
        assert_eq!(below(""), at_home);
        assert_eq!(below("relative"), at_home);
    }

    #[test]
    fn the_newest_version_comes_first() {
        let mut folders = [
            "cpython-3.9.1-linux",
            "cpython-3.12.1-linux",
            "cpython-3.12.10-linux",
        ];
        folders.sort_by_cached_key(|name| std::cmp::Reverse(numbers_of(Path::new(name))));
        assert_eq!(
            folders,
            [
                "cpython-3.12.10-linux",
                "cpython-3.12.1-linux",
                "cpython-3.9.1-linux"
            ]
        );
    }
}
