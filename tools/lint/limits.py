#!/usr/bin/python3
"""Files and functions stay short, headers are guarded and open with a comment, nothing is left
half done: no reminders, no commented-out code."""

import re

import sources

FILE_LINES = 500
TEST_FILE_LINES = 800
FUNCTION_LINES = 70

_REMINDER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
_DEAD_CODE = re.compile(
    r"//\s*(?:(?:return|break|continue|co_return|co_await|throw|delete)\b[^.]*;"
    r"|[\w:]+(?:(?:\.|->|::)\w+)*\(.*\);"
    r"|(?:const|constexpr|static|auto|int|bool|std::[\w:<>*&, ]+) .*(?: = .*|\{.*\});"
    r"|[\w.\->\[\]]+ [-+*/|&]?= .*;"
    r"|(?:if|for|while|switch) ?\(.*\) ?\{|\} else \{|\}"
    r"|#\s*(?:include|if|ifdef|endif)\b.*)\s*"
)
_SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum|extern)\b[^()]*$")


def _function_name(header):
    match = re.search(
        r"(operator\s*\S+?|(?!(?:requires|decltype|noexcept|alignas|sizeof|explicit)\b)\b[~\w:]+)"
        r"\s*\(([^()]*)", header)
    if not match:
        return "?"
    macro = match.group(1) in ("TEST", "TEST_F", "TEST_P", "BENCHMARK_F", "TYPED_TEST")
    return f"{match.group(1)}({' '.join(match.group(2).split())})" if macro else match.group(1)


def _is_member_initialiser(header):
    """`X() : a_` before `{`: that brace belongs to a_."""
    flat = re.sub(r"\s+", " ", header)
    while re.search(r"\([^()]*\)", flat):
        flat = re.sub(r"\([^()]*\)", "\0", flat)
    return re.search(r"\0[^:]*(?<!:):(?!:).*[\w>]\s*$", flat) is not None and "?" not in flat


def functions(text):
    """Yields (name, first line, last line) of the bodies of functions outside other functions."""
    code = sources.code_only(text)
    at, header_from = 0, 0
    while at < len(code):
        character = code[at]
        if character in ";}":
            header_from = at + 1
        elif character == "{":
            header = code[header_from:at]
            if header.count("(") > header.count(")"):
                at = _matching(code, at) + 1  # a default argument
                continue
            if _SCOPE.search(re.sub(r"<[^<>]*>|\([^()]*\)", " ", header.split(")")[-1])) and not (
                re.search(r"\)\s*(?:const|noexcept|override)?\s*$", header)
            ):
                header_from = at + 1  # go in
            else:
                end = _matching(code, at)
                if _is_member_initialiser(header):
                    at = end + 1
                    continue  # the header goes on behind it
                if ")" in header and not header.rstrip().endswith("="):
                    start = header_from + len(header) - len(header.lstrip())
                    yield (_function_name(header), sources.line_of(code, start),
                           sources.line_of(code, end))
                at, header_from = end, end + 1
        at += 1


def _matching(code, at):
    depth = 0
    for match in re.finditer(r"[{}]", code[at:]):
        depth += 1 if match.group(0) == "{" else -1
        if depth == 0:
            return at + match.start()
    return len(code) - 1


def check(path, text):
    """Yields (line, problem) for one C++ file."""
    lines = text.splitlines()
    limit = TEST_FILE_LINES if path.startswith("tests/") else FILE_LINES
    if len(lines) > limit:
        yield len(lines), f"{len(lines)} lines; at most {limit}"
    for name, first, last in functions(text):
        if last - first + 1 >= FUNCTION_LINES:
            yield first, f"{name} has {last - first + 1} lines; under {FUNCTION_LINES} is allowed"
    if path.endswith(".h"):
        if not lines or not lines[0].startswith("//"):
            yield 1, "a header opens with a comment that says what it owns"
        if not any(line.strip() == "#pragma once" for line in lines):
            yield 1, "#pragma once is missing"
    for number, line in enumerate(lines, 1):
        if _REMINDER.search(line):
            yield number, "a reminder; open an issue instead"
        if _DEAD_CODE.fullmatch(line.strip()):
            yield number, "commented-out code"


def main():
    problems = []
    for path in sources.find():
        problems += [f"{path}:{n}: {what}" for n, what in check(str(path), sources.read(path))]
    for path in sources.find((".py", ".sh"), ("tools", "tests", "bench")):
        count = len(sources.read(path).splitlines())
        if count > FILE_LINES:
            problems.append(f"{path}:{count}: {count} lines; at most {FILE_LINES}")
    sources.finish(problems)


if __name__ == "__main__":
    main()
