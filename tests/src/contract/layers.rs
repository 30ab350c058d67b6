//! Dependencies between files: a module only uses modules below it, and there are no cycles between files.
//!
//! A file depends on another if it names something defined there, in a `use` or a path, through any number of re-exports.
//! Methods do not count, so that several files of a module can add methods to one type. Code compiled only for tests does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemUse, Macro, UseTree, VisRestricted};

use super::{root, sources};

/// A crate and its modules, lowest first: the folders and files in `src`. Without modules, only cycles are checked.
struct House {
    folder: &'static str,
    layers: &'static [&'static str],
}

/// Add new modules here, at their level.
const HOUSES: [House; 2] = [
    House { folder: "shared/core", layers: &["base", "domain"] },
    House { folder: "shared", layers: &["settings", "cloud", "store", "app", "stripe", "work", "http"] },
];

/// A name in use, in the segments in which it is written.
#[derive(Clone, Debug)]
struct Named {
    path: Vec<String>,
    line: usize,
}

/// What a `use` imports: the last segment or the alias; `*` for everything.
#[derive(Clone, Debug)]
struct Import {
    alias: String,
    named: Named,
}

/// What was read from one file.
#[derive(Default)]
struct Said {
    imports: Vec<Import>,
    paths: Vec<Named>,
    items: BTreeSet<String>,
    /// Modules that exist only for tests.
    of_tests: BTreeSet<String>,
    /// The current nesting depth of inline modules.
    depth: usize,
}

/// A dependency of one file on another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: String,
    line: usize,
    name: String,
    to: String,
}

impl std::fmt::Display for Arrow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{} names {}, which is in {}", self.from, self.line, self.name, self.to)
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        meta => meta.path().is_ident("test"),
    })
}

impl Said {
    fn read(file: &str, source: &str) -> Self {
        let parsed = syn::parse_file(source).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut said = Self::default();
        for item in &parsed.items {
            let name = match item {
                syn::Item::Const(item) => &item.ident,
                syn::Item::Enum(item) => &item.ident,
                syn::Item::Fn(item) => &item.sig.ident,
                syn::Item::Static(item) => &item.ident,
                syn::Item::Struct(item) => &item.ident,
                syn::Item::Trait(item) => &item.ident,
                syn::Item::Type(item) => &item.ident,
                _ => continue,
            };
            said.items.insert(name.to_string());
        }
        said.visit_file(&parsed);
        said
    }

    fn name(&mut self, path: Vec<String>, line: usize) {
        // In an inline module, the first `super` is the file itself.
        let inner = path.iter().take_while(|segment| *segment == "super").count().min(self.depth);
        let path = path[inner..].to_vec();
        if path.len() > 1 {
            self.paths.push(Named { path, line });
        }
    }

    fn import(&mut self, before: &[String], tree: &UseTree, line: usize) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        let (path, alias) = match tree {
            UseTree::Path(path) => return self.import(&with(path.ident.to_string()), &path.tree, line),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(before, tree, tree.span().start().line));
            }
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned().unwrap_or_default()),
            UseTree::Name(name) => (with(name.ident.to_string()), name.ident.to_string()),
            UseTree::Rename(rename) => (with(rename.ident.to_string()), rename.rename.to_string()),
            UseTree::Glob(_) => (before.to_vec(), "*".to_owned()),
        };
        self.imports.push(Import { alias, named: Named { path, line } });
    }

    /// Collects the paths in a macro's arguments.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) if !path.is_empty() && colons == 2 => {
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.name(std::mem::take(&mut path), line);
                    colons = 0;
                    match other {
                        TokenTree::Ident(ident) => (path, line) = (vec![ident.to_string()], ident.span().start().line),
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                    }
                }
            }
        }
        self.name(path, line);
    }
}

impl<'ast> Visit<'ast> for Said {
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if is_for_tests(&module.attrs) {
            self.of_tests.insert(module.ident.to_string());
        } else if module.content.is_some() {
            self.depth += 1;
            visit::visit_item_mod(self, module);
            self.depth -= 1;
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.import(&[], &item.tree, item.span().start().line);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.name(path.segments.iter().map(|segment| segment.ident.to_string()).collect(), path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.tokens(call.tokens.clone());
    }
}

/// The module path of a file, relative to the crate's root.
fn module_of(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// A crate's files by module path, each with its name below `src` and what was read from it.
struct Crate(BTreeMap<Vec<String>, (String, Said)>);

impl Crate {
    fn new(sources: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut files: BTreeMap<_, _> =
            sources.into_iter().map(|(file, source)| (module_of(&file), (file.clone(), Said::read(&file, &source)))).collect();
        let of_tests: Vec<Vec<String>> = files
            .iter()
            .flat_map(|(module, (_, said))| said.of_tests.iter().map(|name| module.iter().cloned().chain([name.clone()]).collect()))
            .collect();
        files.retain(|module, _| !of_tests.iter().any(|test| module.starts_with(test)));
        Self(files)
    }

    /// The module that defines what a path names; `None` if it is in another crate.
    fn find(&self, from: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        assert!(depth < 40, "{path:?} is a circular re-export");
        let first = path.first()?;
        let mut at: Vec<String> = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from.get(..from.len().checked_sub(1)?)?.to_vec(),
            name => {
                let child: Vec<String> = from.iter().cloned().chain([name.to_owned()]).collect();
                if self.0.contains_key(&child) {
                    child
                } else {
                    // A module imported by a `use` in this file.
                    let import = self.0.get(from)?.1.imports.iter().find(|import| import.alias == name && import.named.path[0] != name)?;
                    let known: Vec<String> = import.named.path.iter().chain(&path[1..]).cloned().collect();
                    return self.find(from, &known, depth + 1);
                }
            }
        };
        let mut rest = path[1..].iter().peekable();
        while let Some(name) = rest.peek() {
            if name.as_str() == "super" {
                at.pop();
            } else {
                let below: Vec<String> = at.iter().cloned().chain([(*name).clone()]).collect();
                if !self.0.contains_key(&below) {
                    break;
                }
                at = below;
            }
            rest.next();
        }
        let said = &self.0.get(&at)?.1;
        let Some(name) = rest.next() else { return Some(at) };
        if said.items.contains(name) {
            return Some(at);
        }
        let handed_on = said.imports.iter().find(|import| import.alias == *name && (at != from || import.named.path != path));
        if let Some(import) = handed_on {
            // What the root passes on from another crate is in that crate.
            return self.find(&at, &import.named.path, depth + 1).or((!at.is_empty()).then_some(at));
        }
        let all =
            said.imports.iter().filter(|import| import.alias == "*").filter_map(|import| self.find(&at, &import.named.path, depth + 1));
        let mut holders = all.filter(|module| self.0[module].1.items.contains(name));
        Some(holders.next().unwrap_or(at))
    }

    /// Every place where a file names something in another file.
    fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (module, (file, said)) in &self.0 {
            for named in said.imports.iter().map(|import| &import.named).chain(&said.paths) {
                let Some(target) = self.find(module, &named.path, 0).filter(|target| target != module) else { continue };
                let name = named.path.join("::");
                arrows.insert(Arrow { from: file.clone(), line: named.line, name, to: self.0[&target].0.clone() });
            }
        }
        arrows
    }
}

/// The dependencies on a module above. The root of the crate is above all modules.
fn going_up(arrows: &BTreeSet<Arrow>, layers: &[&str]) -> Vec<String> {
    let floor = |file: &str| {
        let layer = file.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        match layer {
            "lib" => layers.len(),
            _ => layers.iter().position(|one| *one == layer).unwrap_or_else(|| panic!("{file} is in no layer: add it to one")),
        }
    };
    arrows.iter().filter(|arrow| floor(&arrow.to) > floor(&arrow.from)).map(|arrow| format!("{arrow}, a higher layer")).collect()
}

/// The shortest cycle through each file that is in one.
fn circles(arrows: &BTreeSet<Arrow>) -> Vec<String> {
    let mut found: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    let mut told = Vec::new();
    for start in arrows.iter().map(|arrow| arrow.from.as_str()).collect::<BTreeSet<_>>() {
        // The arrow by which each file was first reached.
        let mut by: BTreeMap<&str, &Arrow> = BTreeMap::new();
        let mut next = vec![start];
        while !by.contains_key(start) && !next.is_empty() {
            let mut further = Vec::new();
            for arrow in arrows.iter().filter(|arrow| next.contains(&arrow.from.as_str())) {
                if !by.contains_key(arrow.to.as_str()) {
                    by.insert(&arrow.to, arrow);
                    further.push(arrow.to.as_str());
                }
            }
            next = further;
        }
        let Some(mut arrow) = by.get(start).copied() else { continue };
        let mut circle = vec![arrow];
        while arrow.from != start {
            arrow = by[arrow.from.as_str()];
            circle.push(arrow);
        }
        if found.insert(circle.iter().map(|arrow| arrow.from.as_str()).collect()) {
            let lines: Vec<String> = circle.iter().rev().map(|arrow| format!("  {arrow}")).collect();
            told.push(format!("a circle:\n{}", lines.join("\n")));
        }
    }
    told
}

/// The faults of a crate, and its number of dependencies.
fn faults(sources: impl IntoIterator<Item = (String, String)>, layers: &[&str]) -> (Vec<String>, usize) {
    let arrows = Crate::new(sources).arrows();
    let mut faults = if layers.is_empty() { Vec::new() } else { going_up(&arrows, layers) };
    faults.extend(circles(&arrows));
    (faults, arrows.len())
}

fn of_folder(folder: &str) -> Vec<(String, String)> {
    let src = format!("{folder}/src");
    let base = root().join(&src);
    let below = |path: &Path| path.strip_prefix(&base).expect("it is below").to_str().expect("names are text").to_owned();
    // A function's program is a separate crate that knows the library by its name.
    sources(&src).into_iter().map(|(path, source)| (below(&path), source)).filter(|(file, _)| file != "main.rs").collect()
}

#[test]
fn layers_only_use_lower_ones_and_files_form_no_cycle() {
    for house in HOUSES {
        let (faults, arrows) = faults(of_folder(house.folder), house.layers);
        eprintln!("{}: {arrows} names of other files, {} faults", house.folder, faults.len());
        assert!(arrows > 20, "{} was not read", house.folder);
        assert!(faults.is_empty(), "{}:\n{}", house.folder, faults.join("\n"));
    }
}

#[test]
fn the_files_of_a_function_form_no_cycle() {
    let mut told = Vec::new();
    let mut all = 0;
    for entry in std::fs::read_dir(root().join("functions")).expect("the folder is there") {
        let folder = format!("functions/{}", entry.expect("it can be read").file_name().to_str().expect("names are text"));
        let (faults, arrows) = faults(of_folder(&folder), &[]);
        all += arrows;
        told.extend(faults.into_iter().map(|fault| format!("{folder}: {fault}")));
    }
    assert!(all > 20, "the functions were not read");
    assert!(told.is_empty(), "{}", told.join("\n"));
}

mod itself {
    use super::faults;

    fn found(files: &[(&str, &str)], layers: &[&str]) -> Vec<String> {
        faults(files.iter().map(|(file, source)| ((*file).to_owned(), (*source).to_owned())), layers).0
    }

    const BELOW: (&str, &str) = ("below/mod.rs", "mod thing; pub use thing::Thing;");
    const THING: (&str, &str) = ("below/thing.rs", "pub struct Thing;");
    const LIB: (&str, &str) = ("lib.rs", "mod above; mod below;");

    #[test]
    fn a_name_from_below_is_fine() {
        let above = ("above.rs", "use crate::below::Thing; fn make() -> Thing { crate::below::Thing }");
        assert_eq!(found(&[LIB, BELOW, THING, above], &["below", "above"]), Vec::<String>::new());
    }

    #[test]
    fn a_name_from_above_is_reported_with_its_place() {
        let above = ("above.rs", "pub fn help() {}");
        for (source, line, name) in [
            ("use crate::above::help;\npub struct Thing;", 1, "crate::above::help"),
            ("pub struct Thing;\nfn f() { crate::above::help() }", 2, "crate::above::help"),
            ("pub struct Thing;\nfn f() { println!(\"{:?}\", super::super::above::help()) }", 2, "super::super::above::help"),
            ("use crate::above;\npub struct Thing;\nfn f() { above::help() }", 1, "crate::above"),
            ("pub struct Thing;\nmod inner {\nuse super::super::super::above::help;\n}", 3, "super::super::super::above::help"),
        ] {
            let faults = found(&[LIB, BELOW, ("below/thing.rs", source), above], &["below", "above"]);
            let wanted = format!("below/thing.rs:{line} names {name}, which is in above.rs, a higher layer");
            assert!(faults.contains(&wanted), "{source}: {faults:?}");
        }
    }

    #[test]
    fn a_cycle_through_a_re_export_is_reported() {
        let other = ("below/other.rs", "use super::Thing; pub struct Other(Thing);");
        let thing = ("below/thing.rs", "use super::other::Other;\npub struct Thing(Box<Other>);");
        let faults = found(&[LIB, BELOW, other, thing], &[]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("below/thing.rs:1 names super::other::Other, which is in below/other.rs"), "{faults:?}");
        assert!(faults[0].contains("below/other.rs:1 names super::Thing, which is in below/thing.rs"), "{faults:?}");
    }

    #[test]
    fn a_folder_that_defines_what_its_files_use_is_a_cycle() {
        let below = ("below/mod.rs", "mod thing; pub use thing::Thing; pub struct Part;");
        let thing = ("below/thing.rs", "use super::Part; pub struct Thing(Part);");
        assert_eq!(found(&[LIB, below, thing], &[]).len(), 1);
    }

    #[test]
    fn code_for_tests_does_not_count() {
        let thing = ("below/thing.rs", "pub struct Thing; #[cfg(test)] mod tests { use crate::above::help; }");
        let above = ("above.rs", "pub fn help() {}");
        assert_eq!(found(&[LIB, BELOW, thing, above], &["below", "above"]), Vec::<String>::new());
    }

    #[test]
    #[should_panic(expected = "is in no layer")]
    fn a_new_layer_must_be_listed() {
        let cellar = ("cellar.rs", "use crate::below::Thing; fn make() -> Thing { Thing }");
        found(&[LIB, BELOW, THING, cellar], &["below"]);
    }
}
