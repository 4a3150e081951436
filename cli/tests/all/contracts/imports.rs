//! No import circle between the modules of a crate.
//!
//! A module and the modules inside it are one unit and may use each other. An import from one unit to another counts
//! for the whole units, so `a::x` → `b` and `b::y` → `a` are a circle of `a` and `b`. A name that a parent re-exports
//! counts as an import of the module that defines it.

use super::folders::{files, root, text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module by its path in the crate; the crate's root has no parts.
type Module = Vec<String>;

#[test]
fn modules_of_a_crate_do_not_import_each_other_in_a_circle() {
    for folder in ["shared/stats", "shared/domain", "shared", "cli"] {
        let circles = circles(&imports(&root().join(folder).join("src")));
        assert!(circles.is_empty(), "{folder}: {}", circles.join("; "));
    }
    let functions = root().join("functions");
    for function in std::fs::read_dir(functions).unwrap() {
        let folder = function.unwrap().path();
        let circles = circles(&imports(&folder.join("src")));
        assert!(
            circles.is_empty(),
            "{}: {}",
            folder.display(),
            circles.join("; ")
        );
    }
}

#[test]
fn a_circle_is_found_and_a_child_that_uses_its_parent_is_not_a_circle() {
    let edge = |from: &str, to: &str| {
        let path = |text: &str| text.split("::").map(str::to_owned).collect::<Module>();
        (path(from), path(to))
    };
    let graph = |edges: &[(Module, Module)]| {
        let mut graph = BTreeMap::<Module, BTreeSet<Module>>::new();
        for (from, to) in edges {
            graph.entry(from.clone()).or_default().insert(to.clone());
        }
        graph
    };
    let circle = [
        edge("a", "b"),
        edge("b", "c"),
        edge("c", "a"),
        edge("d", "a"),
    ];
    assert_eq!(circles(&graph(&circle)), ["a, b, c"]);
    assert!(circles(&graph(&circle[..2])).is_empty());
    let (from, to) = edge("a::x::y", "a::z");
    assert_eq!(units(&from, &to), Some(edge("a::x", "a::z")));
    assert_eq!(units(&from, &edge("a", "a").0), None);
}

/// Which units each unit imports.
fn imports(src: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let sources: BTreeMap<Module, String> = files(src, "rs")
        .into_iter()
        .filter_map(|file| {
            let path = file.strip_prefix(src).unwrap().with_extension("");
            let mut module: Module = path
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            if module.contains(&"tests".to_owned()) || module == ["main"] {
                return None;
            }
            if module == ["lib"] {
                module.clear();
            }
            Some((module, code(&text(&file))))
        })
        .collect();
    let modules: BTreeSet<Module> = sources.keys().cloned().collect();
    let exports: BTreeMap<(Module, String), Module> = sources
        .iter()
        .flat_map(|(module, source)| {
            paths(source).into_iter().filter_map(|path| {
                let target = module_of(&modules, module, &path)?;
                Some(((module.clone(), path.last()?.clone()), target))
            })
        })
        .collect();
    let mut imports = BTreeMap::<Module, BTreeSet<Module>>::new();
    for (module, source) in &sources {
        for path in paths(source) {
            let Some(mut target) = module_of(&modules, module, &path) else {
                continue;
            };
            // A name that this module re-exports comes from another one.
            while let Some(name) = path.last()
                && let Some(origin) = exports.get(&(target.clone(), name.clone()))
                && *origin != target
                && origin.starts_with(&target)
            {
                target.clone_from(origin);
            }
            if let Some((from, to)) = units(module, &target) {
                imports.entry(from).or_default().insert(to);
            }
        }
    }
    imports
}

/// The largest units that contain one of two modules and not the other; none for a module and one inside it.
fn units(one: &Module, other: &Module) -> Option<(Module, Module)> {
    let common = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let unit = |module: &Module| module.get(..=common).map(<[String]>::to_vec);
    Some((unit(one)?, unit(other)?))
}

/// The source without comments and without unit tests at its end.
fn code(source: &str) -> String {
    let source = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = source.lines().map(|line| {
        let line = line.trim();
        if line.starts_with("//") { "" } else { line }
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// All paths that begin with `crate`, `super` or `self`, or occur in a `use`, with braces written out.
fn paths(source: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for statement in source.split(';') {
        let Some(start) = ["pub use ", "pub(crate) use ", "pub(super) use ", "use "]
            .iter()
            .filter_map(|keyword| Some((statement.rfind(keyword)?, keyword.len())))
            .min()
        else {
            continue;
        };
        let import = &statement[start.0 + start.1..];
        if import.contains('(') || import.contains('=') {
            continue;
        }
        expand(&[], import, &mut paths);
    }
    for start in ["crate::", "super::"] {
        for (at, _) in source.match_indices(start) {
            let path: String = source[at..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
                .collect();
            let parts = path.split("::").filter(|part| !part.is_empty());
            paths.push(parts.map(str::to_owned).collect());
        }
    }
    paths
}

fn expand(prefix: &[String], import: &str, paths: &mut Vec<Vec<String>>) {
    let import = import.trim();
    if let Some(open) = import.find('{') {
        let mut start = prefix.to_vec();
        let parts = import[..open].split("::").map(str::trim);
        start.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
        let inner = import[open + 1..].trim_end().trim_end_matches('}');
        let mut depth = 0;
        let mut item = String::new();
        for c in inner.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&start, &item, paths);
                    item.clear();
                    continue;
                }
                _ => {}
            }
            item.push(c);
        }
        if !item.trim().is_empty() {
            expand(&start, &item, paths);
        }
        return;
    }
    let name = import.split(" as ").next().unwrap_or_default();
    let mut path = prefix.to_vec();
    path.extend(name.split("::").map(|part| part.trim().to_owned()));
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    paths.push(path);
}

/// The module that a path names: the longest prefix of the path that is a module of the crate.
fn module_of(modules: &BTreeSet<Module>, from: &Module, path: &[String]) -> Option<Module> {
    let (mut base, mut rest) = match path.first()?.as_str() {
        "crate" => (Module::new(), &path[1..]),
        "self" => (from.clone(), &path[1..]),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let kept = from.len().checked_sub(ups)?;
            (from[..kept].to_vec(), &path[ups..])
        }
        child => {
            let mut module = from.clone();
            module.push(child.to_owned());
            if !modules.contains(&module) {
                return None;
            }
            (module, &path[1..])
        }
    };
    while let Some((next, others)) = rest.split_first() {
        let mut deeper = base.clone();
        deeper.push(next.clone());
        if !modules.contains(&deeper) {
            break;
        }
        (base, rest) = (deeper, others);
    }
    modules.contains(&base).then_some(base)
}

/// The sets of modules that reach each other.
fn circles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let reached = |from: &Module| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(module) = open.pop() {
            for next in imports.get(&module).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached
    };
    let all: BTreeMap<&Module, BTreeSet<Module>> = imports
        .keys()
        .map(|module| (module, reached(module)))
        .collect();
    let mut circles = BTreeSet::new();
    for (module, reach) in &all {
        let circle: BTreeSet<String> = reach
            .iter()
            .filter(|other| all.get(other).is_some_and(|back| back.contains(*module)))
            .map(|module| module.join("::"))
            .collect();
        if !circle.is_empty() {
            circles.insert(circle.into_iter().collect::<Vec<_>>().join(", "));
        }
    }
    circles.into_iter().collect()
}
