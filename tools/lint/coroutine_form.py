#!/usr/bin/python3
"""co_await appears in the forms of docs/STYLE.md only; g++ 12 miscompiles others.

    co_await x;   T v = co_await x;   v = co_await x;   co_return co_await x;

x is a name, or a call whose arguments are names, moves or plain constructor calls.
tests/compiler holds a reproduction of each miscompilation that this prevents.
"""

import re

import sources

EXEMPT = ("tests/compiler/",)  # shows the forms that break

_NAME = r"(?:::)?[A-Za-z_]\w*(?:::[~A-Za-z_]\w*)*"
_PREFIX = re.compile(
    r"(?:co_return"
    r"|[\w:<>,*&\s]+?[\s*&>]" + r"[A-Za-z_]\w*\s*="  # T v =
    r"|\*?" + _NAME + r"(?:(?:\.|->)\w+|\[\])*\s*=)?"  # v =
)
# What is awaited, after everything inside brackets is gone.
_CALL, _INDEX, _TEMPLATE = "\x01", "\x02", "\x03"
_POSTFIX = re.compile(
    r"\*?" + _NAME + r"\x03?[\x01\x02]*(?:(?:\.|->)(?:template\s+)?\w+\x03?[\x01\x02]*)*"
)
_PAIRS = {")": "(", "]": "[", "}": "{"}


def _enclosing(code):
    """For each offset of a bracket, its partner; for each co_await, the innermost open bracket."""
    stack, partner, inside = [], {}, {}
    for match in re.finditer(r"[()\[\]{}]|\bco_(?:await|yield|return)\b", code):
        token, at = match.group(0), match.start()
        if token in "([{":
            stack.append(at)
        elif token in _PAIRS:
            while stack and code[stack[-1]] != _PAIRS[token]:
                stack.pop()  # #if branches may leave brackets open
            if stack:
                partner[stack[-1]] = at
                partner[at] = stack.pop()
        else:
            inside[at] = tuple(stack)
    return partner, inside


def _statement_before(code, at, partner):
    """The text of the statement before `at`, without attributes, labels and bracket contents."""
    pieces, i = [], at - 1
    while i >= 0 and code[i] not in ";{}":
        if code[i] in ")]" and i in partner:
            opening = partner[i]
            content = code[opening : i + 1]
            pieces.append("" if content.startswith("[[") else code[opening] + code[i])
            i = opening - 1
            continue
        pieces.append(code[i])
        i -= 1
    text = "".join(piece[::-1] if len(piece) == 1 else piece for piece in reversed(pieces))
    text = re.sub(r"^\s*(?:case\b[^:]*(?:::[^:]*)*|default|public|private|protected)\s*:(?!:)", "",
                  text)
    return " ".join(text.split())


def _collapse(text):
    """Without the contents of round, square and template brackets."""
    before = None
    while before != text:
        before = text
        text = re.sub(r"\([^()]*\)", _CALL, text)
        text = re.sub(r"(?<=[\w)\]" + _CALL + r"])\[[^\[\]]+\]", _INDEX, text)
        text = re.sub(r"(?<=\w)<(?=[^<>=&|!+]*[\w:*&]>)[^<>]+>", _TEMPLATE, text)
    return re.sub(r"\s*(\.|->|::|[\x01-\x03])\s*", r"\1", text).strip()


def _awaited_problem(operand):
    if re.search(r"\bco_await\b", operand):
        return "two co_await in one statement"
    if "{" in operand:
        return "a lambda or a braced list in a co_await statement"
    if "?" in operand:
        return "co_await with ?:"
    if "&&" in operand or "||" in operand:
        return "co_await with && or ||"
    if re.search(r"(?:^|[(,=&|?:!])\s*\[", operand):
        return "a lambda in a co_await statement"
    if not _POSTFIX.fullmatch(_collapse(operand)):
        return "co_await is only part of an expression"
    return None


def _await_problem(code, at, partner, inside):
    around = inside[at]
    if not around:
        return "co_await outside a function"
    if code[around[-1]] != "{":
        return "co_await inside a condition, an argument or a bracketed expression"
    prefix = _statement_before(code, at, partner)
    if re.match(r"(?:if|for|while|switch|else|do)\b", prefix):
        return "co_await as the unbraced body of a statement"
    if not _PREFIX.fullmatch(prefix):
        return f"'{prefix} co_await' is not one of the allowed forms"
    depth_end = partner.get(around[-1], len(code))
    end = _end_of_statement(code, at, depth_end, partner)
    if end is None:
        return "co_await in a braced list"
    return _awaited_problem(code[at + len("co_await") : end])


def _end_of_statement(code, at, limit, partner):
    i = at
    while i < limit:
        if code[i] == ";":
            return i
        if code[i] in "([{" and i in partner:
            i = partner[i]
        i += 1
    return None


def _lambda_problem(code, around, partner):
    """An invoked-at-once lambda coroutine must capture nothing: its captures die with it."""
    for brace in reversed(around):
        if code[brace] != "{":
            continue
        head = re.search(r"\[([^\[\]]*)\]\s*(?:\(.*\))?[\w\s:<>,*&\->]*$",
                         code[max(0, brace - 400) : brace].rsplit(";", 1)[-1], re.DOTALL)
        if not head:
            continue
        after = code[partner.get(brace, brace) + 1 :].lstrip()
        if head.group(1).strip() and after.startswith("("):
            return "a capturing lambda coroutine that is invoked at once outlives its captures"
        return None
    return None


def check(text):
    """Yields (line, problem) for each violation in a source text."""
    with_directives = sources.code_only(text, keep_directives=True)
    code = sources.code_only(text)
    for match in re.finditer(r"\bco_(?:await|yield)\b", with_directives):
        if code[match.start() : match.end()] != match.group(0):
            yield sources.line_of(text, match.start()), "co_await in a macro"
    partner, inside = _enclosing(code)
    for at, around in inside.items():
        word = re.match(r"\w+", code[at:]).group(0)
        if word == "co_yield":
            problem = "co_yield"
        elif word == "co_await":
            problem = _await_problem(code, at, partner, inside)
        else:
            problem = None
        problem = problem or _lambda_problem(code, around, partner)
        if problem:
            yield sources.line_of(text, at), problem


def main():
    problems = []
    for path in sources.find():
        if str(path).startswith(EXEMPT):
            continue
        problems += [f"{path}:{line}: {what}" for line, what in check(sources.read(path))]
    sources.finish(problems)


if __name__ == "__main__":
    main()
