#!/usr/bin/python3
"""The lints find what they are for, and leave good code alone."""

import pathlib
import sys
import textwrap
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "lint"))

import coroutine_form  # noqa: E402
import layering  # noqa: E402
import limits  # noqa: E402
import sources  # noqa: E402


class CodeOnly(unittest.TestCase):
    def test_hides_comments_and_strings_and_keeps_lines(self):
        code = sources.code_only('a; // {\n/* {\n */ f("{\\"{", \'{\', R"x({)")x)")x");\n')
        self.assertNotIn("{", code)
        self.assertEqual(code.count("\n"), 3)
        self.assertIn("f(", code)

    def test_a_digit_separator_begins_no_character(self):
        self.assertIn("{", sources.code_only("int a = 86'400; void f() { g('x'); }"))

    def test_directives_are_no_code(self):
        self.assertNotIn("(", sources.code_only("#define F(x) \\\n  ((x)\nint a;\n"))


GOOD_AWAITS = [
    "co_await x;",
    "co_await std::move(x);",
    "co_await reactor.sleep(5s);",
    "co_await object->member.wait(a, b[2], std::move(c));",
    "int n = co_await read(socket, buffer);",
    "const Result<std::vector<int>> v = co_await f(a);",
    "[[maybe_unused]] const int result = co_await close(fd);",
    "auto& v = co_await f();",
    "const auto* v = co_await f();",
    "v = co_await f();",
    "this->member_ = co_await f();",
    "table[i].value = co_await f();",
    "*slot = co_await f();",
    "co_return co_await f(a);",
    "co_await connection.send(std::string_view(text.data(), text.size()));",
    "co_await make<Thing>(a, std::array<int, 3>());",
    "co_await resolve(name, Kind::mx);",
    "co_await f(a < b, c > d);",
    "co_await f(\n    a,  // { ? &&\n    \"{ ? && ||\");",
    "while (true) { co_await f(); }",
    "if (a) { co_await f(); } else { co_await g(); }",
    "switch (a) { case Kind::b: co_await f(); break; default: co_await g(); }",
    "for (const auto& a : all) { co_await f(a); }",
    "for (int i = 0; i < 3; ++i) { int n = co_await f(i); }",
    "// if (co_await x)\n",
    'log("if (co_await x)");',
    "auto run = [&]() -> Task<> { co_await f(); co_return; };",
    "[](int a) -> Task<> { co_await f(a); }(1);",
    "co_return;",
]

BAD_AWAITS = [
    "if (co_await x) { }",
    "if (const int n = co_await x) { }",
    "switch (co_await x) { case 1: break; }",
    "while (co_await x) { }",
    "while (a && co_await b) { }",
    "for (auto a : co_await b) { }",
    "for (int i = 0; co_await x; ++i) { }",
    "for (;; co_await x) { }",
    "f(co_await x);",
    "int n = co_await x + 1;",
    "bool b = co_await x == 3;",
    "bool b = !co_await x;",
    "bool b = a && co_await x;",
    "auto v = co_await x && y;",
    "auto v = c ? co_await x : y;",
    "auto v = co_await (c ? x : y);",
    "auto v = co_await f(c ? x : y);",
    "R r{.x = a, .y = co_await f()};",
    "R r{co_await f()};",
    "co_return R{co_await f()};",
    "co_await f({a, b});",
    "co_await f(Options{a});",
    "co_await Awaiter{\"text\"};",
    "co_await f([text = std::move(text)] { return text; });",
    "co_await f(a, [&](int) { return 1; });",
    "co_return co_await f() + 1;",
    "return co_await f();",
    "total += co_await f();",
    "auto [a, b] = co_await f();",
    "int a = co_await f(co_await g());",
    "(co_await f()).use();",
    "int a = (co_await f()).size();",
    "static_cast<void>(co_await f());",
    "if (a) co_await f();",
    "else co_await f();",
    "co_await f(), g();",
    "co_yield 1;",
    "[&]() -> Task<> { co_await f(); }();",
    "[text]() -> Task<> { co_return; }();",
    "\n#define TRY(x) co_await x\n",
]


class CoroutineForm(unittest.TestCase):
    @staticmethod
    def problems(statement):
        return list(coroutine_form.check("Task<> f() {\n  " + statement + "\n}\n"))

    def test_good_forms_pass(self):
        for statement in GOOD_AWAITS:
            with self.subTest(statement):
                self.assertEqual(self.problems(statement), [])

    def test_bad_forms_are_found(self):
        for statement in BAD_AWAITS:
            with self.subTest(statement):
                self.assertNotEqual(self.problems(statement), [])

    def test_names_the_line(self):
        text = "Task<> f() {\n  g();\n  h(\n      co_await x);\n}\n"
        self.assertEqual([line for line, _ in coroutine_form.check(text)], [4])

    def test_many_in_one_function(self):
        text = "Task<> f() {\n" + "".join(f"  {s}\n" for s in GOOD_AWAITS) + "}\n"
        self.assertEqual(list(coroutine_form.check(text)), [])


class Layering(unittest.TestCase):
    @staticmethod
    def problems(path, text):
        return [what for _, what in layering.check(path, text)]

    def test_arrows(self):
        for path, header, good in [
            ("src/queue/lane.cc", "mail/message.h", True),
            ("src/queue/lane.cc", "queue/lane.h", True),
            ("src/queue/lane.cc", "base/time.h", True),
            ("src/queue/lane.cc", "delivery/runner.h", False),
            ("src/queue/lane.cc", "ring/task.h", False),
            ("include/ringpost/smtp/reply.h", "queue/lane.h", False),
            ("src/config/load.cc", "mail/message.h", False),
            ("src/delivery/runner.cc", "queue/lane.h", True),
            ("src/delivery/runner.cc", "intake/router.h", False),
            ("src/intake/router.cc", "dsn/report.h", True),
            ("src/listener/session.cc", "control/server.h", False),
            ("src/shard/shard.cc", "control/server.h", True),
            ("src/spool/segment.cc", "dns/resolver.h", False),
        ]:
            with self.subTest(path=path, header=header):
                text = f'// A header.\n#include "ringpost/{header}"\n'
                self.assertEqual(self.problems(path, text) == [], good)

    def test_every_room_is_known(self):
        self.assertEqual(self.problems("src/attic/a.cc", ""),
                         ["room 'attic' is unknown to tools/lint/layering.py"])

    def test_liburing_belongs_to_the_seam(self):
        include = "#include <liburing.h>\n"
        self.assertEqual(self.problems("src/ring/linux_kernel.cc", include), [])
        self.assertEqual(self.problems("tests/sim/kernel.cc", include), [])
        for path in ("src/net/stream.cc", "bench/harness/sink.cc", "tests/spool/spool_test.cc"):
            self.assertNotEqual(self.problems(path, include), [], path)

    def test_pure_code_neither_waits_nor_asks_the_system(self):
        for bad in ("#include <sys/socket.h>", "#include <unistd.h>", "#include <coroutine>",
                    "int n = co_await f();"):
            with self.subTest(bad):
                self.assertNotEqual(self.problems("src/smtp/reply.cc", bad + "\n"), [])
                self.assertNotEqual(self.problems("src/dns/mx.cc", bad + "\n"), [])
                self.assertEqual(self.problems("src/dns/resolver.cc", bad + "\n"), [])

    def test_only_the_ring_reads_clocks(self):
        for read in ("auto now = std::chrono::steady_clock::now();", "clock_gettime(1, &t);"):
            self.assertNotEqual(self.problems("src/delivery/runner.cc", read), [])
            self.assertEqual(self.problems("src/ring/linux_kernel.cc", read), [])

    def test_includes_in_comments_do_not_count(self):
        self.assertEqual(self.problems("src/base/a.cc", '// #include "ringpost/ring/task.h"\n'), [])

    def test_a_pure_file_reaches_no_ring_through_others(self):
        texts = {
            "src/dns/mx.cc": '#include "ringpost/dns/mx.h"\n',
            "include/ringpost/dns/mx.h": '\n#include "ringpost/net/address.h"\n',
            "include/ringpost/net/address.h": '#include "ringpost/ring/kernel.h"\n',
        }
        self.assertEqual(len(list(layering.check_reach("src/dns/mx.cc", texts))), 1)
        texts["include/ringpost/net/address.h"] = ""
        self.assertEqual(list(layering.check_reach("src/dns/mx.cc", texts)), [])

    def test_meson_dependencies(self):
        text = "queue = declare_dependency(include_directories: headers, dependencies: [mail, {}])"
        def problems(added, used=("base", "mail")):
            return list(layering.check_meson("queue", text.format(added), set(used)))

        self.assertEqual(problems("fmt"), [])
        self.assertNotEqual(problems("delivery"), [])
        self.assertNotEqual(problems("fmt", ("config",)), [])


class Limits(unittest.TestCase):
    @staticmethod
    def problems(path, text):
        return [what for _, what in limits.check(path, textwrap.dedent(text))]

    @staticmethod
    def names(text):
        return [(name, last - first + 1) for name, first, last in
                limits.functions(textwrap.dedent(text))]

    def test_finds_functions_with_their_length(self):
        text = """\
            namespace a {
            enum class E : int { one, two };
            struct S : Base<int> {
              S() : a_{1}, b_(2) {
                run();
              }
              int f() const noexcept { return 1; }
              int member_{3};
              std::array<int, 2> values = {1, 2};
            };
            constexpr int table[] = {
                1,
            };
            template <class T>
            requires(sizeof(T) > 1)
            Result<std::vector<T>> make(
                int a, int b = f({1, 2})) {
              if (a) {
                g([&] { return b; });
              }
            }
            struct S make_s() {
            }
            }  // namespace a
            TEST(Suite, Name) {
            }
            """
        self.assertEqual([name for name, _ in self.names(text)],
                         ["S", "f", "make", "make_s", "TEST(Suite, Name)"])
        self.assertEqual(dict(self.names(text))["S"], 3)

    def test_long_functions(self):
        for lines, good in ((67, True), (68, False)):
            text = "void f() {\n" + "  g();\n" * lines + "}\n"
            self.assertEqual(self.problems("src/a/a.cc", text) == [], good, lines)

    def test_long_files(self):
        self.assertEqual(self.problems("src/a/a.cc", "int a;\n" * 500), [])
        self.assertNotEqual(self.problems("src/a/a.cc", "int a;\n" * 501), [])
        self.assertEqual(self.problems("tests/a/a.cc", "int a;\n" * 800), [])
        self.assertNotEqual(self.problems("tests/a/a.cc", "int a;\n" * 801), [])

    def test_headers(self):
        self.assertEqual(self.problems("include/a.h", "// What it owns.\n#pragma once\n"), [])
        self.assertNotEqual(self.problems("include/a.h", "#pragma once\n// Late.\n"), [])
        self.assertNotEqual(self.problems("include/a.h", "// What it owns.\nint a;\n"), [])

    def test_reminders(self):
        for word in ("TO" "DO", "FIX" "ME", "X" "XX"):
            self.assertNotEqual(self.problems("src/a.cc", f"// {word}: later\n"), [])
        self.assertEqual(self.problems("src/a.cc", 'char name[] = "/tmp/aXXXXXX";\n'), [])

    def test_commented_out_code(self):
        for line in ("// return 1;", "// f(a, b);", "// object.call();", "// int a = 1;",
                     "// if (a) {", "// }", "// a += b;", "//#include <a>"):
            self.assertNotEqual(self.problems("src/a.cc", line + "\n"), [], line)
        for line in ("// RFC 5321 section 4.5.", "// the reply, and (see there) what follows it;",
                     "// so: v = co_await x;", "// and then the rest;", "// -> x = y", "int a;  // b;",
                     "// It returns 1; never more.", "// nothing (yet);"):
            self.assertEqual(self.problems("src/a.cc", line + "\n"), [], line)


if __name__ == "__main__":
    unittest.main()
