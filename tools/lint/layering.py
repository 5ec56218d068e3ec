#!/usr/bin/python3
"""Includes follow the arrows of docs/ARCHITECTURE.md, and the rooms' meson.build files agree."""

import re

import sources

# Each room with the rooms right below it; what those may use, it may use too.
BELOW = {
    "base": (),
    "mail": ("base",),
    "smtp": ("mail",),
    "dsn": ("mail",),
    "queue": ("mail",),
    "config": ("base",),
    "ring": ("base",),
    "net": ("ring",),
    "dns": ("mail", "net"),
    "spool": ("mail", "net"),
    "events": ("mail", "net"),
    "delivery": ("smtp", "queue", "config", "dns", "spool", "events"),
    "intake": ("delivery", "dsn"),
    "listener": ("intake",),
    "control": ("intake",),
    "shard": ("listener", "control"),
    "daemon": ("shard",),
}
PURE_ROOMS = ("mail", "smtp", "dsn", "queue", "config")
# Values in, values out, although their room is not: no waiting, no clock, no ring.
PURE_FILES = ("dns/message", "dns/mx", "spool/record", "events/event", "intake/assignment")
# Reads the one file that is read before any ring exists.
READS_FILES = ("config/load",)
# Only the seam speaks to the kernel's io_uring, here and in the simulation of it.
LIBURING = ("include/ringpost/ring/", "src/ring/", "tests/ring/", "tests/sim/")

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^">]+)[">]', re.MULTILINE)
_SYSTEM = re.compile(
    r"sys/(?!types\.h).*|netinet/.*|arpa/.*|netdb\.h|poll\.h|unistd\.h|fcntl\.h|linux/.*"
    r"|coroutine|thread|mutex|atomic|condition_variable|future"
)
_CLOCK = re.compile(
    r"\b(?:(?:system|steady|high_resolution|utc|file)_clock::now|clock_gettime|gettimeofday"
    r"|timespec_get|std::time|::time)\s*\("
)
_DEPENDENCIES = re.compile(r"\bdependencies:\s*\[(.*?)\]", re.DOTALL)


def closure(room):
    reached, todo = set(), [room]
    while todo:
        for below in BELOW[todo.pop()]:
            if below not in reached:
                reached.add(below)
                todo.append(below)
    return reached


def includes(text):
    """(line, header) of each include; those in comments do not count."""
    without_comments = re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                              text, flags=re.DOTALL)
    return [
        (sources.line_of(text, match.start(1)), match.group(1))
        for match in _INCLUDE.finditer(without_comments)
    ]


def room_of(path):
    match = re.match(r"(?:include/ringpost|src)/(\w+)/", path)
    return match.group(1) if match else None


def stem_of(path):
    """`dns/mx` of src/dns/mx.cc and include/ringpost/dns/mx.h."""
    match = re.match(r"(?:include/ringpost|src)/(\w+/\w+)\.", path)
    return match.group(1) if match else None


def _pure_problems(stem, text, header_lines):
    for line, header in header_lines:
        reads = stem in READS_FILES and header in ("fcntl.h", "unistd.h", "sys/stat.h")
        if _SYSTEM.fullmatch(header) and not reads:
            yield line, f"<{header}> in a pure file"
    code = sources.code_only(text)
    for match in re.finditer(r"\bco_(?:await|return|yield)\b", code):
        yield sources.line_of(code, match.start()), "a coroutine in a pure file"


def check(path, text):
    """Yields (line, problem) for the includes and clock reads of one file."""
    room, header_lines = room_of(path), includes(text)
    for line, header in header_lines:
        if header == "liburing.h" and not path.startswith(LIBURING):
            yield line, "liburing is for ring/ alone"
    if room is None:
        return
    if room not in BELOW:
        yield 1, f"room '{room}' is unknown to tools/lint/layering.py"
        return
    allowed = closure(room) | {room}
    for line, header in header_lines:
        match = re.match(r"ringpost/(\w+)/", header)
        if match and match.group(1) not in allowed:
            yield line, f"{room} must not include {match.group(1)}"
    if room != "ring":
        code = sources.code_only(text)
        for match in _CLOCK.finditer(code):
            yield sources.line_of(code, match.start()), "only ring/ reads a clock"
    if room in PURE_ROOMS or stem_of(path) in PURE_FILES:
        yield from _pure_problems(stem_of(path), text, header_lines)


def check_reach(path, texts):
    """A pure file must not meet ring/ through another header either."""
    todo, seen = [(line, header, header) for line, header in includes(texts[path])], set()
    while todo:
        line, first, header = todo.pop()
        if header in seen:
            continue
        seen.add(header)
        if header.startswith("ringpost/ring/"):
            yield line, f"a pure file reaches {header} through {first}"
        text = texts.get(f"include/{header}", "")
        todo += [(line, first, inner) for _, inner in includes(text)]


def check_meson(room, text, used):
    """Yields a problem for each room that meson.build links and the arrows do not allow, and for
    each that is `used` by an include and not linked."""
    lists = _DEPENDENCIES.findall(re.sub(r"#.*", "", text))
    named = {name for words in lists for name in re.findall(r"\w+", words) if name in BELOW}
    for name in sorted(named - closure(room) - {room}):
        yield f"{room} must not depend on {name}"
    reached = named.union(*(closure(name) for name in named))
    for name in sorted(used - reached - {room}):
        yield f"{room} includes {name} and does not depend on it"


def rooms_included(text):
    headers = (re.match(r"ringpost/(\w+)/", header) for _, header in includes(text))
    return {match.group(1) for match in headers if match}


def main():
    problems = []
    texts = {str(path): sources.read(path) for path in sources.find()}
    for path, text in texts.items():
        problems += [f"{path}:{line}: {what}" for line, what in check(path, text)]
        if room_of(path) in PURE_ROOMS or stem_of(path) in PURE_FILES:
            problems += [f"{path}:{line}: {what}" for line, what in check_reach(path, texts)]
    for room in BELOW:
        used = set().union(*(rooms_included(text) for path, text in texts.items()
                             if room_of(path) == room))
        path = sources.ROOT / "src" / room / "meson.build"
        if path.exists():
            problems += [f"src/{room}/meson.build:1: {what}"
                         for what in check_meson(room, path.read_text(), used)]
    sources.finish(problems)


if __name__ == "__main__":
    main()
