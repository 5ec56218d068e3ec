"""What the lints share: finding our sources, and blanking what is no code in them."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = ("include", "src", "tests", "bench", "tools")
CPP = (".h", ".cc")

# One token that may hide brackets or semicolons: comments, raw strings, strings, characters. A
# digit separator (86'400) begins no character.
_HIDING = re.compile(
    r'//(?:[^\n\\]|\\.|\\\n)*|/\*.*?\*/'
    r'|R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'",
    re.DOTALL,
)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.MULTILINE)


def find(endings=CPP, top=TOP, root=ROOT):
    """Our files, as paths relative to the root, in order."""
    found = []
    for folder in top:
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.name.endswith(tuple(endings)):
                found.append(path.relative_to(root))
    return sorted(found)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text, keep_directives=False):
    """The text with comments blanked and strings emptied; every line stays on its line."""

    def replace(match):
        token = match.group(0)
        if token.startswith("/"):
            return _blank(token)
        quote = token[-1]
        return quote + _blank(token[1:-1]) + quote if not token.startswith("R") else (
            '"' + _blank(token[1:-1]) + '"'
        )

    text = _HIDING.sub(replace, text)
    return text if keep_directives else _DIRECTIVE.sub(lambda m: _blank(m.group(0)), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def finish(problems):
    """Prints `path:line: what` for each problem and ends the program."""
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
