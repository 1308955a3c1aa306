//! What `bedrock_throughput_build_info` tells of the build: the compiler, and the commit where the builder names it. And what only the linker
//! can be told.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_REVISION");
    // Named by who builds a release, not asked of git: a commit must not make every build of developers anew.
    let revision = std::env::var("SOURCE_REVISION").ok().filter(|revision| !revision.is_empty());
    // A tenth of the program is addresses that are put right when it starts; packed they are next to nothing (ELF's RELR).
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if is_linux && std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    println!("cargo::rustc-env=BTO_BUILD_REVISION={}", revision.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=BTO_BUILD_RUSTC={}", rustc().as_deref().unwrap_or("unknown"));
}

/// The compiler's version, such as `1.94.1`.
fn rustc() -> Option<String> {
    let told = Command::new(std::env::var_os("RUSTC")?).arg("--version").output().ok()?;
    String::from_utf8(told.stdout).ok()?.split_whitespace().nth(1).map(str::to_owned)
}
