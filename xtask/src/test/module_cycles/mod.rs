//! Cycles of modules: siblings in one folder that use each other, directly or through others.
//!
//! A module and its own submodules are not compared: a parent offers what its children contain, and children share what it defines. Calls of
//! methods are not followed: where a method is defined shows only in its type.

mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use self::source::{SourceFile, WrittenPath};
use crate::{Result, paths::files_below};

/// A module: its names from the root of the crate.
type Module = Vec<String>;

/// The modules of a crate, and the names that each imports.
#[derive(Default)]
struct Crate {
    modules: BTreeSet<Module>,
    imports: BTreeMap<Module, BTreeMap<String, Module>>,
}

/// Where a module uses another: file and line.
type Place = (String, usize);

/// The uses between siblings: folder, user, used → the first place.
type Uses = BTreeMap<(Module, String, String), Place>;

/// Returns the cycles in the sources below `src`, one message for each. Places are given relative to `root`.
///
/// # Errors
/// When a file cannot be read.
pub fn cycles(src: &Path, root: &Path) -> Result<Vec<String>> {
    let mut read = Vec::new();
    for file in files_below(src, "rs")? {
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        read.push((shown, module_of(file.strip_prefix(src)?), source::read(&fs::read_to_string(&file)?)));
    }
    if read.is_empty() {
        return Err(format!("{} has no sources", src.display()).into());
    }
    Ok(describe(&uses(&read)))
}

/// The module that a file holds, by its place below `src`.
fn module_of(file: &Path) -> Module {
    let mut names: Module = file.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.len() == 1 && matches!(names[0].as_str(), "lib" | "main") || names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// The uses between siblings in all folders.
fn uses(files: &[(String, Module, SourceFile)]) -> Uses {
    let tests: BTreeSet<Module> =
        files.iter().flat_map(|(_, module, file)| file.test_modules.iter().map(|name| child(module, name))).collect();
    let files: Vec<_> = files.iter().filter(|(_, module, _)| !tests.iter().any(|test| module.starts_with(test))).collect();
    let mut of = Crate::default();
    for (_, module, _) in &files {
        of.modules.extend((1..=module.len()).map(|n| module[..n].to_vec()));
    }
    for (_, module, file) in &files {
        for path in &file.paths {
            let module = [module.as_slice(), &path.inside].concat();
            if let (Some(name), Some(target)) = (&path.name, of.absolute(&module, path)) {
                of.imports.entry(module).or_default().insert(name.clone(), target);
            }
        }
    }
    let mut uses = Uses::new();
    for (shown, module, file) in &files {
        for path in &file.paths {
            let Some(target) = of.absolute(&[module.as_slice(), &path.inside].concat(), path).map(|path| of.resolve(path)) else {
                continue;
            };
            let common = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
            if let (Some(user), Some(used)) = (module.get(common), target.get(common)) {
                let key = (module[..common].to_vec(), user.clone(), used.clone());
                uses.entry(key).or_insert_with(|| (shown.clone(), path.line));
            }
        }
    }
    uses
}

fn child(module: &[String], name: &str) -> Module {
    [module, &[name.to_owned()]].concat()
}

impl Crate {
    /// The path from the root of the crate; `None` for a path into another crate.
    fn absolute(&self, module: &[String], path: &WrittenPath) -> Option<Module> {
        let (first, mut rest) = path.segments.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module.split_last()?.1.to_vec(),
            name if self.modules.contains(&child(module, name)) => child(module, name),
            name if path.name.is_none() => self.imports.get(module)?.get(name)?.clone(),
            _ => return None,
        };
        while let Some((_, more)) = rest.split_first().filter(|(next, _)| *next == "super") {
            base.pop()?;
            rest = more;
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The module in which the item of a path is defined. Follows what modules on the way import from others.
    fn resolve(&self, mut path: Module) -> Module {
        // Imports in a circle do not compile; the bound is for texts that do not.
        for _ in 0..16 {
            let known = (0..=path.len()).rev().find(|n| *n == 0 || self.modules.contains(&path[..*n])).unwrap_or_default();
            let imported = path.get(known).and_then(|name| self.imports.get(&path[..known])?.get(name));
            match imported {
                Some(target) if *target != path[..=known] => path = [target, &path[known + 1..]].concat(),
                _ => return path[..known].to_vec(),
            }
        }
        path
    }
}

/// One message for each group of modules that all reach each other.
fn describe(uses: &Uses) -> Vec<String> {
    let mut messages = Vec::new();
    let folders: BTreeSet<&Module> = uses.keys().map(|(folder, _, _)| folder).collect();
    for folder in folders {
        let edges: Vec<_> = uses.iter().filter(|((of, _, _), _)| of == folder).collect();
        let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for ((_, user, _), _) in &edges {
            let (mut seen, mut next) = (BTreeSet::new(), vec![user.as_str()]);
            while let Some(from) = next.pop() {
                let used = edges.iter().filter(|((_, user, _), _)| user == from).map(|((_, _, used), _)| used.as_str());
                next.extend(used.filter(|used| seen.insert(*used)));
            }
            reached.insert(user, seen);
        }
        let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|seen| seen.contains(to));
        let mut told = BTreeSet::new();
        for module in reached.keys().filter(|module| reaches(module, module)) {
            let group: Vec<&str> = reached.keys().copied().filter(|other| reaches(module, other) && reaches(other, module)).collect();
            if !told.insert(group.clone()) {
                continue;
            }
            let folder = folder.iter().map(|name| format!("{name}::")).collect::<String>();
            let mut message =
                format!("the modules {} use each other:", group.iter().map(|m| format!("{folder}{m}")).collect::<Vec<_>>().join(", "));
            for ((_, user, used), (file, line)) in &edges {
                if group.contains(&user.as_str()) && group.contains(&used.as_str()) {
                    message.push_str(&format!("\n    {file}:{line}: {user} uses {used}"));
                }
            }
            messages.push(message);
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages for a crate of these files.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let read: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), module_of(Path::new(name)), source::read(text))).collect();
        describe(&uses(&read))
    }

    #[test]
    fn two_modules_that_use_each_other_are_a_cycle() {
        let messages = found(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "\nfn f(x: super::a::A) {}"),
            ("c.rs", "use crate::a;"),
        ]);
        assert_eq!(messages, ["the modules a, b use each other:\n    a.rs:1: a uses b\n    b.rs:2: b uses a"]);
    }

    #[test]
    fn a_cycle_through_others_is_one_cycle() {
        let messages = found(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a/mod.rs", "mod x;"),
            ("a/x.rs", "use crate::b;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use crate::{a::A, d};"),
            ("d.rs", "fn f() {}"),
        ]);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].starts_with("the modules a, b, c use each other:\n    a/x.rs:1: a uses b\n"), "{}", messages[0]);
        assert!(!messages[0].contains("uses d"), "{}", messages[0]);
    }

    #[test]
    fn modules_of_one_folder_are_compared() {
        let files = [("lib.rs", "mod a;"), ("a/mod.rs", "mod x; mod y;"), ("a/x.rs", "use super::y;"), ("a/y.rs", "use super::x::X;")];
        assert_eq!(found(&files), ["the modules a::x, a::y use each other:\n    a/x.rs:1: x uses y\n    a/y.rs:1: y uses x"]);
        let beside = [("lib.rs", "mod a;"), ("a.rs", "mod x; mod y;"), ("a/x.rs", "use super::y;"), ("a/y.rs", "use super::x::X;")];
        assert_eq!(found(&beside).len(), 1);
    }

    #[test]
    fn names_are_followed_to_the_module_that_defines_them() {
        let through = |parent: &str| {
            found(&[("lib.rs", "mod a;"), ("a/mod.rs", parent), ("a/x.rs", "use super::Y;"), ("a/y.rs", "fn f() { super::x::g() }")])
        };
        assert_eq!(through("mod x; mod y; pub use y::Y;").len(), 1);
        assert_eq!(through("mod x; mod y; pub use self::y::Z as Y;").len(), 1);
        assert_eq!(through("mod x; mod y; struct Y;"), [""; 0]);
        assert_eq!(through("mod x; mod y; use other::y::Y;"), [""; 0]);
        let by_module =
            [("lib.rs", "mod a; mod b;"), ("a.rs", "use super::Root;"), ("b.rs", "use crate::a::A;"), ("main.rs", "use b::Root;")];
        assert_eq!(found(&by_module).len(), 1);
    }

    #[test]
    fn parents_tests_and_other_crates_are_no_cycle() {
        assert_eq!(
            found(&[
                ("lib.rs", "mod a; use a::A;"),
                ("a/mod.rs", "mod x; pub use x::X; struct A;"),
                ("a/x.rs", "use super::A; use crate::Y;")
            ]),
            [""; 0]
        );
        let tested = [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b;"), ("b.rs", "#[cfg(test)] mod tests { use crate::a; }")];
        assert_eq!(found(&tested), [""; 0]);
        let in_a_file = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b;"),
            ("b/mod.rs", "#[cfg(test)] mod tests;"),
            ("b/tests.rs", "use crate::a;"),
        ];
        assert_eq!(found(&in_a_file), [""; 0]);
        let elsewhere = [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b;"), ("b.rs", "use domain::a; use a::b::c;")];
        assert_eq!(found(&elsewhere), [""; 0]);
    }
}
