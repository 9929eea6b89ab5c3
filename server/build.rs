//! Prepares the assets that the binary carries: joins the stylesheets, hashes names, compresses in release builds.
//!
//! `EARSHOT_SITE` names a directory that `cargo xtask` filled with minified files and the wasm; a file there stands before the
//! plain source. Without it (`cargo test`, `cargo clippy`) the sources are used and there is no wasm.

#![expect(clippy::disallowed_methods, reason = "the environment is how Cargo talks to a build script")]

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Stylesheet bundles: name, and the files of `style/` in order.
fn bundle(style: &Path, list: &str) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for line in fs::read_to_string(style.join(list))?.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        out.extend(fs::read(style.join(line)).map_err(|e| format!("style/{line}: {e}"))?);
        out.push(b'\n');
    }
    Ok(out)
}

fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("html") => "text/html; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn compress(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut brotli = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &bytes[..], &mut brotli, &params)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes)?;
    Ok((brotli, gzip.finish()?))
}

fn main() -> Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let release = env::var("PROFILE")? == "release";
    let site = env::var("EARSHOT_SITE").ok().map(PathBuf::from);
    println!("cargo::rerun-if-env-changed=EARSHOT_SITE");
    for watched in ["style", "public", "migrations"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    if let Some(site) = &site {
        println!("cargo::rerun-if-changed={}", site.display());
    }

    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for list in ["console", "respond", "portal"] {
        files.push((format!("{list}.css"), bundle(&root.join("style"), &format!("{list}.list"))?));
    }
    for entry in fs::read_dir(root.join("public"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
        }
    }
    if let Some(site) = &site {
        for entry in fs::read_dir(site)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.retain(|(n, _)| *n != name);
            files.push((name, fs::read(entry.path())?));
        }
    }
    files.sort();

    let mut code = String::from("/// Every file, by name.\npub static ASSETS: &[Asset] = &[\n");
    for (name, bytes) in &files {
        let hash: String = Sha256::digest(bytes).iter().take(6).fold(String::new(), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        });
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "bin"));
        let (brotli, gzip) = if release { compress(bytes)? } else { (Vec::new(), Vec::new()) };
        for (suffix, content) in [("raw", bytes), ("br", &brotli), ("gz", &gzip)] {
            fs::write(out.join(format!("{name}.{suffix}")), content)?;
        }
        let file = |suffix: &str| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.{suffix}\"))");
        writeln!(
            code,
            "    Asset {{ name: {name:?}, hashed: \"{stem}.{hash}.{ending}\", mime: {:?}, raw: {}, brotli: {}, gzip: {} }},",
            mime(name),
            file("raw"),
            file("br"),
            file("gz")
        )?;
    }
    code.push_str("];\n");
    fs::write(out.join("assets.rs"), code)?;
    Ok(())
}
