"""The errors of the code, for scripts/check-docs: what each says, and what the command adds as the next step."""

import re

# Crates whose errors a user can see.
CRATES = ("naq", "naq-cli", "naq-client", "naq-core", "naq-dashboard", "naq-gateway", "naq-handlers", "naq-nats", "naq-outbox", "naq-worker")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def plain(literal):
    """A string of Rust as a reader sees it: `{id}` is ID, all other values are `...`."""
    text = re.sub(r"\\\n\s*", "", literal).replace('\\"', '"').replace("\\\\", "\\")
    text = text.replace("{{", "\0").replace("}}", "\1")
    text = re.sub(r"\{([a-z_]\w*)[^}]*\}", lambda found: found.group(1).upper(), text)
    text = re.sub(r"\{[^}]*\}", "...", text)
    return text.replace("\0", "{").replace("\1", "}")


def without_comments_and_tests(source):
    source = re.sub(r"^\s*//.*\n", "", source, flags=re.MULTILINE)
    return re.split(r"^#\[cfg\(test\)\]\n(?:#\[.*\]\n)*mod ", source, flags=re.MULTILINE)[0]


def balanced(source, start):
    """The text from the bracket at `start` to the one that closes it. Brackets in strings do not count."""
    depth, at = 0, start
    while at < len(source):
        if source[at] == '"':
            at = LITERAL.match(source, at).end()
            continue
        depth += source[at] in "([{"
        depth -= source[at] in ")]}"
        at += 1
        if depth == 0:
            return source[start:at]
    raise ValueError("an open bracket")


def sources(root):
    for crate in CRATES:
        for file in sorted((root / "crates" / crate / "src").rglob("*.rs")):
            # What only tests use.
            if "testing" not in file.parts:
                yield file, without_comments_and_tests(file.read_text(encoding="utf-8"))


def errors(root):
    """{"Type::Variant": text} of all public errors with a text of their own."""
    found = {}
    for _, source in sources(root):
        for kind in re.finditer(r"^pub (enum|struct) (\w+)", source, re.MULTILINE):
            name = kind.group(2)
            if kind.group(1) == "struct":
                before = source[: kind.start()]
                attributes = re.search(r"(?:^#\[[^\n]*(?:\n[\s)][^\n]*)*\n)+\Z", before, re.MULTILINE)
                text = attributes and re.search(r"#\[error\(\s*", attributes.group(0))
                if text and (said := LITERAL.match(attributes.group(0), text.end())):
                    found[name] = plain(said.group(1))
                continue
            body = balanced(source, source.index("{", kind.end()))
            for attribute in re.finditer(r"#\[error(?=\()", body):
                inside = balanced(body, attribute.end())
                variant = re.match(r"\]\s*(?:#\[[^\]]*\]\s*)*(\w+)", body[attribute.end() + len(inside):])
                if said := LITERAL.search(inside):
                    found[f"{name}::{variant.group(1)}"] = plain(said.group(1))
    return found


def next_steps(root):
    """All texts after `next:` that the command can print."""
    found = set()
    for file, source in sources(root):
        if file.parts[-3] == "naq-cli" or "naq-cli" in file.parts:
            for call in re.finditer(r"\.next\((?=\S|\s)", source):
                inside = balanced(source, call.end() - 1)
                found.update(plain(said) for said in LITERAL.findall(inside)[:1])
            if file.name == "exit.rs":
                for some in re.finditer(r"Some\((?=format!|\")", source):
                    found.update(plain(said) for said in LITERAL.findall(balanced(source, some.end() - 1))[:1])
    return found


def kinds(root):
    """All error kinds that NAQ gives by itself."""
    core = root / "crates" / "naq-core" / "src" / "failure"
    built_in = re.search(r"^built_in! \{(.*?)^\}", (core / "kind.rs").read_text(encoding="utf-8"), re.M | re.S)
    found = set(re.findall(r'= "([^"]+)"', built_in.group(1)))
    known = without_comments_and_tests((core / "known.rs").read_text(encoding="utf-8"))
    found.update(re.findall(r'"(\w+(?:\.\w+)+)"', known))
    for file, source in sources(root):
        if "naq-handlers" in file.parts:
            found.update(re.findall(r'^const (?:KIND|PROTOCOL): &str = "(\w+)"', source, re.MULTILINE))
    return found
