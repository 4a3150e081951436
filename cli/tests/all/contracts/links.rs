//! Every relative link of the docs names a file, and every anchor a heading. Names in the walkthrough exist.

use super::folders::{files, root, text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The Markdown files of the project.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![
        root().join("README.md"),
        root().join("CONTRIBUTING.md"),
        root().join("CHANGELOG.md"),
    ];
    for folder in ["docs", "infra", "events"] {
        pages.extend(files(&root().join(folder), "md"));
    }
    pages
}

/// The links of a page as their texts and targets, without those in code blocks and without those to other sites.
fn links(page: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    for line in lines_outside_code(page) {
        let mut rest = line;
        while let Some(middle) = rest.find("](") {
            let label = rest[..middle]
                .rfind('[')
                .map(|start| &rest[start + 1..middle]);
            let after = &rest[middle + 2..];
            let Some(end) = after.find(')') else { break };
            let target = &after[..end];
            if !target.contains("://") && !target.starts_with("mailto:") {
                links.push((label.unwrap_or_default().to_owned(), target.to_owned()));
            }
            rest = &after[end..];
        }
    }
    links
}

fn lines_outside_code(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// The anchors of a page as GitHub makes them from its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in lines_outside_code(page) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let anchor: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut unique = anchor.clone();
        let mut number = 0;
        while !anchors.insert(unique.clone()) {
            number += 1;
            unique = format!("{anchor}-{number}");
        }
    }
    anchors
}

fn target_of(page: &Path, target: &str) -> (PathBuf, Option<String>) {
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (target, None),
    };
    let file = if file.is_empty() {
        page.to_owned()
    } else {
        page.parent().unwrap().join(file)
    };
    (file, anchor)
}

#[test]
fn every_relative_link_and_anchor_of_the_docs_exists() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for page in pages() {
        for (_, target) in links(&text(&page)) {
            followed += 1;
            let (file, anchor) = target_of(&page, &target);
            let exists = file.exists()
                && anchor.is_none_or(|anchor| {
                    file.extension().is_none_or(|extension| extension != "md")
                        || anchors(&text(&file)).contains(&anchor)
                });
            if !exists {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    assert!(followed > 100, "{followed}");
}

#[test]
fn every_name_in_the_walkthrough_is_in_its_file() {
    let page = root().join("docs/walkthrough.md");
    let mut names = 0;
    for (label, target) in links(&text(&page)) {
        let Some(name) = label
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix('`'))
        else {
            continue;
        };
        let (file, _) = target_of(&page, &target);
        let last = name.rsplit("::").next().unwrap().trim_end_matches("()");
        if !last.contains('/') && !last.contains('.') {
            assert!(text(&file).contains(last), "{name} is not in {target}");
            names += 1;
        }
    }
    assert!(names >= 10, "{names}");
}

#[test]
fn the_docs_state_the_number_of_functions() {
    let functions = std::fs::read_dir(root().join("functions")).unwrap().count();
    let words = [
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "twenty-one",
        "twenty-two",
        "twenty-three",
        "twenty-four",
        "twenty-five",
        "twenty-six",
        "twenty-seven",
        "twenty-eight",
        "twenty-nine",
        "thirty",
        "thirty-one",
        "thirty-two",
        "thirty-three",
        "thirty-four",
        "thirty-five",
        "thirty-six",
        "thirty-seven",
        "thirty-eight",
        "thirty-nine",
        "forty",
        "forty-one",
        "forty-two",
        "forty-three",
        "forty-four",
        "forty-five",
        "forty-six",
        "forty-seven",
        "forty-eight",
        "forty-nine",
        "fifty",
        "fifty-one",
    ];
    for page in pages() {
        for line in text(&page).lines() {
            let line = line.to_lowercase();
            for (index, word) in words.iter().enumerate() {
                let number = index + 10;
                let stated = line.contains(&format!("{word} functions"))
                    || line.contains(&format!(" {number} functions"))
                    || line.contains(&format!("{word} lambda functions"));
                assert!(!stated || number == functions, "{}: {line}", page.display());
            }
        }
    }
}

#[test]
fn anchors_are_made_as_github_makes_them() {
    let page = "# A page\n## `code` and 95%\n## A page\n```\n# no heading\n```\n";
    let expected = ["a-page", "a-page-1", "code-and-95"];
    assert_eq!(anchors(page).into_iter().collect::<Vec<_>>(), expected);
    let found = links("[a](b.md#c), [d](https://e) and [`f`](../g.rs)");
    let expected = [("a", "b.md#c"), ("`f`", "../g.rs")];
    let expected = expected.map(|(label, target)| (label.to_owned(), target.to_owned()));
    assert_eq!(found, expected);
}
