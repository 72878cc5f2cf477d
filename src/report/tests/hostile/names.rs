//! Names and texts from outside that would like to be more than that.

/// What a page is compared with: a name that does nothing, and is written like no other.
pub const HARMLESS: &str = "plain";

/// Every name, each as nasty to one reader or to several.
pub fn hostile() -> Vec<String> {
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    names.push("very_long_".repeat(600));
    names.push("`".repeat(40));
    names
}

const NAMES: [&str; 62] = [
    // Markdown: fences, code, HTML, tables, lists, headings, links, mentions, formulas, pictures.
    "```\n```",
    "~~~\n~~~",
    "`x` ``y``",
    "x\n```\n</details>\n\n# big",
    "</code></summary></details><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- --> --><b>",
    "|a|b|\\|",
    "1. one",
    "12) one",
    "- one",
    "+ one",
    "* one",
    "# one",
    "> one",
    "===",
    "---",
    "[x](javascript:alert(1)) ![y](http://evil.example/y)",
    "@everyone #1 GH-1 www.evil.example https://evil.example",
    "*a* _b_ ~~c~~ $d$ $$e$$",
    ":fire: :+1:",
    // HTML and XML.
    "&amp;&#60;b&#62;&lt;i&gt;",
    "\" onclick=\"alert(1)",
    "' onclick='alert(1)",
    "]]><![CDATA[",
    "<?xml version=\"1.0\"?>",
    "\u{fffe}\u{ffff}",
    // CI systems.
    "::error file=x,line=1::y",
    "  ::stop-commands::x",
    "x\n::error::y",
    "x\r::error::y",
    "##vso[task.setvariable variable=a;isreadonly=false]b",
    "###VSO[task.complete result=Failed;]",
    "##[error]x",
    "##teamcity[buildStop]",
    "%0A::error::x%0D%25",
    // Terminals.
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[H",
    "\u{1b}]8;;https://evil.example\u{1b}\\link",
    "\u{9b}2J\u{8}\u{8}",
    "a\r\nb\rc\n\nd\u{b}\u{c}\u{85}\u{2028}\u{2029}e",
    "a\0b",
    // Readers: turned around, hidden, smuggled.
    "\u{202e}desrever\u{202c} \u{2066}x\u{2069}",
    "\u{200b}\u{200d}\u{ad}\u{feff}\u{61c}\u{180e}",
    "a\u{e0041}\u{e0042}\u{e0100}\u{fe0f}",
    // Shells, SQL, KQL, TOML, DOT and Mermaid, templates.
    "$(touch evil)`touch evil`${IFS}",
    "'; touch evil; '",
    "'; DROP TABLE x; --",
    "\"; DROP TABLE x; /* */ --",
    "x\\",
    "SQL\nSQL",
    "--help",
    "\" | take 1 //",
    "\"\"\"\nx = 1\n'''",
    "a\" -> b [label=\"x",
    "a\"] --> b[\"c",
    "${x} $${y} {{ z }}",
    "{\"a\": 1}",
    // What other tools look for.
    "Plan: 9 to add, 9 to change, 9 to destroy.",
    "x\nNo changes. Your infrastructure matches the configuration.",
    "x\nError: y\nApply complete! Resources: 9 added, 9 changed, 9 destroyed.",
    "thing.x will be destroyed",
];
