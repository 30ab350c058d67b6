//! The calls that the code can make, read from its source: each place that
//! waits for a function which ends in a request to DynamoDB, SES or Stripe.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprAwait, ImplItemFn, ItemFn, ItemImpl, ItemMod, Macro, Token, Type};

/// Not part of the matrix: Secrets Manager, which has its own tests (`payments/rotation.rs`), and what is below the AWS SDK.
const NOT_READ: [&str; 3] = ["shared/src/settings/secrets.rs", "shared/src/settings/rotating.rs", "shared/src/cloud/transport.rs"];

/// How a function is called.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    /// `self.name(…)`
    Own,
    /// `receiver.name(…)`
    Method,
    /// `qualifier::name(…)`, or `name(…)`
    Path(Option<String>),
    /// A request, sent by another crate.
    Sends,
}

/// A place that waits for a call.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// The called function.
    pub(super) callee: String,
    call: Call,
    /// Whether another function, which is called here, waits for it.
    pub(super) is_handed_on: bool,
    /// From the start of the call to its `.await`.
    pub(super) lines: RangeInclusive<usize>,
}

impl Site {
    /// Whether it sends the request itself.
    pub(super) fn sends(&self) -> bool {
        self.call == Call::Sends
    }
}

/// A function with its sites.
#[derive(Clone, Debug)]
pub(super) struct Function {
    /// Relative to the workspace's root.
    pub(super) file: String,
    pub(super) name: String,
    /// The type that it is a method of.
    of: Option<String>,
    has_self: bool,
    pub(super) lines: RangeInclusive<usize>,
    pub(super) sites: Vec<Site>,
}

impl Function {
    /// `functions/charge`, or `shared`
    fn home(&self) -> &str {
        self.file.split("/src/").next().unwrap_or_default()
    }

    /// Whether a call from `from` may mean this function.
    fn is_meant(&self, from: &Function, site: &Site) -> bool {
        if self.name != site.callee || (self.home() != "shared" && self.home() != from.home()) {
            return false;
        }
        match &site.call {
            Call::Sends => false,
            Call::Own => self.has_self && self.of == from.of,
            Call::Method => self.has_self,
            Call::Path(None) => !self.has_self,
            Call::Path(Some(qualifier)) => match qualifier.as_str() {
                "self" | "super" | "crate" => self.home() == from.home(),
                "Self" => self.file == from.file,
                qualifier => {
                    self.of.as_deref() == Some(qualifier) || self.file.rsplit('/').any(|part| part.trim_end_matches(".rs") == qualifier)
                }
            },
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The functions' crates, except some.
pub(super) fn crates_but(left_out: &[&str]) -> Vec<String> {
    let folders = fs::read_dir(root().join("functions")).expect("the folder is there");
    let names = folders.map(|folder| folder.expect("it can be read").file_name().into_string().expect("names are text"));
    names.filter(|name| !left_out.contains(&name.as_str())).collect()
}

/// All functions of `shared` and of these crates that wait for something.
pub(super) fn read(crates: &[String]) -> Vec<Function> {
    let root = root();
    let mut files = Vec::new();
    list(&root.join("shared/src"), &mut files);
    for name in crates {
        list(&root.join("functions").join(name).join("src"), &mut files);
    }
    let mut functions = Vec::new();
    for path in files {
        let file = path.strip_prefix(root).expect("below it").to_str().expect("names are text").to_owned();
        if NOT_READ.contains(&file.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it can be read");
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut reader = Reader { file, of: None, open: Vec::new(), functions: Vec::new() };
        reader.visit_file(&parsed);
        functions.extend(reader.functions);
    }
    functions
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            "tests" | "tests.rs" | "properties" | "properties.rs" | "trials.rs" => {}
            _ if path.is_dir() => list(&path, files),
            _ => files.push(path),
        }
    }
}

/// The sites of the crates, and of everything they reach, that end in a request: function and index.
pub(super) fn that_ask(functions: &[Function], crates: &[String]) -> Vec<(usize, usize)> {
    let meant = |from: usize, site: &Site| -> Vec<usize> {
        (0..functions.len()).filter(|to| functions[*to].is_meant(&functions[from], site)).collect()
    };
    // Finds the functions that end in a request and those that are reached, until nothing is added.
    let mut asking: BTreeSet<usize> = BTreeSet::new();
    let mut reached: BTreeSet<usize> =
        (0..functions.len()).filter(|one| crates.iter().any(|name| functions[*one].home() == format!("functions/{name}"))).collect();
    loop {
        let before = (asking.len(), reached.len());
        for (from, function) in functions.iter().enumerate() {
            for site in &function.sites {
                let to = meant(from, site);
                if site.sends() || to.iter().any(|to| asking.contains(to)) {
                    asking.insert(from);
                }
                if reached.contains(&from) {
                    reached.extend(to);
                }
            }
        }
        if before == (asking.len(), reached.len()) {
            break;
        }
    }
    let mut found = Vec::new();
    for from in reached {
        for (place, site) in functions[from].sites.iter().enumerate() {
            if site.sends() || meant(from, site).iter().any(|to| asking.contains(to)) {
                found.push((from, place));
            }
        }
    }
    found
}

struct Reader {
    file: String,
    of: Option<String>,
    open: Vec<Function>,
    functions: Vec<Function>,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        meta => meta.path().is_ident("test"),
    })
}

fn lines(span: proc_macro2::Span) -> RangeInclusive<usize> {
    span.start().line..=span.end().line
}

impl Reader {
    fn function(&mut self, name: String, has_self: bool, lines: RangeInclusive<usize>, within: impl FnOnce(&mut Self)) {
        self.open.push(Function { file: self.file.clone(), name, of: self.of.clone(), has_self, lines, sites: Vec::new() });
        within(self);
        self.functions.extend(self.open.pop());
    }

    /// Records a call that is waited for, and the calls passed to it.
    fn wait_for(&mut self, expression: &Expr, lines: &RangeInclusive<usize>, is_handed_on: bool) {
        let (callee, call) = match expression {
            Expr::Call(call) => {
                for argument in &call.args {
                    if matches!(argument, Expr::Call(_)) {
                        self.wait_for(argument, lines, true);
                    }
                }
                let Expr::Path(path) = &*call.func else { return };
                let segments: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                let Some((name, before)) = segments.split_last() else { return };
                (name.clone(), Call::Path(before.last().cloned()))
            }
            Expr::MethodCall(call) => {
                let name = call.method.to_string();
                let is_ours = matches!(&*call.receiver, Expr::Path(_) | Expr::Field(_));
                let is_own = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self"));
                match name.as_str() {
                    "send" if !is_ours || self.file.starts_with("shared/src/store/") => (name, Call::Sends),
                    "execute" | "next" => (name, Call::Sends),
                    _ if is_own => (name, Call::Own),
                    _ if is_ours => (name, Call::Method),
                    _ => return,
                }
            }
            Expr::Paren(inner) => return self.wait_for(&inner.expr, lines, is_handed_on),
            _ => return,
        };
        if let Some(function) = self.open.last_mut() {
            function.sites.push(Site { callee, call, is_handed_on, lines: lines.clone() });
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        let before = self.of.take();
        if let Type::Path(path) = &*block.self_ty {
            self.of = path.path.segments.last().map(|segment| segment.ident.to_string());
        }
        visit::visit_item_impl(self, block);
        self.of = before;
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(function.sig.ident.to_string(), false, lines(function.span()), |reader| visit::visit_item_fn(reader, function));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        let (name, has_self) = (function.sig.ident.to_string(), function.sig.receiver().is_some());
        self.function(name, has_self, lines(function.span()), |reader| visit::visit_impl_item_fn(reader, function));
    }

    fn visit_expr_await(&mut self, wait: &'ast ExprAwait) {
        self.wait_for(&wait.base, &lines(wait.span()), false);
        visit::visit_expr_await(self, wait);
    }

    /// `tokio::join!` and `tokio::try_join!` wait for their arguments.
    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if name == "join" || name == "try_join" {
            let parts = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated).expect("it is given expressions");
            let lines = lines(call.span());
            for part in &parts {
                self.wait_for(part, &lines, false);
                visit::visit_expr(self, part);
            }
        }
    }
}
