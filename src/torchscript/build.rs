//! Compiles the C++ shim against the libtorch that `torch-sys` links, and tells the linker where
//! the library lies; and the few lines of C over the libjpeg-turbo that `turbojpeg-sys` builds.

use std::path::{Path, PathBuf};

const SOURCES: &[&str] = &[
    "aliases.cpp",
    "allowed.cpp",
    "apart.cpp",
    "axes.cpp",
    "build.cpp",
    "constants.cpp",
    "defaults.cpp",
    "device.cpp",
    "dependence.cpp",
    "ending.cpp",
    "fields.cpp",
    "graph.cpp",
    "inlined.cpp",
    "inputs.cpp",
    "judge.cpp",
    "layout.cpp",
    "names.cpp",
    "outputs.cpp",
    "places.cpp",
    "prints.cpp",
    "recurrent.cpp",
    "rules.cpp",
    "shared.cpp",
    "shim.cpp",
    "spread.cpp",
    "state.cpp",
    "tail.cpp",
    "types.cpp",
    "weights.cpp",
];

/// What takes time when a model runs.
const ROWS: &str = "rows.cpp";

/// libtorch's headers that most of [`SOURCES`] read: reading them takes four fifths of a compilation.
const HEADERS: &str = "headers.h";

fn main() {
    let shim = PathBuf::from("src/torchscript/shim");
    let headers = [
        "aliases.h",
        "allowed.h",
        "apart.h",
        "axes.h",
        "build.h",
        "bytes.h",
        "calls.h",
        "constants.h",
        "defaults.h",
        "dependence.h",
        "ending.h",
        "fields.h",
        "graph.h",
        "inlined.h",
        "judge.h",
        "layout.h",
        "model.h",
        "names.h",
        "outputs.h",
        "places.h",
        "prints.h",
        "recurrent.h",
        "rows.h",
        "rules.h",
        "shared.h",
        "shim.h",
        "spread.h",
        "state.h",
        "tail.h",
        "types.h",
        "weights.h",
    ];
    for file in headers.iter().chain(SOURCES).chain(&[ROWS, HEADERS]) {
        println!("cargo:rerun-if-changed={}", shim.join(file).display());
    }
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let libraries = PathBuf::from(
        std::env::var_os("DEP_TCH_LIBTORCH_LIB")
            .expect("torch-sys found no libtorch; run ./setup.sh first"),
    );
    compile(&shim, &libraries);
    compile_rows(&shim, &libraries);
    compile_jpeg();
    // Before OpenBLAS in the order of symbols: libtorch's products must stay with its own BLAS and
    // its own threads, or two pools of threads wait for each other's cores.
    println!("cargo:rustc-link-search=native={}", libraries.display());
    println!("cargo:rustc-link-lib=dylib=torch_cpu");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libraries.display());
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
    }
}

fn compile(shim: &Path, libraries: &Path) {
    // Nothing here takes time when a model runs; libtorch's headers take it when this is compiled.
    let mut build = cpp(libraries);
    build.opt_level(1);
    precompile(&mut build, &shim.join(HEADERS));
    build.files(SOURCES.iter().map(|f| shim.join(f))).compile("repsim_shim");
}

/// Has a header compiled once and read first by all files, where the compiler is GCC; where that fails they
/// read its text.
fn precompile(build: &mut cc::Build, header: &Path) {
    let compiler = build.get_compiler();
    if !compiler.is_like_gnu() {
        return;
    }
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo gives a folder"));
    let text = folder.join(HEADERS);
    std::fs::copy(header, &text).expect("the folder can be written to");
    let mut command = compiler.to_command();
    command.args(["-x", "c++-header"]).arg(&text).arg("-o").arg(text.with_extension("h.gch"));
    if command.status().is_ok_and(|status| status.success()) {
        build.flag("-include").flag(text);
    }
}

fn compile_rows(shim: &Path, libraries: &Path) {
    cpp(libraries).opt_level(3).file(shim.join(ROWS)).compile("repsim_rows");
}

fn cpp(libraries: &Path) -> cc::Build {
    let include = libraries.with_file_name("include");
    let mut build = cc::Build::new();
    // Checks of libtorch's headers name their files: as the library calls them, wherever they lie here.
    build.flag_if_supported(format!("-ffile-prefix-map={}=torch/include", include.display()));
    build
        .cpp(true)
        .std("c++20")
        .warnings(false)
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        // As libtorch was built: some of its classes have more members without it.
        .define("NDEBUG", None)
        .debug(false)
        .include(&include)
        .include(include.join("torch/csrc/api/include"));
    build
}

/// `turbojpeg-sys` builds the library and links it into its crate.
fn compile_jpeg() {
    let source = "src/data/source/decode/jpeg.c";
    println!("cargo:rerun-if-changed={source}");
    let include =
        std::env::var_os("DEP_TURBOJPEG_INCLUDE").expect("turbojpeg-sys gives its headers");
    cc::Build::new().std("c11").include(include).file(source).compile("repsim_jpeg");
}
