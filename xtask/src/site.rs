//! The browser part: wasm, its JavaScript glue and the minified scripts and styles, in the directory that the server embeds.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use wasm_bindgen_cli_support::Bindgen;

use crate::{
    Result, npm,
    paths::Paths,
    process::{capture, cargo, run, step, which},
};

const TARGET: &str = "wasm32-unknown-unknown";
/// The name of the wasm-bindgen output: `earshot.js` and `earshot_bg.wasm`.
const NAME: &str = "earshot";

/// Builds everything into [`Paths::site`]. With `reload`, pages reload once a program with other files serves them.
pub fn build(paths: &Paths, release: bool, reload: bool) -> Result<()> {
    ensure_target(paths)?;
    let profile = if release { "wasm-release" } else { "dev" };
    step(&format!("building the console's wasm ({profile})"), || {
        let mut build = cargo(paths);
        build.args(["build", "--package", "earshot-app-wasm", "--lib", "--target", TARGET, "--profile", profile]);
        run(&mut build)
    })?;
    let dir = if release { "wasm-release" } else { "debug" };
    let wasm = paths.target.join(TARGET).join(dir).join("app_wasm.wasm");
    let site = paths.site(release);
    let fresh = paths.target.join("site").join(if release { "release.new" } else { "debug.new" });
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    step("generating wasm bindings (wasm-bindgen)", || {
        let mut bindgen = Bindgen::new();
        bindgen.input_path(&wasm).out_name(NAME).typescript(false).omit_default_module_path(true);
        bindgen.remove_name_section(release).remove_producers_section(release);
        bindgen.web(true).and_then(|b| b.generate(&fresh)).map_err(|e| format!("wasm-bindgen: {e:#}"))?;
        Ok(())
    })?;
    if release {
        match npm::ensure(paths)? {
            true => minify(paths, &fresh)?,
            false => eprintln!("  no Node.js: scripts, styles and wasm are not minified"),
        }
    }
    if reload {
        add_reload(paths, &fresh)?;
    }
    replace_changed(&fresh, &site)?;
    fs::remove_dir_all(&fresh)?;
    Ok(())
}

/// Installs the wasm target of the current toolchain if it is missing.
pub fn ensure_target(paths: &Paths) -> Result<()> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(&paths.root).args(["--print", "target-libdir", "--target", TARGET]);
    if capture(&mut rustc).is_ok_and(|dir| Path::new(dir.trim()).is_dir()) {
        return Ok(());
    }
    if which("rustup").is_none() {
        return Err(format!(
            "Rust's {TARGET} target is missing, and rustup is not available: install the target the same way you installed Rust"
        )
        .into());
    }
    step("fetching Rust's wasm target (rustup)", || run(Command::new("rustup").current_dir(&paths.root).args(["target", "add", TARGET])))
}

/// wasm-opt for the wasm, esbuild for scripts and the two joined stylesheets.
fn minify(paths: &Paths, fresh: &Path) -> Result<()> {
    step("minifying wasm, scripts and styles (wasm-opt, esbuild)", || {
        let wasm = fresh.join(format!("{NAME}_bg.wasm"));
        let features = ["--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext", "--enable-mutable-globals"];
        let mut opt = npm::tool(paths, "wasm-opt")?;
        opt.args(["-Oz", "--strip-debug", "--strip-producers", "--enable-reference-types", "--enable-multivalue"]);
        capture(opt.args(features).arg(&wasm).arg("-o").arg(&wasm))?;

        for list in ["console", "respond", "portal"] {
            fs::write(fresh.join(format!("{list}.css")), stylesheet(&paths.root.join("style"), list)?)?;
        }
        for entry in fs::read_dir(paths.root.join("public"))? {
            let file = entry?.path();
            if file.extension() == Some(OsStr::new("js")) {
                fs::copy(&file, fresh.join(file.file_name().unwrap_or_default()))?;
            }
        }
        for entry in fs::read_dir(fresh)? {
            let file = entry?.path();
            if !matches!(file.extension().and_then(OsStr::to_str), Some("js" | "css")) {
                continue;
            }
            let mut esbuild = npm::tool(paths, "esbuild")?;
            let out = format!("--outfile={}", file.display());
            capture(esbuild.arg(&file).args(["--minify", "--allow-overwrite", "--charset=utf8", "--legal-comments=none", &out]))?;
        }
        Ok(())
    })
}

/// Adds a check to the two entry scripts: if the script's own URL, which contains a hash, no longer exists, the program was rebuilt.
fn add_reload(paths: &Paths, fresh: &Path) -> Result<()> {
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    for (name, own_url) in [("console.js", "import.meta.url"), ("survey.js", "document.currentScript.src")] {
        let built = fresh.join(name);
        let source = if built.exists() { built.clone() } else { paths.root.join("public").join(name) };
        if source.exists() {
            let look = "fetch(url, { cache: 'no-store' }).then((r) => r.status === 404 && location.reload(), () => {})";
            let script =
                format!("{}\n{{ const url = {own_url}; setInterval(() => {look}, 700); /* {stamp} */ }}\n", fs::read_to_string(&source)?);
            fs::write(built, script)?;
        }
    }
    Ok(())
}

/// The files of `style/NAME.list`, concatenated.
pub fn stylesheet(style: &Path, list: &str) -> Result<String> {
    let mut out = String::new();
    for name in listed(style, list)? {
        out.push_str(&fs::read_to_string(style.join(&name)).map_err(|e| format!("style/{name}: {e}"))?);
        out.push('\n');
    }
    Ok(out)
}

/// The file names of `style/NAME.list`.
pub fn listed(style: &Path, list: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(style.join(format!("{list}.list")))?;
    Ok(text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect())
}

/// Makes `to` equal to `from`, but does not touch identical files, so that cargo detects no change.
fn replace_changed(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let read = |dir: &Path| -> Result<BTreeMap<_, _>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                files.insert(entry.file_name(), fs::read(entry.path())?);
            }
        }
        Ok(files)
    };
    let (new, old) = (read(from)?, read(to)?);
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        fs::remove_file(to.join(name))?;
    }
    for (name, bytes) in new.iter().filter(|(name, bytes)| old.get(*name) != Some(bytes)) {
        fs::write(to.join(name), bytes)?;
    }
    Ok(())
}
